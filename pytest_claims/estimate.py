"""How long a batch takes: from what trials of the same kind took on this machine, or from short ones, trained now."""

import statistics
import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from pytest_claims.executors import Executor, Finished, TrialFailed, next_done
from pytest_claims.plan import Batch
from pytest_claims.store import Store
from pytest_claims.trial import Study, Trial, describe, digest

SEED = 3_000
"""Of the short trials; none that judges or tunes has it."""
PATIENCE = 30.0
"""Seconds after which no further kind is measured."""
ENOUGH = 3
"""So many stored timings of a kind spare the measurement."""


def kind(study: Study, recipe: Any, *, together: bool) -> str:
    """Names trials whose seconds a unit of cost should be alike: those of one short recipe, on one kind of machine."""
    machine = {"environment": dict(study.environment), "processor": study.provenance.get("processor", "")}
    short = describe(study.short(recipe)) if study.short else None
    return digest({"recipe": short, "together": together} | machine)[:16]


def expected_seconds(
    todo: Batch, study: Study, store: Store, executor: Executor, *, measured: Mapping[str, float] | None = None
) -> float | None:
    """Wall time of a batch; None where nothing of its kinds, and nothing else, was ever timed.

    Args:
        todo: The batch.
        study: The subject.
        store: Has timings.
        executor: What is to train it.
        measured: Seconds a unit of cost by kind, from `measure`.
    """
    kinds = {trial.key: kind(study, trial.recipe, together=executor.together) for trial in todo.trials}
    rates = {name: store.rates(name) for name in set(kinds.values())}
    known = {name: statistics.fmean(found) for name, found in rates.items() if found} | dict(measured or {})
    if not known:
        return None
    otherwise = statistics.median(known.values())
    seconds = [
        study.cost(trial.recipe, trial.horizon) * known.get(kinds[trial.key], otherwise) for trial in todo.trials
    ]
    if executor.together:
        return sum(seconds)  # a trial's seconds are its share of those of its group
    return max(sum(seconds) / executor.workers, max(seconds, default=0.0))


def measure(todo: Batch, study: Study, store: Store, executor: Executor) -> dict[str, float]:
    """Seconds a unit of cost of the kinds that have few timings, each from one short trial on the executor's workers.

    The kinds of which there is most to do come first. Nothing is measured for trials that train together: what one takes in a
    group shows only in a group, so that only stored timings tell.
    """
    if study.short is None or executor.together:
        return {}
    work: dict[str, float] = defaultdict(float)
    recipes = {}
    for trial in todo.trials:
        name = kind(study, trial.recipe, together=executor.together)
        work[name] += study.cost(trial.recipe, trial.horizon)
        recipes[name] = study.short(trial.recipe)
    unknown = [name for name in sorted(work, key=lambda name: -work[name]) if len(store.rates(name)) < ENOUGH]
    trials = {name: study.trial(recipes[name], seed=SEED, horizon=1) for name in unknown}
    if not trials:
        return {}
    _finish(
        executor, {str(n): next(iter(trials.values())) for n in range(executor.workers)}, study
    )  # first steps are slow
    return _finish(executor, trials, study, patience=PATIENCE)


def _finish(
    executor: Executor, trials: Mapping[str, Trial], study: Study, *, patience: float = float("inf")
) -> dict[str, float]:
    """Seconds a unit of cost of those that gave a result."""
    start, found = time.monotonic(), {}
    queue = list(trials.items())[::-1]
    running: dict[Future[Finished], tuple[str, Trial]] = {}
    while running or (queue and time.monotonic() - start < patience):
        while queue and len(running) < executor.workers and time.monotonic() - start < patience:
            name, trial = queue.pop()
            running[executor.submit(trial)] = name, trial
        for future in next_done(executor, running):
            name, trial = running.pop(future)
            try:
                found[name] = future.result().seconds / study.cost(trial.recipe, trial.horizon)
            except TrialFailed:
                continue  # what does not work is found out, and said, when the batch is trained
    return found
