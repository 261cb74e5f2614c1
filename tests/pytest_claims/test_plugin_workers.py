"""Worker processes of the harness and of pytest-xdist, and several runs on one store."""

import json
import sqlite3
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.pytest_claims import project, toy
from tests.pytest_claims.project import judging

UP = judging("up", 'gain("Q1.1")')
SLOW = judging("up", 'gain("Q1.1", seconds=0.05)') + judging("down", 'gain("Q1.2", -0.1, seconds=0.05)')


def once(at: Path) -> bool:
    """Whether no trial was done twice."""
    return max(Counter(toy.trainings(at / "trainings")).values()) == 1


def refused(at: Path, *options: str, said: str) -> None:
    """A usage error under xdist: its line is there, and nothing was trained or crashed."""
    code, output = project.call(at, "-n2", "--claims-workers=0", *options)
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert said in output
    assert "INTERNALERROR" not in output
    assert "Traceback" not in output
    assert toy.trainings(at / "trainings") == []


def test_workers_processes(pytester: pytest.Pytester) -> None:
    """Trials run in processes of their own, which found the study's modules imported."""
    at = project.write(pytester, SLOW)
    with project.started(at, "--claims-workers=2") as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.TESTS_FAILED, output
    assert project.outcomes(at) == {"Q1.1": "SUPPORTED", "Q1.2": "REFUTED"}
    assert len(toy.pids(at / "trainings")) == 2
    assert process.pid not in toy.pids(at / "trainings")
    with closing(sqlite3.connect(at / ".claims/store.sqlite")) as db:
        provenance = [json.loads(text) for (text,) in db.execute("SELECT provenance FROM trials")]
    assert len(provenance) == 24
    assert all(p["preloaded"] and p["host"] == "here" for p in provenance)


def test_workers_none(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, UP)
    with project.started(at, "--claims-workers=0") as process:
        process.communicate(timeout=60)
    assert toy.pids(at / "trainings") == {process.pid}


def test_xdist(pytester: pytest.Pytester) -> None:
    """One worker gathers, the other waits; the controller has all verdicts and writes the report."""
    at = project.write(pytester, SLOW + judging("same", 'gain("Q2.1", 1e-4)') + project.PROPERTY)
    code, output = project.call(at, "-n2", "--claims-workers=0", "--junit-xml=junit.xml")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "1 failed, 2 passed, 1 inconclusive" in output
    assert project.outcomes(at) == {"Q1.1": "SUPPORTED", "Q1.2": "REFUTED", "Q2.1": "INCONCLUSIVE", "Q9.1": "SUPPORTED"}
    assert len(toy.pids(at / "trainings")) == 1
    assert once(at)
    evidence = project.evidence(at)
    assert evidence["gathering"]["trained"] == evidence["gathering"]["distinct"] == 32
    assert evidence["claims"][-1]["worst"]["rounding"]["checks"] == 1
    assert {"index.html", "summary.md"} <= {file.name for file in (at / "reports/latest").iterdir()}
    assert "4 claims: 2 supported, 1 refuted, 1 inconclusive" in output
    assert '<property name="claim" value="Q1.1" />' in (at / "junit.xml").read_text()


def test_xdist_fresh(pytester: pytest.Pytester) -> None:
    """All workers use one new store."""
    at = project.write(pytester, UP)
    code, output = project.call(at, "-n2", "--claims-workers=0", "--claims-fresh")
    assert code == pytest.ExitCode.OK, output
    assert once(at)
    assert len(list((at / ".claims").glob("store-fresh-*.sqlite"))) == 1


def test_xdist_error(pytester: pytest.Pytester) -> None:
    """A trial that fails is an error of its claim, and its warnings reach the controller."""
    at = project.write(pytester, UP + judging("bad", 'gain("Q1.2", -0.1, fault="raise", faulty=(3,))'))
    code, output = project.call(at, "-n2", "--claims-workers=0")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert project.outcomes(at) == {"Q1.1": "SUPPORTED", "Q1.2": "ERROR"}
    assert "problem: trial " in output
    assert "RuntimeError: the toy was told to fail; given up" in output


def test_xdist_claims_twice(pytester: pytest.Pytester) -> None:
    """What workers find while they collect."""
    at = project.write(pytester, UP + judging("again", 'gain("Q1.1")'))
    refused(at, said="claim Q1.1 is declared twice; ids are unique")


def test_xdist_store_unusable(pytester: pytest.Pytester) -> None:
    """What they find before the first test."""
    at = project.write(pytester, UP)
    (at / "store").write_text("not a store" * 100)
    refused(at, "--claims-store=store", said="name another file with --claims-store")


def test_xdist_plan(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, UP)
    refused(at, "--claims-plan", said="run them without -n")


def test_two_runs_one_store(pytester: pytest.Pytester) -> None:
    """Two runs at once: one gathers, the other waits for it, and no trial is done twice."""
    at = project.write(pytester, SLOW)
    with ExitStack() as stack:
        options = [("--claims-workers=0", f"--claims-report=report{i}") for i in range(2)]
        runs = [stack.enter_context(project.started(at, *given)) for given in options]
        outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [pytest.ExitCode.TESTS_FAILED] * 2, outputs
    assert once(at)
    assert len(project.stored(at)) == 24
    reports = [json.loads((at / f"report{i}/evidence.json").read_text()) for i in range(2)]
    assert reports[0]["claims"] == reports[1]["claims"]
    assert sum("another run gathers into" in output for output in outputs) == 1
