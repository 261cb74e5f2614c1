"""Q5.4: exercises 4 and 5 again, each arm at its own best learning rate (as appendix F of Bjorck et al. 2018 does)."""

from functools import partial

import pytest

from pytest_claims import REFUTED, AllOf, Equivalence, Interaction, Superiority, Tuned, Verdict
from pytest_claims.statistics import Greater

from .lite import LITE, arm, deficit, gap, late, leads, shrinkage
from .measures import EARLY, PP
from .rates import TUNING_EPOCHS, WHOLE, own_best

PLACE = "Exercise 5 (note)"
LENGTH = {"smoke": 10, "full": 10}
WHY_NOT = {"standard": "It tunes rates, which takes 4 epochs of all images for each."}
NOTES = "Each arm at the rate 2^k of its highest mean P on 5,000 training images held out, seeds 2000 to 2002, after 4 epochs."
P_END = "pp of P, last epoch"


def tuned(*names: str, epochs: int = TUNING_EPOCHS) -> dict[str, Tuned]:
    """These arms, each at its own best rate."""
    return {name: own_best(partial(arm, name), epochs=epochs) for name in names}


@pytest.mark.claim(
    Equivalence(
        id="Q5.4[Q4.1a]",
        statement="At own best rates, too, freezing beta changes little.",
        place=PLACE,
        arms=tuned("BN", "beta frozen"),
        horizon=LENGTH,
        why_not=WHY_NOT,
        effect=lambda runs: -deficit("beta frozen", runs),
        margin=0.3 * PP,
        unit=0.3 * PP,
        measure=f"{P_END}, beta frozen minus BN",
        scaling=100,
        notes=NOTES,
    )
)
def test_freezing_beta_at_own_best_rates(verdict: Verdict) -> None:
    """Q4.1a again."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    Superiority(
        id="Q5.4[Q4.1b]",
        statement="At own best rates, too, freezing gamma costs accuracy.",
        place=PLACE,
        arms=tuned("BN", "gamma frozen"),
        horizon=LENGTH,
        why_not=WHY_NOT,
        effect=lambda runs: deficit("gamma frozen", runs),
        expected=REFUTED,
        delta=0.3 * PP,
        unit=0.3 * PP,
        measure=f"{P_END}, BN minus gamma frozen",
        scaling=100,
        notes=NOTES,
    )
)
def test_freezing_gamma_at_own_best_rates(verdict: Verdict) -> None:
    """Q4.1b again. Refuted: at its own best rate, 2 against 1/4, the arm with gamma frozen does as well as BN."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    AllOf(
        id="Q5.4[Q4.2]",
        statement="At own best rates, too, half of batch norm is worse than all of it and better than none.",
        place=PLACE,
        arms=tuned("BN", "center only", "scale only", "none", epochs=WHOLE),
        horizon={"smoke": 10, "wide": 10},
        why_not={
            "standard": "It tunes rates, which takes 10 epochs of all images for each.",
            "full": "Half of BN stands on a plateau for epochs, so its rates are tuned over 10 epochs; run --scale wide.",
        },
        parts={name: Greater(delta=0.3 * PP) for name in LITE},
        effects=leads,
        unit=0.3 * PP,
        measure=P_END,
        scaling=100,
        notes=NOTES.replace("4 epochs", "10 epochs"),
    )
)
def test_half_of_bn_at_own_best_rates(verdict: Verdict) -> None:
    """Q4.2 again."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    Superiority(
        id="Q5.4[Q5.1]",
        statement="At own best rates, too, accuracy is lower in the first two epochs without gamma and beta.",
        place=PLACE,
        arms=tuned("BN", "fixed"),
        horizon=LENGTH,
        why_not=WHY_NOT,
        effect=lambda runs: gap(runs, EARLY),
        delta=0.5 * PP,
        unit=0.5 * PP,
        measure="pp of P, epochs 1 and 2",
        scaling=100,
        notes=NOTES,
    )
)
def test_affine_parameters_at_own_best_rates(verdict: Verdict) -> None:
    """Q5.1 again."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    Interaction(
        id="Q5.4[Q5.2a]",
        statement="At own best rates, too, the gap that gamma and beta make shrinks.",
        place=PLACE,
        arms=tuned("BN", "fixed"),
        horizon=LENGTH,
        why_not=WHY_NOT,
        effect=shrinkage,
        delta=0.3 * PP,
        unit=0.3 * PP,
        measure="pp of P, gap at epochs 1 and 2 minus gap at the last two",
        scaling=100,
        notes=NOTES,
    )
)
def test_gap_shrinks_at_own_best_rates(verdict: Verdict) -> None:
    """Q5.2a again."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    Equivalence(
        id="Q5.4[Q5.2b]",
        statement="At own best rates, too, the gap has closed at the end of training.",
        place=PLACE,
        arms=tuned("BN", "fixed"),
        horizon=LENGTH,
        why_not=WHY_NOT,
        effect=lambda runs: gap(runs, late(runs)),
        expected=REFUTED,
        margin=0.3 * PP,
        unit=0.3 * PP,
        measure="pp of P, last two epochs",
        scaling=100,
        notes=NOTES,
    )
)
def test_gap_closes_at_own_best_rates(verdict: Verdict) -> None:
    """Q5.2b again. Refuted: at its own best rate, 1/8, the arm without parameters ends half a point behind."""
    assert verdict.as_expected, verdict
