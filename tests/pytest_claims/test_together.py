"""Trials that train at once: whose groups they are, what comes back, and whose loss a failure is."""

from collections.abc import Sequence
from typing import Any

import pytest

from pytest_claims.executors import Finished, InProcess, TrialFailed, next_done
from pytest_claims.together import Together
from pytest_claims.trial import Grouped, Study
from tests.pytest_claims import toy
from tests.pytest_claims.toy import History, Recipe


class Trainer:
    """Trains toys many at once, one after the other, and writes down each group."""

    def __init__(self, *, holds: int = 100) -> None:
        self.holds = holds
        self.groups: list[list[tuple[float, int]]] = []

    def __call__(
        self, recipes: Sequence[Recipe], *, seeds: Sequence[int], horizons: Sequence[int], device: str
    ) -> list[History]:
        self.groups.append([(recipe.gain, seed) for recipe, seed in zip(recipes, seeds, strict=True)])
        if len(recipes) > self.holds:
            raise MemoryError(f"{len(recipes)} do not fit")
        return [
            toy.train(recipe, seed=seed, horizon=horizon, device=device)
            for recipe, seed, horizon in zip(recipes, seeds, horizons, strict=True)
        ]


def executor(trainer: Trainer, most: int | None = None, *, at_once: int = 100) -> tuple[Together, Study]:
    """Toys of one noise have one form."""
    grouped = Grouped(train=trainer, form=lambda recipe: recipe.noise, at_once=lambda recipe, device: at_once)
    study = toy.study(grouped=grouped)
    return Together(study, grouped, most), study


def results(together: Together, study: Study, wanted: Sequence[tuple[Recipe, int]]) -> list[Finished | str]:
    """Of (recipe, seed): what came back, or why nothing did."""
    futures = [together.submit(study.trial(recipe, seed=seed, horizon=2 + seed % 2)) for recipe, seed in wanted]
    running = set(futures)
    while running:
        running -= next_done(together, running)
    assert all(isinstance(future.exception(), TrialFailed | None) for future in futures)
    return [str(future.exception() or "") or future.result() for future in futures]


MIXED = [
    (Recipe(gain=gain, noise=noise), seed) for seed in (0, 1) for gain, noise in ((0.1, 0.01), (0.2, 0.02), (0.3, 0.01))
]


def test_groups_are_of_one_form() -> None:
    """The first that waits and those like it, arms and seeds together; then the next."""
    trainer = Trainer()
    together, study = executor(trainer)
    found = results(together, study, MIXED)
    assert trainer.groups == [[(0.1, 0), (0.3, 0), (0.1, 1), (0.3, 1)], [(0.2, 0), (0.2, 1)]]
    alone = [
        InProcess(study).submit(study.trial(recipe, seed=seed, horizon=2 + seed % 2)).result() for recipe, seed in MIXED
    ]
    assert [f.result for f in found if isinstance(f, Finished)] == [f.result for f in alone]
    assert [f.worker["together"] for f in found if isinstance(f, Finished)] == [4, 2, 4, 4, 2, 4]


def test_seconds_are_shared_by_cost() -> None:
    trainer = Trainer()
    together, study = executor(trainer)
    found = results(together, study, [(Recipe(seconds=0.05), 0), (Recipe(seconds=0.05), 1)])  # horizons 2 and 3
    seconds = [f.seconds for f in found if isinstance(f, Finished)]
    assert seconds[1] == pytest.approx(1.5 * seconds[0])
    assert sum(seconds) >= 0.1


@pytest.mark.parametrize(("most", "at_once"), [(2, 100), (None, 2)], ids=["asked for", "memory"])
def test_groups_are_bounded(most: int | None, at_once: int) -> None:
    trainer = Trainer()
    together, study = executor(trainer, most, at_once=at_once)
    assert all(isinstance(f, Finished) for f in results(together, study, MIXED))
    assert [len(group) for group in trainer.groups] == [2, 2, 2]


def test_a_group_that_does_not_fit_is_halved() -> None:
    trainer = Trainer(holds=1)
    together, study = executor(trainer)
    assert all(isinstance(f, Finished) for f in results(together, study, MIXED[:3]))
    assert trainer.groups == [[(0.1, 0), (0.3, 0)]]


def test_only_the_trial_that_fails_fails() -> None:
    trainer = Trainer()
    together, study = executor(trainer)
    found = results(together, study, [(Recipe(fault="raise", faulty=(2,)), seed) for seed in range(5)])
    assert [isinstance(f, Finished) for f in found] == [True, True, False, True, True]
    assert found[2] == "RuntimeError: the toy was told to fail"


@pytest.mark.parametrize("cancel", [True, False])
def test_close(cancel: bool) -> None:
    trainer = Trainer()
    together, study = executor(trainer)
    future: Any = together.submit(study.trial(Recipe(), seed=0, horizon=1))
    together.close(cancel=cancel)
    assert future.done() is not cancel
