"""The loop of the court: looks, decided claims, shared arms, searches, failures. Trials run in this process."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_claims.claim import Arm, Outcome, Statistical
from pytest_claims.court import Court
from pytest_claims.estimate import kind
from pytest_claims.executors import InProcess
from pytest_claims.family import Family, Manifest
from pytest_claims.plan import Batch
from pytest_claims.statistics import LOOKS
from pytest_claims.store import Store, StoreError
from pytest_claims.trial import Scale
from tests.pytest_claims import toy
from tests.pytest_claims.toy import Recipe, gain


@dataclass
class Notes:
    """A watch that writes down what it is told."""

    batches: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    done: int = 0
    closed: int = 0

    def planned(self, todo: Batch, seconds: float | None) -> None:
        self.batches.append(len(todo.trials))

    def finished(self, cost: float, running: int) -> None:
        self.done += 1

    def warned(self, message: str) -> None:
        self.warnings.append(message)

    def gathered(self) -> None:
        self.closed += 1


@dataclass
class Room:
    """A store, a log of trainings, and courts that sit over them."""

    at: Path
    store: Store
    notes: Notes = field(default_factory=Notes)

    @property
    def log(self) -> Path:
        return self.at / "trainings"

    @property
    def trained(self) -> Counter[tuple[float, int]]:
        return Counter(toy.trainings(self.log))

    def court(
        self, *claims: Statistical, scale: Scale = toy.SCALES["full"], train: bool = True, **changes: Any
    ) -> Court:
        study = toy.study(self.log)
        family = Family.of(Manifest.describe(("m", claim) for claim in claims), context={})
        executor = (lambda: InProcess(study)) if train else None
        fields: dict[str, Any] = {"family": family, "watch": self.notes} | changes
        return Court(study=study, scale=scale, claims=claims, store=self.store, executor=executor, **fields)

    def outcomes(self, *claims: Statistical, **changes: Any) -> dict[str, tuple[Outcome, int]]:
        """Verdict and seeds by id."""
        verdicts = self.court(*claims, **changes).sit()
        return {id_: (verdict.outcome, verdict.seeds) for id_, verdict in verdicts.items()}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A new one."""
    with Store(tmp_path / "store.sqlite") as store:
        yield Room(tmp_path, store)


def test_sit_first_look(room: Room) -> None:
    """What is decided at 8 seeds trains no more."""
    assert room.outcomes(gain("Q1"), gain("Q2", -0.1)) == {"Q1": (Outcome.SUPPORTED, 8), "Q2": (Outcome.REFUTED, 8)}
    assert room.notes.batches == [24]
    assert sum(room.trained.values()) == 24


def test_sit_three_looks(room: Room) -> None:
    """What stays undecided goes on through 12 to 20 seeds; the decided claim's own arm stops at 8."""
    outcomes = room.outcomes(gain("Q1"), gain("Q2", 1e-4))
    assert outcomes == {"Q1": (Outcome.SUPPORTED, 8), "Q2": (Outcome.INCONCLUSIVE, 20)}
    assert room.notes.batches == [24, 8, 16]
    assert Counter(gain for gain, _ in room.trained) == {0.1: 8, 1e-4: 20, 0.0: 20}
    assert max(room.trained.values()) == 1


def test_sit_seeds(room: Room) -> None:
    """Seeds are 0, 1, 2, ...; an arm with an offset has its own."""
    shifted = gain("Q1", arms={"better": Recipe(gain=0.1), "plain": Arm(recipe=Recipe(), seed_offset=100)})
    room.outcomes(shifted, scale=toy.SCALES["standard"])
    assert set(room.trained) == {(0.1, seed) for seed in range(8)} | {(0.0, 100 + seed) for seed in range(8)}


def test_sit_shared_arms(room: Room) -> None:
    """Claims that share an arm train it once, at the longest horizon that any of them wants."""
    short = gain("Q1", horizon={"full": 2})
    long = gain("Q2", horizon={"full": 7})
    verdicts = room.court(short, long).sit()
    assert sum(room.trained.values()) == 16
    key = verdicts["Q1"].trials["better"][0]
    stored = room.store.longest(key)
    assert stored is not None
    assert stored.horizon == 7
    assert verdicts["Q2"].trials["better"][0] == key


def test_sit_again(room: Room) -> None:
    """A second court over the same store trains nothing and comes to the same."""
    first = room.court(gain("Q1"), gain("Q2", 1e-4)).sit()
    court = room.court(gain("Q1"), gain("Q2", 1e-4))
    assert {i: v.to_json() for i, v in court.sit().items()} == {i: v.to_json() for i, v in first.items()}
    assert max(room.trained.values()) == 1
    assert court.trained == 0


def test_sit_more_looks(room: Room) -> None:
    """What was undecided at the first look is taken up there, and trains only the rest."""
    assert room.outcomes(gain("Q1", 1e-4), seeds_max=8)["Q1"][1] == 8
    assert room.outcomes(gain("Q1", 1e-4))["Q1"][1] == 20
    assert room.notes.batches == [16, 8, 16]


@pytest.mark.parametrize(
    ("most", "looks"), [(8, (8,)), (11, (8,)), (12, (8, 12)), (99, LOOKS), (None, LOOKS), (3, (3,))]
)
def test_looks_seeds_max(room: Room, most: int | None, looks: tuple[int, ...]) -> None:
    assert room.court(gain("Q1"), seeds_max=most).looks == looks


def test_sit_below_first_look(room: Room) -> None:
    assert room.outcomes(gain("Q1"), seeds_max=3) == {"Q1": (Outcome.NOT_JUDGED, 3)}


def test_sit_not_judged_scale(room: Room) -> None:
    assert room.outcomes(gain("Q1"), scale=toy.SCALES["smoke"]) == {"Q1": (Outcome.NOT_JUDGED, 2)}


def _climb(runs: Mapping[str, Any]) -> Mapping[str, Arm]:
    """Doubles the gain until accuracy is above 0.8: at 0.4."""
    last = runs[max(runs, key=float)]
    rate = max(map(float, runs)) * 2
    return {} if last.accuracy[-1] > 0.8 else {str(rate): Arm(recipe=Recipe(gain=rate))}


def test_sit_search(room: Room) -> None:
    """A claim that chooses its next arm by what came out trains one more at a time, for each seed."""
    search = gain("Q1", arms={"0.1": Recipe(gain=0.1)}, search=_climb, effect=lambda runs: len(runs) - 2.5)
    verdict = room.court(search, scale=toy.SCALES["standard"]).sit()["Q1"]
    assert room.notes.batches == [8, 8, 8]
    assert {arm: len(keys) for arm, keys in verdict.trials.items()} == {"0.1": 8, "0.2": 8, "0.4": 8}
    assert verdict.outcome is Outcome.SUPPORTED
    assert max(room.trained.values()) == 1


def test_sit_search_fails(room: Room) -> None:
    """A search that raises is an error of its claim alone."""

    def lost(runs: Mapping[str, Any]) -> Mapping[str, Arm]:
        raise KeyError("0.3")

    verdicts = room.court(gain("Q1"), gain("Q2", -0.1, search=lost), scale=toy.SCALES["standard"]).sit()
    assert verdicts["Q1"].outcome is Outcome.SUPPORTED
    assert verdicts["Q2"].outcome is Outcome.ERROR
    assert verdicts["Q2"].reason == "Its search failed at seed 0: KeyError: '0.3'."


def test_sit_reading_fails(room: Room) -> None:
    """So is a further reading that raises."""
    broken = gain("Q2", -0.1, also={"third": lambda runs: runs["better"].accuracy[99]})
    verdicts = room.court(gain("Q1"), broken, scale=toy.SCALES["standard"]).sit()
    assert verdicts["Q1"].outcome is Outcome.SUPPORTED
    assert verdicts["Q2"].outcome is Outcome.ERROR
    assert "A further reading cannot be computed: IndexError" in verdicts["Q2"].reason


def test_sit_result_without_form(room: Room) -> None:
    """A run whose values JSON has no form for fails its own trial."""
    verdicts = room.court(gain("Q1"), gain("Q2", 0.2, noise=1.7e308)).sit()
    assert verdicts["Q1"].outcome is Outcome.SUPPORTED
    assert verdicts["Q2"].outcome is Outcome.ERROR
    assert "its result cannot be stored" in verdicts["Q2"].reason


def test_sit_family_never_stronger(room: Room) -> None:
    """One of five claims is judged with the others at P = 1, until they were run; then with what they gave."""
    claims = [gain(f"Q{i}", 0.1 + i / 100) for i in range(5)]
    family = Family.of(Manifest.describe(("m", claim) for claim in claims), context={})
    alone = room.court(claims[0], family=family, scale=toy.SCALES["standard"]).sit()["Q0"]
    assert alone.outcome is Outcome.INCONCLUSIVE
    assert alone.pvalues["q_supported"] == pytest.approx(5 * 3 * 2.0**-8)
    together = room.court(*claims, family=family, scale=toy.SCALES["standard"]).sit()
    again = room.court(claims[0], family=family, scale=toy.SCALES["standard"]).sit()["Q0"]
    assert together["Q0"].outcome is again.outcome is Outcome.SUPPORTED
    assert together["Q0"].pvalues == again.pvalues


def test_sit_failed_trial(room: Room) -> None:
    """It is tried twice, and makes its claims errors and no others."""
    bad = gain("Q2", -0.1, fault="raise", faulty=(5,))
    outcomes = room.outcomes(gain("Q1"), bad, gain("Q3", -0.1, fault="raise", faulty=(5,), delta=0.01))
    assert outcomes == {"Q1": (Outcome.SUPPORTED, 8), "Q2": (Outcome.ERROR, 0), "Q3": (Outcome.ERROR, 0)}
    assert len(toy.trainings(room.log, "begin", gain=-0.1, seed=5)) == 2
    assert [w.rpartition("; ")[2] for w in room.notes.warnings] == ["trying once more", "given up"]
    assert "(seed 5): RuntimeError: the toy was told to fail" in room.notes.warnings[0]


def test_sit_failed_trial_reason(room: Room) -> None:
    verdict = room.court(gain("Q2", fault="raise", faulty=(5,))).sit()["Q2"]
    assert "(seed 5) gave no result: RuntimeError: the toy was told to fail." in verdict.reason


def test_sit_failed_then_next_run(room: Room) -> None:
    """A failure is not remembered beyond the run."""
    claim = gain("Q1", fault="raise", faulty=(5,))
    assert room.outcomes(claim)["Q1"] == (Outcome.ERROR, 0)
    room.court(claim).sit()
    assert len(toy.trainings(room.log, "begin", gain=0.1, seed=5)) == 4


def test_sit_failed_once(room: Room) -> None:
    claim = gain("Q1", fault="raise", faulty=(0, 5), recovers=True)
    court = room.court(claim)
    assert court.sit()["Q1"].outcome is Outcome.SUPPORTED
    assert court.trained == room.notes.done == 16


def test_sit_failed_late(room: Room) -> None:
    """A failure at the second look is an error too, whatever the first one said."""
    assert room.outcomes(gain("Q1", 1e-4, fault="raise", faulty=(10,))) == {"Q1": (Outcome.ERROR, 0)}


def test_sit_no_train(room: Room) -> None:
    """Judges what is stored; what is not is not judged."""
    room.court(gain("Q1")).sit()
    outcomes = room.outcomes(gain("Q1"), gain("Q2", -0.1), train=False)
    assert outcomes == {"Q1": (Outcome.SUPPORTED, 8), "Q2": (Outcome.NOT_JUDGED, 0)}
    assert sum(room.trained.values()) == 16


def test_sit_no_train_later_look(room: Room) -> None:
    """Where only the first look is stored, what it left undecided stays undecided, with the figures of that look."""
    room.outcomes(gain("Q1", 1e-4), seeds_max=8)
    assert room.outcomes(gain("Q1", 1e-4), train=False) == {"Q1": (Outcome.INCONCLUSIVE, 8)}


def test_sit_diverged(room: Room) -> None:
    """A diverged run is a result like any other."""
    claim = gain("Q1", fault="diverge", faulty=(1, 2), effect=lambda runs: 0.0 if runs["better"].diverged else 0.1)
    verdict = room.court(claim, scale=toy.SCALES["standard"]).sit()["Q1"]
    assert verdict.diverged == 2
    assert verdict.readings[0].values.count(0.0) == 2


def test_sit_disk_full(room: Room) -> None:
    """Ends at once with what SQLite says; what was stored before stays, and the next court resumes."""
    room.store._db.execute("PRAGMA journal_mode = DELETE")
    (pages,) = room.store._db.execute("PRAGMA page_count").fetchone()
    room.store._db.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StoreError, match="full; free space"):
        room.court(gain("Q1")).sit()
    kept = room.store.count()
    assert 0 < kept < 16
    assert room.notes.closed == 1
    room.store._db.execute("PRAGMA max_page_count = 100000")
    assert room.outcomes(gain("Q1")) == {"Q1": (Outcome.SUPPORTED, 8)}
    assert room.notes.batches[-1] == 16 - kept


def test_everything(room: Room) -> None:
    """What the claims used, requested and distinct."""
    court = room.court(gain("Q1"), gain("Q2", -0.1), scale=toy.SCALES["standard"])
    used = court.everything(court.sit())
    assert (used.requested, used.distinct, used.trials) == (32, 24, ())
    assert (used.requested_cost, used.distinct_cost) == (64.0, 48.0)


def test_next_batch(room: Room) -> None:
    court = room.court(gain("Q1"))
    assert len(court.next_batch().trials) == 16
    assert court.expected_seconds(court.next_batch(), InProcess(court.study)) is None
    court.sit()
    assert court.next_batch().trials == ()


def test_next_batch_later_look(room: Room) -> None:
    """After the first look, what the undecided claim lacks for the next; asking trains nothing."""
    claims = gain("Q1"), gain("Q2", 1e-4)
    room.court(*claims, seeds_max=8).sit()
    todo = room.court(*claims).next_batch()
    assert {(trial.recipe.gain, trial.seed) for trial in todo.trials} == {
        (gain, seed) for gain in (1e-4, 0.0) for seed in range(8, 12)
    }
    assert sum(room.trained.values()) == 24
    room.court(*claims).sit()
    assert room.court(*claims).next_batch().trials == ()


def test_expected_seconds(room: Room) -> None:
    """From what such trials took before, without a look at how long ago."""
    court = room.court(gain("Q1"))
    for rate in (1.0, 2.0, 3.0):
        room.store.put_rate(kind(court.study, Recipe(), together=False), rate)
    assert court.expected_seconds(court.next_batch(), InProcess(court.study)) == pytest.approx(2.0 * 16 * 3)


def test_finished_trials_are_timed(room: Room) -> None:
    court = room.court(gain("Q1"))
    court.sit()
    rates = room.store.rates(kind(court.study, Recipe(), together=False))
    assert len(rates) == 16
    assert all(0 <= rate < 1 for rate in rates)
