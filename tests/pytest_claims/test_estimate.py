"""Expected times: of which timings they are made, and that short trials are trained for kinds that have none."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_claims.estimate import ENOUGH, expected_seconds, kind, measure
from pytest_claims.executors import InProcess, LocalProcesses
from pytest_claims.plan import Batch, batch
from pytest_claims.store import Store
from pytest_claims.trial import Study
from tests.pytest_claims import toy
from tests.pytest_claims.toy import Recipe


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.sqlite") as store:
        yield store


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Toys that take a tenth of a second, or three; those of one speed are one kind."""
    return toy.study(tmp_path / "log", short=lambda recipe: Recipe(seconds=recipe.seconds, gain=9.0))


def wanted(study: Study, *speeds: float, seeds: int = 4) -> Batch:
    trials = [study.trial(Recipe(seconds=speed), seed=seed, horizon=2) for speed in speeds for seed in range(seeds)]
    return batch(trials, known=lambda _: None, study=study)


def test_kind(study: Study) -> None:
    """Other recipes of one short form are alike; another processor, environment or way of training is not."""
    base = kind(study, Recipe(), together=False)
    assert kind(study, Recipe(gain=0.5), together=False) == base
    others = [
        kind(study, Recipe(seconds=1.0), together=False),
        kind(study, Recipe(), together=True),
        kind(replace(study, provenance={"processor": "another"}), Recipe(), together=False),
        kind(replace(study, environment={"toy": "2"}), Recipe(), together=False),
    ]
    assert len({base, *others}) == 5


def test_expected_without_any_timing(study: Study, store: Store) -> None:
    assert expected_seconds(wanted(study, 0.1), study, store, InProcess(study)) is None


def test_expected_by_kind(study: Study, store: Store) -> None:
    """Each kind at its mean, as runs that end early are among them; one that was never timed at the median of the others."""
    for rate in (1.0, 2.0, 3.0):
        store.put_rate(kind(study, Recipe(seconds=0.1), together=False), rate)
    store.put_rate(kind(study, Recipe(seconds=0.3), together=False), 6.0)
    todo = wanted(study, 0.1, 0.3, 0.9)
    assert expected_seconds(todo, study, store, InProcess(study)) == pytest.approx(4 * 2 * (2 + 6 + 4))


def test_expected_is_not_below_the_longest_trial(study: Study, store: Store) -> None:
    store.put_rate(kind(study, Recipe(), together=False), 1.0)
    executor = LocalProcesses(study, 4)
    try:
        for future in [executor.submit(trial) for trial in wanted(study, 0.0, seeds=8).trials]:
            future.result()  # all workers are up, and can be sent home
        one, many = (expected_seconds(wanted(study, 0.0, seeds=n), study, store, executor) for n in (1, 8))
    finally:
        executor.close()
    assert (one, many) == (2.0, 4.0)


def test_measure(study: Study, store: Store) -> None:
    """Kinds with few timings, from one short trial each, which is stored nowhere; workers warm up first."""
    for _ in range(ENOUGH):
        store.put_rate(kind(study, Recipe(seconds=0.3), together=False), 0.3)
    executor = LocalProcesses(study, 2)
    try:
        measured = measure(wanted(study, 0.1, 0.3, 0.2), study, store, executor)
        expected = expected_seconds(wanted(study, 0.1, 0.3, 0.2), study, store, executor, measured=measured)
    finally:
        executor.close()
    rates = [measured[kind(study, Recipe(seconds=speed), together=False)] for speed in (0.1, 0.2)]
    assert len(measured) == 2
    assert rates == pytest.approx([0.1, 0.2], rel=0.5)
    assert expected == pytest.approx(4 * 2 * (sum(rates) + 0.3) / 2)
    assert len(toy.trainings(Path(study.train.keywords["log"]))) == 2 + 2  # type: ignore[attr-defined]
    assert store.count() == 0


def test_measure_leaves_failures_to_the_run(store: Store) -> None:
    study = toy.study(short=lambda recipe: Recipe(fault="raise", faulty=tuple(range(5_000))))
    assert measure(wanted(study, 0.0), study, store, InProcess(study)) == {}


def test_measure_without_a_short_form(store: Store) -> None:
    study = toy.study()
    assert measure(wanted(study, 0.0), study, store, InProcess(study)) == {}
