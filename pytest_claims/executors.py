"""Where trials run: worker processes of this machine, or this process. Each has `submit(trial) -> Future`."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
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

    def submit(self, trial: Trial) -> "Future[Finished]":
        """Run a trial; the future ends in `TrialFailed` if it gives no result."""

    def close(self, *, cancel: bool = False) -> None:
        """Wait for what is running, or stop it."""


def run_trial(train: Callable[..., Any], recipe: Any, seed: int, horizon: int, device: str) -> Finished:
    """Train, and return plain values. Runs in the worker."""
    start = time.perf_counter()
    run = train(recipe, seed=seed, horizon=horizon, device=device)
    seconds = time.perf_counter() - start
    worker = {"pid": os.getpid(), "preloaded": _preloaded, "peak_memory": _peak_memory()}
    return Finished(run.to_json(), bool(run.diverged), seconds, worker)


def _peak_memory() -> int | None:
    """Bytes that this process held at most; None where the system does not say."""
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class InProcess:
    """Trials one after another in this process: for accelerators, debugging and tests."""

    workers = 1

    def __init__(self, study: Study) -> None:
        self.study = study

    def submit(self, trial: Trial) -> "Future[Finished]":
        """Run the trial now."""
        future: Future[Finished] = Future()
        try:
            future.set_result(run_trial(self.study.train, trial.recipe, trial.seed, trial.horizon, self.study.device))
        except Exception as error:  # whatever the training function raises is this trial's failure alone
            failure = TrialFailed(f"{type(error).__name__}: {error}")
            failure.__cause__ = error
            future.set_exception(failure)
        return future

    def close(self, *, cancel: bool = False) -> None:
        """Nothing is left running."""


class LocalProcesses:
    """One process a worker, one thread each. A worker that dies or hangs costs its own trial alone.

    Workers are forked from a server that has imported the study's modules once (0.1 s a worker, where a fresh start
    takes 3.5 s); on Windows each starts afresh.
    """

    def __init__(self, study: Study, workers: int) -> None:
        self.study = study
        self.workers = workers
        method = "spawn" if sys.platform == "win32" else "forkserver"
        context = multiprocessing.get_context(method)
        if method == "forkserver":
            context.set_forkserver_preload(list(study.preload))
        with _environment(WORKER_ENVIRONMENT):
            self._pool = ProcessPool(
                max_workers=workers, context=context, initializer=_start_worker, initargs=[study.preload]
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


def _start_worker(preload: tuple[str, ...]) -> None:
    """Import what the fork server should have imported, and remember whether it had."""
    global _preloaded  # noqa: PLW0603  # one process, one worker
    _preloaded = all(name in sys.modules for name in preload)
    for name in preload:
        import_module(name)


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
