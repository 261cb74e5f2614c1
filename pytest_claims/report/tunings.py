"""How the arms at their own best setting came to it: every setting that was tried, and what it scored."""

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_claims.report import wording
from pytest_claims.report.arms import PREFERRED
from pytest_claims.report.tables import flat, last
from pytest_claims.report.wording import given, number
from pytest_claims.trial import Json
from pytest_claims.tuning import Attempt, mean


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The search of one arm.

    Attributes:
        arm: Its name.
        found: The setting that it has; empty while it has none.
        curve: The best that all trials have at their end; empty if there is none.
        tried: Each setting in ascending order, and the mean of that curve's last value.
        trials: How many there were.
        diverged: How many of them did.
        epochs: Of one.
        recipe: Of the first, under its name.
        listing: Every trial as a line of plain text.
    """

    arm: str
    found: str
    curve: str
    tried: list[tuple[str, str]]
    trials: int
    diverged: int
    epochs: int
    recipe: tuple[str, Json]
    listing: str


def tunings(claim: Json, trials: Mapping[str, Json]) -> list[Tuning]:
    """The searches of a claim."""
    searches: dict[str, list[tuple[Attempt, Json]]] = {}
    for label, keys in claim["trials"].items():
        if attempt := Attempt.labelled(label):
            searches.setdefault(attempt.arm, []).extend((attempt, trials[k] | {"key": k}) for k in keys if k in trials)
    every = [trial for found in searches.values() for _, trial in found]
    names = [*PREFERRED, *(name for trial in every for name in trial["curves"])]
    curve = next(
        (name for name in names if all(last(trial["curves"].get(name, [])) is not None for trial in every)), ""
    )
    return [_tuning(claim, arm, found, curve) for arm, found in searches.items() if found]


def _tuning(claim: Json, arm: str, search: list[tuple[Attempt, Json]], curve: str) -> Tuning:
    settings = sorted({attempt.setting for attempt, _ in search})
    scores = {
        setting: [last(trial["curves"].get(curve, [])) for a, trial in search if a.setting == setting]
        for setting in settings
    }
    head = ["setting", "seed", "trial", curve, "seconds", ""]
    return Tuning(
        arm=arm,
        found=_found(claim["recipes"].get(arm, {}), search),
        curve=curve,
        tried=[(given(setting), _mean(scores[setting])) for setting in settings],
        trials=len(search),
        diverged=sum(trial["diverged"] for _, trial in search),
        epochs=max(trial["horizon"] for _, trial in search),
        recipe=(search[0][0].label, search[0][1]["recipe"]),
        listing=f"{arm}, tuning\n{wording.aligned([head, *(_line(*one, curve) for one in search)])}",
    )


def _found(recipe: Json, search: list[tuple[Attempt, Json]]) -> str:
    """The arm's own value of the field that its attempts differ in."""
    tried = [(attempt.setting, dict(flat(trial["recipe"]))) for attempt, trial in search]
    values = (v for name, v in flat(recipe) if all(one.get(name) == setting for setting, one in tried))
    return next((given(value) for value in values), "")


def _line(attempt: Attempt, trial: Json, curve: str) -> list[str]:
    diverged = "diverged" if trial["diverged"] else ""
    score = number(last(trial["curves"].get(curve, [])), 4)
    return [given(attempt.setting), str(attempt.seed), trial["key"], score, number(trial["seconds"]), diverged]


def _mean(scores: list[float | None]) -> str:
    finite = [score for score in scores if score is not None]
    return number(mean(finite), 4) if len(finite) == len(scores) else "no value"
