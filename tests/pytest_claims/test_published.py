"""Publishing a run: the three files, what is refused, and that the committed table is the evidence's."""

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_claims import publishing
from pytest_claims.archive import Archive, ArchiveError
from pytest_claims.claims_table import claims_table
from pytest_claims.published import Published
from pytest_claims.publishing import publish
from pytest_claims.report import EvidenceError, load
from pytest_claims.report.standalone import pictures
from pytest_claims.store import Store
from pytest_claims.trial import Json
from tests.pytest_claims import project
from tests.pytest_claims.project import ROOT, judging
from tests.pytest_claims.report.evidence_example import example

LATEST, STORE, TO, TABLE = "reports/latest", ".claims/store.sqlite", "reports/published", "docs/claims.md"


def published(at: Path) -> list[str]:
    """Publish the run of a project."""
    return publish(at / LATEST, at / STORE, to=at / TO, table=at / TABLE)


@pytest.fixture
def at(pytester: pytest.Pytester) -> Path:
    """A project that has run, with a trial in its store that no claim used."""
    at = project.write(pytester, project.THREE + project.PROPERTY)
    project.run(pytester)
    other = at / "other.sqlite"
    project.run(pytester, "--scale=smoke", f"--claims-store={other}", "--claims-report=other")
    with Store(other) as smoke, Store(at / STORE) as store:
        store.add(smoke.trials())
    return at


def test_publish(at: Path) -> None:
    """The same document, exactly its trials, the table and its picture."""
    sizes = published(at)
    names = ["reports/published/evidence.json", "reports/published/trials.jsonl.xz", TABLE]
    drawn = ["docs/overview-light.svg", "docs/overview-dark.svg"]
    assert [line.partition(",")[0] for line in sizes] == [str(at / name) for name in [*names, *drawn]]
    evidence = project.evidence(at)
    assert (at / TO / "evidence.json").read_text() == json.dumps(evidence, separators=(",", ":")) + "\n"
    archive = Archive.open(at / TO / "trials.jsonl.xz")
    assert archive.keys == {(key, trial["horizon"]) for key, trial in evidence["trials"].items()}
    assert len(archive.keys) == 32
    with Store(at / STORE) as store:
        assert store.count() > 32
    assert (at / TABLE).read_text() == claims_table(evidence)
    assert published(at) == sizes


def test_publish_longer_since(at: Path) -> None:
    """A longer run of a trial that came later is not the one that the evidence is of."""
    first = Archive.open(at / published(at)[1].partition(",")[0]).keys
    with Store(at / STORE) as store:
        store.add([_longer(trial) for trial in store.trials(first)])
    published(at)
    assert Archive.open(at / TO / "trials.jsonl.xz").keys == first


def _longer(trial: Any) -> Any:
    return type(trial)(**(vars(trial) | {"horizon": 99}))


def refused(at: Path, error: type[Exception], said: str) -> None:
    """Nothing is published then."""
    with pytest.raises(error, match=said):
        published(at)
    assert not (at / TO).exists()
    assert not (at / TABLE).exists()


def test_publish_trial_missing(at: Path) -> None:
    (at / STORE).unlink()
    with Store(at / "other.sqlite") as smoke, Store(at / STORE) as store:
        store.add(smoke.trials())
    refused(at, ArchiveError, r"store.sqlite: 32 of 32 trials are not in it.*--store.*run the claims again")


def test_publish_no_store(at: Path) -> None:
    (at / STORE).unlink()
    refused(at, ArchiveError, r"store.sqlite: no such file; name the store .*--store")


def test_publish_evidence_without_trial(at: Path) -> None:
    """As a run leaves it that could not read its store in the end."""
    path = at / LATEST / "evidence.json"
    path.write_text(json.dumps(project.evidence(at) | {"trials": {}}))
    refused(at, ArchiveError, r"evidence: trial \w{16} is named by a claim and not among the trials")


def test_publish_interrupted(at: Path) -> None:
    path = at / LATEST / "evidence.json"
    path.write_text(json.dumps(project.evidence(at) | {"status": "interrupted"}))
    refused(at, ArchiveError, "evidence.json: the run was interrupted; run the same command again")


def test_publish_damaged_report(at: Path) -> None:
    (at / LATEST / "evidence.json").write_text("{")
    refused(at, EvidenceError, "evidence.json: not readable as JSON")


def test_publish_too_large(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how large, file by file."""
    monkeypatch.setattr(publishing, "MOST_BYTES", 1_000)
    refused(
        at,
        ArchiveError,
        r"0\.0\d+ MB compressed to publish \(.*evidence.json, 0\.0\d+ MB; .*xz, .*claims.md, .*at most 0.001 MB",
    )


def test_verdicts(at: Path) -> None:
    published(at)
    verdicts = Published(at / TO).verdicts()
    assert set(verdicts) == {"Q1.1", "Q1.2", "Q2.1", "Q9.1"}
    reading = project.evidence(at)["claims"][0]["readings"][0]
    assert verdicts["Q1.1"] == {
        "outcome": "SUPPORTED",
        "figures": f"{reading['mean']:+.3g}",
        "scale": "standard",
        "seeds": 8,
    }
    assert verdicts["Q9.1"]["figures"] == "1 cases, worst error 0.01 of its bound"


def test_nothing_published(tmp_path: Path) -> None:
    """Neither a missing directory nor an empty one is an error."""
    for directory in (tmp_path, tmp_path / "missing"):
        assert Published(directory).verdicts() == {}
        assert Published(directory).archive() is None


def table(claims: list[Json] | None = None, **changes: Any) -> list[str]:
    """Lines of the example's table."""
    evidence = example() | changes
    return claims_table(evidence | {"claims": evidence["claims"] if claims is None else claims}).splitlines()


def row(**changes: Any) -> list[str]:
    """Cells of one claim, a superiority of the example with changes."""
    claim = next(c for c in example()["claims"] if c["kind"] == "superiority")
    lines = table([claim | changes])
    return [
        cell.strip() for cell in lines[lines.index("| --- | --- | --- | --- | --- | --- | --- |") + 1].split("|")[1:-1]
    ]


def test_table_head() -> None:
    lines = table(provenance={"commit": "0123abc", "torch": "2.14.1+cpu", "numpy": "2.4", "device": "cpu", "cores": 2})
    assert lines[0] == "<!-- Generated by `python -m pytest_claims publish`; do not edit. -->"
    assert (
        "Run of 2026-11-24, commit 0123abc, at scale full (on 60,000 images), with numpy 2.4, torch 2.14.1+cpu."
        in lines
    )


def test_table_head_without_versions() -> None:
    assert "Run of 2026-11-24, at scale full (on 60,000 images)." in table(provenance={"device": "cpu"})


def test_table_natural_order() -> None:
    ids = [line.split(" | ")[0].removeprefix("| ") for line in table() if line.startswith("| C")][1:]
    assert ids == sorted(ids, key=lambda id_: [int(part) for part in id_[1:].partition("[")[0].split(".")])
    claim = next(c for c in example()["claims"] if c["kind"] == "superiority")
    lines = table([claim | {"id": id_} for id_ in ("Q2.10", "Q2.9", "Q1.1")])
    assert [line.split()[1] for line in lines if line.startswith("| Q")] == ["Q1.1", "Q2.9", "Q2.10"]


def test_table_row() -> None:
    reading = {"name": "", "values": [], "low": 0.011, "mean": 0.0132, "high": 0.0154, "measure": "accuracy points"}
    cells = row(
        id="Q1",
        statement="It helps | a *lot*.",
        reported={"with": 0.9871, "without": 0.98},
        readings=[reading | {"scaling": 100.0, "region": [0.0, None]}],
        seeds=8,
        outcome="SUPPORTED",
        expected="SUPPORTED",
    )
    assert "\\" in cells[1]
    assert cells[-5:] == [
        "with: 0.9871; without: 0.98",
        "\N{CHECK MARK} Supported",
        "+1.32 accuracy points",
        "+1.10 to +1.54",
        "8",
    ]


def test_table_row_unexpected() -> None:
    assert row(outcome="SUPPORTED", expected="REFUTED")[3] == "\N{CHECK MARK} Supported (expected refuted)"


def test_table_row_not_judged() -> None:
    assert row(outcome="NOT JUDGED", readings=[], seeds=0)[3:] == ["\N{WHITE CIRCLE} Not judged", "", "", ""]


def test_table_row_property() -> None:
    worst = {"a": {"checks": 500, "share": 0.25, "error": 1e-7, "bound": 4e-7}}
    more = {"b": {"checks": 1500, "share": 0.125, "error": 1e-7, "bound": 8e-7}}
    assert row(kind="property", readings=[], worst=worst | more)[4:] == [
        "worst error 0.25 of its bound",
        "",
        "1,500",
    ]
    beyond = {"a": {"checks": 1, "share": None, "error": None, "bound": 4e-7}}
    assert row(kind="property", readings=[], worst=beyond)[4] == "worst error beyond its bound"


def test_table_errata() -> None:
    """Once for all variants of a claim; no heading without any."""
    claim = next(c for c in example()["claims"] if c["kind"] == "superiority")
    variants = [claim | {"id": id_, "erratum": text} for id_, text in (("Q2[b]", "Wrong."), ("Q2[a]", "Wrong."))]
    lines = table([*variants, claim | {"id": "Q3", "erratum": ""}, claim | {"id": "Q4", "erratum": "A *slip*."}])
    assert lines[-4:] == ["## Errata in the write-up", "", "- Q2\\[a\\], Q2\\[b\\]: Wrong.", "- Q4: A \\*slip\\*."]
    assert "## Errata in the write-up" not in table([claim | {"erratum": ""}])


def test_table_problems() -> None:
    assert "> **Note:** Mind the \\*gap\\*." in table(problems=["Mind the *gap*."])


def test_committed_table() -> None:
    """`docs/claims.md` is what the generator gives for the committed evidence; nobody edited it."""
    evidence, committed = ROOT / TO / "evidence.json", ROOT / TABLE
    if not evidence.exists() or not committed.exists():
        pytest.skip("nothing is published yet")
    assert committed.read_text() == claims_table(load(evidence)), "run `python -m pytest_claims publish` again"
    for name, picture in pictures(load(evidence)).items():
        assert committed.with_name(name).read_text() == picture, "run `python -m pytest_claims publish` again"


def test_committed_trials() -> None:
    """The committed archive holds every trial that the committed evidence names, and those of a longer run under way."""
    evidence, archive = ROOT / TO / "evidence.json", Published(ROOT / TO).archive()
    if not evidence.exists() or archive is None:
        pytest.skip("nothing is published yet")
    assert archive.keys >= publishing.trials_of(load(evidence))
    assert len(archive.read()) == len(archive.keys)


def test_supported_judged_again(pytester: pytest.Pytester) -> None:
    """What is published and published again from its own archive has the same trials, byte for byte."""
    at = project.write(pytester, judging("up", 'gain("Q1.1")'), ini=f"claims_published = {TO}\n")
    project.run(pytester)
    published(at)
    first = (at / TO / "trials.jsonl.xz").read_bytes()
    (at / STORE).unlink()
    project.run(pytester, "--claims-no-train").assert_outcomes(passed=1)
    published(at)
    assert (at / TO / "trials.jsonl.xz").read_bytes() == first
    assert "published" in project.evidence(at)["claims"][0]
    assert "published" not in load(at / TO / "evidence.json")["claims"][0]
