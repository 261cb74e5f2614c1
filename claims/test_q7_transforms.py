"""Q7: other transforms in batch norm's place, by what networks with them learn. The write-up leaves them open."""

from functools import partial

import pytest

from bnmodels.lenet import PLACES
from pytest_claims import REFUTED, SUPPORTED, AllOf, Also, Equivalence, Outcome, Superiority, Verdict
from pytest_claims.statistics import Greater

from .measures import EARLY, LOG2_E, PP, Runs, final_e, p
from .rates import FIRST_RATE, largest_stable, rate_arm, search_rates
from .transform_charts import correlations, cost_and_accuracy
from .transforms import ahead, brief, correlation, equal_loss, gap, gap_at, tuned_sparse, tuned_transforms

PLACE = "Exercise 7 (left open)"
LENGTH = {"smoke": 2, "full": 10}
SPARSE_LENGTH = {"smoke": 1, "full": 10}
WHY_NOT = {"standard": "It tunes rates, which takes 4 epochs of all images for each."}
NOTES = (
    "At all four places, each arm at the rate 2^k of its highest mean P on 5,000 training images held out, seeds 2000 to 2002, "
    "after 4 epochs. P, the precise accuracy, is test accuracy with statistics estimated again; E, the test accuracy of the "
    "curves, is that by running estimates."
)
P_END = "pp of P, last epoch"


def beside(norm: str) -> dict[str, Also]:
    """Early accuracy, E, gap and correlation of a transform, against BN's."""
    return {
        f"{norm}, early": Also(
            lambda runs: p(runs[norm], EARLY) - p(runs["batch"], EARLY), "pp of P, epochs 1 and 2", 100
        ),
        f"{norm}, E": Also(lambda runs: final_e(runs[norm]) - final_e(runs["batch"]), f"{LOG2_E}, last three epochs"),
        f"{norm}, gap": Also(
            lambda runs: gap(norm, runs) - gap("batch", runs), "pp, training minus test accuracy, last epoch", 100
        ),
        f"{norm}, correlation": Also(
            lambda runs: correlation(norm, PLACES, runs) - correlation("batch", PLACES, runs),
            f"root mean square between channels at place {PLACES}, last epoch",
        ),
    }


def as_good(id_: str, statement: str, norm: str, *others: str, notes: str = "") -> Equivalence:
    """The claim that a transform ends within 0.3 points of BN; `others` are only shown."""
    return Equivalence(
        id=id_,
        statement=statement,
        place=PLACE,
        arms=tuned_transforms("batch", norm, *others),
        horizon=LENGTH,
        why_not=WHY_NOT,
        effect=partial(ahead, norm, "batch"),
        margin=0.3 * PP,
        unit=0.3 * PP,
        measure=f"{P_END}, {norm} minus BN",
        scaling=100,
        also=beside(norm) | {f"{other} minus BN": Also(partial(ahead, other, "batch"), P_END, 100) for other in others},
        notes=f"{NOTES} {notes}".strip(),
        charts=partial(correlations, ("batch", norm, *others)),
    )


@pytest.mark.claim(as_good("Q7.1", "With the probability integral transform LeNet learns as well as with BN.", "pit"))
def test_probability_integral_transform(verdict: Verdict) -> None:
    """Q7.1."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(as_good("Q7.2", "With full-rank (ZCA) whitening LeNet learns as well as with BN.", "zca"))
def test_full_rank_whitening(verdict: Verdict) -> None:
    """Q7.2."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    as_good(
        "Q7.3",
        "With whitening in two blocks LeNet learns as well as with BN.",
        "block-2",
        "circulant",
        "monarch",
        notes="Circulant and Monarch whitening stand beside without a verdict: the question is where the balance lies. Which "
        "channels share a block is chance: initial values do not tell channels apart, so that any grouping is as good.",
    )
)
def test_compact_whitening(verdict: Verdict) -> None:
    """Q7.3."""
    assert verdict.as_expected, verdict


SPARSE = ("top-k", "random-mask")
"""Sparsification, and its control."""


def regularises(one: str, other: str, runs: Runs) -> float:
    """Gap of one arm minus that of another, both where they first reach the lowest loss that both reach."""
    loss = equal_loss((one, other), runs)
    return gap_at(one, loss, runs) - gap_at(other, loss, runs)


@pytest.mark.claim(
    Superiority(
        id="Q7.4",
        statement="Keeping only the largest half of the normalised activations regularises: its gap is smaller than BN's.",
        place=PLACE,
        expected=REFUTED,
        arms=tuned_sparse("batch", *SPARSE),
        horizon=SPARSE_LENGTH,
        why_not=WHY_NOT,
        scope="on 2,000 images",
        effect=partial(regularises, "batch", "top-k"),
        delta=0.5 * PP,
        unit=0.5 * PP,
        measure="pp of gap at equal training loss, BN minus top-k, 2,000 images",
        scaling=100,
        also={
            "random mask of equal density": Also(
                partial(regularises, "batch", "random-mask"), "pp of gap at equal training loss, BN minus it", 100
            ),
            **{
                f"gap of {name}": Also(partial(gap, name), "pp, training minus test accuracy, last epoch", 100)
                for name in ("batch", *SPARSE)
            },
            **{f"{name} minus BN": Also(partial(ahead, name, "batch"), P_END, 100) for name in SPARSE},
        },
        notes=f"{NOTES} An epoch is 30 passes, 480 steps. The random mask is dropout right behind BN.",
    )
)
def test_sparsification_regularises(verdict: Verdict) -> None:
    """Q7.4."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    as_good(
        "Q7.5[cone]",
        "With batch norm projected onto the second-order cone LeNet learns as well as with BN.",
        "cone-second-order",
        "cone-nonnegative",
    )
)
def test_projection_onto_a_cone(verdict: Verdict) -> None:
    """Q7.5."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    as_good(
        "Q7.5[group]",
        "With statistics of each position averaged over its mirror images LeNet learns as well as with BN.",
        "orbit-flips",
        "orbit-channels",
        notes="BN itself averages over the group of translations, small shifts among them, which is the true symmetry here.",
    )
)
def test_projection_onto_invariants(verdict: Verdict) -> None:
    """Q7.5 again."""
    assert verdict.as_expected, verdict


FIRST = (
    "pit",
    "zca",
    "block-2",
    "circulant",
    "monarch",
    "cone-nonnegative",
    "cone-second-order",
    "orbit-flips",
    "orbit-channels",
)
"""The transforms of the claims above."""
VARIANTS = ("zca-cor", "cholesky", "newton", "thresholded", "orbit-turns")
"""Others of the same families."""
SLOW = ("pit-gaussian", "cone-monotone")
"""Two more, of the families of Q7.1 and Q7.5, which were slow."""
OF_FIRST = "the transforms of Q7.1 to Q7.3 and Q7.5"
OF_VARIANTS = "five variants of the transforms of Q7.2, Q7.3 and Q7.5"


def none_ahead(id_: str, subject: str, norms: tuple[str, ...], *others: str) -> AllOf:
    """The claim that none of these ends more than 0.3 points ahead of BN; with `others`, a chart of all."""
    return AllOf(
        id=id_,
        statement=f"Batch norm is hard to beat: {subject} ends more than 0.3 points ahead of it.",
        place=PLACE,
        arms=tuned_transforms("batch", *norms, *others),
        horizon=LENGTH,
        why_not=WHY_NOT,
        parts={norm: Greater(delta=-0.3 * PP) for norm in norms},
        effects=lambda runs: {norm: ahead("batch", norm, runs) for norm in norms},
        unit=0.3 * PP,
        measure=f"{P_END}, BN minus the transform",
        scaling=100,
        notes=f"{NOTES} The chart of Q7.6[first] places each by the time of a step over batch norm's "
        "(claims/layer_costs.json).",
        charts=partial(cost_and_accuracy, ("batch", *norms, *others)) if others else None,
    )


@pytest.mark.claim(none_ahead("Q7.6[first]", f"none of {OF_FIRST}", FIRST, *VARIANTS, *SLOW, *SPARSE))
def test_no_transform_is_ahead(verdict: Verdict) -> None:
    """Q7.6, and the chart of every transform."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(none_ahead("Q7.6[variants]", f"none of {OF_VARIANTS}", VARIANTS))
def test_no_variant_is_ahead(verdict: Verdict) -> None:
    """Q7.6 again."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(none_ahead("Q7.6[slow]", "neither the Gaussian integral transform nor the monotone cone", SLOW))
def test_no_slow_variant_is_ahead(verdict: Verdict) -> None:
    """Q7.6 once more."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(none_ahead("Q7.6[sparse]", "neither top-k nor a random mask of equal density", SPARSE))
def test_no_sparse_layer_is_ahead(verdict: Verdict) -> None:
    """Q7.6 of the layers of Q7.4, on all images."""
    assert verdict.as_expected, verdict


def rates_as_large(id_: str, subject: str, norms: tuple[str, ...], expected: Outcome = SUPPORTED) -> AllOf:
    """The claim that none of these has a largest stable rate more than 1.5 octaves below BN's."""
    searched = {norm: partial(brief, norm) for norm in ("batch", *norms)}
    return AllOf(
        id=id_,
        statement=f"{subject[0].upper()}{subject[1:]} allow rates nearly as large as BN: the largest stable one of each is at "
        "most 1.5 octaves lower.",
        place=PLACE,
        expected=expected,
        arms={rate_arm(norm, FIRST_RATE): recipe(lr=2.0**FIRST_RATE) for norm, recipe in searched.items()},
        search=search_rates(**searched),
        horizon={"smoke": 1, "full": 1},
        why_not={"standard": "It searches the rates of several networks."},
        parts={norm: Greater(delta=-1.5) for norm in norms},
        effects=lambda runs: {
            norm: float(largest_stable(norm, runs) - largest_stable("batch", runs)) for norm in norms
        },
        unit=1.0,
        measure="octaves of the largest stable rate, transform minus BN",
        also={
            norm: Also(partial(largest_stable, norm), "log2 of the largest stable rate") for norm in ("batch", *norms)
        },
        notes="Rates 2^k are searched as in Q2.3, by 250 steps on 32,000 images. More than 1.5 octaves below is more than "
        "one rate of the grid.",
    )


@pytest.mark.claim(rates_as_large("Q7.7", OF_FIRST, FIRST, REFUTED))
def test_transforms_allow_rates_as_large(verdict: Verdict) -> None:
    """Q7.7."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(rates_as_large("Q7.7[variants]", OF_VARIANTS, VARIANTS))
def test_variants_allow_rates_as_large(verdict: Verdict) -> None:
    """Q7.7 again."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(rates_as_large("Q7.7[slow]", "the Gaussian integral transform and the monotone cone", SLOW))
def test_slow_variants_allow_rates_as_large(verdict: Verdict) -> None:
    """Q7.7 once more."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(rates_as_large("Q7.7[sparse]", "top-k and a random mask of equal density", SPARSE))
def test_sparse_activations_allow_rates_as_large(verdict: Verdict) -> None:
    """Q7.7 of the layers of Q7.4."""
    assert verdict.as_expected, verdict
