"""Arms at their own best setting, which is found on seeds that never judge."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pytest_claims.trial import Json, Run, describe

FIRST_TUNING_SEED = 2000
"""Seeds from here on may tune and never judge."""
TUNING_SEEDS = (FIRST_TUNING_SEED, FIRST_TUNING_SEED + 1, FIRST_TUNING_SEED + 2)

Scores = Mapping[float, Sequence[float]]
"""Setting -> the scores of its finished runs."""


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """An arm at its own best setting, such as a learning rate.

    The search climbs: from `start` it tries the neighbours of the best setting so far, until both neighbours of the best
    have been tried or the grid ends. It finds the best of the grid where scores have one peak. While no setting scores above
    `floor` there is nothing to climb, and the search widens both ways.

    Attributes:
        settings: The grid, in ascending order.
        start: Tried first, one of the grid.
        candidate: Setting -> the recipe that is trained and scored to tune. It must not see the data that judge.
        recipe: Setting -> the recipe of the arm at that setting.
        score: Of a candidate's run; the highest mean over seeds is best, of equals the lowest setting.
        horizon: Epochs of a candidate at each scale.
        seeds: Of the candidates' runs.
        floor: A mean score up to which a setting has shown nothing.
    """

    settings: Sequence[float]
    start: float
    candidate: Callable[[float], Any]
    recipe: Callable[[float], Any]
    score: Callable[[Any], float]
    horizon: Mapping[str, int]
    seeds: Sequence[int] = TUNING_SEEDS
    floor: float = -math.inf

    def __post_init__(self) -> None:
        if list(self.settings) != sorted(set(self.settings)) or self.start not in self.settings:
            raise ValueError(
                f"settings={list(self.settings)}, start={self.start}: settings ascend, each once, and the start is one"
            )
        if not self.seeds or any(seed < FIRST_TUNING_SEED for seed in self.seeds):
            raise ValueError(f"seeds={list(self.seeds)}: at least one, each from {FIRST_TUNING_SEED} on")
        for scale, epochs in self.horizon.items():
            if epochs < 1:
                raise ValueError(f"tuning horizon={epochs} at {scale}: at least 1 epoch")

    def wanted(self, scores: Scores) -> list[float]:
        """The settings to try next; none when the search has ended."""
        if self.start not in scores:
            return [self.start]
        best = self.best(scores)
        low = high = self.settings.index(best)
        if mean(scores[best]) <= self.floor:
            low, high = self.settings.index(min(scores)), self.settings.index(max(scores))
        neighbours = (self.settings[i] for i in (low - 1, high + 1) if 0 <= i < len(self.settings))
        return [setting for setting in neighbours if setting not in scores]

    def best(self, scores: Scores) -> float:
        """The setting with the highest mean score."""
        return max(sorted(scores), key=lambda setting: mean(scores[setting]))

    def scored(self, run: Run) -> float:
        """The score of a run; one that is not a number loses to all."""
        score = float(self.score(run))
        return -math.inf if math.isnan(score) else score

    def parameters(self) -> Json:
        """Everything that can change which setting is best, for the manifest."""
        return {
            "settings": list(self.settings),
            "start": self.start,
            "candidate": describe(self.candidate(self.start)),
            "recipe": describe(self.recipe(self.start)),
            "score": getattr(self.score, "__name__", repr(self.score)),
            "horizon": dict(self.horizon),
            "seeds": list(self.seeds),
            "floor": self.floor if math.isfinite(self.floor) else None,
        }


class Attempt(NamedTuple):
    """One trial of a search: the arm that it tunes, the setting that it tries, and its seed."""

    arm: str
    setting: float
    seed: int

    @property
    def label(self) -> str:
        """Its name among the trials of a claim."""
        return f"{self.arm}, tuning at {self.setting:g}, seed {self.seed}"

    @classmethod
    def labelled(cls, label: str) -> "Attempt | None":
        """The attempt of this name; None if it is the name of an arm."""
        found = re.fullmatch(r"(.+), tuning at (\S+), seed (\d+)", label, flags=re.DOTALL)
        return cls(found[1], float(found[2]), int(found[3])) if found else None


def mean(values: Sequence[float]) -> float:
    """Over seeds."""
    return math.fsum(values) / len(values)
