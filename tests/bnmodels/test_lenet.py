"""Shapes by hand, counts, pairing of initial values, and what an architecture refuses."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from bnmodels.dropout import Dropout
from bnmodels.lenet import Architecture, LeNet, build
from bnmodels.norms import LAYERS, CenterOnly, GhostBatchNorm, ScaleOnly
from bnmodels.seeding import generator

from .samples import NO_NORM, everywhere, mnist_bench, state_of

# By hand from claims.md: 28 - 4 = 24, pooled 12; 12 - 4 = 8, pooled 4; 16 x 4 x 4 = 256.
SHAPES = {
    "conv1.weight": (6, 1, 5, 5),
    "conv1.bias": (6,),
    "norm1.weight": (6,),
    "norm1.bias": (6,),
    "conv2.weight": (16, 6, 5, 5),
    "conv2.bias": (16,),
    "norm2.weight": (16,),
    "norm2.bias": (16,),
    "linear1.weight": (120, 256),
    "linear1.bias": (120,),
    "norm3.weight": (120,),
    "norm3.bias": (120,),
    "linear2.weight": (84, 120),
    "linear2.bias": (84,),
    "norm4.weight": (84,),
    "norm4.bias": (84,),
    "linear3.weight": (10, 84),
    "linear3.bias": (10,),
}
INNER_BIASES = {"conv1.bias", "conv2.bias", "linear1.bias", "linear2.bias"}
NORMS = {name for name in SHAPES if name.startswith("norm")}


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}


def without(*names: str) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in SHAPES.items() if name not in names}


@pytest.mark.parametrize(
    ("changes", "expected", "count"),
    [
        ({}, SHAPES, 44_878),
        ({"conv_bias": False, "linear_bias": False}, without(*INNER_BIASES), 44_652),
        ({"conv_bias": False}, without("conv1.bias", "conv2.bias"), 44_878 - 22),
        ({"linear_bias": False}, without("linear1.bias", "linear2.bias"), 44_878 - 204),
        ({"norms": NO_NORM}, without(*NORMS), 44_426),
        # Padding keeps 28, pooled 14; 10, pooled 5; 16 x 5 x 5 = 400.
        ({"norms": NO_NORM, "padding": 2}, without(*NORMS) | {"linear1.weight": (120, 400)}, 61_706),
        ({"affine": False}, without(*NORMS), 44_426),
        (
            {"norms": ("batch", None, "batch", None)},
            without("norm2.weight", "norm2.bias", "norm4.weight", "norm4.bias"),
            44_678,
        ),
    ],
)
def test_lenet_shapes_and_counts(changes: dict[str, Any], expected: dict[str, tuple[int, ...]], count: int) -> None:
    network = LeNet(Architecture(**changes))
    assert shapes(network) == expected
    assert (
        sum(parameter.numel() for parameter in network.parameters()) == count == sum(map(math.prod, expected.values()))
    )


@pytest.mark.parametrize(("padding", "sides"), [(0, (24, 8)), (2, (28, 10))])
@pytest.mark.parametrize("norms", [NO_NORM, ("batch",) * 4])
def test_lenet_trace_shapes(padding: int, sides: tuple[int, int], norms: Any) -> None:
    network = LeNet(Architecture(norms=norms, padding=padding))  # type: ignore[arg-type]
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    places, logits = network.eval().trace(images)
    first, second = sides
    assert [tuple(p.shape) for p in places] == [(3, 6, first, first), (3, 16, second, second), (3, 120), (3, 84)]
    assert logits.shape == (3, 10)
    assert torch.equal(network(images), logits)


def test_lenet_is_the_sequence_of_the_protocol() -> None:
    """Convolution, BN, sigmoid, pooling; twice; then linear, BN, sigmoid; twice; then linear."""
    n = build(Architecture(), seed=3).eval()
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    body = nn.Sequential(
        n.conv1, n.norm1, nn.Sigmoid(), nn.AvgPool2d(2, 2), n.conv2, n.norm2, nn.Sigmoid(), nn.AvgPool2d(2, 2),
        nn.Flatten(), n.linear1, n.norm3, nn.Sigmoid(), n.linear2, n.norm4, nn.Sigmoid(), n.linear3,
    )  # fmt: skip
    assert torch.equal(body(images), n(images))
    assert {m.eps for m in n.norms} == {1e-5}
    assert {m.momentum for m in n.norms} == {0.1}


def test_lenet_relu() -> None:
    network = build(Architecture(activation="relu", norms=NO_NORM), seed=0)
    places, logits = network.trace(torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(network.linear3(places[3].relu()), logits)


@pytest.mark.parametrize(("frozen", "left"), [("freeze_gamma", "bias"), ("freeze_beta", "weight")])
def test_lenet_freeze(frozen: str, left: str) -> None:
    network = LeNet(Architecture(**{frozen: True}))  # type: ignore[arg-type]
    trained = {name.rpartition(".")[2] for name, p in network.named_parameters() if "norm" in name and p.requires_grad}
    assert trained == {left}
    state = network.state_dict()
    assert torch.equal(state["norm1.weight"], torch.ones(6))
    assert torch.equal(state["norm1.bias"], torch.zeros(6))


@pytest.mark.parametrize(
    "changes",
    [
        {"conv_bias": False},
        {"linear_bias": False, "affine": False},
        {"norms": NO_NORM},
        {"norms": (None, "batch", "batch", "batch"), "freeze_gamma": True},
        {"activation": "relu", "padding": 2},
    ],
)
def test_build_pairs_arms(changes: dict[str, Any]) -> None:
    """Arms of a seed share the bits of every parameter whose shape they share."""
    ours, theirs = build(Architecture(), seed=7), build(Architecture(**changes), seed=7)
    full, arm = dict(ours.named_parameters()), dict(theirs.named_parameters())
    common = {name for name in full.keys() & arm.keys() if full[name].shape == arm[name].shape}
    if "padding" in changes:
        # The one exception: its range depends on the fan in, which padding changes; only the draw is shared.
        common.remove("linear1.bias")
        torch.testing.assert_close(arm["linear1.bias"] * 20, full["linear1.bias"] * 16)
    assert {"conv1.weight", "conv2.weight", "linear2.weight", "linear3.bias"} <= common
    assert all(torch.equal(full[name], arm[name]) for name in common)


def test_build_differs_by_seed_and_layer() -> None:
    first, second = build(Architecture(), seed=0), build(Architecture(), seed=1)
    for name, parameter in first.named_parameters():
        if not name.startswith("norm"):
            assert not torch.equal(parameter, dict(second.named_parameters())[name]), name
    assert not torch.equal(first.conv1.weight.flatten()[:80], first.linear2.weight.flatten()[:80])


def test_build_needs_no_global_generator() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = build(Architecture(), seed=4)
        torch.manual_seed(1)
        second = build(Architecture(), seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_build_float64_has_the_values_of_float32() -> None:
    single, double = build(Architecture(), seed=2), build(Architecture(), seed=2, dtype=torch.float64)
    for a, b in zip(single.parameters(), double.parameters(), strict=True):
        assert b.dtype == torch.float64
        assert torch.equal(a.double(), b)


@pytest.mark.parametrize("name", ["conv1", "conv2", "linear1", "linear2", "linear3"])
def test_build_initial_ranges(name: str) -> None:
    """Xavier uniform, sqrt(6 / (fan in + fan out)), and biases in 1 / sqrt(fan in); filled to the edges."""
    layer = getattr(build(Architecture(), seed=0), name)
    receptive = math.prod(layer.weight.shape[2:])
    fan_out, fan_in = (size * receptive for size in layer.weight.shape[:2])
    limit = math.sqrt(6 / (fan_in + fan_out))
    assert 0.9 * limit < layer.weight.abs().max() <= limit
    assert layer.bias.abs().max() <= 1 / math.sqrt(fan_in)
    assert layer.weight.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.15)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"norms": ("batch", "batch", "batch")}, "give 4 of batch"),
        ({"norms": ("batch", "layer", None, None)}, "give 4 of batch"),
        ({"padding": 1}, "padding=1: 0, or 2"),
        ({"activation": "tanh"}, "activation='tanh': one of relu, sigmoid"),
        ({"eps": 0.0}, "eps=0.0: must be finite and above 0"),
        ({"eps": math.inf}, "eps=inf"),
        ({"momentum": 0.0}, "momentum=0.0"),
        ({"momentum": 1.1}, "momentum=1.1"),
        ({"momentum": math.nan}, "momentum=nan"),
        ({"affine": False, "freeze_gamma": True}, "no gamma or beta to freeze"),
        ({"affine": False, "freeze_beta": True}, "no gamma or beta to freeze"),
        ({"norms": ("ghost",) * 4}, "group_size=None: at least 2 images, with norms of `ghost`"),
        ({"norms": ("ghost", None, None, None)}, "group_size=None"),
        ({"norms": ("ghost",) * 4, "group_size": 1}, "group_size=1: at least 2 images"),
        ({"norms": ("ghost",) * 4, "group_size": 0}, "group_size=0"),
        ({"group_size": 16}, "group_size=16: .* and with no other"),
        ({"norms": NO_NORM, "group_size": 16}, "group_size=16"),
    ],
)
def test_architecture_refuses(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Architecture(**changes)


@pytest.mark.parametrize("norm", LAYERS)
def test_lenet_trains_a_step_with_each_norm(norm: str) -> None:
    """Gradients everywhere and finite, statistics that move, and a loss that falls on the images stepped on."""
    network = build(everywhere(norm), seed=0)
    kinds = [getattr(kind, "func", kind) for kind in LAYERS[norm]]
    assert [type(layer) for layer in network.norms] == [kinds[1], kinds[1], kinds[0], kinds[0]]
    for layer in network.modules():
        if isinstance(layer, Dropout):
            layer.masking = False  # both losses are of one network, not of two draws
    bench = mnist_bench(64)
    images, before = bench.scaled(bench.precise_images, torch.float32), state_of(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    loss = nn.functional.cross_entropy(network(images), bench.precise_labels)
    torch.autograd.backward(loss)
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    optimizer.step()
    assert nn.functional.cross_entropy(network(images), bench.precise_labels) < loss
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert {f"norm{place}.num_batches_tracked" for place in range(1, 5)} < moved
    assert {"conv1.weight", "linear3.bias", "norm1.weight", "norm4.bias"} < moved


@pytest.mark.parametrize("norm", LAYERS)
def test_lenet_norms_take_its_choices(norm: str) -> None:
    network: Any = LeNet(everywhere(norm, eps=0.5, momentum=0.25, freeze_beta=True), dtype=torch.float64)
    for layer in network.norms:
        assert (layer.eps, layer.momentum) == (0.5, 0.25)
        assert (layer.weight.requires_grad, layer.bias.requires_grad) == (True, False)
        assert layer.weight.dtype == torch.float64
        assert getattr(layer, "group_size", 32) == 32
    assert [p for p in LeNet(everywhere(norm, affine=False)).named_parameters() if "norm" in p[0]] == []


def test_lenet_mixed_norms() -> None:
    network = LeNet(Architecture(norms=("ghost", "center", None, "scale"), group_size=8))
    assert [type(layer) for layer in network.norms] == [GhostBatchNorm, CenterOnly, nn.Identity, ScaleOnly]


def test_architecture_normalised() -> None:
    assert Architecture().normalised
    assert Architecture(norms=(None, None, None, "batch")).normalised
    assert not Architecture(norms=NO_NORM).normalised


def test_generator_is_named() -> None:
    def draw(seed: int, name: str) -> list[int]:
        return torch.randint(1 << 30, (4,), generator=generator(seed, name)).tolist()

    assert draw(0, "order/1") == draw(0, "order/1")
    assert len({tuple(draw(seed, name)) for seed in (0, 1, 10) for name in ("a", "b", "0/a")}) == 9


def test_generator_is_pinned() -> None:
    """A change here changes every trial: raise TRAINING_VERSION on purpose, or undo it."""
    assert torch.randint(1 << 30, (3,), generator=generator(0, "conv1.weight")).tolist() == [
        259467462,
        34658942,
        1035139854,
    ]
