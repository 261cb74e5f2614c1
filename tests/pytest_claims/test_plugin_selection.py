"""What is gathered and judged when a run selects, stops early, only collects, or only plans."""

from pathlib import Path

import pytest

from tests.pytest_claims import project, toy
from tests.pytest_claims.project import judging

ALL = project.THREE + project.PROPERTY


def gains(at: Path) -> set[float]:
    """The arms that were trained."""
    return {gain for gain, _ in toy.trainings(at / "trainings")}


@pytest.mark.parametrize(
    ("options", "judged", "trained"),
    [
        (["-k", "Q1"], {"Q1.1", "Q1.2"}, {0.1, -0.1, 0.0}),
        (["-k", "Q1.1"], {"Q1.1"}, {0.1, 0.0}),
        (["-k", "Q9"], {"Q9.1"}, set()),
        (["-m", "property"], {"Q9.1"}, set()),
        (["-m", "statistical"], {"Q1.1", "Q1.2", "Q2.1"}, {0.1, -0.1, 0.0, 1e-4}),
        (["test_toys.py::test_down"], {"Q1.2"}, {-0.1, 0.0}),
        (["--deselect", "test_toys.py::test_down"], {"Q1.1", "Q2.1", "Q9.1"}, {0.1, 0.0, 1e-4}),
    ],
)
def test_select(pytester: pytest.Pytester, options: list[str], judged: set[str], trained: set[float]) -> None:
    """Only what is selected is trained and judged."""
    at = project.write(pytester, ALL)
    project.run(pytester, *options)
    assert set(project.outcomes(at)) == judged
    assert gains(at) == trained


def test_select_family(pytester: pytest.Pytester) -> None:
    """A claim judged alone still shares the error rate with all that were collected."""
    at = project.write(pytester)
    project.run(pytester, "-k", "Q1.1")
    evidence = project.evidence(at)
    assert evidence["manifest"]["family"] == ["Q1.1", "Q1.2", "Q2.1"]
    assert evidence["claims"][0]["pvalues"]["q_supported"] == pytest.approx(3 * 3 * 2.0**-8)


def test_select_nothing(pytester: pytest.Pytester) -> None:
    at = project.write(pytester)
    assert project.run(pytester, "-k", "Q7").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert gains(at) == set()
    assert not (at / "reports").exists()


def test_select_last_failed(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, ALL)
    ini = at / "pytest.ini"
    ini.write_text(ini.read_text().replace("-p no:cacheprovider", ""))
    project.run(pytester)
    result = project.run(pytester, "--lf")
    result.assert_outcomes(failed=1)
    assert set(project.outcomes(at)) == {"Q1.2"}
    assert len(toy.trainings(at / "trainings")) == 32


def test_stop_at_first(pytester: pytest.Pytester) -> None:
    """`-x` leaves a report of the claims that it reached."""
    at = project.write(pytester, judging("down", 'gain("Q1.2", -0.1)') + judging("up", 'gain("Q1.1")'))
    result = project.run(pytester, "-x")
    result.assert_outcomes(failed=1)
    assert project.outcomes(at) == {"Q1.2": "REFUTED"}


def test_collect_only(pytester: pytest.Pytester) -> None:
    at = project.write(pytester)
    result = project.run(pytester, "--collect-only")
    assert result.ret == pytest.ExitCode.OK
    assert gains(at) == set()
    assert not (at / ".claims").exists()
    assert not (at / "reports").exists()


def test_collection_error(pytester: pytest.Pytester) -> None:
    """Nothing is trained for a run that cannot go on."""
    at = project.write(pytester)
    pytester.makepyfile(test_broken="import no_such_module")
    result = project.run(pytester)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert gains(at) == set()


def test_collection_error_continue(pytester: pytest.Pytester) -> None:
    """Told to go on, it gathers and judges the rest."""
    at = project.write(pytester, judging("up", 'gain("Q1.1")'))
    pytester.makepyfile(test_broken="import no_such_module")
    project.run(pytester, "--continue-on-collection-errors").assert_outcomes(passed=1, errors=1)
    assert gains(at) == {0.1, 0.0}


def test_plan(pytester: pytest.Pytester) -> None:
    """Says what is wanted, what is stored and how long it takes, and trains nothing."""
    at = project.write(pytester, ALL)
    result = project.run(pytester, "--claims-plan")
    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    result.stdout.fnmatch_lines(
        [
            "claims: 48 runs wanted, 32 of them distinct (64.0 of 96.0 toy-epochs); 0 stored, 32 to train (64.0*time unknown*"
        ]
    )
    assert gains(at) == set()
    assert "passed" not in result.stdout.str()
    project.run(pytester, "-k", "Q1.1")
    project.run(pytester, "--claims-plan").stdout.fnmatch_lines(
        ["claims: 48 runs*; 16 stored, 16 to train (32.0*about 0 s)"]
    )


def test_plan_properties_only(pytester: pytest.Pytester) -> None:
    """No statistical claim: nothing to plan, and no test runs."""
    project.write(pytester, ALL)
    result = project.run(pytester, "--claims-plan", "-m", "property")
    assert "passed" not in result.stdout.str()


def test_no_train(pytester: pytest.Pytester) -> None:
    """Judges what is stored; the rest is not judged and says what to do."""
    at = project.write(pytester)
    project.run(pytester, "-k", "Q1.1")
    result = project.run(pytester, "--claims-no-train")
    result.stdout.fnmatch_lines(["*= 1 passed, 2 not judged in *"])
    assert project.outcomes(at) == {"Q1.1": "SUPPORTED", "Q1.2": "NOT JUDGED", "Q2.1": "NOT JUDGED"}
    assert gains(at) == {0.1, 0.0}
    assert "run without --claims-no-train" in result.stdout.str()


def test_fresh(pytester: pytest.Pytester) -> None:
    """Trains everything again and leaves the usual store as it is."""
    at = project.write(pytester, judging("up", 'gain("Q1.1")'))
    project.run(pytester)
    before = (at / ".claims/store.sqlite").read_bytes()
    project.run(pytester, "--claims-fresh").assert_outcomes(passed=1)
    assert len(toy.trainings(at / "trainings")) == 2 * 16
    assert (at / ".claims/store.sqlite").read_bytes() == before


def test_store_elsewhere(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, judging("up", 'gain("Q1.1")'))
    project.run(pytester, "--claims-store=deep/down/trials.db").assert_outcomes(passed=1)
    assert len(project.stored(at, "deep/down/trials.db")) == 16
    assert not (at / ".claims").exists()


def test_seeds_max(pytester: pytest.Pytester) -> None:
    """No look beyond it; below the first look nothing is judged."""
    at = project.write(pytester, judging("same", 'gain("Q2.1", 1e-4)'))
    project.run(pytester, "--scale=full", "--claims-seeds-max=13")
    assert project.evidence(at)["claims"][0]["seeds"] == 12
    project.run(pytester, "--scale=full", "--claims-seeds-max=3").stdout.fnmatch_lines(["*= 1 not judged in *"])
    assert project.evidence(at)["claims"][0]["seeds"] == 3


def test_looks(pytester: pytest.Pytester) -> None:
    """At full scale what is undecided goes on to 20 seeds; what is decided stops at 8."""
    at = project.write(pytester, judging("up", 'gain("Q1.1")') + judging("same", 'gain("Q2.1", 1e-4)'))
    project.run(pytester, "--scale=full")
    seeds = {claim["id"]: claim["seeds"] for claim in project.evidence(at)["claims"]}
    assert seeds == {"Q1.1": 8, "Q2.1": 20}
    assert len([1 for gain, _ in toy.trainings(at / "trainings") if gain == 0.1]) == 8
