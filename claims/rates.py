"""Learning rates that are searched for: the largest stable one, and an arm's own best."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from bnmodels.recipe import Recipe
from pytest_claims import Arm, Tuned

from .measures import TRAINED, Runs, final_p, trains

GRID = range(-6, 10)
"""Learning rates 2^k."""
FIRST_RATE = -1
"""Where a search starts: 0.5."""

TUNING_EPOCHS = 4
"""Epochs after which a rate is scored: fewer than judge, so that arms with BN can be tuned within the budget."""
WHOLE = 10
"""The same for arms that stand on a plateau for epochs: the length that judges."""
LEARNED = 0.5
"""P up to which a rate has shown nothing."""
HELD_OUT = 5_000


def own_best(recipe: Callable[..., Recipe], *, epochs: int = TUNING_EPOCHS, start: int = FIRST_RATE) -> Tuned:
    """An arm at its own best rate 2^k: the highest mean P on 5,000 training images that it did not see, seeds 2000 to 2002.

    Args:
        recipe: Takes the rate as `lr`.
        epochs: After which a rate is scored.
        start: Exponent of the rate where the search starts.
    """

    def candidate(rate: float) -> Recipe:
        judges = recipe(lr=rate)
        # a plain recipe, whatever else the arm measures: so equal arms of two claims are tuned once
        trained = {field.name: getattr(judges, field.name) for field in fields(Recipe)}
        tuned: dict[str, Any] = {
            "train_images": min(judges.train_images, 60_000 - HELD_OUT),
            "training_accuracy": False,
            "test_images": HELD_OUT,
            "held_out": True,
            "precise_epochs": tuple(sorted({TUNING_EPOCHS, epochs})),
            "flatness_epochs": (),
            "noise_epochs": (),
            "parameter_epochs": (),
        }
        return Recipe(**trained | tuned)

    return Tuned(
        settings=[2.0**k for k in GRID],
        start=2.0**start,
        candidate=candidate,
        recipe=lambda rate: recipe(lr=rate),
        score=final_p,
        horizon={"smoke": TUNING_EPOCHS, "full": epochs, "wide": epochs},
        floor=LEARNED,
    )


def search_rates(**recipes: Callable[..., Recipe]) -> Any:
    """A search for the largest stable rate of each named recipe, for a claim's `search`.

    Per seed: from 0.5 up until the first rate that fails, and one more to see gaps; if 0.5 fails, down until one trains.
    """

    def search(runs: Runs) -> Mapping[str, Arm]:
        wanted = {name: next_rate(fates(name, runs)) for name in recipes}
        return {rate_arm(name, k): Arm(recipe=recipes[name](lr=2.0**k)) for name, k in wanted.items() if k is not None}

    search.__name__ = f"largest stable rate of {', '.join(recipes)}"
    return search


def rate_arm(name: str, k: int) -> str:
    """The arm of a recipe at rate 2^k."""
    return f"{name}, rate {2.0**k:g}"


def fates(name: str, runs: Runs, threshold: float = TRAINED) -> dict[int, bool]:
    """By exponent, whether the rates tried so far trained."""
    tried = {k: rate_arm(name, k) for k in GRID if rate_arm(name, k) in runs}
    return {k: trains(runs[arm], threshold=threshold) for k, arm in tried.items()}


def next_rate(tried: Mapping[int, bool]) -> int | None:
    """The next exponent to try, given which rates trained; None at the end."""
    if FIRST_RATE not in tried:
        return FIRST_RATE
    if not tried[FIRST_RATE]:
        lowest = min(tried)
        return lowest - 1 if not tried[lowest] and lowest > min(GRID) else None
    failed = [k for k, trained in tried.items() if k > FIRST_RATE and not trained]
    highest = max(tried)
    # one rate beyond the first failure shows whether there are gaps
    wanted = highest < min(failed) + 1 if failed else True
    return highest + 1 if wanted and highest < max(GRID) else None


def largest_stable(name: str, runs: Runs, threshold: float = TRAINED) -> int:
    """Log2 of the largest rate with no failure between 0.5 and it.

    One step below the grid if no rate trains. At the top of the grid it is censored: "at least".
    """
    tried = fates(name, runs, threshold)
    if not tried.get(FIRST_RATE, False):
        return max((k for k, trained in tried.items() if trained), default=min(GRID) - 1)
    best = FIRST_RATE
    while tried.get(best + 1, False):
        best += 1
    return best
