"""The site that shows runs by date."""

import json
import re
from pathlib import Path

import pytest

from pytest_claims.report import EvidenceError, add
from pytest_claims.report.history import LATEST
from tests.pytest_claims.report.evidence_example import HOSTILE
from tests.pytest_claims.report.page import Node, parse
from tests.pytest_claims.report.test_comparison import sound, turned


def night(day: int, **provenance: str) -> dict[str, object]:
    return sound(f"2026-01-{day:02d}T03:00:00+00:00", **provenance)


def nights(page: Path) -> list[Node]:
    return parse(page.read_text(encoding="utf-8")).one("ol", css="nights").all("li")


def first(site: Path) -> str:
    return parse((site / "index.html").read_text(encoding="utf-8")).one(css="answer").words


def test_runs_are_added_the_latest_first(tmp_path: Path) -> None:
    """In two calls, the later run first."""
    site = tmp_path / "site"
    (said,) = add([night(2)], site)
    assert said.startswith(str(site / "runs" / "2026-01-02-0300-torch-"))
    assert said.endswith(": new")
    assert first(site) == "1 run, 2026-01-02; here no run of the last day has an earlier one of its kind."
    add([turned(night(3), "C0", "REFUTED"), night(1)], site)
    assert first(site) == "3 runs, 2026-01-01 to 2026-01-03; the 1 run of 2026-01-03 changed 1 verdict."
    rows = [li for li in nights(site / "index.html") if li.all("a", css="when")]
    assert [li.one("a", css="when").words for li in rows] == [
        "2026-01-03 03:00",
        "2026-01-02 03:00",
        "2026-01-01 03:00",
    ]
    assert "C0: SUPPORTED -> REFUTED" in rows[0].words
    assert "No verdict changed since 2026-01-01 03:00." in rows[1].words
    assert "No earlier run of its kind here." in rows[2].words


def test_each_run_has_its_report_and_evidence(tmp_path: Path) -> None:
    made = night(1)
    add([made], tmp_path)
    (row,) = [li for li in nights(tmp_path / "index.html") if li.all("a", css="when")]
    for link in row.all("a"):
        assert (tmp_path / str(link.attributes["href"])).is_file()
    (stored,) = tmp_path.glob("runs/*/evidence.json")
    assert json.loads(stored.read_text()) == made


def test_the_same_run_twice_is_one_and_nothing_is_written(tmp_path: Path) -> None:
    add([night(1), night(2)], tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert [line.rsplit(": ")[-1] for line in add([night(2), night(1)], tmp_path)] == ["already there"] * 2
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_runs_are_set_beside_those_of_their_kind(tmp_path: Path) -> None:
    """Another device is another kind."""
    add([night(1), turned(night(2, device="cuda"), "C0", "REFUTED"), night(3)], tmp_path)
    assert first(tmp_path) == "3 runs, 2026-01-01 to 2026-01-03; the 1 run of 2026-01-03 changed no verdict."
    (page,) = tmp_path.glob("comparison-*.html")
    assert "cuda" not in page.name


def test_first_run_under_a_torch_is_set_beside_the_last_of_another(tmp_path: Path) -> None:
    """And from then on beside its own; what differs between versions has a page."""
    old, new = {"torch": "2.9.1"}, {"torch": "2.10.0"}
    add([night(1, **old), turned(night(2, **new), "C0", "REFUTED"), night(3, **old)], tmp_path)
    last, middle, _ = [li for li in nights(tmp_path / "index.html") if li.all("a", css="when")]
    assert "1 verdict changed since 2026-01-01 03:00, under torch 2.9.1:" in middle.words
    assert "No verdict changed since 2026-01-01 03:00." in last.words
    (comparison,), (versions,) = tmp_path.glob("comparison-*.html"), tmp_path.glob("versions-*.html")
    assert comparison.name.endswith("-2.9.1.html")
    shown = parse(versions.read_text(encoding="utf-8")).one("main").words
    assert shown.index("torch 2.9.1") < shown.index("torch 2.10.0")
    listed = parse((tmp_path / "index.html").read_text(encoding="utf-8")).all("ul", css="findings")[0].words
    assert "2 torch versions; the last run of each side by side" in listed


def test_pre_releases_of_a_version_are_one_kind(tmp_path: Path) -> None:
    """Before the version itself, after the one before it."""
    early = [night(day, torch=f"2.15.0.dev2026010{day}+cpu") for day in (1, 2)]
    add([*early, night(3, torch="2.15.0rc2"), night(4, torch="2.9.1+git1a2"), night(5, torch="2.15.0")], tmp_path)
    (versions,) = tmp_path.glob("versions-*.html")
    shown = parse(versions.read_text(encoding="utf-8")).one("main").words
    assert re.findall(r"torch (\d[\w.+]*?)(?=2026-)", shown) == ["2.9.1+git1a2", "2.15.0rc2", "2.15.0"]
    (comparison,) = tmp_path.glob("comparison-*.html")
    assert comparison.name.endswith("2.15.0-pre-release.html")


def test_all_given_runs_may_be_too_old(tmp_path: Path) -> None:
    add([night(3)], tmp_path)
    lines = add([night(1), night(2)], tmp_path, keep=1)
    assert [line.rsplit(": ")[-1] for line in lines] == ["too old"] * 2
    assert [path.name[:10] for path in (tmp_path / "runs").iterdir()] == ["2026-01-03"]


def test_answer_is_about_all_runs_of_the_last_day(tmp_path: Path) -> None:
    changed = turned(sound("2026-01-02T01:00:00+00:00"), "C0", "REFUTED")
    add([night(1), changed, sound("2026-01-02T02:00:00+00:00", device="cuda")], tmp_path)
    assert first(tmp_path) == "3 runs, 2026-01-01 to 2026-01-02; the 2 runs of 2026-01-02 changed 1 verdict."


def test_old_runs_are_taken_out(tmp_path: Path) -> None:
    add([night(1), night(2)], tmp_path)
    *lines, last = add([night(3), sound("2025-12-31T03:00:00+00:00")], tmp_path, keep=2)
    assert [line.rsplit(": ")[-1] for line in lines] == ["new", "too old"]
    assert last == "1 run taken out, 2 kept"
    assert sorted(path.name[:10] for path in (tmp_path / "runs").iterdir()) == ["2026-01-02", "2026-01-03"]
    assert len([li for li in nights(tmp_path / "index.html") if li.all("a", css="when")]) == 2


def test_a_page_a_month_and_stale_ones_go(tmp_path: Path) -> None:
    add([night(1), sound("2026-02-01T03:00:00+00:00")], tmp_path)
    assert sorted(path.name for path in tmp_path.glob("2026-*.html")) == ["2026-01.html", "2026-02.html"]
    for file in next(iter(tmp_path.glob("runs/2026-02*"))).iterdir():
        file.unlink()
    add([], tmp_path)
    assert [path.name for path in tmp_path.glob("2026-*.html")] == ["2026-01.html"]


def test_first_page_has_the_latest_alone(tmp_path: Path) -> None:
    add([sound(f"2026-01-01T{hour:02d}:{half:02d}:00+00:00") for hour in range(16) for half in (0, 30)], tmp_path)
    assert len([li for li in nights(tmp_path / "index.html") if li.all("a", css="when")]) == LATEST
    assert len([li for li in nights(tmp_path / "2026-01.html") if li.all("a", css="when")]) == 32


def test_damaged_run_is_refused_and_nothing_written(tmp_path: Path) -> None:
    add([night(1)], tmp_path)
    (stored,) = tmp_path.glob("runs/*/evidence.json")
    whole = stored.read_text()
    page = (tmp_path / "index.html").read_bytes()
    for damaged in (whole[:100], "[]", "{}"):
        stored.write_text(damaged)
        with pytest.raises(EvidenceError, match="damaged; restore it, or take its directory out"):
            add([night(2)], tmp_path)
        assert (tmp_path / "index.html").read_bytes() == page
        assert len(list(tmp_path.glob("runs/*"))) == 1


def test_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="a history of no runs; name one to add"):
        add([], tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_what_a_run_says_is_escaped_and_no_path(tmp_path: Path) -> None:
    add([night(1, torch=HOSTILE, device="../../up")], tmp_path)
    assert HOSTILE not in (tmp_path / "index.html").read_text(encoding="utf-8")
    (directory,) = tmp_path.glob("runs/*")
    assert directory.is_dir()
