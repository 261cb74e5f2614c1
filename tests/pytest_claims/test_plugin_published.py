"""Published evidence inside pytest: its trials spare training, its verdicts stand beside fresh ones."""

import json
from pathlib import Path

import pytest

from pytest_claims.archive import Archive
from pytest_claims.publishing import publish
from pytest_claims.store import Store
from pytest_claims.trial import Json
from tests.pytest_claims import project, toy
from tests.pytest_claims.project import judging
from tests.pytest_claims.test_plugin_errors import refused

INI = "claims_published = reports/published\n"
ALL = project.THREE + project.PROPERTY
STORE, TRIALS, EVIDENCE = ".claims/store.sqlite", "reports/published/trials.jsonl.xz", "reports/published/evidence.json"
ELSEWHERE = project.CONFTEST.replace("device=device", 'device=device, environment={"toy": "2", "data": "abc"}')


def write(pytester: pytest.Pytester, claims: str = ALL, *options: str) -> Path:
    """A project that published a run and, as after a fresh clone, has neither store nor report."""
    at = project.write(pytester, claims, ini=INI)
    project.run(pytester, *options)
    publish(at / "reports/latest", at / STORE, to=at / "reports/published", table=at / "docs/claims.md")
    forget(at)
    return at


def forget(at: Path) -> None:
    """Leave the files of version control alone."""
    for path in (at / ".claims").iterdir():
        path.unlink()
    (at / "trainings").unlink(missing_ok=True)


def trained(at: Path) -> int:
    """Trainings since the run that was published."""
    return len(toy.trainings(at / "trainings"))


def published_claims(at: Path) -> list[Json]:
    """As the published evidence has them."""
    found: list[Json] = json.loads((at / EVIDENCE).read_text())["claims"]
    return found


def test_trials_taken(pytester: pytest.Pytester) -> None:
    """Nothing is trained, and everything comes out the same; the second run takes nothing more."""
    at = write(pytester)
    result = project.run(pytester)
    assert result.parseoutcomes() == {"passed": 2, "failed": 1, "inconclusive": 1}
    result.stdout.fnmatch_lines(["claims: 32 published trials taken into *store.sqlite"])
    assert trained(at) == 0
    fresh = project.evidence(at)
    assert [{k: v for k, v in claim.items() if k != "published"} for claim in fresh["claims"]] == published_claims(at)
    assert fresh["problems"] == []
    assert "published trials taken" not in project.run(pytester).stdout.str()


def test_trials_unchanged(pytester: pytest.Pytester) -> None:
    at = write(pytester)
    project.run(pytester)
    with Store(at / STORE) as store:
        archive = Archive.open(at / TRIALS).read()
        assert list(store.trials()) == sorted(archive, key=lambda trial: trial.key)


def test_trials_of_some(pytester: pytest.Pytester) -> None:
    """What was not published is trained."""
    at = write(pytester, judging("up", 'gain("Q1.1")'))
    (at / "test_toys.py").write_text(project.HEAD + project.THREE)
    project.run(pytester)
    assert {gain for gain, _ in toy.trainings(at / "trainings")} == {-0.1, 1e-4}


def test_trials_select(pytester: pytest.Pytester) -> None:
    """A claim alone comes to the verdict that it had in its family."""
    at = write(pytester)
    project.run(pytester, "--claims-no-train", "-k", "Q1.1").assert_outcomes(passed=1)
    (claim,) = project.evidence(at)["claims"]
    assert claim["pvalues"] == published_claims(at)[0]["pvalues"]


def test_trials_later_looks(pytester: pytest.Pytester) -> None:
    """Where the first look is stored, the others are taken all the same."""
    at = write(pytester, judging("same", 'gain("Q2.1", 1e-4)'), "--scale=full")
    project.run(pytester, "--scale=full", "--claims-fresh", "--claims-seeds-max=8")
    (fresh,) = (at / ".claims").glob("store-fresh-*.sqlite")
    fresh.rename(at / STORE)
    before = trained(at)
    project.run(pytester, "--scale=full")
    assert project.evidence(at)["claims"][0]["seeds"] == 20
    assert trained(at) == before == 16


def test_trials_not_wanted(pytester: pytest.Pytester) -> None:
    """Trials of other recipes stay where they are."""
    at = write(pytester, judging("up", 'gain("Q1.1")'))
    (at / "test_toys.py").write_text(
        project.HEAD + judging("up", 'gain("Q1.1", arms={"better": R(gain=0.1, noise=0.02), "plain": R(noise=0.02)})')
    )
    (at / "test_toys.py").write_text(
        (at / "test_toys.py").read_text().replace("import gain", "import gain, Recipe as R")
    )
    project.run(pytester).assert_outcomes(passed=1)
    assert trained(at) == 16
    assert len(project.stored(at)) == 16


def test_trials_fresh(pytester: pytest.Pytester) -> None:
    """`--claims-fresh` trains everything again, and shows what was published."""
    at = write(pytester)
    result = project.run(pytester, "--claims-fresh")
    assert trained(at) == 32
    result.stdout.fnmatch_lines(["4 of 4 published verdicts came out the same"])


def test_plan(pytester: pytest.Pytester) -> None:
    """What is published does not wait to be trained."""
    at = write(pytester)
    project.run(pytester, "--claims-plan").stdout.fnmatch_lines(["*32 stored, 0 to train*"])
    assert trained(at) == 0


def test_other_environment_trains(pytester: pytest.Pytester) -> None:
    """Under another environment the published trials are not the ones that are wanted."""
    at = write(pytester)
    pytester.makeconftest(ELSEWHERE)
    project.run(pytester)
    assert trained(at) == 32
    assert project.evidence(at)["problems"] == []


def test_other_environment_no_train(pytester: pytest.Pytester) -> None:
    """Judged under the archive's environment, which is said in one line and in the evidence."""
    at = write(pytester)
    pytester.makeconftest(ELSEWHERE)
    for _ in range(2):  # the second time everything is stored
        result = project.run(pytester, "--claims-no-train")
        assert result.parseoutcomes() == {"passed": 2, "failed": 1, "inconclusive": 1}
        said = (
            "Judged from published trials under data not named, toy 1; none are stored under data abc, toy 2, "
            "which this machine has."
        )
        assert [line for line in result.stdout.lines if "Judged from" in line] == [f"problem: {said}"]
        evidence = project.evidence(at)
        assert evidence["problems"] == [said]
        assert evidence["provenance"]["toy"] == "1"
        assert evidence["provenance"]["environment of this machine"] == {"toy": "2", "data": "abc"}
        assert len(evidence["trials"]) == 32
    assert trained(at) == 0


def test_other_environment_own_trials(pytester: pytest.Pytester) -> None:
    """A trial under the current environment is judged, however few there are."""
    at = write(pytester)
    pytester.makeconftest(ELSEWHERE)
    project.run(pytester, "-k", "Q1.1")
    project.run(pytester, "--claims-no-train")
    assert project.outcomes(at) | {"Q9.1": ""} == {
        "Q1.1": "SUPPORTED",
        "Q1.2": "NOT JUDGED",
        "Q2.1": "NOT JUDGED",
        "Q9.1": "",
    }
    assert project.evidence(at)["provenance"]["toy"] == "2"


def test_other_environment_of_two(pytester: pytest.Pytester) -> None:
    """An archive of two environments leaves open which one to judge under."""
    at = write(pytester)
    project.run(pytester)
    pytester.makeconftest(ELSEWHERE)
    project.run(pytester)
    with Store(at / STORE) as store:
        from pytest_claims.archive import export

        (at / TRIALS).write_bytes(export(store))
    forget(at)
    pytester.makeconftest(ELSEWHERE.replace('"abc"', '"abcd"'))
    project.run(pytester, "--claims-no-train", "-m", "statistical")
    assert set(project.outcomes(at).values()) == {"NOT JUDGED"}


def test_other_environment_other_scale(pytester: pytest.Pytester) -> None:
    """Where the archive has nothing for the run, it is not judged under its environment."""
    at = write(pytester, judging("up", 'gain("Q1.1")'), "--scale=smoke")
    pytester.makeconftest(ELSEWHERE)
    project.run(pytester, "--claims-no-train", "--scale=full")
    assert project.evidence(at)["problems"] == []
    assert project.evidence(at)["provenance"]["toy"] == "2"


def test_table(pytester: pytest.Pytester) -> None:
    """The published verdict stands beside the fresh one, and in the report."""
    at = write(pytester)
    result = project.run(pytester)
    reading = project.evidence(at)["claims"][0]["readings"][0]
    result.stdout.fnmatch_lines(
        [
            f"Q1.1  SUPPORTED  *; published: SUPPORTED {reading['mean']:+.3g} (standard, 8 seeds)",
            "Q9.1  SUPPORTED  *; published: SUPPORTED 1 cases, worst error 0.01 of its bound (standard)",
            "4 claims: *",
            "4 of 4 published verdicts came out the same",
        ]
    )
    assert [claim["published"]["outcome"] for claim in project.evidence(at)["claims"]] == [
        "SUPPORTED",
        "REFUTED",
        "INCONCLUSIVE",
        "SUPPORTED",
    ]
    page = (at / "reports/latest/index.html").read_text()
    assert f"Published: SUPPORTED {reading['mean']:+.3g} (standard, 8 seeds)." in page


def test_table_differs(pytester: pytest.Pytester) -> None:
    """Also by scale, which is named; what is not judged shows the published verdict and differs from nothing."""
    at = write(pytester)
    document = json.loads((at / EVIDENCE).read_text())
    document["claims"][0] |= {"outcome": "REFUTED", "scale": "full"}
    document["claims"][1] |= {"outcome": "INCONCLUSIVE"}
    (at / EVIDENCE).write_text(json.dumps(document))
    project.run(pytester).stdout.fnmatch_lines(
        [
            "differs: Q1.1 SUPPORTED (scale standard), published: REFUTED +* (full, 8 seeds)",
            "differs: Q1.2 REFUTED, published: INCONCLUSIVE -* (standard, 8 seeds)",
            "2 of 4 published verdicts came out the same",
        ]
    )
    output = project.run(pytester, "--scale=smoke", "-m", "statistical").stdout.str()
    assert "Q1.1  NOT JUDGED" in output
    assert "published: REFUTED +" in output
    assert "differs:" not in output
    assert "came out the same" not in output


def test_table_new_claim(pytester: pytest.Pytester) -> None:
    """A claim that was not published has nothing beside it."""
    at = write(pytester, judging("up", 'gain("Q1.1")'))
    (at / "test_toys.py").write_text(project.HEAD + project.THREE)
    project.run(pytester).stdout.fnmatch_lines(["1 of 1 published verdict came out the same"])
    assert ["published" in claim for claim in project.evidence(at)["claims"]] == [True, False, False]


def test_xdist(pytester: pytest.Pytester) -> None:
    """Workers take the trials, the controller shows the verdicts."""
    at = write(pytester)
    code, output = project.call(at, "-n2", "--claims-workers=0")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert trained(at) == 0
    assert len(project.stored(at)) == 32
    assert "; published: SUPPORTED +" in output
    assert "4 of 4 published verdicts came out the same" in output
    assert all("published" in claim for claim in project.evidence(at)["claims"])


def test_xdist_other_environment(pytester: pytest.Pytester) -> None:
    at = write(pytester)
    pytester.makeconftest(ELSEWHERE)
    code, output = project.call(at, "-n2", "--claims-workers=0", "--claims-no-train")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert output.count("Judged from published trials under data not named, toy 1") == 1
    assert "1 failed, 2 passed, 1 inconclusive" in output
    assert project.evidence(at)["provenance"]["toy"] == "1"


def test_xdist_damaged(pytester: pytest.Pytester) -> None:
    at = write(pytester)
    (at / TRIALS).write_bytes(b"")
    code, output = project.call(at, "-n2", "--claims-workers=0")
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "trials.jsonl.xz: not a whole archive" in output
    assert "INTERNALERROR" not in output


def test_missing(pytester: pytest.Pytester) -> None:
    """A directory that is not there, or of which a file is missing, is silently nothing."""
    at = project.write(pytester, judging("up", 'gain("Q1.1")'), ini=INI)
    project.run(pytester).assert_outcomes(passed=1)
    assert "published" not in project.run(pytester).stdout.str()
    publish(at / "reports/latest", at / STORE, to=at / "reports/published", table=at / "docs/claims.md")
    forget(at)
    (at / TRIALS).unlink()
    result = project.run(pytester)
    assert trained(at) == 16
    result.stdout.fnmatch_lines(["1 of 1 published verdict came out the same"])


def test_damaged_trials(pytester: pytest.Pytester) -> None:
    """An error where trials are wanted: not for properties, nor in a fresh run, nor where all are stored."""
    at = write(pytester)
    content = (at / TRIALS).read_bytes()
    (at / TRIALS).write_bytes(content[:-40])
    refused(project.run(pytester), "trials.jsonl.xz: not a whole archive", "restore it from version control")
    assert trained(at) == 0
    project.run(pytester, "-m", "property").assert_outcomes(passed=1, deselected=3)
    project.run(pytester, "--collect-only")
    project.run(pytester, "--claims-fresh", "-k", "Q1.1").assert_outcomes(passed=1, deselected=3)


def test_damaged_evidence(pytester: pytest.Pytester) -> None:
    """An error where claims are judged, before anything is trained; other tests do not read it."""
    at = write(pytester)
    (at / EVIDENCE).write_text("{")
    refused(project.run(pytester, "--claims-fresh"), "evidence.json: not readable as JSON")
    refused(project.run(pytester, "-m", "property"), "evidence.json: not readable as JSON")
    assert trained(at) == 0
    (at / "test_toys.py").write_text("def test_plain():\n    pass\n")
    project.run(pytester).assert_outcomes(passed=1)
