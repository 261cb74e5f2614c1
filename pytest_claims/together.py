"""Trials of one form trained at once, in this process: for accelerators."""

import time
from collections.abc import Sequence
from concurrent.futures import Future

from pytest_claims.executors import Finished, this_worker, train_into
from pytest_claims.trial import Grouped, Run, Study, Trial


class Together:
    """An executor that trains waiting trials whose recipes have one form as one group.

    If a group fails, as for want of memory, or since a layer cannot be stacked, each half of it is tried, down to single
    trials, which train as they do elsewhere, so that only a trial that fails alone fails. An interrupt costs the group
    that is in training.

    Args:
        study: The subject.
        grouped: How it trains many at once.
        most: Trials in a group; None leaves it to the subject, which knows the device's memory.
    """

    workers = 1024
    """Trials that are taken in to choose from; groups train one after the other."""
    together = True

    def __init__(self, study: Study, grouped: Grouped, most: int | None = None) -> None:
        self.study, self.grouped, self.most = study, grouped, most
        self._waiting: list[tuple[Trial, Future[Finished]]] = []

    def submit(self, trial: Trial) -> "Future[Finished]":
        """Queue the trial."""
        future: Future[Finished] = Future()
        self._waiting.append((trial, future))
        return future

    def flush(self) -> None:
        """Train a group: the trial that came first and those of its form."""
        if not self._waiting:
            return
        form, device = self.grouped.form, self.study.device
        first = self._waiting[0][0].recipe
        wanted = form(first)
        most = self.most or self.grouped.at_once(first, device)
        group = [pair for pair in self._waiting if form(pair[0].recipe) == wanted][:most]
        self._waiting = [pair for pair in self._waiting if pair not in group]
        self._train(group)

    def _train(self, group: Sequence[tuple[Trial, "Future[Finished]"]]) -> None:
        if len(group) == 1:
            ((trial, future),) = group
            train_into(future, self.study, trial)
            return
        trials = [trial for trial, _ in group]
        start = time.perf_counter()
        runs: Sequence[Run] | None
        try:
            runs = self.grouped.train(
                [trial.recipe for trial in trials],
                seeds=[trial.seed for trial in trials],
                horizons=[trial.horizon for trial in trials],
                device=self.study.device,
            )
        except Exception:  # whatever training raises; its halves may fit, and single trials say which of them it is
            runs = None
        if runs is None:  # and here, where the failed attempt's tensors are let go
            half = len(group) // 2
            self._train(group[:half])
            self._train(group[half:])
            return
        seconds = time.perf_counter() - start
        costs = [self.study.cost(trial.recipe, trial.horizon) for trial in trials]
        worker = this_worker() | {"together": len(group)}
        for (_, future), run, cost in zip(group, runs, costs, strict=True):
            share = seconds * cost / sum(costs) if sum(costs) else seconds / len(group)
            future.set_result(Finished(run.to_json(), bool(run.diverged), share, worker))

    def close(self, *, cancel: bool = False) -> None:
        """Train what is queued, unless `cancel`."""
        while self._waiting and not cancel:
            self.flush()
