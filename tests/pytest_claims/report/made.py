"""Made-up runs, judged by the real engine, as an evidence document."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Self

import numpy as np

from pytest_claims import statistics
from pytest_claims.claim import Claim, Statistical
from pytest_claims.family import Family
from pytest_claims.judgement import effects, pvalues_of, verdict_of
from pytest_claims.plan import SeedPlan, plan_seed
from pytest_claims.trial import Json, Scale, Study, Trial, describe
from pytest_claims.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Made:
    """A recipe of which the outcome is known: accuracy `level` is approached with time constant `tau`."""

    norm: str
    lr: float = 0.1
    level: float = 0.985
    tau: float = 1.2
    noise: float = 0.001
    diverges: tuple[int, ...] = ()
    precise: bool = True


@dataclass(frozen=True, kw_only=True)
class MadeRun:
    """A run as the engine wants it."""

    test_accuracy: tuple[float, ...]
    precise_accuracy: tuple[float | None, ...]
    training_loss: tuple[float | None, ...]
    diverged: bool

    def until(self, horizon: int) -> Self:
        return replace(
            self,
            test_accuracy=self.test_accuracy[:horizon],
            precise_accuracy=self.precise_accuracy[:horizon],
            training_loss=self.training_loss[:horizon],
        )

    def curves(self) -> dict[str, Sequence[float | None]]:
        return {
            "test accuracy": list(self.test_accuracy),
            "precise accuracy": list(self.precise_accuracy),
            "training loss": list(self.training_loss),
        }

    def to_json(self) -> Json:
        return asdict(self)


def run(trial: Trial) -> MadeRun:
    """What a trial gives; the same for the same recipe and seed."""
    recipe: Made = trial.recipe
    rng = np.random.default_rng([zlib.crc32(repr(recipe).encode()), trial.seed])
    epochs = np.arange(1, trial.horizon + 1)
    level = recipe.level + recipe.noise * rng.standard_normal()
    clean = np.clip(level - (level - 0.1) * np.exp(-epochs / recipe.tau) * rng.uniform(0.8, 1.2), 0, 1)
    noisy = np.clip(clean - np.abs(rng.standard_normal(trial.horizon)) * 1.5 * recipe.noise, 0, 1)
    loss: list[float | None] = [float(x) for x in 2.3 * np.exp(-epochs / recipe.tau) + 0.02]
    if diverged := trial.seed in recipe.diverges:
        clean[3:], noisy[3:] = 0.098, 0.098
        loss[3:] = [None] * (trial.horizon - 3)
    return MadeRun(
        test_accuracy=tuple(float(x) for x in noisy.round(4)),
        precise_accuracy=tuple(float(x) if recipe.precise else None for x in clean.round(4)),
        training_loss=tuple(loss[: trial.horizon]),
        diverged=diverged,
    )


STUDY = Study(
    train=run,
    version=1,
    decode=lambda fields: MadeRun(**fields),
    cost=lambda _, horizon: float(horizon),
    cost_unit="network-epochs",
    device="cpu",
    environment={"torch": "2.14.1", "data": "c59f468a"},
    provenance={},
)
FULL = Scale(
    name="full",
    looks=statistics.LOOKS,
    judged=True,
    scope="on 60,000 images",
    prepare=lambda recipe: recipe,
    examples=200,
)


def judge(claims: Sequence[Statistical], seeds: int) -> tuple[list[Verdict], dict[str, Trial]]:
    """All claims together, as the court does it, after one gathering of so many seeds."""
    plans: dict[str, list[SeedPlan]] = {
        claim.id: [plan_seed(claim, seed, known=run, study=STUDY, scale=FULL) for seed in range(seeds)]
        for claim in claims
    }
    values = {claim.id: effects(claim, plans[claim.id]) for claim in claims}
    family = Family(claims=tuple(claim.id for claim in claims), key="")
    decisions = family.judge({claim.id: pvalues_of(claim, values[claim.id]) for claim in claims})
    verdicts = [
        verdict_of(claim, FULL, values[claim.id], plans[claim.id], decisions[claim.id], len(claims)) for claim in claims
    ]
    trials = {t.key: t for plan in plans.values() for seed in plan for t in seed.trials.values()}
    return verdicts, trials


def document(verdicts: Iterable[Verdict], trials: Mapping[str, Trial], *, family: Iterable[Claim]) -> Json:
    """The evidence as the plugin hands it over."""
    return {
        "schema": 1,
        "title": "Does the write-up hold?",
        "status": "complete",
        "problems": [],
        "started": "2026-11-24T03:12:45+00:00",
        "seconds": 8123.4,
        "seconds_gathering": 7990.1,
        "scale": {"name": "full", "scope": FULL.scope, "looks": list(FULL.looks), "judged": True},
        "manifest": {"version": 3, "family": [claim.id for claim in family]},
        "gathering": {
            "requested": 3 * len(trials),
            "distinct": len(trials),
            "trained": len(trials) - 40,
            "reused": 40,
            "cost_unit": STUDY.cost_unit,
            "requested_cost": 30.0 * len(trials),
            "distinct_cost": 10.0 * len(trials),
        },
        "claims": [verdict.to_json() for verdict in verdicts],
        "trials": {
            key: {
                "seed": trial.seed,
                "horizon": trial.horizon,
                "recipe": describe(trial.recipe),
                "diverged": run(trial).diverged,
                "seconds": 12.5,
                "curves": run(trial).curves(),
            }
            for key, trial in trials.items()
        },
        "provenance": {
            "torch": "2.14.1+cpu",
            "device": "cpu",
            "threads": 1,
            "commit": "0123456789abcdef",
            "dirty": False,
            "data checksum": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "command": "pytest claims --scale full",
        },
    }
