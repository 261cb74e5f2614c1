"""Q7.1, Q7.4 and Q7.5, what these layers do to every input: the integral transform, sparsification, cones and orbits."""

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from bnmodels.norms import PIT, ConeNorm, OrbitNorm, RandomMask, TopK
from bnmodels.norms.cone import CONES
from bnmodels.norms.orbit import GROUPS, averaged
from pytest_claims import Property, Tally

from .strategies import log_uniform, logarithmic, normal, seeds
from .transform_inputs import U, run

PLACE = "Exercise 7 (left open)"
PIECES = 16
RARE = 1e-12
"""Probability of missing a bound that holds only with high probability."""


def distance(x: Tensor, y: Tensor) -> float:
    """Between a uniform output as a share of its range and the share of the inputs up to it: Kolmogorov's, from both sides.

    Ties are the input's: an output that ties what was apart is as far away as it is.
    """
    share, values = y.flatten() / math.sqrt(12) + 0.5, x.flatten()
    ordered = values.sort().values
    below, upto = (torch.searchsorted(ordered, values, right=right).double() / len(values) for right in (False, True))
    return float(torch.maximum((share - below).abs(), (upto - share).abs()).max())


def sample(seed: int, name: str, images: int, shape: float) -> Tensor:
    """Values of a law that is skewed by `shape`, one channel, in float64."""
    z = normal(seed, name, images, 1)
    return torch.sinh(shape * z) / shape


@pytest.mark.claim(
    Property(
        id="Q7.1[law]",
        statement="The probability integral transform makes a channel uniform: on its batch up to its pieces, in eval mode "
        "also up to the sampling of both, and where values are tied up to half the largest tie; it is the sum of its ramps, or "
        "the normal quantile of it.",
        place=PLACE,
        formula=r"\sup_u |F_y(u) - u| \le \tfrac{1}{K} + \tfrac{2}{m} + \tfrac{t}{2}",
        notes=f"K = {PIECES} pieces, m values, from 40 on, and 2,000 in eval mode; there the bound of Dvoretzky, Kiefer & "
        "Wolfowitz 1956 with Massart's constant, missed once in 10^12; t is the largest share of one value. Ramps are no "
        "narrower than a floor of 1 % or 20 % of the range.",
    )
)
@given(
    seed=seeds(),
    images=st.integers(40, 400),
    many=st.integers(2_000, 4_000),
    shape=st.sampled_from([0.1, 1.0, 2.0]),
    tied=st.sampled_from([0.0, 0.3]),
)
def test_law(seed: int, images: int, many: int, shape: float, tied: float, tally: Tally, device: torch.device) -> None:
    """Distance between the share of the values up to one and its output."""
    # a floor so low that a width is at it where values are tied, and nowhere else
    layer = PIT(1, pieces=PIECES, floor=1e-12, momentum=1.0, affine=False, eps=1e-15, dtype=torch.float64).to(device)

    def drawn(name: str, count: int) -> Tensor:
        x = sample(seed, name, count, shape)
        x[: int(tied * count)] = 0.0
        return x

    for name, count in (("batch", images), ("large batch", many)):
        x = drawn(name, count)
        bound = 1 / PIECES + 2 / count + tied / 2
        tally.within(name, distance(x, run(layer, x.to(device)).cpu()), bound)
    sampling = math.sqrt(math.log(2 / RARE) / (2 * many))
    fresh = drawn("fresh", many)
    # the shares of ties of both are cut to whole numbers
    there = distance(fresh, run(layer.eval(), fresh.to(device)).cpu())
    tally.within("fresh batch in eval mode", there, bound + 2 * sampling + 2 / many)
    laws: tuple[Any, ...] = ("uniform", "gaussian")
    for law, floor in itertools.product(laws, (0.01, 0.2)):
        options: dict[str, Any] = {} if floor == 0.01 else {"floor": floor}  # what it is, if not told otherwise
        whole = PIT(1, law=law, pieces=PIECES, affine=False, dtype=torch.float64, **options).to(device)
        x = drawn("batch", images)
        difference = (run(whole, x.to(device)).cpu() - ramps(x, law, floor, whole.eps)).abs().max()
        # a slope is at most one over a width; that of the normal quantile, at 1/32, is below 16
        steep = 16 if law == "gaussian" else math.sqrt(12)
        tally.within(f"{law}: ramps of floor {floor:g}", float(difference), 40 * U * PIECES / floor * steep)


def ramps(x: Tensor, law: str, floor: float, eps: float) -> Tensor:
    """The transform as its formula is written, one ramp after the other."""
    knots = x.quantile(torch.linspace(0, 1, PIECES + 1, dtype=torch.float64))
    least = floor * float(knots[-1] - knots[0]) + eps
    share = torch.zeros_like(x)
    for low, high in itertools.pairwise(knots):
        share += ((x - (low + high) / 2) / (high - low).clamp_min(least) + 0.5).clamp(0, 1) / PIECES
    if law == "uniform":
        return (share - 0.5) * math.sqrt(12)
    gaussian: Tensor = torch.special.ndtri(0.5 / PIECES + (1 - 1 / PIECES) * share)
    return gaussian


@pytest.mark.claim(
    Property(
        id="Q7.1[invariances]",
        statement="Of the invariance of ranks to every increasing map, smoothing leaves location and positive scale; a "
        "reflection turns the sign; with as many pieces as values ranks are back.",
        place=PLACE,
        formula=r"F_{a x + b}(a x + b) = F_x(x), \quad F_{-x}(-x) = 1 - F_x(x)",
        notes="eps is scaled with the input. The increasing map that does change the output is a cubic.",
    )
)
@given(seed=seeds(), images=st.integers(20, 60), factor=logarithmic(1e-3, 1e3), gaussian=st.booleans())
def test_pit_invariances(
    seed: int, images: int, factor: float, gaussian: bool, tally: Tally, device: torch.device
) -> None:
    """The same transform of moved values."""
    law: Any = "gaussian" if gaussian else "uniform"
    x = normal(seed, "values", images, 2)
    shift = 3 * normal(seed, "shift", 1, 2)

    def transformed(values: Tensor, eps: float = 1e-6, **options: Any) -> Tensor:
        layer = PIT(2, law=law, affine=False, eps=eps, dtype=torch.float64, **options).to(device)
        return run(layer, values.to(device)).cpu()

    y = transformed(x)
    # a slope is one over a width, at least 1 % of the range: rounding of the values, u times the largest, grows by 100 over it,
    # and the normal quantile's slope at 1/32 is below 16
    steep = 16 if gaussian else math.sqrt(12)
    moved = factor * x + factor * shift
    largest = float(moved.abs().max() / (moved.amax(0) - moved.amin(0)).min())
    bound = 40 * U * 100 * (1 + largest) * steep
    tally.within("location and scale", float((transformed(moved, factor * 1e-6) - y).abs().max()), bound)
    tally.within("reflection", float((transformed(-x) + y).abs().max()), bound)
    tally.beyond("another increasing map", float((transformed(x + x**3) - y).abs().max()), bound)
    every = {"pieces": images - 1, "floor": 1e-12}
    ranks = transformed(x, 1e-15, **every)
    # between neighbours that are d apart a slope is 1 / d
    near = float(min(column.sort().values.diff().min() for column in (x.T[0], x.T[1])))
    if near > 1e-6:
        again = transformed(x + x**3, 1e-15, **every)
        tally.within("ranks", float((ranks - again).abs().max()), 100 * U * images * steep * 16 / near + 16 * 1e-9)


@pytest.mark.claim(
    Property(
        id="Q7.4[density]",
        statement="Top-k keeps the stated share of each image's normalised activations, the largest, and keeps batch norm's "
        "invariance to shift and scale and its indifference to the order of channels and of positions. Its control, the random "
        "mask, keeps that share in the mean, over which it divides, and all in eval mode.",
        place=PLACE,
        notes="In the mean: of 4,000 activations and more, by the bound of Hoeffding 1963, missed once in 10^12.",
    )
)
@given(
    seed=seeds(),
    images=st.integers(2, 9),
    channels=st.integers(1, 5),
    density=st.floats(0.05, 1),
    factor=logarithmic(1e-3, 1e3),
)
def test_top_k(
    seed: int, images: int, channels: int, density: float, factor: float, tally: Tally, device: torch.device
) -> None:
    """Counted, and compared with batch norm."""
    x = normal(seed, "values", images, channels, 6)
    layer = TopK(channels, density=density, eps=1e-9, affine=False, dtype=torch.float64).to(device)
    y = layer(x.to(device)).cpu()
    wanted = math.ceil(density * channels * 6)
    counts = (y != 0).flatten(1).sum(1)
    tally.within("kept activations", float((counts - wanted).abs().max()), 0.0)
    bn = nn.BatchNorm1d(channels, eps=1e-9, affine=False, dtype=torch.float64)(x)
    kept = y != 0
    least, most_lost = bn.abs().masked_fill(~kept, torch.inf).flatten(1).amin(1), (bn * ~kept).abs().flatten(1).amax(1)
    tally.within("largest that is lost over smallest that is kept", float((most_lost - least).max().clamp_min(0)), 0.0)
    bound = 40 * (images * 6) * U * 10
    tally.within("values that are kept", float(((y - bn) * kept).abs().max()), bound)
    by = log_uniform(seed, "factor", channels, 1, 8)[:, None]
    scaled = TopK(channels, density=density, eps=1e-9 * factor**2, affine=False, dtype=torch.float64)
    moved = scaled(factor * x + factor * by)
    # which of two nearly equal values is kept may be decided by rounding
    clear = float((least - most_lost).min()) > bound
    if clear:
        tally.within("shift and scale", float((moved - y).abs().max()), 40 * bound)
        for name, axis in (("order of channels", 1), ("order of positions", 2)):
            turned = run(layer, x.flip(axis).to(device)).cpu()
            tally.within(name, float((turned - y.flip(axis)).abs().max()), 2 * bound)
    mask = RandomMask(channels, density=density, seed=seed, eps=1e-9, affine=False, dtype=torch.float64).to(device)
    masked = torch.stack([run(mask, x.to(device)).cpu() for _ in range(-(-4_000 // x.numel()))])
    stay = masked != 0
    most = math.sqrt(math.log(2 / RARE) / (2 * masked.numel()))
    tally.within("random mask: share that stays", abs(float(stay.double().mean()) - density), most)
    tally.within("random mask: what stays", float((masked * density - bn * stay).abs().max()), bound)
    centre, spread = x.mean((0, 2), keepdim=True), x.var((0, 2), keepdim=True)
    mask.momentum = 1.0
    mask(x.to(device))
    there = run(mask.eval(), x.to(device)).cpu()
    tally.within("random mask in eval mode", float((there - (x - centre) / (spread + 1e-9).sqrt()).abs().max()), bound)


def onto(name: str, v: Tensor) -> Tensor:
    """The nearest points of a cone."""
    return CONES[name](v)


def inside(name: str, v: Tensor) -> Tensor:
    """How far vectors are outside a cone, at least."""
    if name == "nonnegative":
        return (-v).amax(-1)
    if name == "monotone":
        return -v.diff(dim=-1).amin(-1) if v.shape[-1] > 1 else torch.zeros(v.shape[:-1], dtype=v.dtype)
    outside: Tensor = torch.linalg.vector_norm(v[..., 1:], dim=-1) - v[..., 0]
    return outside


@pytest.mark.claim(
    Property(
        id="Q7.5[cone, projection]",
        statement="Projection onto a closed convex cone is idempotent, 1-Lipschitz and positively homogeneous, and splits a "
        "vector into two at right angles (Moreau); the non-negative cone is ReLU.",
        place=PLACE,
        formula=r"v = \Pi_K v + \Pi_{K^\circ} v, \quad \langle \Pi_K v, \Pi_{K^\circ} v \rangle = 0",
        notes="Membership, right angle and polarity together prove a projection. Cones: non-negative, second-order, monotone.",
    )
)
@given(seed=seeds(), channels=st.integers(1, 8), scale=logarithmic(1e-3, 1e3), factor=logarithmic(1e-3, 1e3))
def test_projection(seed: int, channels: int, scale: float, factor: float, tally: Tally) -> None:
    """Of random vectors, half of them near the cone."""
    v, other = (scale * normal(seed, name, 40, channels) for name in ("v", "other"))
    bound = 20 * channels * channels * U * scale * 10
    for name in CONES:
        near = torch.cat([v[:20], onto(name, v[20:]) + 0.1 * other[20:]])
        first, second = onto(name, near), onto(name, other)
        rest = near - first
        size = float(near.square().sum(-1).max())
        tally.within(f"{name}: membership", float(inside(name, first).max().clamp_min(0)), bound)
        tally.within(f"{name}: idempotent", float((onto(name, first) - first).abs().max()), bound)
        tally.within(f"{name}: right angle", float((first * rest).sum(-1).abs().max()), 20 * channels**2 * U * size)
        # the rest has an angle of at least 90 degrees with every member of the cone
        members = onto(name, normal(seed, "members", 40, channels))
        tally.within(f"{name}: polarity", float((rest @ members.T).max().clamp_min(0)), 10 * bound * channels)
        apart = torch.linalg.vector_norm(first - second, dim=-1) - torch.linalg.vector_norm(near - other, dim=-1)
        tally.within(f"{name}: Lipschitz", float(apart.max().clamp_min(0)), bound * channels)
        scaled = (onto(name, factor * near) - factor * first).abs().max()
        tally.within(f"{name}: homogeneous", float(scaled), factor * bound)
    tally.within("non-negative: ReLU", float((onto("nonnegative", v) - torch.relu(v)).abs().max()), 0.0)
    if channels > 1:
        turn = torch.eye(channels, dtype=torch.float64)
        turn[1:, 1:] = torch.linalg.qr(normal(seed, "turn", channels - 1, channels - 1)).Q
        turned = (onto("second-order", v @ turn) - onto("second-order", v) @ turn).abs().max()
        tally.within("second-order: orthogonal map of all but the first", float(turned), channels * bound)
        order = [*range(1, channels), 0]
        swapped = (onto("monotone", v)[:, order] - onto("monotone", v[:, order])).abs().max()
        tally.beyond("monotone: permutation", float(swapped), bound)


@pytest.mark.claim(
    Property(
        id="Q7.5[cone, layer]",
        statement="The layer is batch norm, projected over the channels of each image and position; it keeps batch norm's "
        "invariance to shift and to a positive factor a channel.",
        place=PLACE,
        notes="And so, of the projection's own homogeneity, nothing shows behind it.",
    )
)
@given(seed=seeds(), channels=st.integers(1, 5), factor=logarithmic(1e-3, 1e3))
def test_cone_layer(seed: int, channels: int, factor: float, tally: Tally, device: torch.device) -> None:
    """Beside torch's batch norm, and on moved values, eps scaled with them."""
    x = normal(seed, "values", 12, channels, 3)
    bn = nn.BatchNorm1d(channels, eps=1e-6, affine=False, dtype=torch.float64)(x)
    bound = 40 * (36 + channels**2) * U * 10
    shift = normal(seed, "shift", 1, channels, 1)
    for cone in CONES:

        def out(values: Tensor, eps: float, cone: str = cone) -> Tensor:
            layer = ConeNorm(channels, cone=cone, eps=eps, affine=False, dtype=torch.float64).to(device)
            return run(layer, values.to(device)).cpu()

        y = out(x, 1e-6)
        tally.within(f"{cone}: projected", float((y - onto(cone, bn.mT).mT).abs().max()), bound)
        tally.within(cone, float((out(factor * (x + shift), 1e-6 * factor**2) - y).abs().max()), bound)


ACTIONS: dict[str, Any] = {
    "flips": lambda x: x.flip(-1),
    "quarter turns": lambda x: x.rot90(1, (-2, -1)),
    "channel shifts": lambda x: x.roll(1, 1),
    "translations": lambda x: x.roll((1, 2), (-2, -1)),
}


@pytest.mark.claim(
    Property(
        id="Q7.5[group, layer]",
        statement="Averaging statistics over a group's orbit is idempotent and self-adjoint; the layer is then equivariant to "
        "that group and to what maps its orbits to orbits, blind to a constant and a factor that the group leaves as they are, "
        "and with all translations it is batch norm.",
        place=PLACE,
        formula=r"f(g x) = g f(x)",
        notes="Groups: flips, quarter turns, cyclic channel shifts, cyclic translations; channels and positions 4 x 4 x 4.",
    )
)
@given(seed=seeds(), images=st.integers(2, 8), factor=logarithmic(1e-3, 1e3))
def test_orbits(seed: int, images: int, factor: float, tally: Tally, device: torch.device) -> None:
    """Each layer under each group."""
    x = normal(seed, "values", images, 4, 4, 4) * log_uniform(seed, "scales", 64, 0.5, 2).reshape(1, 4, 4, 4)
    x = x + normal(seed, "pattern", 1, 4, 4, 4)
    mean, var, other = (normal(seed, name, 4, 4, 4) for name in ("mean", "var", "other"))
    for name in GROUPS:
        centre, spread = averaged(mean, var.square(), name)
        again, _ = averaged(centre, spread, name)
        tally.within(f"{name}: idempotent", float((again - centre).abs().max()), 64 * 10 * U * 10)
        adjoint = (centre * other).sum() - (mean * averaged(other, var, name)[0]).sum()
        tally.within(f"{name}: self-adjoint", float(adjoint.abs()), 64 * 64 * U * 100)
        layer = OrbitNorm(4, group=name, positions=(4, 4), eps=1e-3, affine=False, dtype=torch.float64).to(device)

        def out(values: Tensor, layer: OrbitNorm = layer) -> Tensor:
            return run(layer, values.to(device)).cpu()

        y = out(x)
        bound = 100 * (images + 64) * U * 1e3 * max(1.0, float(y.abs().max()))
        for group, action in ACTIONS.items():
            difference = float((out(action(x)) - action(y)).abs().max())
            # a turn maps mirror images to mirror images, and so on; only translations tear orbits of the other two apart
            if group == "translations" and name in ("flips", "quarter turns"):
                tally.beyond(f"{name}: not equivariant to {group}", difference, bound)
            else:
                tally.within(f"{name}: equivariant to {group}", difference, bound)
        by, shift = log_uniform(seed, "factors", 4, 0.5, 2), normal(seed, "constants", 4)
        if name == "channel shifts":
            by, shift = by[:1].expand(4), shift[:1].expand(4)
        scaled = OrbitNorm(4, group=name, positions=(4, 4), eps=1e-9 * factor**2, affine=False, dtype=torch.float64)
        as_it_was = OrbitNorm(4, group=name, positions=(4, 4), eps=1e-9, affine=False, dtype=torch.float64)
        moved = run(scaled.to(device), (factor * (by[:, None, None] * x + shift[:, None, None])).to(device)).cpu()
        still = run(as_it_was.to(device), x.to(device)).cpu()
        # eps is not scaled with `by`: four times it at most, beside the least variance
        of_batch, mean_of_batch = torch.var_mean(x, 0, correction=0)
        least = float(averaged(mean_of_batch, of_batch, name)[1].min())
        near_eps = 4e-9 / least
        tally.within(
            f"{name}: constant and factor",
            float((moved - still).abs().max()),
            (near_eps + 100 * (images + 64) * U * 10 / least) * max(1.0, float(still.abs().max())),
        )
        if name == "translations":
            bn = nn.BatchNorm2d(4, eps=1e-3, affine=False, dtype=torch.float64)(x)
            tally.within("translations: batch norm", float((y - bn).abs().max()), bound)
