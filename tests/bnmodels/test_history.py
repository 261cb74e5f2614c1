"""Histories by hand: epochs of 25 steps are blocks of 10, 10 and 5."""

import json
import math
from dataclasses import replace

import pytest

from bnmodels.history import BLOCK, LAST_STEPS, History, blocks
from bnmodels.probes import Probe

PROBES = tuple(Probe(accuracy=n / 10, precise_accuracy=n / 10 + 0.05) for n in range(4))
WHOLE = History(
    steps_per_epoch=25,
    losses=(6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.5, 0.25, 0.125),
    tails=(5.2, 3.5, 2.0),
    probes=PROBES,
    blow_up=((1.0, 2.0), (0.5, None)),
)
# Stopped by the loss of step 38, the 14th of the second epoch.
DIVERGED = replace(
    WHOLE,
    losses=(6.0, 5.0, 4.0, 3.0, 2.0),
    tails=(5.2, math.inf, math.inf),
    probes=(*PROBES[:2], PROBES[2], PROBES[2]),
    diverged_at=38,
)
GIVEN_UP = replace(
    WHOLE, losses=(6.0, 5.0, 4.0, 3.0, 3.0, 3.0), tails=(5.2, 3.5, 3.5), probes=(*PROBES[:3], PROBES[2]), given_up_at=50
)


def test_blocks_by_hand() -> None:
    losses = [float(n) for n in range(37)]
    # 0-9, 10-19, 20-24, then 25-34 and 35-36
    assert blocks(losses, 25) == [4.5, 14.5, 22.0, 29.5, 35.5]
    assert blocks(losses[:3], 25) == [1.0]
    assert blocks([], 25) == []
    assert (BLOCK, LAST_STEPS) == (10, 100)


def test_blocks_of_short_epochs() -> None:
    """A block ends with its epoch."""
    assert blocks([1.0, 2.0, 3.0, 5.0, 5.0, 5.0, 7.0], 3) == [2.0, 5.0, 7.0]


@pytest.mark.parametrize(("steps", "expected"), [(1, 1), (9, 1), (10, 1), (11, 2), (25, 3), (469, 47)])
def test_history_blocks_per_epoch(steps: int, expected: int) -> None:
    assert replace(WHOLE, steps_per_epoch=steps).blocks_per_epoch == expected
    assert len(blocks([0.0] * (2 * steps), steps)) == 2 * expected


def test_history_block_ends() -> None:
    assert WHOLE.block_ends == [10, 20, 25, 35, 45, 50, 60, 70, 75]
    assert replace(WHOLE, steps_per_epoch=20, losses=(1.0,) * 4).block_ends == [10, 20, 30, 40]
    assert replace(WHOLE, steps_per_epoch=3, losses=(1.0,) * 3).block_ends == [3, 6, 9]


def test_history_block_ends_where_it_stopped() -> None:
    assert DIVERGED.block_ends == [10, 20, 25, 35, 38]
    assert GIVEN_UP.block_ends == [10, 20, 25, 35, 45, 50]
    assert replace(DIVERGED, losses=(), diverged_at=0).block_ends == []


def test_history_training_loss_weighs_blocks_by_steps() -> None:
    first, second = (10 * 6 + 10 * 5 + 5 * 4) / 25, (10 * 3 + 10 * 2 + 5 * 1) / 25
    third = (10 * 0.5 + 10 * 0.25 + 5 * 0.125) / 25
    assert WHOLE.training_loss == pytest.approx([first, second, third], rel=1e-15)
    # 10 steps of 3, and 3 of 2 before the loss was not finite
    assert DIVERGED.training_loss == [pytest.approx(first), pytest.approx((10 * 3 + 3 * 2) / 13), None]
    assert GIVEN_UP.training_loss == [pytest.approx(first), 3.0, None]


def test_history_training_loss_is_the_mean_over_steps() -> None:
    losses = [math.exp(-step / 30) for step in range(75)]
    history = replace(WHOLE, losses=tuple(blocks(losses, 25)))
    expected = [math.fsum(losses[start : start + 25]) / 25 for start in (0, 25, 50)]
    assert history.training_loss == pytest.approx(expected, rel=1e-14)


def test_history_accuracies_leave_the_start_out() -> None:
    assert WHOLE.horizon == 3
    assert WHOLE.test_accuracy == [0.1, 0.2, 0.3]
    assert WHOLE.precise_accuracy == pytest.approx([0.15, 0.25, 0.35])
    curves = WHOLE.curves()
    assert list(curves) == ["test accuracy", "precise accuracy", "training loss"]
    assert {len(curve) for curve in curves.values()} == {3}


def test_history_until_cuts_everything() -> None:
    assert WHOLE.until(2) == replace(WHOLE, losses=WHOLE.losses[:6], tails=(5.2, 3.5), probes=PROBES[:3])
    assert WHOLE.until(2).until(1) == WHOLE.until(1)
    assert WHOLE.until(3) == WHOLE
    cut = WHOLE.until(1)
    assert (cut.horizon, cut.block_ends, cut.training_loss) == (1, [10, 20, 25], WHOLE.training_loss[:1])


def test_history_until_forgets_a_later_divergence() -> None:
    assert DIVERGED.diverged
    assert DIVERGED.until(2).diverged_at == 38
    assert DIVERGED.until(2).tails == (5.2, math.inf)
    early = DIVERGED.until(1)
    assert not early.diverged
    assert early == WHOLE.until(1)
    # The first step of the second epoch is none of the first.
    assert replace(DIVERGED, diverged_at=25).until(1).diverged_at is None
    assert replace(DIVERGED, diverged_at=24).until(1).diverged_at == 24


def test_history_until_forgets_a_later_giving_up() -> None:
    """A run of two epochs is not given up after its second: it is over."""
    assert GIVEN_UP.until(3).given_up_at == 50
    assert GIVEN_UP.until(2).given_up_at is None
    assert not GIVEN_UP.diverged


@pytest.mark.parametrize("horizon", [0, -1, 4])
def test_history_until_refuses(horizon: int) -> None:
    with pytest.raises(ValueError, match=f"horizon={horizon}: this run has 3 epochs"):
        WHOLE.until(horizon)


@pytest.mark.parametrize("history", [WHOLE, DIVERGED, GIVEN_UP], ids=["whole", "diverged", "given up"])
def test_history_json_round_trip(history: History) -> None:
    text = json.dumps(history.to_json(), allow_nan=False)
    assert History.from_json(json.loads(text)) == history


def test_history_json_has_null_for_infinite_tails() -> None:
    assert DIVERGED.to_json()["tails"] == [5.2, None, None]


def test_history_json_keeps_probes() -> None:
    probe = Probe(
        accuracy=0.5,
        precise_accuracy=None,
        training_accuracy=0.6,
        signal=(1.0, None),
        signal_eval=(2.0, 3.0),
        within_one=(0.5, None),
        unexplained=(None, 0.25),
        gamma=((1.0, 2.0), ()),
        beta=((), (0.5,)),
        flatness=(0.1, 0.2),
        noise={"mean": ((0.5, 0.25), (0.25, 0.125)), "deviation": ((1.0, 2.0), (3.0, 4.0))},
    )
    history = replace(WHOLE, probes=(probe, *PROBES[1:]))
    assert History.from_json(json.loads(json.dumps(history.to_json()))) == history
