"""Where trials run: worker processes of this machine, or this process. Each has `submit(trial) -> Future`."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from pebble import ProcessExpired, ProcessPool

from pytest_claims.trial import Json, Study, Trial

WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",  # a waiting thread must not burn the core that another worker needs
    # glibc hands large blocks back to the system at once, and a training loop asks for the same ones at every step.
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
    "MALLOC_TOP_PAD_": "67108864",
}


@dataclass(frozen=True)
class Finished:
    """What comes back from a trial: plain values, so that any executor can carry them."""

    result: Json
    diverged: bool
    seconds: float
    worker: Json


class TrialFailed(Exception):
    """The trial gave no result: killed, out of time, or an exception. Says which and what to do."""


class Executor(Protocol):
    """Runs trials."""

    @property
    def workers(self) -> int:
        """How many trials run at once."""

    @property
    def together(self) -> bool:
        """Whether trials of one form train as one."""

    def submit(self, trial: Trial) -> "Future[Finished]":
        """Run a trial; the future ends in `TrialFailed` if it gives no result."""

    def flush(self) -> None:
        """Train some of what waits, if nothing else does; called whenever the caller is about to wait."""

    def close(self, *, cancel: bool = False) -> None:
        """Wait for what is running, or stop it."""


def next_done(executor: Executor, running: Collection["Future[Finished]"]) -> "set[Future[Finished]]":
    """Wait until some have finished."""
    executor.flush()
    return wait(running, return_when=FIRST_COMPLETED).done


def run_trial(train: Callable[..., Any], recipe: Any, seed: int, horizon: int, device: str) -> Finished:
    """Train, and return plain values. Runs in the worker."""
    start = time.perf_counter()
    run = train(recipe, seed=seed, horizon=horizon, device=device)
    seconds = time.perf_counter() - start
    return Finished(run.to_json(), bool(run.diverged), seconds, this_worker())


def this_worker() -> Json:
    """What is recorded of the process that trained."""
    return {"pid": os.getpid(), "preloaded": _preloaded, "peak_memory": _peak_memory()}


def _peak_memory() -> int | None:
    """Bytes that this process held at most; None where the system does not say."""
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def train_into(future: "Future[Finished]", study: Study, trial: Trial) -> None:
    """Run a trial now, in this process."""
    try:
        future.set_result(run_trial(study.train, trial.recipe, trial.seed, trial.horizon, study.device))
    except Exception as error:  # whatever the training function raises is this trial's failure alone
        failure = TrialFailed(f"{type(error).__name__}: {error}")
        failure.__cause__ = error
        future.set_exception(failure)


class InProcess:
    """Trials one after another in this process: for accelerators, debugging and tests."""

    workers = 1
    together = False

    def __init__(self, study: Study) -> None:
        self.study = study

    def submit(self, trial: Trial) -> "Future[Finished]":
        """Run the trial now."""
        future: Future[Finished] = Future()
        train_into(future, self.study, trial)
        return future

    def flush(self) -> None:
        """Nothing waits."""

    def close(self, *, cancel: bool = False) -> None:
        """Nothing is left running."""


class LocalProcesses:
    """One process a worker, one thread each. A worker that dies or hangs costs its own trial alone.

    Workers are forked from a server that has imported the study's modules once (0.1 s a worker, where a fresh start
    takes 3.5 s); on Windows each starts afresh.
    """

    together = False

    def __init__(self, study: Study, workers: int, *, memory: int | None = None) -> None:
        """Start the workers.

        Args:
            study: The subject.
            workers: Processes.
            memory: Bytes that each may take, where the system can hold it to that; None shares this machine's memory among
                them. A trial that wants more fails, and no other process is short of memory.
        """
        self.study = study
        self.workers = workers
        share = memory if memory is not None else _physical_memory() // workers
        method = "spawn" if sys.platform == "win32" else "forkserver"
        context = multiprocessing.get_context(method)
        if method == "forkserver":
            context.set_forkserver_preload(list(study.preload))
        with _environment(WORKER_ENVIRONMENT):
            self._pool = ProcessPool(
                max_workers=workers, context=context, initializer=_start_worker, initargs=[study.preload, share]
            )
            # The pool starts its processes on the first task; they must inherit this environment.
            self._pool.submit(_nothing, None).result()

    def submit(self, trial: Trial) -> "Future[Finished]":
        """Queue the trial."""
        seconds = self.study.seconds_allowed(trial)
        arguments = (self.study.train, trial.recipe, trial.seed, trial.horizon, self.study.device)
        done: Future[Finished] = Future()
        task = self._pool.submit(run_trial, seconds, *arguments)
        task.add_done_callback(lambda future: _hand_over(future, done, seconds))
        return done

    def flush(self) -> None:
        """Workers train what waits."""

    def close(self, *, cancel: bool = False) -> None:
        """Stop the workers, after their trials unless `cancel`."""
        if cancel:
            self._pool.stop()  # type: ignore[no-untyped-call]  # pebble does not type it
        else:
            self._pool.close()  # type: ignore[no-untyped-call]
        self._pool.join()


def _hand_over(task: "Future[Finished]", done: "Future[Finished]", seconds: float) -> None:
    if task.cancelled():
        done.cancel()
        return
    error = task.exception()
    if error is None:
        done.set_result(task.result())
        return
    if isinstance(error, ProcessExpired):
        reason = f"the worker died (exit code {error.exitcode}); out of memory or killed from outside?"
    elif isinstance(error, TimeoutError):
        reason = f"no result after {seconds:.0f} s, the trial's time limit"
    else:
        reason = f"{type(error).__name__}: {error}"
    failure = TrialFailed(reason)
    failure.__cause__ = error
    done.set_exception(failure)


_preloaded: bool | None = None


def _start_worker(preload: tuple[str, ...], memory: int) -> None:
    """Import what the fork server should have imported, remember whether it had, and bound what the process may take."""
    global _preloaded  # noqa: PLW0603  # one process, one worker
    _preloaded = all(name in sys.modules for name in preload)
    for name in preload:
        import_module(name)
    if memory and sys.platform == "linux":  # elsewhere there is no such limit, or it is not kept
        import resource  # noqa: PLC0415  # not on Windows

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        # what is mapped already, most of it shared with the process that this one was forked from, is no trial's
        limit = memory + _mapped()
        with suppress(ValueError, OSError):  # a bound that may not be set is none
            resource.setrlimit(resource.RLIMIT_DATA, (limit if hard < 0 else min(limit, hard), hard))


def _mapped() -> int:
    """Bytes of private data that this process has mapped, as the limit counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData")), 0)


def _physical_memory() -> int:
    """Bytes that this machine, or the container it stands for, has; 0 where the system does not say."""
    try:
        bytes_ = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        limit = Path("/sys/fs/cgroup/memory.max")
        most = limit.read_text().strip() if limit.exists() else "max"
        return bytes_ if most == "max" else min(bytes_, int(most))
    except (AttributeError, OSError, ValueError):
        return 0


def _nothing() -> None:
    """Starts a worker."""


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
