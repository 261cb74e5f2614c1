"""Q5: batch norm without gamma and beta."""

from collections.abc import Callable, Sequence

import pytest

from bnmodels.lenet import PLACES
from pytest_claims import REFUTED, AllOf, Also, Chart, Equivalence, Interaction, Panel, Superiority, Verdict
from pytest_claims.statistics import Greater

from .arms import bn_lenet
from .figures import BAND, by_epoch, histogram
from .lite import arm, gap, late, shrinkage
from .measures import EARLY, LOG2_E, PP, Runs, e, final_e, mean, rms

ARMS = {name: arm(name) for name in ("BN", "fixed")}
TO_THE_END = {"smoke": 10, "standard": 10, "full": 10}


def gap_e(runs: Runs, epochs: Sequence[int]) -> float:
    """How far the arm with gamma and beta is ahead, in log2 error."""
    return e(runs["fixed"], epochs) - e(runs["BN"], epochs)


def accuracy_by_epoch(seeds: Sequence[Runs]) -> list[Chart]:
    """The write-up's fifth figure."""
    words = {"BN": "with gamma and beta", "fixed": "without"}
    series = [by_epoch(name, seeds, of, lambda run: run.test_accuracy) for of, name in words.items()]
    panel = Panel(title="", x_label="epoch", y_label="test accuracy (E)", series=series)
    caption = BAND.format(seeds=len(seeds))
    return [Chart(title="Accuracy with and without gamma and beta", caption=caption, panels=[panel], figure=5)]


@pytest.mark.claim(
    Superiority(
        id="Q5.1",
        statement="Without gamma and beta accuracy is lower in the first two epochs, by more than half a point.",
        place="Exercise 5",
        arms=ARMS,
        horizon={"smoke": 2, "standard": 2, "full": 2},
        effect=lambda runs: gap(runs, EARLY),
        delta=0.5 * PP,
        unit=0.5 * PP,
        measure="pp of P, epochs 1 and 2",
        scaling=100,
        also={"E, without minus with": Also(lambda runs: gap_e(runs, EARLY), f"{LOG2_E}, epochs 1 and 2")},
        notes="Running statistics that lag behind hit the arm without parameters harder, hence P.",
    )
)
def test_affine_parameters_help_early(verdict: Verdict) -> None:
    """Q5.1."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    Interaction(
        id="Q5.2a",
        statement="The gap that gamma and beta make shrinks as training goes on.",
        place="Exercise 5",
        arms=ARMS,
        horizon=TO_THE_END,
        effect=shrinkage,
        delta=0.3 * PP,
        unit=0.3 * PP,
        measure="pp of P, gap at epochs 1 and 2 minus gap at the last two",
        scaling=100,
        also={
            "gap at epochs 1 and 2": Also(lambda runs: gap(runs, EARLY), "pp of P", 100),
            "gap at the last two epochs": Also(lambda runs: gap(runs, late(runs)), "pp of P", 100),
            "shrinkage in E, gap without minus with": Also(
                lambda runs: gap_e(runs, EARLY) - gap_e(runs, late(runs)), LOG2_E
            ),
        },
        notes="A gap can shrink in points and grow as a ratio of errors; both are shown, points are judged.",
        charts=accuracy_by_epoch,
    )
)
def test_gap_shrinks(verdict: Verdict) -> None:
    """Q5.2, first half."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    Equivalence(
        id="Q5.2b",
        statement="At the end of training gamma and beta make no difference that matters: the gap has closed.",
        place="Exercise 5",
        arms=ARMS,
        horizon=TO_THE_END,
        effect=lambda runs: gap(runs, late(runs)),
        expected=REFUTED,
        margin=0.3 * PP,
        unit=0.3 * PP,
        measure="pp of P, last two epochs",
        scaling=100,
        also={
            "E, last three epochs, without minus with": Also(
                lambda runs: final_e(runs["fixed"]) - final_e(runs["BN"]), LOG2_E
            )
        },
        reported={"both frozen, exercise 4, 10 epochs": 0.9674, "neither frozen, exercise 4, 10 epochs": 0.98},
        erratum="The arm with gamma and beta frozen in exercise 4 is the same network as the arm without them in exercise 5; "
        "the write-up reports it 1.3 points behind there and as converged here.",
    )
)
def test_gap_closes(verdict: Verdict) -> None:
    """Q5.2, second half. Refuted: the arm without them ends 0.4 points behind, in P."""
    assert verdict.as_expected, verdict


def departure(runs: Runs, place: int, name: str) -> float:
    """Root mean square distance of gamma from 1, or of beta from 0, after the last epoch."""
    final = runs["BN"].probes[-1]
    values, centre = (final.gamma, 1.0) if name == "gamma" else (final.beta, 0.0)
    return rms(values[place - 1], centre)


def pooled(runs: Runs, name: str) -> float:
    """The same over all channels of the network."""
    final = runs["BN"].probes[-1]
    values, centre = (final.gamma, 1.0) if name == "gamma" else (final.beta, 0.0)
    return rms([value for layer in values for value in layer], centre)


DEPARTURES = {f"{name}, place {place}": (place, name) for name in ("gamma", "beta") for place in range(1, PLACES + 1)}


def parameters_by_layer(seeds: Sequence[Runs]) -> list[Chart]:
    """The write-up's sixth figure."""
    panels = []
    for name, low in (("gamma", 0.0), ("beta", -1.5)):
        probes = [getattr(runs["BN"].probes[-1], name) for runs in seeds]
        layers = {f"layer {k}": [value for probe in probes for value in probe[k - 1]] for k in range(1, PLACES + 1)}
        series = [histogram(layer, values, low=low, high=low + 3, bins=30) for layer, values in layers.items()]
        panels.append(Panel(title=name, x_label=name, y_label="share of channels", series=series, kind="steps"))
    caption = f"After the last epoch, channels of {len(seeds)} seeds; what lies outside counts at the ends."
    return [Chart(title="Learned gamma and beta", caption=caption, panels=panels, figure=6)]


def more(place: int) -> Callable[[Runs], float]:
    """How much further gamma went than beta at one place."""
    return lambda runs: departure(runs, place, "gamma") - departure(runs, place, "beta")


@pytest.mark.claim(
    AllOf(
        id="Q5.3a",
        statement="In every layer the learned gamma departs from 1 and the learned beta from 0.",
        place="Exercise 5",
        arms={"BN": bn_lenet()},
        horizon=TO_THE_END,
        parts={name: Greater(delta=0.1) for name in DEPARTURES},
        effects=lambda runs: {name: departure(runs, *which) for name, which in DEPARTURES.items()},
        expected=REFUTED,
        unit=0.1,
        measure="root mean square over channels",
        notes="In standard deviations of the normalised signal. Grows with rate and epochs.",
        charts=parameters_by_layer,
    )
)
def test_parameters_depart(verdict: Verdict) -> None:
    """Q5.3, first half. Refuted: at place 3 neither departs by 0.1, and at place 4 beta does not."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    Superiority(
        id="Q5.3b",
        statement="Gamma departs from 1 further than beta departs from 0.",
        place="Exercise 5",
        arms={"BN": bn_lenet()},
        horizon=TO_THE_END,
        effect=lambda runs: mean([more(place)(runs) for place in range(1, PLACES + 1)]),
        delta=0.05,
        unit=0.05,
        measure="root mean square, gamma minus beta, mean over layers",
        also={f"place {place}": more(place) for place in range(1, PLACES + 1)}
        | {"pooled over channels": lambda runs: pooled(runs, "gamma") - pooled(runs, "beta")},
        notes="Both are in standard deviations of the normalised signal, so that they compare. "
        "How far each spreads about its own mean is another question: gamma shifts, beta spreads. Pooling weighs layers by "
        "width: 204 of 226 channels belong to linear layers.",
    )
)
def test_gamma_departs_more(verdict: Verdict) -> None:
    """Q5.3, second half."""
    assert verdict.as_expected, verdict
