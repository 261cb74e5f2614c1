"""Q3: is batch norm needed in every layer? What it costs to leave one out."""

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from bnmodels.lenet import PLACES
from pytest_claims import Also, Chart, Interaction, Ordering, Panel, Superiority, Verdict

from .arms import LAYERS_READ_AT, bn_lenet, without_norm
from .figures import BARS, over_seeds
from .measures import LOG2_E, PP, Runs, e, mean, p

LAYERS = range(1, PLACES + 1)
ARMS = {"complete": bn_lenet()} | {f"without {place}": without_norm(place) for place in LAYERS}
HORIZON = {"smoke": 8, "standard": 8, "full": 8}
RIVALS = {f"first over {place}": place for place in LAYERS if place > 1}


def cost_e(runs: Runs, place: int, epochs: Sequence[int] = LAYERS_READ_AT, *, precise: bool = False) -> float:
    """Log2 error that removing a norm costs."""
    return e(runs[f"without {place}"], epochs, precise=precise) - e(runs["complete"], epochs, precise=precise)


def cost_p(runs: Runs, place: int, epochs: Sequence[int] = LAYERS_READ_AT) -> float:
    """P that removing a norm costs."""
    return p(runs["complete"], epochs) - p(runs[f"without {place}"], epochs)


def cost_loss(runs: Runs, place: int) -> float:
    """Training loss that removing a norm costs, in nats."""
    without, complete = runs[f"without {place}"].training_loss, runs["complete"].training_loss
    return mean([float(without[k - 1] or 0.0) - float(complete[k - 1] or 0.0) for k in LAYERS_READ_AT])


def each(cost: Callable[..., float], words: str) -> dict[str, Callable[[Runs], float]]:
    """A reading for every place."""
    return {f"{words}, place {place}": partial(cost, place=place) for place in LAYERS}


def accuracy_by_layer(seeds: Sequence[Runs]) -> list[Chart]:
    """The write-up's third figure, in both accuracies."""
    arms = dict(enumerate(ARMS))
    readings: dict[str, Callable[..., float]] = {
        "as evaluated (E)": lambda run, epoch: run.test_accuracy[epoch - 1],
        "with statistics re-estimated (P)": lambda run, epoch: p(run, [epoch]),
    }
    panels = [
        Panel(
            title=words,
            x_label="batch norm left out",
            y_label="test accuracy",
            kind="points",
            ticks={float(at): arm.removeprefix("without ").replace("complete", "none") for at, arm in arms.items()},
            series=[
                over_seeds(
                    f"{epoch} epochs", list(arms), [[read(runs[arm], epoch) for arm in arms.values()] for runs in seeds]
                )
                for epoch in LAYERS_READ_AT
            ],
        )
        for words, read in readings.items()
    ]
    return [Chart(title="Accuracy by layer left out", caption=BARS.format(seeds=len(seeds)), panels=panels, figure=3)]


@pytest.mark.claim(
    Ordering(
        id="Q3.1E",
        statement="In the accuracy that the write-up measures, removing the first batch norm costs the most.",
        place="Exercise 3",
        arms=ARMS,
        horizon=HORIZON,
        rivals=tuple(RIVALS),
        effects=lambda runs: {name: cost_e(runs, 1) - cost_e(runs, place) for name, place in RIVALS.items()},
        unit=0.25,
        measure=f"{LOG2_E}, epochs 2, 4, 8",
        also=each(cost_e, "cost"),
        notes="E lags behind the weights, which makes it dip; hence the error is compared as a ratio. One run of 8 epochs "
        "serves all three readings.",
        charts=accuracy_by_layer,
    )
)
def test_first_norm_costs_most_as_evaluated(verdict: Verdict) -> None:
    """Q3.1 in E."""
    assert verdict.as_expected, verdict


LOSSES = {name: Also(loss, "nats, epochs 2, 4, 8") for name, loss in each(cost_loss, "cost in training loss").items()}


@pytest.mark.claim(
    Ordering(
        id="Q3.1P",
        statement="With statistics re-estimated, too, removing the first batch norm costs the most accuracy.",
        place="Exercise 3",
        arms=ARMS,
        horizon=HORIZON,
        rivals=tuple(RIVALS),
        effects=lambda runs: {name: cost_p(runs, 1) - cost_p(runs, place) for name, place in RIVALS.items()},
        unit=0.3 * PP,
        measure="pp of P, epochs 2, 4, 8",
        scaling=100,
        also={**each(cost_p, "cost in P"), **LOSSES},
        notes="P leaves out what running statistics lose by lagging behind the weights.",
    )
)
def test_first_norm_costs_most_as_trained(verdict: Verdict) -> None:
    """Q3.1 in P."""
    assert verdict.as_expected, verdict


def earlier_matters(cost: Callable[..., float], runs: Runs) -> float:
    """Contrast over layers, positive where earlier norms cost more: sum of (2.5 - k) cost_k / 5."""
    return sum((2.5 - place) * cost(runs, place) for place in LAYERS) / 5


@pytest.mark.claim(
    Superiority(
        id="Q3.2",
        statement="Contrary to the paper, batch norm does not matter more in later layers here: earlier ones cost more.",
        place="Exercise 3",
        arms=ARMS,
        horizon=HORIZON,
        effect=partial(earlier_matters, cost_p),
        delta=0.0,
        unit=0.3 * PP,
        measure="pp of P a layer, epochs 2, 4, 8",
        scaling=100,
        also={"in E": Also(partial(earlier_matters, cost_e), f"{LOG2_E} a layer")},
        formula=r"\sum_k (2.5 - k) \, \operatorname{cost}_k / 5",
        notes="The slope of the cost over layers, with its sign turned. The paper (Bjorck et al. 2018) speaks of deep ResNets.",
    )
)
def test_earlier_norms_matter_more(verdict: Verdict) -> None:
    """Q3.2."""
    assert verdict.as_expected, verdict


def fading(cost: Callable[..., float], runs: Runs) -> float:
    """How much more the mean norm costs after 2 epochs than after 8."""
    return mean([cost(runs, place, [2]) - cost(runs, place, [8]) for place in LAYERS])


@pytest.mark.claim(
    Interaction(
        id="Q3.5a",
        statement="Leaving out a batch norm costs more accuracy in early epochs.",
        place="Exercise 3",
        arms=ARMS,
        horizon=HORIZON,
        effect=partial(fading, cost_p),
        delta=0.3 * PP,
        unit=0.3 * PP,
        measure="pp of P, mean over layers, cost at epoch 2 minus cost at epoch 8",
        scaling=100,
        also={"in E": Also(partial(fading, cost_e), LOG2_E)},
        notes="All accuracies come close to their ceiling by epoch 8, so that a gap in points must shrink.",
    )
)
def test_cost_is_larger_early(verdict: Verdict) -> None:
    """Q3.5a."""
    assert verdict.as_expected, verdict


def excess(runs: Runs, place: int) -> float:
    """How much more removing a norm costs in E than in P, in log2 error."""
    return cost_e(runs, place) - cost_e(runs, place, precise=True)


@pytest.mark.claim(
    Interaction(
        id="Q3.6",
        statement="The first layer's importance is a matter of evaluation, of running statistics that lag behind, and not "
        "of training.",
        place="Exercise 3 (implied)",
        arms=ARMS,
        horizon=HORIZON,
        effect=lambda runs: excess(runs, 1) - mean([excess(runs, place) for place in (2, 3, 4)]),
        delta=0.25,
        unit=0.25,
        measure="log2 of test error, (E - P) of place 1 against the others",
        also=each(excess, "E over P"),
        notes="If the first norm's cost stands in E and goes away in P, while the others' do not, evaluation makes it.",
    )
)
def test_first_norm_matters_in_evaluation(verdict: Verdict) -> None:
    """Q3.6."""
    assert verdict.as_expected, verdict
