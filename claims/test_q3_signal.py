"""Q3: what happens to the signal where a batch norm is left out, and elsewhere."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from pytest_claims import REFUTED, AllOf, Also, Chart, Interaction, Panel, Superiority, Verdict
from pytest_claims.statistics import Greater

from .arms import LAYERS_READ_AT
from .figures import BARS, over_seeds
from .measures import Runs, mean, signal
from .test_q3_layer_importance import ARMS, LAYERS

HORIZON = {"smoke": 8, "standard": 8, "full": 8}
MEASURE = "log2 of the signal over that of the complete network"
SIGNAL = (
    "Signal: mean square of what enters the sigmoid, on one training minibatch, with batch statistics; the write-up calls "
    "it an L2 norm. Behind a BN it is the mean of gamma^2 + beta^2, whatever the images."
)


def ratio(
    runs: Runs, place: int, out: int, epochs: Sequence[int] = LAYERS_READ_AT, *, evaluation: bool = False
) -> float:
    """Log2 of the signal at a place with norm `out` left out, over that of the complete network, mean over epochs."""
    networks = runs[f"without {out}"], runs["complete"]
    logs = [
        [math.log2(max(1e-12, signal(run, place, epoch, evaluation=evaluation))) for run in networks]
        for epoch in epochs
    ]
    return mean([without - complete for without, complete in logs])


def fall_at(place: int, epochs: Sequence[int], runs: Runs, *, evaluation: bool = False) -> float:
    """How far the signal falls at a place whose norm is left out, in log2."""
    return -ratio(runs, place, place, epochs, evaluation=evaluation)


def signal_by_layer(seeds: Sequence[Runs]) -> list[Chart]:
    """The write-up's fourth figure."""
    panels = [
        Panel(
            title=f"place {place}",
            x_label="batch norm left out",
            y_label="signal (mean square)",
            kind="points",
            ticks={float(at): arm.removeprefix("without ").replace("complete", "none") for at, arm in enumerate(ARMS)},
            series=[
                over_seeds(
                    f"{epoch} epochs",
                    range(len(ARMS)),
                    [[signal(runs[arm], place, epoch) for arm in ARMS] for runs in seeds],
                )
                for epoch in LAYERS_READ_AT
            ],
        )
        for place in LAYERS
    ]
    return [
        Chart(
            title="Signal by layer left out",
            caption=f"With batch statistics. {BARS.format(seeds=len(seeds))}",
            panels=panels,
            figure=4,
        )
    ]


@pytest.mark.claim(
    AllOf(
        id="Q3.3",
        statement="Where a batch norm is left out, the signal at that place falls.",
        place="Exercise 3",
        arms=ARMS,
        horizon=HORIZON,
        parts={f"place {place}": Greater(delta=0.1) for place in LAYERS},
        effects=lambda runs: {f"place {place}": fall_at(place, LAYERS_READ_AT, runs) for place in LAYERS},
        unit=0.1,
        measure=f"{MEASURE}, sign turned, epochs 2, 4, 8",
        also={
            "mean of the four": lambda runs: mean([fall_at(place, LAYERS_READ_AT, runs) for place in LAYERS]),
            **{
                f"place {place}, epoch {epoch}": Also(partial(fall_at, place, [epoch]), f"{MEASURE}, sign turned")
                for place in LAYERS
                for epoch in (0, *LAYERS_READ_AT)
            },
            **{
                f"place {place}, eval mode": partial(fall_at, place, LAYERS_READ_AT, evaluation=True)
                for place in LAYERS
            },
        },
        notes=f"{SIGNAL} Epoch 0 is initialisation, which fixes it: a BN gives exactly 1.",
        charts=signal_by_layer,
    )
)
def test_signal_falls_at_removed_place(verdict: Verdict) -> None:
    """Q3.3."""
    assert verdict.as_expected, verdict


PAIRS = [(place, out) for out in LAYERS for place in LAYERS if place != out]


def rise(runs: Runs, epoch: int, pairs: Sequence[tuple[int, int]] = PAIRS, *, evaluation: bool = False) -> float:
    """Mean log2 ratio over places that still have their norm."""
    return mean([ratio(runs, place, out, [epoch], evaluation=evaluation) for place, out in pairs])


def fall(runs: Runs, epoch: int, *, evaluation: bool = False) -> float:
    """Mean fall at the place whose norm is left out, in log2."""
    return mean([fall_at(place, [epoch], runs, evaluation=evaluation) for place in LAYERS])


def fading(change: Callable[..., float], runs: Runs, *, evaluation: bool = False) -> float:
    """How much larger a change is after 2 epochs than after 8."""
    return change(runs, 2, evaluation=evaluation) - change(runs, 8, evaluation=evaluation)


IN_EVAL_MODE = "in eval mode, as the write-up measures"


SUBSETS = {
    **{f"without {k}": [pair for pair in PAIRS if pair[1] == k] for k in LAYERS},
    "upstream": [(place, out) for place, out in PAIRS if place < out],
    "downstream": [(place, out) for place, out in PAIRS if place > out],
}


@pytest.mark.claim(
    Superiority(
        id="Q3.4",
        statement="Elsewhere the signal rises: the other layers compensate.",
        place="Exercise 3",
        arms=ARMS,
        horizon=HORIZON,
        effect=lambda runs: rise(runs, 8),
        delta=0.07,
        unit=0.07,
        measure=f"{MEASURE}, mean over the other places and all layers, epoch 8",
        also={
            **{
                name: Also(partial(rise, epoch=8, pairs=pairs), f"{MEASURE}, mean over these places, epoch 8")
                for name, pairs in SUBSETS.items()
            },
            IN_EVAL_MODE: partial(rise, epoch=8, evaluation=True),
            "share: rises summed over fall": Also(lambda runs: 3 * rise(runs, 8) / fall(runs, 8), "ratio, epoch 8"),
        },
        notes=f"{SIGNAL} A rise alone is no compensation: the share says how much of the fall it makes up, and Q3.5c "
        "whether rises fade as the fall does.",
    )
)
def test_signal_rises_elsewhere(verdict: Verdict) -> None:
    """Q3.4."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    Interaction(
        id="Q3.5b",
        statement="The fall at the place whose batch norm is left out is stronger in early epochs.",
        place="Exercise 3",
        arms=ARMS,
        horizon=HORIZON,
        effect=partial(fading, fall),
        delta=0.1,
        unit=0.1,
        measure=f"{MEASURE}, fall at epoch 2 minus fall at epoch 8, mean over layers",
        also={IN_EVAL_MODE: partial(fading, fall, evaluation=True)}
        | {
            f"fall at epoch {epoch}": Also(partial(fall, epoch=epoch), f"{MEASURE}, sign turned")
            for epoch in (0, *LAYERS_READ_AT)
        },
        notes=SIGNAL,
    )
)
def test_fall_is_stronger_early(verdict: Verdict) -> None:
    """Q3.5b."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    Interaction(
        id="Q3.5c",
        statement="The rise at the other places is stronger in early epochs.",
        place="Exercise 3",
        arms=ARMS,
        horizon=HORIZON,
        effect=partial(fading, rise),
        expected=REFUTED,
        delta=0.0,
        unit=0.07,
        measure=f"{MEASURE}, rise at epoch 2 minus rise at epoch 8",
        also={IN_EVAL_MODE: partial(fading, rise, evaluation=True)}
        | {f"rise at epoch {epoch}": Also(partial(rise, epoch=epoch), MEASURE) for epoch in (0, *LAYERS_READ_AT)},
        notes=SIGNAL,
    )
)
def test_rise_is_stronger_early(verdict: Verdict) -> None:
    """Q3.5c. Refuted: rises grow, as gamma and beta take time to leave what initialisation fixes, while the fall fades."""
    assert verdict.as_expected, verdict
