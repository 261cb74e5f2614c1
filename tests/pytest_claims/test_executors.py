"""Executors: what comes back, and whose loss a dead, hung or failing worker is."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

import pytest

from pytest_claims.executors import WORKER_ENVIRONMENT, Executor, Finished, InProcess, LocalProcesses, TrialFailed
from pytest_claims.trial import Study, Trial
from tests.pytest_claims import toy
from tests.pytest_claims.project import ROOT
from tests.pytest_claims.toy import Recipe


def trials(study: Study, recipe: Recipe, *, seeds: int = 4) -> list[Trial]:
    """One a seed."""
    return [study.trial(recipe, seed=seed, horizon=3) for seed in range(seeds)]


def results(executor: Executor, wanted: list[Trial]) -> list[Finished | str]:
    """Of all trials handed out at once: what came back, or why nothing did."""
    futures = [executor.submit(trial) for trial in wanted]
    wait(futures, timeout=60)
    errors = [future.exception() for future in futures]
    assert all(error is None or isinstance(error, TrialFailed) for error in errors)
    return [future.result() if error is None else str(error) for future, error in zip(futures, errors, strict=True)]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Short time limits, and a log for faults that only strike once."""
    return toy.study(tmp_path_factory.mktemp("toys") / "log", seconds_at_least=1.0, seconds_per_cost=0.0)


def _log(study: Study) -> Path:
    return Path(study.train.keywords["log"])  # type: ignore[attr-defined]  # the toy's is a partial


@pytest.fixture(scope="module")
def pool(study: Study) -> Iterator[LocalProcesses]:
    """Two workers for all tests here: a fault must not harm the trials of the next test."""
    executor = LocalProcesses(study, 2)
    yield executor
    executor.close(cancel=True)


def test_processes_equal_in_process(pool: LocalProcesses, study: Study) -> None:
    """The same bits, wherever a trial runs."""
    wanted = trials(study, Recipe(gain=0.1))
    here, there = results(InProcess(study), wanted), results(pool, wanted)
    assert [r.result for r in here if isinstance(r, Finished)] == [r.result for r in there if isinstance(r, Finished)]
    assert {r.worker["pid"] for r in here if isinstance(r, Finished)} == {os.getpid()}
    assert os.getpid() not in {r.worker["pid"] for r in there if isinstance(r, Finished)}
    assert len(here) == len(there) == 4


@pytest.mark.parametrize("where", ["here", "there"])
def test_diverged(pool: LocalProcesses, study: Study, where: str) -> None:
    """A diverged run is a result."""
    executor = pool if where == "there" else InProcess(study)
    found = results(executor, trials(study, Recipe(fault="diverge", faulty=(1,))))
    assert [r.diverged for r in found if isinstance(r, Finished)] == [False, True, False, False]


@pytest.mark.parametrize("where", ["here", "there"])
def test_raises(pool: LocalProcesses, study: Study, where: str) -> None:
    """An exception fails its trial, in its own words, and no other."""
    executor = pool if where == "there" else InProcess(study)
    first, bad, *rest = results(executor, trials(study, Recipe(fault="raise", faulty=(1,))))
    assert bad == "RuntimeError: the toy was told to fail"
    assert all(isinstance(result, Finished) for result in (first, *rest))


@pytest.mark.skipif(sys.platform != "linux", reason="no other system holds a process to its memory")
def test_memory_is_bounded(study: Study) -> None:
    """A trial that wants more than its worker's share fails at once, and the worker goes on."""
    executor = LocalProcesses(study, 2, memory=2**28)
    try:
        first, bad, *rest = results(executor, trials(study, Recipe(fault="memory", faulty=(1,))))
    finally:
        executor.close(cancel=True)
    assert "MemoryError" in str(bad)
    assert all(isinstance(result, Finished) for result in (first, *rest))


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed(pool: LocalProcesses, study: Study) -> None:
    """A worker that is killed costs its own trial alone."""
    first, bad, *rest = results(pool, trials(study, Recipe(fault="kill", faulty=(1,)), seeds=6))
    assert bad == "the worker died (exit code -9); out of memory or killed from outside?"
    assert all(isinstance(result, Finished) for result in (first, *rest))


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_from_outside(pool: LocalProcesses, study: Study) -> None:
    """The same, while it is busy."""
    log = _log(study)
    futures = [pool.submit(trial) for trial in trials(study, Recipe(gain=0.7, seconds=0.5), seeds=2)]
    while not (victims := [pid for pid in toy.pids(log) if toy.trainings(log, "begin", gain=0.7, seed=0, pid=pid)]):
        time.sleep(0.01)
    os.kill(victims[0], signal.SIGKILL)
    assert isinstance(futures[0].exception(timeout=30), TrialFailed)
    assert isinstance(futures[1].result(timeout=30), Finished)


def test_hung(pool: LocalProcesses, study: Study) -> None:
    """A trial that hangs is ended at its time limit, and its worker replaced."""
    start = time.monotonic()
    first, bad, *rest = results(pool, trials(study, Recipe(fault="hang", faulty=(1,))))
    assert bad == "no result after 1 s, the trial's time limit"
    assert all(isinstance(result, Finished) for result in (first, *rest))
    assert time.monotonic() - start < 20


def test_close_cancel(study: Study) -> None:
    """Stops what is running, at once; nothing is left behind."""
    executor, log = LocalProcesses(study, 1), _log(study)
    for trial in trials(study, Recipe(gain=0.8, seconds=0.9), seeds=3):
        executor.submit(trial)
    while not toy.trainings(log, "begin", gain=0.8):
        time.sleep(0.01)
    start = time.monotonic()
    executor.close(cancel=True)
    assert time.monotonic() - start < 10
    time.sleep(0.5)
    assert toy.trainings(log, "begin", gain=0.8) == [(0.8, 0)]
    assert toy.trainings(log, "end", gain=0.8) == []


FRESH = """
import os, sys
from pathlib import Path
from pytest_claims.executors import LocalProcesses
from pytest_claims.trial import Study
from tests.pytest_claims import toy

def report(recipe, *, seed, horizon, device):
    return toy.History((float(os.environ["OMP_NUM_THREADS"]),))

if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "7"
    os.environ.pop("MKL_NUM_THREADS", None)
    study = toy.study(train=report)
    pool = LocalProcesses(study, 1)
    future = pool.submit(study.trial(toy.Recipe(), seed=0, horizon=1))
    finished = future.result(timeout=30)
    pool.close()
    print(finished.result["accuracy"], finished.worker["preloaded"])
    print(os.environ["OMP_NUM_THREADS"], "MKL_NUM_THREADS" in os.environ)
"""


def test_processes_environment(tmp_path: Path) -> None:
    """Workers have one thread and the study's modules; the environment here is as it was."""
    script = tmp_path / "script.py"
    script.write_text(FRESH)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines() == ["[1.0] True", "7 False"], done.stderr


def test_processes_environment_restored(pool: LocalProcesses) -> None:
    assert pool.workers == 2
    assert "MALLOC_TOP_PAD_" in WORKER_ENVIRONMENT
    assert "MALLOC_TOP_PAD_" not in os.environ
