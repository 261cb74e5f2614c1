"""Whether stored trials come out the same when they are trained again: bit by bit, or by how much they differ."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from pytest_claims.executors import Executor, Finished, TrialFailed, next_done
from pytest_claims.trial import Run, Study, Trial


def again(stored: Mapping[Trial, Run], executor: Executor, study: Study, write: Callable[[str], None]) -> int:
    """Train trials and compare them with their stored runs; a line for each that differs or fails, and how many did."""
    running: dict[Future[Finished], Trial] = {executor.submit(trial): trial for trial in stored}
    wrong = 0
    while running:
        for future in next_done(executor, running):
            trial = running.pop(future)
            try:
                run = study.decode(_plain(future.result().result)).until(trial.horizon)
            except TrialFailed as failure:
                words = f"gave no result: {failure}"
            else:
                words = difference(_plain(stored[trial].to_json()), _plain(run.to_json()))
            if words:
                wrong += 1
                write(f"differs: trial {trial.key} (seed {trial.seed}, horizon {trial.horizon}) {words}")
    return wrong


def _plain(result: Any) -> Any:
    """As it comes out of a store."""
    return json.loads(json.dumps(result))


def difference(stored: Any, now: Any) -> str:
    """In what two results differ, in words; empty if in nothing."""
    if stored == now:
        return ""
    before, after = dict(leaves(stored)), dict(leaves(now))
    if before.keys() != after.keys():
        (name, *_) = sorted(before.keys() ^ after.keys())
        return f"has other fields: {name}"
    apart = {name: relative(before[name], after[name]) for name in before if before[name] != after[name]}
    worst = max(apart, key=lambda name: apart[name])
    return f"in {len(apart)} of {len(before)} values, most in {worst}: {before[worst]} stored, {after[worst]} now"


def relative(one: Any, other: Any) -> float:
    """Difference over the larger of two numbers; infinite between anything else."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (one, other))
    return abs(one - other) / max(abs(one), abs(other)) if numbers else float("inf")


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value of a result, by where it is."""
    if isinstance(value, Mapping):
        for field, inner in value.items():
            yield from leaves(inner, f"{name}.{field}".lstrip("."))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from leaves(inner, f"{name}[{i}]")
    else:
        yield name, value
