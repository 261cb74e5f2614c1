"""Dropout: what it drops, when, from which draw, and what is measured of a network that has it."""

from dataclasses import replace

import pytest
import torch

from bnmodels.beginning import network_of
from bnmodels.dropout import Dropout
from bnmodels.lenet import Architecture, Dropping, build
from bnmodels.norms import RandomMask
from bnmodels.together import form

from .samples import NO_NORM, SMALL, run

IN_FRONT = replace(SMALL, architecture=Dropping(dropped=(0.0, 0.0, 0.5, 0.0)))
PLAIN = replace(SMALL, architecture=Dropping(norms=NO_NORM))


def test_dropout_keeps_its_share_and_the_mean() -> None:
    """Within five standard deviations of a binomial count."""
    layer, x = Dropout(0.3, seed=1), torch.ones(100, 1000)
    y = layer(x)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert float((y > 0).double().mean()) == pytest.approx(0.7, abs=5 * (0.21 / x.numel()) ** 0.5)


def test_dropout_draws_by_seed_and_step() -> None:
    """Not from torch's own generator, and another mask each step."""
    x = torch.ones(5, 40)
    one, other, third = Dropout(0.5, seed=1), Dropout(0.5, seed=1), Dropout(0.5, seed=2)
    torch.manual_seed(0)
    first = one(x)
    torch.manual_seed(1)
    assert torch.equal(first, other(x))
    assert not torch.equal(first, third(x))
    assert not torch.equal(first, one(x))


def test_dropout_off() -> None:
    x = torch.ones(5, 40)
    layer = Dropout(0.5)
    assert layer.eval()(x) is x
    layer.train()
    layer.masking = False
    assert layer(x) is x


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_dropout_refuses(share: float) -> None:
    with pytest.raises(ValueError, match=r"a share in \[0, 1\)"):
        Dropout(share)
    with pytest.raises(ValueError, match="4 shares in"):
        Dropping(dropped=(0.0, share, 0.0, 0.0))


def test_network_drops_behind_the_places_that_it_names() -> None:
    network = build(Dropping(dropped=(0.0, 0.1, 0.0, 0.5)), seed=3)
    layers = {name: layer.kept for name, layer in network.named_modules() if isinstance(layer, Dropout)}
    assert layers == {"drop2": 0.9, "drop4": 0.5}
    assert len({layer.seed for layer in network.modules() if isinstance(layer, Dropout)}) == 2
    plain = build(Architecture(), seed=3)
    assert {name: value.tolist() for name, value in network.state_dict().items()} == {
        name: value.tolist() for name, value in plain.state_dict().items()
    }
    assert not any(isinstance(layer, Dropout) for layer in plain.modules())


def test_training_with_dropout_repeats_and_depends_on_the_seed() -> None:
    assert run(PLAIN) == run(PLAIN)
    assert run(PLAIN).losses != run(PLAIN, seed=1).losses
    without = replace(PLAIN, architecture=Architecture(norms=NO_NORM))
    assert run(PLAIN).losses != run(without).losses


def test_mask_layer_draws_by_the_networks_seed() -> None:
    """Of each place its own."""
    recipe = replace(SMALL, architecture=Architecture(norms=("random-mask",) * 4))
    seeds = [
        layer.seed for seed in (0, 1) for layer in network_of(recipe, seed).modules() if isinstance(layer, Dropout)
    ]
    assert len(set(seeds)) == 8
    assert all(isinstance(norm, RandomMask) for norm in network_of(recipe, 0).norms)


def test_shift_is_seen_behind_the_dropout_alone() -> None:
    """Half of the units in front of the last norm are dropped, so that what it saw varies more than what it will see."""
    recipe = replace(IN_FRONT, lr=0.001, batch_size=32)
    shift = run(recipe, horizon=12).probes[-1].shift  # 144 steps, after which nothing is left of the first variance, 1
    assert [value is not None for value in shift] == [True] * 4
    assert shift[3] is not None
    assert shift[3] > 0.3
    assert all(value is not None and abs(value) < 0.15 for value in shift[:3])


def test_shift_is_only_measured_with_dropout() -> None:
    assert run(SMALL).probes[-1].shift == ()
    assert run(PLAIN).probes[-1].shift == ()


def test_dropout_is_off_while_statistics_are_estimated_again() -> None:
    """P of a network that dropped nothing at all would be the same number."""
    history = run(replace(IN_FRONT, lr=1e-6))  # stays where it began
    still = run(replace(IN_FRONT, lr=1e-6, architecture=Dropping(dropped=(0.0, 0.0, 0.0, 0.0))))
    assert history.probes[-1].precise_accuracy == still.probes[-1].precise_accuracy


def test_form_tells_dropout_apart() -> None:
    assert form(IN_FRONT) != form(SMALL)
    assert form(replace(IN_FRONT, lr=2.0)) == form(IN_FRONT)
