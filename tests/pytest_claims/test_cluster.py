"""A cluster of dask: the same trials and results as at home, wrong workers refused, lost ones survived."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pytest_claims.cluster import Cluster, ClusterError, run_there, serve
from pytest_claims.executors import Finished, InProcess, TrialFailed
from pytest_claims.trial import Study
from tests.pytest_claims import project, toy
from tests.pytest_claims.project import judging
from tests.pytest_claims.test_executors import results, trials
from tests.pytest_claims.toy import Recipe

distributed: Any = pytest.importorskip("distributed", reason="pip install -e '.[cluster]'")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two workers on this machine, for all tests here; what says where they are."""
    at = tmp_path_factory.mktemp("cluster") / "scheduler.json"
    before = dict(os.environ)  # dask leaves what it gives to workers in its own environment, too
    path = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(project.ROOT), path]))  # workers import the toys
    with serve(2, at):
        yield at
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return toy.study(tmp_path / "log")


@pytest.fixture
def cluster(study: Study, file: Path) -> Iterator[Cluster]:
    executor = Cluster(study, file=file)
    yield executor
    executor.close(cancel=True)


def test_cluster_equal_in_process(cluster: Cluster, study: Study) -> None:
    """The same bits; equal trials that are asked for twice run twice."""
    wanted = trials(study, Recipe(gain=0.1)) * 2
    here, there = results(InProcess(study), wanted), results(cluster, wanted)
    assert [r.result for r in here if isinstance(r, Finished)] == [r.result for r in there if isinstance(r, Finished)]
    assert len(there) == 8
    pids = {r.worker["pid"] for r in there if isinstance(r, Finished)}
    assert os.getpid() not in pids
    assert cluster.workers == len(pids) == 2


def test_exception_is_its_trials_alone(cluster: Cluster, study: Study) -> None:
    first, bad, *rest = results(cluster, trials(study, Recipe(fault="raise", faulty=(1,))))
    assert bad == "RuntimeError: the toy was told to fail"
    assert all(isinstance(result, Finished) for result in (first, *rest))


def test_killed_worker_costs_its_trials_in_flight(cluster: Cluster, study: Study) -> None:
    """Those run again elsewhere; nothing is lost and nothing fails."""
    log = Path(study.train.keywords["log"])  # type: ignore[attr-defined]  # the toy's is a partial
    futures = [cluster.submit(trial) for trial in trials(study, Recipe(gain=0.7, seconds=0.5), seeds=6)]
    while not (victims := toy.pids(log)):
        time.sleep(0.01)
    os.kill(min(victims), signal.SIGKILL)
    found = [future.result(timeout=60) for future in futures]
    assert [r.result for r in found] == [
        r.result for r in results(InProcess(study), trials(study, Recipe(gain=0.7), seeds=6)) if isinstance(r, Finished)
    ]


def test_trial_that_kills_every_worker(cluster: Cluster, study: Study) -> None:
    """It is given up after the cluster's allowed failures, and the cluster goes on."""
    first, bad, *rest = results(cluster, trials(study, Recipe(fault="kill", faulty=(1,))))
    assert bad == "its workers died; out of memory or killed from outside?"
    assert all(isinstance(result, Finished) for result in (first, *rest))


@pytest.mark.usefixtures("file")  # workers find the toys
def test_trial_that_takes_too_much_memory(study: Study, tmp_path: Path) -> None:
    """Its workers are killed, until it fails; the others are not its concern."""
    with serve(2, tmp_path / "scheduler.json", memory=2**30):
        executor = Cluster(study, file=tmp_path / "scheduler.json")
        try:
            first, bad, *rest = results(executor, trials(study, Recipe(fault="memory", faulty=(1,))))
        finally:
            executor.close(cancel=True)
    assert bad == "its workers died; out of memory or killed from outside?"
    assert all(isinstance(result, Finished) for result in (first, *rest))


def test_wrong_worker_is_refused_and_named(study: Study, file: Path) -> None:
    """Before the first trial, with what differs."""
    other = toy.study(environment={"toy": "1"}, here=partial(toy.here, "2"))
    wanted = r"of \d workers would train something else \(tcp://.*: toy 2 where the driver has 1.*\); install the same"
    with pytest.raises(ClusterError, match=wanted):
        Cluster(other, file=file)


def test_worker_without_the_package_is_refused(file: Path) -> None:
    lacking = toy.study(preload=("no_such_module",))
    with pytest.raises(ClusterError, match="ModuleNotFoundError: No module named 'no_such_module'"):
        Cluster(lacking, file=file)


def test_worker_that_joins_late_is_checked_too(study: Study) -> None:
    arguments = (study.preload, study.train, Recipe(), 0, 1, "cpu")
    assert run_there(toy.here, {"toy": "1"}, *arguments).result
    with pytest.raises(ClusterError, match="toy 1 where the driver has 2"):
        run_there(toy.here, {"toy": "2"}, *arguments)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"address": "tcp://127.0.0.1:1"}, "no scheduler answers"),
        ({"address": "nonsense"}, "no scheduler answers"),
        ({"file": Path("none.json")}, "none.json: no such file"),
    ],
)
def test_no_scheduler(study: Study, where: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_claims.cluster.PATIENCE", 1)
    with pytest.raises(ClusterError, match=words):
        Cluster(study, **where)


def test_run_on_a_cluster(pytester: pytest.Pytester, file: Path) -> None:
    """The same verdicts and trials as at home, from pytest's command line."""
    at = project.write(pytester, judging("up", 'gain("Q1.1")') + judging("down", 'gain("Q1.2", -0.1)'))
    code, output = project.call(at, f"--claims-scheduler-file={file}")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert project.outcomes(at) == {"Q1.1": "SUPPORTED", "Q1.2": "REFUTED"}
    there = project.stored(at)
    assert len(there) == 24


def test_scheduler_gone(pytester: pytest.Pytester, tmp_path: Path) -> None:
    """In mid-run: an error that says so, everything finished is stored, and the next run does only the rest."""
    at = project.write(pytester, judging("up", 'gain("Q1.1", seconds=0.3)'))
    where = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "pytest_claims", "cluster", "--workers", "2", "--file", str(where)]
    paths = os.environ | {"PYTHONPATH": str(project.ROOT)}
    with subprocess.Popen(command, env=paths, stdout=subprocess.PIPE, text=True, start_new_session=True) as served:
        assert served.stdout is not None
        assert "2 workers" in served.stdout.readline()
        with project.started(at, f"--claims-scheduler-file={where}") as process:
            while len(project.stored(at)) < 4:
                time.sleep(0.02)
            os.killpg(served.pid, signal.SIGKILL)
            output, _ = process.communicate(timeout=90)
    assert process.returncode == pytest.ExitCode.USAGE_ERROR, output
    assert "the scheduler is gone" in output
    kept = project.stored(at)
    assert 4 <= len(kept) < 16
    code, output = project.call(at, "--claims-workers=0")
    assert code == pytest.ExitCode.OK, output
    assert len(project.stored(at)) == 16


def test_scheduler_gone_at_any_call(study: Study, tmp_path: Path) -> None:
    """Whatever is asked of it next says so in one line."""
    where = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "pytest_claims", "cluster", "--workers", "1", "--file", str(where)]
    paths = os.environ | {"PYTHONPATH": str(project.ROOT)}
    with subprocess.Popen(command, env=paths, stdout=subprocess.PIPE, text=True, start_new_session=True) as served:
        assert served.stdout is not None
        served.stdout.readline()
        executor = Cluster(study, file=where)
        os.killpg(served.pid, signal.SIGKILL)

    def ask() -> None:
        for _ in range(200):  # until the connection is known to be lost
            assert executor.workers >= 1
            time.sleep(0.05)

    try:
        with pytest.raises(ClusterError, match="the scheduler is gone"):
            ask()
    finally:
        executor.close(cancel=True)


def test_failed_trial_is_no_cluster_error() -> None:
    """What the court repeats is a trial that failed, and not a scheduler that is gone."""
    assert not issubclass(ClusterError, TrialFailed)
