"""What probes measure, on values known beforehand, and that they leave a network as it was."""

import copy
import json
import math
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bnmodels.lenet import Architecture, build
from bnmodels.plain import Plain, build_plain
from bnmodels.probes import CHANCE, Probe, accuracy, mean_square, probe, reestimate, short, shortened

from .samples import NO_NORM, bench_of, everywhere, mnist_bench, noise_bench, same_state, state_of

WITHOUT = Architecture(norms=NO_NORM)


class Pixels(nn.Module):
    """A network whose places are the pixels, and whose answer is always the same."""

    architecture = WITHOUT
    dtype = torch.float64
    norms = ()

    def __init__(self, *factors: float, answer: int = 3, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.factors, self.answer = factors, answer
        self.activation = activation or nn.ReLU()

    def trace(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        logits = torch.zeros(len(images), 10, dtype=torch.float64)
        logits[:, self.answer] = 1
        return [factor * images for factor in self.factors], logits

    def forward(self, images: Tensor) -> Tensor:
        return self.trace(images)[1]


def three_values(images: int = 6) -> Tensor:
    """Images of as many pixels of 0, 1/5 and 2/5 each, up to one."""
    values = torch.tensor([0, 51, 102], dtype=torch.uint8)
    return values.repeat(28 * 28 * images // 3).reshape(images, 28, 28)


def test_probe_known_values() -> None:
    """Pixels of -2, 0 and 2: mean square 8 / 3, a third in [-1, 1].

    ReLU makes 0, 0 and 2 of them: covariance 4 / 3, variances 8 / 3 and 8 / 9, so r^2 = (16 / 9) / (64 / 27) = 3 / 4. At a
    third of the size all lie in [-1, 1]; zeros have no variance to explain.
    """
    bench = bench_of(three_values(), torch.tensor([3, 3, 3, 1, 2, 4]), shift=0.2, scale=0.1)
    seen = probe(Pixels(1.0, 1 / 3, 0.0), bench, precise=True, training=True)
    assert seen.signal == seen.signal_eval == (2.6667, 0.2963, 0.0)
    assert seen.within_one == (0.33333, 1.0, 1.0)
    assert seen.unexplained == (0.25, 0.25, None)
    assert seen.accuracy == seen.precise_accuracy == seen.training_accuracy == 0.5
    assert seen.gamma == seen.beta == ()


def test_probe_within_one_takes_its_ends_in() -> None:
    """Pixels of 0 and 1, half each: both are within, and the ones are not once they are the next larger number."""
    pixels = torch.tensor([0, 255], dtype=torch.uint8).repeat(28 * 28 * 2).reshape(4, 28, 28)
    seen = probe(Pixels(1.0, -1.0, 1 + 2**-52, 1.5), bench_of(pixels, torch.zeros(4).long()), precise=False)
    assert seen.within_one == (1.0, 1.0, 0.5, 0.5)


def test_probe_unexplained_of_a_line_is_zero() -> None:
    bench = bench_of(three_values(), torch.zeros(6).long(), shift=0.2, scale=0.1)
    seen = probe(Pixels(1.0, activation=nn.LeakyReLU(1.0)), bench, precise=False)
    # a quotient of sums of 4,704 squares, in float64: below 4,704 x 2^-52
    assert seen.unexplained[0] == pytest.approx(0, abs=4_704 * 2**-52)


def test_probe_unexplained_of_a_sigmoid() -> None:
    """Of -2, 0 and 2: symmetric about the middle, so that the three lie on a line; of 0, 2 and 4 they do not."""
    labels = torch.zeros(6).long()
    middle, side = (
        probe(Pixels(1.0, activation=nn.Sigmoid()), bench_of(three_values(), labels, shift=s, scale=0.1), precise=False)
        for s in (0.2, 0.0)
    )
    assert middle.unexplained[0] == pytest.approx(0, abs=4_704 * 2**-52)
    y = [1 / (1 + math.exp(-x)) for x in (0, 2, 4)]
    mean = sum(y) / 3
    r2 = (2 * (y[2] - y[0])) ** 2 / (8 * sum((v - mean) ** 2 for v in y))
    assert side.unexplained[0] == pytest.approx(1 - r2, abs=5e-6)


@pytest.mark.parametrize("factor", [math.inf, math.nan, 1e200, 1e308])
def test_probe_values_that_overflow_are_none(factor: float) -> None:
    bench = bench_of(three_values(), torch.zeros(6).long(), shift=0.2, scale=0.1)
    seen = probe(Pixels(factor), bench, precise=False)
    assert seen.signal == seen.signal_eval == seen.unexplained == (None,)
    json.dumps(asdict(seen), allow_nan=False)


@pytest.mark.parametrize("norm", ["batch", "center", "scale", "ghost"])
def test_probe_precise_accuracy(norm: str) -> None:
    """That of a twin whose statistics were re-estimated; of the training images, too."""
    bench = mnist_bench()
    network = build(everywhere(norm), seed=0)
    seen = probe(network, bench, precise=True, training=True)
    twin: Any = copy.deepcopy(network)
    reestimate(twin, bench)
    twin.eval()
    with torch.inference_mode():
        assert seen.precise_accuracy == accuracy(twin, bench, bench.test_images, bench.test_labels)
        assert seen.training_accuracy == accuracy(twin, bench, bench.precise_images, bench.precise_labels)
        assert seen.accuracy == accuracy(network.eval(), bench, bench.test_images, bench.test_labels)


def test_probe_without_norm_has_one_accuracy() -> None:
    bench = mnist_bench()
    networks: tuple[Any, ...] = build(WITHOUT, seed=0), build_plain(Plain(depth=3), seed=0)
    for network in networks:
        seen = probe(network, bench, precise=False)
        assert seen.precise_accuracy == seen.accuracy
        assert seen.training_accuracy is None


def test_probe_leaves_out_what_is_not_asked_for() -> None:
    network, bench = build(Architecture(), seed=0), noise_bench()
    seen = probe(network, bench, precise=False, training=True, parameters=False)
    assert (seen.precise_accuracy, seen.training_accuracy) == (None, None), "P is not measured, so it is neither's"
    assert seen.gamma == seen.beta == ()
    assert seen.flatness is None
    assert seen.noise is None


def test_probe_parameters() -> None:
    network = build(Architecture(norms=("batch", None, "center", "batch")), seed=0)
    with torch.no_grad():
        network.get_parameter("norm1.weight").copy_(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 1 / 3]))
        network.get_parameter("norm4.bias").fill_(math.nan)
    seen = probe(network, noise_bench(), precise=False)
    assert [len(values) for values in seen.gamma] == [6, 0, 120, 84]
    assert seen.gamma[0] == (1.0, 2.0, 3.0, 4.0, 5.0, 0.33333)
    assert [len(values) for values in seen.beta] == [6, 0, 120, 0], "what is not finite is not kept"
    json.dumps(asdict(seen), allow_nan=False)


@pytest.mark.parametrize("architecture", [*map(everywhere, ("batch", "center", "scale", "ghost")), WITHOUT])
@pytest.mark.parametrize("precise", [True, False])
def test_probe_leaves_the_network_as_it_was(architecture: Architecture, precise: bool) -> None:
    network: Any = build(architecture, seed=0)
    before = state_of(network)
    probe(network.eval(), noise_bench(), precise=precise, training=True)
    assert network.training
    assert same_state(network, before)
    for norm in network.norms:
        assert getattr(norm, "group_size", architecture.group_size) == architecture.group_size
        assert getattr(norm, "momentum", 0.1) == 0.1


def test_probe_signal_behind_a_norm_is_fixed_at_the_start() -> None:
    """Mean over channels of gamma^2 var / (var + eps) + beta^2, whatever the images: almost 1 with gamma 1, beta 0."""
    networks: tuple[Any, ...] = build(Architecture(), seed=0), build_plain(Plain(depth=5, norm=True), seed=0)
    for network in networks:
        signal = probe(network, noise_bench(), precise=False).signal
        assert signal == pytest.approx([1, 1, 1, 1], abs=0.02)


def test_probe_json_round_trip() -> None:
    seen = probe(build(Architecture(), seed=0), noise_bench(), precise=True)
    seen = replace(seen, flatness=(0.5, 0.75), noise={"mean": ((0.5,), (0.25,)), "deviation": ((0.1,), (0.2,))})
    assert Probe.from_json(json.loads(json.dumps(asdict(seen)))) == seen


@pytest.mark.parametrize("norm", ["batch", "ghost"])
def test_reestimate_is_the_average_over_batches(norm: str) -> None:
    """1,000 images a batch; running mean and variance become the plain averages of the batches' (unbiased) ones."""
    network, bench = build(everywhere(norm), seed=0, dtype=torch.float64), noise_bench(2_000)
    reestimate(network, bench)
    with torch.no_grad():
        batches = torch.split(bench.precise_images, 1_000)
        outputs = [network.conv1(bench.scaled(batch, torch.float64)) for batch in batches]
    mean = torch.stack([o.mean((0, 2, 3)) for o in outputs]).mean(0)
    var = torch.stack([o.var((0, 2, 3), unbiased=True) for o in outputs]).mean(0)
    # float64 sums of 576,000 terms: relative error below 576,000 x 1.1e-16
    torch.testing.assert_close(network.norm1.get_buffer("running_mean"), mean, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(network.norm1.get_buffer("running_var"), var, rtol=1e-9, atol=1e-12)
    assert network.norm1.num_batches_tracked == 2


def test_accuracy_counts_right_answers() -> None:
    """Over more than one batch of 500."""
    network, bench = build(WITHOUT, seed=0).eval(), noise_bench(700)
    with torch.inference_mode():
        answers = network(bench.scaled(bench.test_images, torch.float32)).argmax(1)
        assert accuracy(network, bench, bench.test_images, answers.to(torch.uint8)) == 1.0
        assert accuracy(network, bench, bench.test_images, ((answers + 1) % 10).to(torch.uint8)) == 0.0
        answers[:70] = (answers[:70] + 1) % 10
        assert accuracy(network, bench, bench.test_images, answers) == 0.9


def test_accuracy_of_broken_network_is_chance() -> None:
    network, bench = build(WITHOUT, seed=0).eval(), noise_bench()
    with torch.inference_mode():
        network.linear3.weight.fill_(math.nan)
        assert accuracy(network, bench, bench.test_images, bench.test_labels) == CHANCE


def test_bench_scaled() -> None:
    """Black, and white, in [0, 1] or about another middle."""
    images = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1).expand(2, 28, 28)
    plain, moved = noise_bench(), noise_bench(shift=0.25, scale=0.5)
    assert plain.scaled(images, torch.float32).shape == (2, 1, 28, 28)
    assert plain.scaled(images, torch.float32)[:, 0, 0, 0].tolist() == [0.0, 1.0]
    assert moved.scaled(images, torch.float64)[:, 0, 0, 0].tolist() == [-0.5, 1.5]
    assert moved.scaled(images, torch.float64).dtype == torch.float64


def test_mean_square_by_hand() -> None:
    """(9 + 16) / 2; and 1e60 is above what float32 holds."""
    assert mean_square([torch.tensor([3.0, 4.0]), torch.tensor([1e30])]) == [12.5, math.inf]


@pytest.mark.parametrize(
    ("value", "expected"), [(1 / 3, 0.33333), (123456.0, 123460.0), (-2e-9 / 3, -6.6667e-10), (0.0, 0.0), (0.5, 0.5)]
)
def test_short_keeps_five_digits(value: float, expected: float) -> None:
    assert short(value) == expected
    assert shortened(torch.tensor([value], dtype=torch.float64)) == [expected]
