r"""From paired seeds to verdicts: p-values a look, sequential p-values, multiplicity, the stop rule.

A claim is tested on one number a seed, `d` (a difference of arms, or 0 and 1), at a few planned looks. Each look gives
two one-sided p-values: `supported` against "the claim is false", `refuted` against "the claim is true". Over K looks

$$ P = \min(1, K \min_k p_k) $$

is a p-value wherever the experiment stops, as $\Pr(\text{some } p_k \le \alpha / K) \le \alpha$. Over the claims of a
family the P are adjusted, and the first adjusted value at or below alpha decides:

>>> two_claims = np.arange(40.0).reshape(2, 20) - 20
>>> judge(*look_pvalues(Greater(), two_claims)).verdict
array([-1,  1], dtype=int8)

Every function works over leading axes; the last axis of data is seeds, in the order in which they were run.

Limits: a t-test on 8 to 20 seeds cannot see a rare, very different seed. SUPPORTED is wrong with probability 0.15, not
0.05, for a null of 1 - Exp(1), and 0.43 for an arm that is ruined once in ten seeds and a little better else. Print
`rarest_excluded(n)` beside every verdict about a mean.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Array = npt.NDArray[np.float64]

LOOKS = (8, 12, 20)  # seeds at each planned look
ALPHA = 0.05  # error rate of each direction, over all looks
SAME = 1e-12  # numbers closer than this, relative to the largest, are one number: 0.1 three times has no variance
HUGE = 1e150  # larger differences have no square in double precision


class PValues(NamedTuple):
    """One-sided p-values against "the claim is false" (`supported`) and against "the claim is true" (`refuted`)."""

    supported: Array
    refuted: Array


def _moments(d: npt.ArrayLike) -> tuple[int, Array, Array]:
    """Number of seeds, mean, and standard deviation (divide by n - 1; exactly 0 if all values are the same)."""
    d = np.asarray(d, dtype=np.float64)
    if d.ndim == 0 or d.shape[-1] < 2:
        raise ValueError(f"d of shape {d.shape}: a t-test needs at least 2 seeds on the last axis; run more seeds")
    if (bad := d[~(np.abs(d) < HUGE)]).size:
        way_out = "score a diverged run by the claim's diverged value first (never drop its seed), or decide by Sign()"
        raise ValueError(f"d={bad[0]}: a difference must be finite and below {HUGE:g}; {way_out}")
    constant = np.ptp(d, axis=-1) <= SAME * np.abs(d).max(axis=-1)
    return d.shape[-1], d.mean(axis=-1), np.where(constant, 0.0, d.std(axis=-1, ddof=1))


def p_greater(d: npt.ArrayLike, bound: float) -> Array:
    r"""Test paired differences `d` of shape `(..., n)`, n >= 2, against the null hypothesis $E[d] \le$ `bound`.

    $$ p = \max(\Pr(T_{n-1} \ge t), 2^{-n}), \qquad t = \sqrt{n} \, (\bar d - \text{bound}) / s $$

    The floor, the p-value of the sign test when all n seeds win: n seeds never say more than n coin flips. It also
    settles differences without variance, where t is infinite: p is the floor or 1, by the side of the mean. If all of
    them equal the bound, nothing was observed and p is 1.

    Source: Student 1908 for t.
    """
    n, mean, sd = _moments(d)
    gap = mean - bound
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        p = np.maximum(stats.t.sf(gap * np.sqrt(n) / sd, n - 1), 2.0**-n)
    # relative too: the mean of equal numbers is that number only up to rounding
    return np.where((sd == 0) & (np.abs(gap) <= SAME * abs(bound)), 1.0, p)


def p_less(d: npt.ArrayLike, bound: float) -> Array:
    r"""Test paired differences against the null hypothesis $E[d] \ge$ `bound`: `p_greater`, mirrored."""
    return p_greater(-np.asarray(d, dtype=np.float64), -bound)


def _all_of(p: Array) -> Array:
    """Reject if every part is rejected: needs no correction (intersection-union test, Berger 1982)."""
    return np.asarray(p.max(axis=-1))


def _any_of(p: Array) -> Array:
    """Reject if some part is rejected: needs Bonferroni's factor, as each part can be rejected falsely."""
    return np.asarray(np.minimum(1.0, p.shape[-1] * p.min(axis=-1)))


def _binomial(successes: npt.NDArray[np.int64], n: int | npt.NDArray[np.int64], p0: float) -> tuple[Array, Array]:
    """Exact binomial tails `Pr(X >= successes)`, `Pr(X <= successes)`, for X ~ Bin(n, p0)."""
    return np.asarray(stats.binom.sf(successes - 1, n, p0)), np.asarray(stats.binom.cdf(successes, n, p0))


def _outcomes(d: npt.ArrayLike, allowed: tuple[int, ...], way_out: str) -> npt.NDArray[np.int64]:
    d = np.asarray(d)
    if d.ndim == 0 or d.shape[-1] == 0:
        raise ValueError(f"d of shape {d.shape}: an exact test needs a seed on the last axis; run one")
    if (bad := d[~np.isin(d, allowed)]).size:
        raise ValueError(f"d={bad[0]}: an outcome must be one of {allowed}; {way_out}")
    return d.astype(np.int64)


class Test(Protocol):
    """How one claim is decided. It takes `axes` trailing axes of data: 1 for `(..., n)`, 2 for `(..., rows, n)`."""

    axes: ClassVar[int]

    def pvalues(self, d: npt.ArrayLike) -> PValues:
        """p-values from all the seeds in `d`, of the shape that is left without the trailing axes."""


@dataclass(frozen=True, kw_only=True)
class Greater:
    """The mean difference is above `delta`: superiority, and interaction (a difference of differences)."""

    axes: ClassVar[int] = 1
    delta: float = 0.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.delta):
            raise ValueError(f"delta={self.delta}: must be finite; 0 asks for any difference at all")

    def pvalues(self, d: npt.ArrayLike) -> PValues:
        """Of differences, shape `(..., n)`."""
        return PValues(p_greater(d, self.delta), p_less(d, self.delta))


@dataclass(frozen=True, kw_only=True)
class Within:
    """The mean difference is less than `margin` either way: equivalence.

    SUPPORTED needs both one-sided tests (TOST, Schuirmann 1987); REFUTED needs one of two, so it is corrected.
    """

    axes: ClassVar[int] = 1
    margin: float

    def __post_init__(self) -> None:
        if not 0 < self.margin < math.inf:
            raise ValueError(f"margin={self.margin}: must be positive and finite; name a difference you would ignore")

    def pvalues(self, d: npt.ArrayLike) -> PValues:
        """Of differences, shape `(..., n)`."""
        inside = np.stack([p_greater(d, -self.margin), p_less(d, self.margin)], axis=-1)
        outside = np.stack([p_greater(d, self.margin), p_less(d, -self.margin)], axis=-1)
        return PValues(_all_of(inside), _any_of(outside))


@dataclass(frozen=True, kw_only=True)
class Largest:
    """One arm of m has the largest mean: ordering. SUPPORTED needs all m - 1 comparisons, REFUTED one of them."""

    axes: ClassVar[int] = 2

    def pvalues(self, d: npt.ArrayLike) -> PValues:
        """Of its lead over each other arm j, `d[..., j, :] = effect - effect_j`, shape `(..., m - 1, n)`."""
        d = np.asarray(d, dtype=np.float64)
        if d.ndim < 2 or d.shape[-2] == 0:
            raise ValueError(f"d of shape {d.shape}: must be (..., arms - 1, seeds); give a row for each other arm")
        return PValues(_all_of(p_greater(d, 0.0)), _any_of(p_less(d, 0.0)))


@dataclass(frozen=True, kw_only=True)
class Share:
    """At least (or at most) a share `p0` of all seeds shows the outcome: proportion, by exact binomial tests.

    A share that no data of the last look could support is refused here, before anything is run.
    """

    axes: ClassVar[int] = 1
    p0: float
    side: Literal["at least", "at most"] = "at least"

    def __post_init__(self) -> None:
        if self.side not in ("at least", "at most"):
            raise ValueError(f"side={self.side!r}: must be 'at least' or 'at most'")
        if not 0 < self.p0 < 1:
            raise ValueError(f"p0={self.p0}: must lie between 0 and 1; assert a certainty without statistics")
        share, level, last = self.p0 if self.side == "at least" else 1 - self.p0, ALPHA / len(LOOKS), max(LOOKS)
        if share**last > level:
            n, reach = math.ceil(math.log(level) / math.log(share)), math.floor(100 * level ** (1 / last)) / 100
            rule = f"SUPPORTED would need {n} of {n} seeds on the claimed side, and the last look has {last}"
            way_out = f"claim {self.side} {reach if self.side == 'at least' else 1 - reach:.2f}"
            raise ValueError(f"p0={self.p0}: {rule}; {way_out}")

    def pvalues(self, d: npt.ArrayLike) -> PValues:
        """Of outcomes 0 and 1, shape `(..., n)`."""
        hits = _outcomes(d, (0, 1), "score each seed as 1 (shows the outcome) or 0, a diverged run too")
        above, below = _binomial(hits.sum(axis=-1), hits.shape[-1], self.p0)
        return PValues(above, below) if self.side == "at least" else PValues(below, above)


@dataclass(frozen=True, kw_only=True)
class Sign:
    """The treatment wins on more than half of all seeds: for metrics without a sensible value for a diverged run.

    The exact sign test on wins. A tie (both arms diverged) is not a win, so it counts against the claim both ways.
    """

    axes: ClassVar[int] = 1

    def pvalues(self, d: npt.ArrayLike) -> PValues:
        """Of wins (1), losses (-1) and ties (0), shape `(..., n)`."""
        signs = _outcomes(d, (-1, 0, 1), "take the sign of the difference; a diverged arm loses, two of them tie")
        return PValues(*_binomial((signs == 1).sum(axis=-1), signs.shape[-1], 0.5))


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """A yes-or-no outcome is more frequent with the treatment than with the control, on the same seeds.

    The exact sign test on the discordant seeds (McNemar 1947). It is not a flag of `Sign`, because it answers another
    question: seeds on which the arms agree do not say which arm is ahead, so they are set aside.
    """

    axes: ClassVar[int] = 1

    def pvalues(self, d: npt.ArrayLike) -> PValues:
        """Of differences between two outcomes 0 or 1, shape `(..., n)`."""
        signs = _outcomes(d, (-1, 0, 1), "take the difference of two outcomes that are 0 or 1")
        return PValues(*_binomial((signs == 1).sum(axis=-1), np.abs(signs).sum(axis=-1), 0.5))


@dataclass(frozen=True, kw_only=True)
class Every:
    """All parts hold ("at every rate"), each tested on its own row. SUPPORTED needs all parts, REFUTED one of them."""

    axes: ClassVar[int] = 2
    parts: tuple[Test, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("parts=(): a conjunction needs at least one part; give one test for each row of data")
        for part in self.parts:
            if part.axes != 1:
                raise ValueError(f"parts has {part}: a part takes one row of data, as Greater, Within and Share do")

    def pvalues(self, d: npt.ArrayLike) -> PValues:
        """Of one row of data for each of k parts, shape `(..., k, n)`."""
        d = np.asarray(d, dtype=np.float64)
        if d.ndim < 2 or d.shape[-2] != len(self.parts):
            raise ValueError(f"d of shape {d.shape}: must be (..., {len(self.parts)}, seeds); give a row for each part")
        p = np.stack([part.pvalues(d[..., i, :]) for i, part in enumerate(self.parts)], axis=-1)
        return PValues(_all_of(p[0]), _any_of(p[1]))


def look_pvalues(test: Test, d: npt.ArrayLike, looks: Sequence[int] = LOOKS) -> PValues:
    """The p-values of each of K looks, shape `(..., K)`: look k takes exactly the first `looks[k]` seeds of `d`.

    A look that needs more seeds than there are is NaN; seeds beyond the last look are left alone.
    """
    if not looks or list(looks) != sorted({*looks}) or looks[0] < 1:
        raise ValueError(
            f"looks={looks}: must be increasing numbers of seeds, planned before the first run, as {LOOKS}"
        )
    d = np.asarray(d)
    if d.ndim < test.axes:
        raise ValueError(f"d of shape {d.shape}: {test} takes {test.axes} axes, seeds last")
    unmade = np.full((2, *d.shape[: -test.axes]), np.nan)
    return PValues(*np.stack([test.pvalues(d[..., :n]) if n <= d.shape[-1] else unmade for n in looks], axis=-1))


def sequential(p: npt.ArrayLike, looks: int = len(LOOKS)) -> Array:
    r"""The sequential p-value after each look, $P_k = \min(1, K \min_{i \le k} p_i)$, of the shape of `p`: `(..., k)`.

    K is the number of *planned* `looks`: each was given alpha / K in advance, also those that are never made. NaN is a
    look that was not made and leaves P as it was, 1 at the start.
    """
    return np.fmin.accumulate(np.fmin(1.0, looks * np.asarray(p, dtype=np.float64)), axis=-1)


def benjamini_hochberg(p: npt.ArrayLike, axis: int = -1) -> Array:
    """Adjusted p-values that keep the false discovery rate (Benjamini & Hochberg 1995)."""
    return np.asarray(stats.false_discovery_control(np.asarray(p, dtype=np.float64), axis=axis))


def holm(p: npt.ArrayLike) -> Array:
    """Adjusted p-values over the last axis that keep the family-wise error rate, under any dependence (Holm 1979)."""
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, axis=-1)
    steps = np.take_along_axis(p, order, axis=-1) * np.arange(p.shape[-1], 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(1.0, np.maximum.accumulate(steps, axis=-1)), axis=-1)
    return adjusted


Correction = Literal["bh", "holm", "none"]
_ADJUST: Mapping[str, Callable[[Array], Array]] = {"bh": benjamini_hochberg, "holm": holm, "none": np.copy}


class Decisions(NamedTuple):
    """The verdicts of a family of M claims, each array of shape `(..., M)`.

    Attributes:
        verdict: 1 SUPPORTED, -1 REFUTED, 0 neither.
        look: Index of the look at which the verdict fell, -1 without one.
        p_supported: Sequential p-value when the claim was decided, else after the last look; so `p_refuted`.
        q_supported: `p_supported`, adjusted over the family by the correction that decides; so `q_refuted`.
        holm_supported: `p_supported`, adjusted after Holm: if <= alpha it holds for the family as a whole.
    """

    verdict: npt.NDArray[np.int8]
    look: npt.NDArray[np.int64]
    p_supported: Array
    p_refuted: Array
    q_supported: Array
    q_refuted: Array
    holm_supported: Array
    holm_refuted: Array


def judge(
    supported: npt.ArrayLike, refuted: npt.ArrayLike, *, alpha: float = ALPHA, correction: Correction = "bh"
) -> Decisions:
    """The whole stop rule: replay all looks of a family of M claims, from single-look p-values of shape `(..., M, K)`.

    After each look the sequential P of undecided claims move on, those of decided ones stay frozen; the P are adjusted
    over all M claims, each direction on its own; an undecided claim whose adjusted value is at most alpha is decided,
    for good. Adjusted values only fall from look to look. So what is rejected early is still rejected at the end, and
    stopping early finds what running every claim to the last look would have found.

    NaN is a look that was not made. A claim never run is a row of NaN and counts with P = 1. K is the number of
    *planned* looks: a round that made only the first passes NaN for the others.

    One look cannot reject both directions. Two can, as P is a running minimum: the first speaks clearly for the claim,
    the next clearly against it, and the rest of the family lets both through at once. Such a claim has no verdict.
    """
    if correction not in _ADJUST:
        raise ValueError(f"correction={correction!r}: must be one of {', '.join(_ADJUST)}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha}: must lie between 0 and 1; {ALPHA} is usual")
    if np.shape(supported) != np.shape(refuted) or np.ndim(supported) < 2 or np.shape(supported)[-1] == 0:
        raise ValueError(
            f"shapes {np.shape(supported)}, {np.shape(refuted)}: both must be (..., claims, planned looks)"
        )
    p = np.stack([supported, refuted]).astype(np.float64)
    if (bad := p[(p < 0) | (p > 1)]).size:
        raise ValueError(f"p={bad[0]}: must lie between 0 and 1; NaN is a look that was not made")
    adjust, running, p = _ADJUST[correction], sequential(p, p.shape[-1]), np.ones(p.shape[:-1])
    verdict, look = np.zeros(p.shape[1:], dtype=np.int8), np.full(p.shape[1:], -1)
    for k in range(running.shape[-1]):
        undecided = verdict == 0
        p = np.where(undecided, running[..., k], p)
        supports, refutes = undecided & (adjust(p) <= alpha)
        verdict += np.subtract(supports, refutes, dtype=np.int8)
        look[undecided & (verdict != 0)] = k
    return Decisions(verdict, look, *p, *adjust(p), *holm(p))


def interval(d: npt.ArrayLike, looks: int = len(LOOKS), alpha: float = ALPHA) -> tuple[Array, Array, Array]:
    r"""The repeated confidence interval $\bar d \pm t_{1 - \alpha / K, n - 1} \, s / \sqrt n$ as `(low, mean, high)`.

    Taken at all K looks, each side misses the mean with probability alpha at most, so it may be read wherever the
    experiment stops. A claim that stands alone is SUPPORTED when the interval lies above its bound (zero variance
    aside). Without variance, low and high are the mean.

    Source: Jennison & Turnbull 1989, with the Bonferroni bound in place of their constants.
    """
    n, mean, sd = _moments(d)
    half = stats.t.isf(alpha / looks, n - 1) * sd / np.sqrt(n)
    return mean - half, mean, mean + half


def clopper_pearson(successes: npt.ArrayLike, n: npt.ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """The exact two-sided confidence interval of a share, `(low, high)` (Clopper & Pearson 1934)."""
    s, m = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64))
    if not (((s >= 0) & (s <= m) & (m >= 1)).all() and 0 < level < 1):
        raise ValueError(f"successes={s}, n={m}, level={level}: must be 0 <= successes <= n, n >= 1, 0 < level < 1")
    low = special.betaincinv(np.maximum(s, 1), m - s + 1, (1 - level) / 2)
    high = special.betaincinv(s + 1, np.maximum(m - s, 1), (1 + level) / 2)
    return np.where(s == 0, 0.0, low), np.where(s == m, 1.0, high)


def share_interval(d: npt.ArrayLike, looks: int = len(LOOKS), alpha: float = ALPHA) -> tuple[Array, Array, Array]:
    """The repeated interval of a share of seeds as `(low, mean, high)`, from one 0 or 1 a seed: Clopper-Pearson's.

    At each of K looks it has level 1 - 2 alpha / K, as `interval` has.

    Raises:
        ValueError: A value is neither 0 nor 1.
    """
    shown = np.asarray(d, dtype=np.float64)
    if not np.isin(shown, (0.0, 1.0)).all():
        raise ValueError(f"{shown[~np.isin(shown, (0.0, 1.0))][0]}: of a share of seeds each value is 0 or 1")
    low, high = clopper_pearson(shown.sum(axis=-1), shown.shape[-1], 1 - 2 * alpha / looks)
    return low, shown.mean(axis=-1), high


def rarest_excluded(n: int) -> float:
    """The share above which an outcome would show up in n seeds, with probability 1 - `ALPHA`. A rarer one can hide.

    Examples:
        >>> [round(rarest_excluded(n), 2) for n in LOOKS]
        [0.31, 0.22, 0.14]
    """
    return float(1 - ALPHA ** (1 / n))


def needed_successes(p0: float, looks: Sequence[int] = LOOKS) -> list[tuple[int | None, int | None]]:
    """At each look, from how many successes on "at least p0" is SUPPORTED, and up to how many it is REFUTED.

    None: by no number. It is meant for a claim that stands alone. "At most p0" is decided the other way round.

    >>> needed_successes(0.7)
    [(None, 2), (12, 4), (19, 8)]
    """
    needed: list[tuple[int | None, int | None]] = []
    for n in looks:
        above, below = (np.flatnonzero(p <= ALPHA / len(looks)) for p in _binomial(np.arange(n + 1), n, p0))
        needed.append((int(above[0]) if above.size else None, int(below[-1]) if below.size else None))
    return needed
