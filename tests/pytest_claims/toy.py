"""A study that trains in a millisecond: noisy curves from a seeded generator, and every fault that a trial can have.

Real in every part: worker processes import it, it writes down each training that begins and ends, and it has no torch.
"""

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from pytest_claims import Scale, Study, Superiority
from pytest_claims.statistics import LOOKS
from pytest_claims.trial import Json

Fault = Literal["", "diverge", "raise", "hang", "kill", "memory"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is trained.

    Attributes:
        gain: Added to every accuracy.
        noise: Standard deviation of the accuracies over seeds.
        fault: What goes wrong with the seeds of `faulty`.
        recovers: Whether it goes wrong at the first attempt only.
        seconds: How long training takes.
    """

    gain: float = 0.0
    noise: float = 0.01
    fault: Fault = ""
    faulty: tuple[int, ...] = ()
    recovers: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class History:
    """Accuracy an epoch, up to the epoch at which the run diverged, if it did."""

    accuracy: tuple[float, ...]
    diverged: bool = False

    def until(self, horizon: int) -> Self:
        """The first epochs; a run that diverged later has not diverged yet."""
        return type(self)(self.accuracy[:horizon], self.diverged and len(self.accuracy) < horizon)

    def curves(self) -> Mapping[str, Sequence[float | None]]:
        """What the report draws."""
        return {"accuracy": self.accuracy}

    def to_json(self) -> Json:
        """Plain values."""
        return {"accuracy": list(self.accuracy), "diverged": self.diverged}

    @classmethod
    def from_json(cls, result: Json) -> "History":
        """The run again."""
        return cls(tuple(result["accuracy"]), result["diverged"])


def train(recipe: Recipe, *, seed: int, horizon: int, device: str, log: str = "") -> History:
    """Pretend to train, and write down in the file `log` that it began and that it ended."""
    _note(log, "begin", recipe, seed)
    if seed in recipe.faulty and not (
        recipe.recovers and len(trainings(Path(log), "begin", gain=recipe.gain, seed=seed)) > 1
    ):
        if recipe.fault == "diverge":
            return History((0.5,), diverged=True)
        _fail(recipe.fault)
    time.sleep(recipe.seconds)
    rng = np.random.default_rng([seed, round(1e6 * (1 + recipe.gain))])
    offset = recipe.gain + recipe.noise * rng.standard_normal()
    _note(log, "end", recipe, seed)
    return History(tuple(0.5 + float(offset) + 0.01 * epoch for epoch in range(horizon)))


def _fail(fault: Fault) -> None:
    if fault == "raise":
        raise RuntimeError("the toy was told to fail")
    if fault == "hang":
        time.sleep(60)
    if fault == "memory":
        held = np.ones(2**29)  # 4 GB, each page touched
        time.sleep(20)
        del held
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


def _note(log: str, event: str, recipe: Recipe, seed: int) -> None:
    if log:
        line = "\n" + json.dumps({"event": event, "gain": recipe.gain, "seed": seed, "pid": os.getpid()})
        file = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(file, line.encode())  # one write: lines of several workers do not mix
        os.close(file)


def trainings(log: Path, event: Literal["begin", "end"] = "end", **which: Any) -> list[tuple[float, int]]:
    """(gain, seed) of every training noted so far, in order; those where `gain`, `seed` or `pid` are as given."""
    chosen = [line for line in _noted(log) if line["event"] == event and all(line[k] == v for k, v in which.items())]
    return [(line["gain"], line["seed"]) for line in chosen]


def pids(log: Path) -> set[int]:
    """Processes that began a training."""
    return {line["pid"] for line in _noted(log)}


def _noted(log: Path) -> list[Json]:
    """All whole lines: one may be seen half written, and stays so where its process is killed as it writes."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def here(version: str = "1") -> dict[str, str]:
    """The environment of the machine on which it is called."""
    return {"toy": version}


def study(log: Path | None = None, **changes: Any) -> Study:
    """The study; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "train": partial(train, log=str(log)) if log else train,
        "version": 1,
        "decode": History.from_json,
        "cost": lambda recipe, horizon: float(horizon),
        "cost_unit": "toy-epochs",
        "device": "cpu",
        "environment": {"toy": "1"},
        "provenance": {"host": "here"},
        "here": here,
        "preload": ("tests.pytest_claims.toy",),
    }
    return Study(**(fields | changes))


def scale(name: str = "standard", looks: tuple[int, ...] = LOOKS[:1], *, judged: bool = True) -> Scale:
    """A scale that changes no recipe."""
    return Scale(name=name, looks=looks, judged=judged, scope="on toys", prepare=lambda recipe: recipe, examples=5)


SCALES = {s.name: s for s in (scale("smoke", (2,), judged=False), scale(), scale("full", LOOKS))}


def gain(id_: str, by: float = 0.1, **changes: Any) -> Superiority:
    """The claim that an arm is better than a plain one; by 0.1 it is supported, by -0.1 refuted, by 0 undecided.

    Fields of the recipe in `changes` are the better arm's; the others are the claim's.
    """
    recipe = {name: changes.pop(name) for name in list(changes) if name in Recipe.__dataclass_fields__}
    fields: dict[str, Any] = {
        "id": id_,
        "statement": f"A gain of {by} helps.",
        "place": "Section 1",
        "arms": {"better": Recipe(gain=by, **recipe), "plain": Recipe()},
        "horizon": {"smoke": 1, "standard": 2, "full": 3},
        "effect": lambda runs: runs["better"].accuracy[-1] - runs["plain"].accuracy[-1],
        "unit": 0.005,
        "measure": "accuracy",
    }
    return Superiority(**(fields | changes))
