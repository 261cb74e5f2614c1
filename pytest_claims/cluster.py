"""Trials on the workers of a dask.distributed cluster, of this machine or of many. The store stays with the driver.

Workers need the package, torch and the data; what they have is checked before the first trial and again by each worker
that joins later. A worker that is lost costs the trials that it was running: the scheduler hands them to another, and after
the cluster's `allowed-failures` the trial counts as one that gave no result.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from pytest_claims.executors import WORKER_ENVIRONMENT, Finished, TrialFailed, run_trial
from pytest_claims.trial import Study, Trial

INSTALL = "dask.distributed is not installed; pip install 'bnmodels[cluster]'"
PATIENCE = 30
"""Seconds that the scheduler has to answer, and a first worker to be there."""

SHOWN = 3
"""So many workers are named in an error."""

CONFIG: dict[str, Any] = {
    # dask's own setting gives memory back at every step, which a training loop asks for again
    "distributed.nanny.pre-spawn-environ": WORKER_ENVIRONMENT,
    # none waits on a worker, where it would be lost with the one that runs there
    "distributed.scheduler.worker-saturation": 1.0,
}
"""What dask should be told where its scheduler and workers start."""

Here = Callable[[], Mapping[str, str]]


class ClusterError(Exception):
    """The cluster cannot be used: the reason and the way out, in one line."""


class Cluster:
    """An executor on a cluster. No trial has a time limit there, as a thread cannot be stopped from outside."""

    together = False

    def __init__(self, study: Study, *, address: str = "", file: Path | None = None) -> None:
        distributed = _distributed()
        name = address or str(file)
        if file is not None and not file.exists():
            raise ClusterError(f"{file}: no such file; `dask scheduler --scheduler-file FILE` writes it")
        self.study = study
        where: dict[str, Any] = {"address": address} if address else {"scheduler_file": str(file)}
        try:
            if address and not address.startswith("inproc://"):
                # refused here, as a client that cannot read its address takes a minute to be thrown away
                distributed.comm.get_address_host_port(address)
            self._client = distributed.Client(**where, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise ClusterError(f"{name}: no scheduler answers ({_line(error)}); start one, or name another") from error
        self._closing = False
        try:
            self._check(name)
            # pure=False: equal calls are different trials where one is repeated
            self._executor = self._client.get_executor(pure=False)
        except BaseException:
            self._client.close()
            raise

    @property
    def workers(self) -> int:
        """Threads of all workers that are there now.

        Raises:
            ClusterError: The scheduler is gone.
        """
        try:
            return max(1, int(sum(self._client.nthreads().values())))
        except Exception as error:  # dask raises whatever its connection met
            raise ClusterError(_gone(error)) from error

    def submit(self, trial: Trial) -> "Future[Finished]":
        """Hand the trial to the scheduler.

        Raises:
            ClusterError: The scheduler is gone.
        """
        study = self.study
        done: Future[Finished] = Future()
        arguments = (study.here, dict(study.environment), study.preload, study.train)
        try:
            task = self._executor.submit(run_there, *arguments, trial.recipe, trial.seed, trial.horizon, study.device)
        except Exception as error:  # dask raises whatever its connection met
            raise ClusterError(_gone(error)) from error
        task.add_done_callback(lambda future: self._hand_over(future, done))
        return done

    def flush(self) -> None:
        """Workers train what waits."""

    def close(self, *, cancel: bool = False) -> None:
        """Let go of the cluster, after its trials unless `cancel`; it goes on without us."""
        self._closing = True
        with suppress(Exception):  # a scheduler that is gone has nothing to let go of
            self._executor.shutdown(wait=not cancel)
            self._client.close()

    def _check(self, name: str) -> None:
        """Refuse workers that would train something else.

        Raises:
            ClusterError: There is no worker, or one lacks the package or has another environment.
        """
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise ClusterError(f"{name}: no worker within {PATIENCE} s; start one with `dask worker`") from None
        if self.study.here is None:
            return
        found = self._client.run(_found, self.study.here, self.study.preload, on_error="return")
        wrong = {worker: words for worker, given in found.items() if (words := self._differs(given))}
        if wrong:
            named = "; ".join(f"{worker}: {words}" for worker, words in list(wrong.items())[:SHOWN])
            more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
            raise ClusterError(
                f"{name}: {len(wrong)} of {len(found)} workers would train something else ({named}{more}); install the same "
                "versions and data there, or take them out of the cluster"
            )

    def _differs(self, given: Any) -> str:
        if isinstance(given, BaseException):
            return f"{type(given).__name__}: {_line(given)}"
        return differing(given, self.study.environment)

    def _hand_over(self, task: "Future[Finished]", done: "Future[Finished]") -> None:
        if task.cancelled():
            if self._closing:
                done.cancel()
            else:
                done.set_exception(ClusterError(_gone(None)))
            return
        error = task.exception()
        if error is None:
            done.set_result(task.result())
            return
        if type(error).__name__ == "KilledWorker":
            failure = TrialFailed("its workers died; out of memory or killed from outside?")
        else:
            failure = TrialFailed(f"{type(error).__name__}: {error}")
        failure.__cause__ = error
        done.set_exception(failure)


def run_there(
    here: Here | None,
    environment: Mapping[str, str],
    preload: tuple[str, ...],
    train: Callable[..., Any],
    recipe: Any,
    seed: int,
    horizon: int,
    device: str,
) -> Finished:
    """Train, if this worker is one that may. Runs on the worker.

    Raises:
        ClusterError: It joined late, and would train something else.
    """
    if here is not None and (words := differing(_found(here, preload), environment)):
        raise ClusterError(f"this worker would train something else ({words})")
    return run_trial(train, recipe, seed, horizon, device)


def _found(here: Here, preload: tuple[str, ...]) -> dict[str, str]:
    """What a worker has; its modules are imported first, as in every worker of one machine."""
    for name in preload:
        import_module(name)
    return dict(here())


def differing(found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """In which fields an environment is another, in words; empty if in none."""
    names = sorted({*found, *wanted})
    return ", ".join(
        f"{name} {found.get(name, 'not named')} where the driver has {wanted.get(name, 'none')}"
        for name in names
        if found.get(name) != wanted.get(name)
    )


def _gone(error: BaseException | None) -> str:
    reason = f" ({_line(error)})" if error is not None else ""
    return f"the scheduler is gone{reason}; every finished trial is stored, so start it again and run the same command"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def serve(workers: int, file: Path, *, memory: int | None = None) -> Any:
    """A scheduler and workers on this machine, each a process of one thread; `file` says where they are.

    A worker that holds nearly all of its `memory`, in bytes, is killed; None shares this machine's memory among them.

    Returns:
        dask's cluster, to be closed.
    """
    distributed = _distributed()
    import_module("dask").config.set(CONFIG)
    cluster = distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",  # dask would take one port for all, and a second cluster would fail
        host="127.0.0.1",
        memory_limit="auto" if memory is None else memory,
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    with distributed.Client(cluster, set_as_default=False) as client:
        client.write_scheduler_file(str(file))
    return cluster


def _distributed() -> Any:
    """The module, which is an extra."""
    try:
        return import_module("distributed")
    except ImportError:
        raise ClusterError(INSTALL) from None
