"""A realistic evidence document: claims of every kind with every verdict, and one with hostile texts."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pytest_claims import statistics
from pytest_claims.claim import (
    REFUTED,
    AllOf,
    Also,
    Arm,
    Equivalence,
    Ordering,
    Outcome,
    Property,
    Proportion,
    Statistical,
    Superiority,
)
from pytest_claims.judgement import Undecidable, verdict_of
from pytest_claims.tally import Worst
from pytest_claims.trial import Json
from pytest_claims.verdict import Verdict
from tests.pytest_claims.report import drawn
from tests.pytest_claims.report.made import FULL, Made, document, judge

EPOCHS = 10
HOSTILE = (
    "<script>alert(1)</script></script></style></title><!-- <img src=http://evil.example/x onerror=alert(2)> "
    "{{ 7 * 7 }} {% raw %} & &lt; \"quoted\" 'single' | pipe `code` "
    "\u202eright to left\u202c עברית 日本語 🧪👩\u200d🔬 "
    "\x00 ]]> @someone [link](http://evil.example) "
)
LONG = (HOSTILE + "long words and short ones " * 100)[:2000]


def gap(first: str, second: str, epoch: int = -1) -> Any:
    """The effect: how far one arm is ahead of another."""
    return lambda runs: runs[first].test_accuracy[epoch] - runs[second].test_accuracy[epoch]


def grid(tested: Mapping[str, Any]) -> Mapping[str, Arm]:
    """A search with many arms: each seed goes on for a while."""
    rates = len(tested) - 2
    last = 10 + (next(iter(tested.values())).test_accuracy[-1] > 0.985)
    return {} if rates >= last else {f"BN, rate 2^{rates}": Arm(recipe=Made(norm="batch", lr=2.0**rates))}


HORIZON = {"full": EPOCHS}
BATCH, NONE = Made(norm="batch"), Made(norm="none", level=0.978, tau=2.5, noise=0.002)
PP: dict[str, Any] = {"measure": "accuracy, pp", "scaling": 100.0, "horizon": HORIZON}


def statistical() -> list[Statistical]:
    """Claims of every kind, with every verdict that seeds can give."""
    return [*first_questions(), *second_question(), *third_question(), *later_questions(), hostile()]


def first_questions() -> list[Statistical]:
    """A superiority and a conjunction."""
    return [
        Superiority(
            id="C0",
            statement="Normalising eases convergence: after the first epoch the network with batch norm is ahead.",
            place="introduction",
            arms={"BN": BATCH, "none": NONE},
            effect=gap("BN", "none", 0),
            delta=0.05,
            unit=0.005,
            reported={"BN": 0.9801, "none": 0.9612},
            also={"at the end": gap("BN", "none"), "loss": Also(lambda runs: runs["none"].training_loss[-1], "nats")},
            notes="Both networks have the same padding.",
            formula=r"y_c = \gamma_c (x_c - \mu_c) / \sqrt{\sigma_c^2 + \epsilon} + \beta_c",
            **PP,
        ),
        AllOf(
            id="Q1.5",
            statement="Without the biases before batch norm, trained accuracy is comparable.",
            place="question 1, table",
            arms={
                "all biases": BATCH,
                "no linear": Made(norm="batch", lr=0.1001, noise=0.0011),
                "no conv": Made(norm="batch", level=0.9851),
            },
            parts={
                "linear": statistics.Within(margin=0.003),
                "conv": statistics.Within(margin=0.003),
            },
            effects=lambda runs: {
                "linear": gap("no linear", "all biases")(runs),
                "conv": gap("no conv", "all biases")(runs),
            },
            unit=0.003,
            reported={"all biases": 0.9821, "no linear": 0.9869, "no conv": 0.9824, "largest difference": 0.0048},
            erratum="The code keeps what it says it removes; both readings were trained.",
            **PP,
        ),
    ]


def second_question() -> list[Statistical]:
    """A search with many arms, and a proportion."""
    return [
        Superiority(
            id="Q2.3",
            statement="The largest stable learning rate is larger with batch norm.",
            place="question 2",
            arms={"BN": BATCH, "none": NONE},
            search=grid,
            effect=lambda runs: len(runs) - 8.5 + 10 * (runs["BN"].test_accuracy[-1] - 0.98),
            delta=1.0,
            unit=1.0,
            measure="octaves",
            horizon=HORIZON,
        ),
        Proportion(
            id="Q2.4[lr=0.05]",
            statement="At rate 0.05 the network without batch norm trains.",
            place="question 2",
            arms={"none": Made(norm="none", lr=0.05, level=0.97, noise=0.004)},
            effect=lambda runs: float(runs["none"].test_accuracy[-1] > 0.955),
            p0=0.5,
            unit=0.1,
            measure="share of seeds",
            horizon=HORIZON,
        ),
    ]


LEVELS = (0.960, 0.978, 0.981, 0.984)


def third_question() -> list[Statistical]:
    """An ordering, and a claim that is wrong."""
    return [
        Ordering(
            id="Q3.1",
            statement="Removing the first batch norm costs the most accuracy.",
            place="question 3, first figure",
            arms={f"without {i}": Made(norm=f"batch but {i}", level=level) for i, level in enumerate(LEVELS, 1)},
            rivals=("second", "third", "fourth"),
            effects=lambda runs: {
                name: gap(f"without {i}", "without 1")(runs) for i, name in enumerate(("second", "third", "fourth"), 2)
            },
            unit=0.003,
            **PP,
        ),
        Superiority(
            id="Q3.2",
            statement="Batch norm matters more in later layers.",
            place="question 3",
            arms={f"without {i}": Made(norm=f"batch but {i}", level=level) for i, level in enumerate(LEVELS, 1)},
            effect=gap("without 1", "without 4"),
            unit=0.003,
            **PP,
        ),
    ]


def later_questions() -> list[Statistical]:
    """An equivalence that is open, runs that diverge, and a claim that is refuted as expected."""
    return [
        Equivalence(
            id="Q4.1a",
            statement="Freezing beta changes little.",
            place="question 4, table",
            arms={"BN": BATCH, "beta frozen": Made(norm="batch, beta 0", level=0.983, noise=0.004)},
            effect=gap("beta frozen", "BN"),
            margin=0.003,
            unit=0.003,
            reported={"BN": 0.98, "beta frozen": 0.9796},
            charts=drawn.layers,
            **PP,
        ),
        Superiority(
            id="Q4.2",
            statement="A batch norm that only divides beats none, also where the plain network diverges.",
            place="question 4",
            arms={
                "scale only": Made(norm="scale", level=0.981, noise=0.003),
                "none at rate 4": Made(
                    norm="none", lr=4.0, level=0.975, noise=0.004, diverges=(2, 5, 11), precise=False
                ),
            },
            effect=lambda runs: (
                math.inf if runs["none at rate 4"].diverged else gap("scale only", "none at rate 4")(runs)
            ),
            unit=0.003,
            **PP,
        ),
        Superiority(
            id="Q5.1",
            statement="Without gamma and beta, accuracy is lower in early epochs.",
            place="question 5",
            arms={"affine": BATCH, "plain": Made(norm="batch, not affine", noise=0.0015, tau=1.5)},
            effect=gap("affine", "plain", 1),
            unit=0.005,
            charts=drawn.rates,
            **PP,
        ),
        Superiority(
            id="Q5.2",
            statement="The gap is there at the end, too.",
            place="question 5",
            arms={"affine": BATCH, "plain": Made(norm="batch, not affine", level=0.988)},
            effect=gap("affine", "plain"),
            unit=0.005,
            expected={"full": REFUTED},
            **PP,
        ),
    ]


def hostile() -> Statistical:
    """Every text tries to become something else."""
    return Superiority(
        id="Q6.1[p=<b>0.5</b> & more]",
        statement=LONG,
        place=HOSTILE,
        arms={HOSTILE[:60]: BATCH, '"><svg onload=alert(3)>': NONE},
        effect=lambda runs: np.subtract(*(r.test_accuracy[-1] for r in runs.values())),
        unit=0.003,
        notes=HOSTILE,
        erratum=HOSTILE,
        formula="</code><script>",
        charts=lambda _: drawn.hostile(HOSTILE),
        reported={HOSTILE: 0.5, HOSTILE[:60]: 0.9},
        **PP,
    )


def properties() -> list[Verdict]:
    """Property claims: one that holds, one that does not, one without a measurement."""

    def verdict(id_: str, statement: str, outcome: Outcome, worst: Mapping[str, Worst]) -> Verdict:
        claim = Property(id=id_, statement=statement, place="question 1")
        reason = {
            Outcome.SUPPORTED: "Held in every case.",
            Outcome.REFUTED: "AssertionError: output: error 3.1e-06 is above its bound 1.8e-06",
        }.get(outcome, "OSError: no data")
        return Verdict(
            claim=claim,
            outcome=outcome,
            scale="full",
            scope="200 examples",
            reason=reason,
            worst=worst,
            charts=drawn.sigmoid() if id_ == "Q1.6" else (),
        )

    return [
        verdict(
            "Q1.1",
            "In training mode a constant added per channel before batch norm changes nothing behind it.",
            Outcome.SUPPORTED,
            {
                "output": Worst(checks=1200, share=0.31, error=5.6e-7, bound=1.8e-6),
                "gradient": Worst(checks=1200, share=0.062, error=1.1e-9, bound=1.8e-8),
                "a shift by position": Worst(checks=200, share=0.004, error=0.25, bound=0.001),
            },
        ),
        verdict(
            "Q1.2",
            "In evaluation mode the constant changes the output by a known amount.",
            Outcome.REFUTED,
            {
                "output": Worst(checks=31, share=1.72, error=3.1e-6, bound=1.8e-6),
                "exactly 0": Worst(checks=31, share=math.inf, error=1e-8, bound=0.0),
            },
        ),
        verdict("Q1.6", "226 parameters fewer, with the same expressive power.", Outcome.SUPPORTED, {}),
    ]


def without_figures() -> list[Verdict]:
    """Claims that came to nothing, for every reason."""
    base: dict[str, Any] = {"arms": {"BN": BATCH}, "effect": gap("BN", "BN"), "unit": 0.003, **PP}
    failed = Superiority(id="Q6.2", statement="Dropout still adds to batch norm.", place="question 6", **base)
    missing = Superiority(id="Q6.3", statement="Dropout in front shifts the variance.", place="question 6", **base)
    reason = "Trial 16c2fa136c86a2e0 (seed 3) gave no result: the worker was killed."
    not_stored = "8 of the 8 seeds' trials are not stored; run without --claims-no-train."
    return [
        verdict_of(failed, FULL, Undecidable(Outcome.ERROR, reason)),
        verdict_of(missing, FULL, Undecidable(Outcome.NOT_JUDGED, not_stored)),
    ]


def example(*, seeds: int = 12) -> Json:
    """All kinds of claims with all verdicts."""
    claims = statistical()
    verdicts, trials = judge(claims, seeds)
    verdicts = sorted([*verdicts, *properties(), *without_figures()], key=lambda verdict: verdict.claim.id)
    return document(verdicts, trials, family=[v.claim for v in verdicts if isinstance(v.claim, Statistical)])


def large(*, claims: int = 30, seeds: int = 20) -> Json:
    """As many claims as the project has, each with arms of its own, over all seeds."""
    made = [
        Superiority(
            id=f"Q{i // 6 + 1}.{i % 6 + 1}",
            statement=f"Claim {i}: the treatment is ahead of both controls at the end of training.",
            place=f"question {i // 6 + 1}",
            arms={
                "treatment": Made(norm=f"batch {i}", level=0.979 + 0.0008 * (i % 12)),
                "control": Made(norm=f"none {i}", level=0.982),
                "other": Made(norm=f"other {i}", level=0.979),
            },
            effect=gap("treatment", "control"),
            unit=0.003,
            **PP,
        )
        for i in range(claims)
    ]
    verdicts, trials = judge(made, seeds)
    return document(verdicts, trials, family=made)
