"""What was trained for a claim: its curves, its last values beside the write-up's, its recipes and runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pytest_claims.report import charts, marks, wording
from pytest_claims.report.tables import flat
from pytest_claims.report.wording import number
from pytest_claims.trial import Json
from pytest_claims.tuning import Attempt

PREFERRED = ("precise accuracy", "test accuracy")
"""Curves to draw, the best first, where a claim names none: the first that every arm has."""

QUOTED = "test accuracy"
"""What a write-up reports of an arm where the claim names no curve: what is measured without further work."""


@dataclass(frozen=True, kw_only=True)
class ArmRow:
    """One arm as a row of a table: its last values, and what the write-up says of it."""

    name: str
    sample: Markup
    runs: int
    diverged: int
    finals: list[str]
    reported: str
    difference: str


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A learning-curve chart with its legend, its numbers and what its caption must say."""

    curve: str
    svg: Markup
    table: list[list[str]]
    legend: list[tuple[Markup, str]]
    arms: int
    seeds: int
    epochs: int
    gaps: bool
    bands: bool


@dataclass(frozen=True, kw_only=True)
class Arms:
    """The arms of a claim, without the trials that tuned them.

    Attributes:
        claim: Its evidence.
        runs: By arm, the trials that the evidence has, in order of seeds, each with its key.
        epochs: How many epochs the claim reads.
        curve: The curve to draw; empty if there is none.
        curves: The names of all curves, that one first.
        drawn: The arms that the chart has room for.
    """

    claim: Json
    runs: Mapping[str, list[Json]]
    epochs: int
    curve: str
    curves: list[str]
    drawn: list[str]

    @classmethod
    def of(cls, claim: Json, trials: Mapping[str, Json]) -> "Arms":
        """The arms of a claim, from the trials of all."""
        runs = {
            arm: [trials[key] | {"key": key} for key in keys if key in trials]
            for arm, keys in claim["trials"].items()
            if not Attempt.labelled(arm)
        }
        # what a search tried on one seed alone would hide what is compared
        runs = dict(sorted(runs.items(), key=lambda arm: len(arm[1]) == 1))
        shortest = min((t["horizon"] for arm in runs.values() for t in arm), default=0)
        curve, curves = _curves(claim, runs)
        several = [arm for arm in runs if len(runs[arm]) > 1] or list(runs)
        most = sorted(several, key=lambda arm: -len(runs[arm]))[: len(marks.DASHES)]
        return cls(
            claim=claim,
            runs=runs,
            epochs=int(claim["horizon"]) if "horizon" in claim else shortest,
            curve=curve,
            curves=curves,
            drawn=[arm for arm in runs if arm in most],
        )

    @property
    def quoted(self) -> str:
        """The curve that the write-up's figures are set beside."""
        return str(self.claim["curve"]) if "curve" in self.claim else QUOTED if QUOTED in self.curves else self.curve

    def drawing(self) -> Drawing | None:
        """The chart; None if nothing was measured within these epochs."""
        if not self.curve or not self.epochs:
            return None
        series = [
            charts.Series.of(arm, [t["curves"].get(self.curve, []) for t in self.runs[arm]], self.epochs)
            for arm in self.drawn
        ]
        ends = [
            f"{arm.name} {number(arm.mean[-1], 4)} ({number(arm.low[-1], 4)} to {number(arm.high[-1], 4)})"
            for arm in series
            if arm.mean[-1] is not None
        ]
        at_end = f" At epoch {self.epochs}: {'; '.join(ends)}." if ends else ""
        label = f"{self.claim['id']}: mean {self.curve} by epoch.{at_end}"
        svg = charts.curve_chart(series, label=label, measure=self.curve)
        if not svg:
            return None
        return Drawing(
            curve=self.curve,
            svg=svg,
            table=[["epoch", *self.drawn], *(_epoch(series, i) for i in range(self.epochs))],
            legend=[(marks.sample(i), arm) for i, arm in enumerate(self.drawn)],
            arms=len(self.runs),
            seeds=max(len(self.runs[arm]) for arm in self.drawn),
            epochs=self.epochs,
            gaps=any(mean is None for arm in series for mean in arm.mean),
            bands=len(series) <= marks.BANDS,
        )

    def rows(self) -> list[ArmRow]:
        """A row an arm, with the last value of every curve."""
        return [self._row(arm, trials) for arm, trials in self.runs.items()]

    def _row(self, arm: str, trials: Sequence[Json]) -> ArmRow:
        reported = self.claim["reported"].get(arm)
        ours = [value for t in trials if (value := self._last(t, self.quoted)) is not None]
        gap = None if reported is None or not ours else sum(ours) / len(ours) - reported
        return ArmRow(
            name=arm,
            sample=marks.sample(self.drawn.index(arm)) if self.curve and arm in self.drawn else Markup(""),
            runs=len(trials),
            diverged=sum(t["diverged"] for t in trials),
            finals=[_spread([self._last(t, curve) for t in trials]) for curve in self.curves],
            reported="" if reported is None else wording.given(reported),
            difference="" if gap is None else number(gap, 2, signed=True),
        )

    def listing(self) -> str:
        """Every run as a line of plain text."""
        head = ["seed", "trial", *self.curves, "seconds", ""]
        blocks = []
        for arm, trials in self.runs.items():
            blocks.append(f"{arm}\n{wording.aligned([head, *map(self._line, trials)])}")
        return "\n\n".join(blocks)

    def _line(self, trial: Json) -> list[str]:
        values = [number(self._last(trial, curve), 4) for curve in self.curves]
        diverged = "diverged" if trial["diverged"] else ""
        return [str(trial["seed"]), trial["key"], *values, number(trial["seconds"]), diverged]

    def _last(self, trial: Json, curve: str) -> float | None:
        """The value of a curve after the last epoch that counts."""
        values = trial["curves"].get(curve, [])
        return values[self.epochs - 1] if 0 < self.epochs <= len(values) else None


def _epoch(series: Sequence[charts.Series], i: int) -> list[str]:
    """An epoch of every arm as a row: mean over seeds, lowest and highest."""
    cells = [
        ""
        if (mean := arm.mean[i]) is None
        else f"{number(mean, 4)} ({number(arm.low[i], 4)} to {number(arm.high[i], 4)})"
        for arm in series
    ]
    return [str(i + 1), *cells]


def _curves(claim: Json, runs: Mapping[str, Sequence[Json]]) -> tuple[str, list[str]]:
    """The curve to draw (empty: none), and the names of all, that one first."""

    def measured(arm: str, curve: str) -> int:
        return sum(value is not None for trial in runs[arm] for value in trial["curves"].get(curve, []))

    names = list(dict.fromkeys(name for arm in runs.values() for trial in arm for name in trial["curves"]))
    names.sort(key=lambda name: PREFERRED.index(name) if name in PREFERRED else len(PREFERRED))
    wanted = [claim["curve"]] if "curve" in claim else names
    # a curve that some arm lacks, or that was measured now and then only, compares the others with nothing
    curve = max(wanted, key=lambda name: sum(measured(arm, name) for arm in runs), default="")
    if not any(measured(arm, curve) for arm in runs):
        curve = ""
    return curve, sorted(names, key=lambda name: name != curve)


def _spread(values: Sequence[float | None]) -> str:
    """Mean and range over seeds."""
    finite = [value for value in values if value is not None]
    if not finite:
        return "not measured"
    of = f", {len(finite)} of {len(values)} seeds" if len(finite) < len(values) else ""
    mean = number(sum(finite) / len(finite), 4)
    return f"{mean} ({number(min(finite), 4)} to {number(max(finite), 4)}{of})"


def recipe_rows(recipes: Mapping[str, Json]) -> list[tuple[str, str]]:
    """What all arms share, then what is particular to each."""
    found = {arm: dict(flat(recipe)) for arm, recipe in recipes.items()}
    first, *others = found.values() or [{}]
    shared = {name for name, value in first.items() if all(other.get(name) == value for other in others)}
    rows = [("all arms", {name: first[name] for name in first if name in shared})] if others and shared else []
    own = shared if others else set()
    rows += [(arm, {name: recipe[name] for name in recipe if name not in own}) for arm, recipe in found.items()]
    return [
        (arm, ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()))
        for arm, fields in rows
    ]
