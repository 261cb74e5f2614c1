r"""How far rounding may take batch norm from what it computes: every tolerance of the property claims comes from here.

# The model
Let u be the unit roundoff of the arithmetic. An operation returns its exact result times (1 + d), |d| <= u, and a sum
of m terms, in whatever order, errs by at most (m - 1) u sum|terms| (Higham 2002, section 4.2). bfloat16 is computed in
float32, so its u is 2^-24, and what is *stored* is rounded to bfloat16 once more, by w = 2^-8; for float32 and float64
w = 0. Where gamma is bfloat16 too, torch's CPU kernel stores in that sense not only the output but all that is kept a
channel: the mean, the summed squares, m, their quotient, 1/sqrt(var + eps), momentum and each product with it (2.15;
found by matching the bits of its results). That it sums float32 in float64 is not used: other devices, and the
reference in `bnmodels.norms.batch_norm`, sum in float32.

# The statistics of a channel: m values x, mean mu, biased variance v, s = sqrt(v + eps)
    mean           |dmu| <= m u mean|x| + w |mu|
    variance       |dv| <= dmu^2 + t (v + dmu^2), t = (m + 3) u + 3 w
    1/s, relative  rho <= dv / (2 (v + eps)) + 4 u + w
The variance is that of the values minus a mean that errs by dmu, so the mean square that is summed is exactly
v + dmu^2: the error of the mean enters squared. Subtracting (1 u, squared: 2), squaring (1), summing and dividing (m)
give t. Adding eps, itself rounded, counts half, then square root and reciprocal one each, two if by an approximation.

# The running statistics, r' = (1 - a) r + a p for momentum a and the batch's p, which errs by dp
    |dr'| <= a dp + (u + w) (2 a |p| + (2 - a) |r| + |r'|)
The weights a and 1 - a, the latter from the rounded a, err by (u + w) a and (u + w) (a + 1 - a); then two products and
a sum. For the variance p = v m / (m - 1), and a p counts 2 u more.

# The output, y = gamma (x - mu) / s + beta, with alpha = gamma / s
    |dy| <= |alpha| (|x - mu| rho + dmu (1 + rho))
            + u (|alpha| (|x - mu| + 2 |x| + 2 |mu|) + |beta| + |y|) + w |y|
The first line is the statistics' share. The second covers both orders of evaluation: x alpha + (beta - mu alpha),
torch's on the CPU, and ((x - mu) / s) gamma + beta. So the error grows with u max|x| / s, where s is sqrt(v + eps) and
not the standard deviation: a constant float32 channel of 10^4 comes out at 0.03 to 0.4 instead of 0 for eps = 10^-5.

# The gradients, for an incoming gradient g: dx = alpha (g - mean(g) - (x - mu) k), k = mean(g (x - mu)) / s^2
    q = mean(g (x - mu))      |dq| <= dmu |mean(g)| + (m + 3) u mean|g| (|x - mu| + dmu)
    k = q / s^2               |dk| <= (|dq| + |q| (2 rho + rho^2 + 4 u)) / s^2
    (x - mu) k                |dt| <= |x - mu| |dk| + dmu (|k| + |dk|) + 2 u |(x - mu) k|
    dx    |alpha| (|dt| + m u (mean|g| + mean|(x - mu) k|) + 2 u (|g| + |mean(g)| + |(x - mu) k|)) (1 + rho)
          + |dx| (rho + 2 u + w)
The term mean|(x - mu) k| is there for automatic differentiation, which subtracts the mean of everything at the end.
By running statistics, which are given, dx = alpha g and gamma's gradient is the sum of g (x - mu) / s: with 4 u for 1/s,
    |ddx| <= 6 u |dx|         |dgamma| <= (m + 6) u sum|g (x - mu)| / s

# Moved inputs
What BN makes of inputs that each moved by at most e < s (because x + a was rounded, say) follows from two facts: the
mean moves by at most e, and so does the standard deviation, hence s, which is 1-Lipschitz in it:
    |y' - y| <= |gamma| (2 e + |x - mu| e / s) / (s - e)
These are inequalities in exact arithmetic, without linearisation.

# The oracle
It is the same formula in float64, from the very inputs under test after they were rounded to their type. Its own error
obeys the same bounds with u = 2^-53, which are added: next to float32 that is nothing, in float64 it doubles the bound.
Where the values to compare with are exact (`claims.rational`), nothing is added.

# Safety
The bounds are first order in u and w, up to what is written out. What is left out are products of two such factors:
with m u < 0.001 and w = 0.004, at most ten of them, at most 4 % of the terms kept. SECOND_ORDER = 1.05 covers them.
There is no other factor.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

SECOND_ORDER = 1.05


@dataclass(frozen=True)
class Precision:
    """Unit roundoffs of a type.

    Attributes:
        operation: u, of the arithmetic.
        storage: w, of a result that is rounded once more to be stored; 0 where it is stored as it was computed.
    """

    operation: float
    storage: float


def precision(dtype: torch.dtype) -> Precision:
    """How torch computes with a type: half precision in float32, the others in themselves."""
    unit = torch.finfo(dtype).eps / 2
    if dtype in (torch.bfloat16, torch.float16):
        return Precision(operation=torch.finfo(torch.float32).eps / 2, storage=unit)
    return Precision(operation=unit, storage=0.0)


def unit_roundoff(dtype: torch.dtype) -> float:
    """The relative error of rounding a number to the type."""
    return torch.finfo(dtype).eps / 2


def exact(values: Tensor) -> Tensor:
    """The same values in float64 on the CPU, where every type under test is exact."""
    return values.detach().cpu().double()


def worst(error: Tensor, bound: Tensor) -> tuple[float, float]:
    """Error and bound where the error is the largest share of its bound, for `tally.within` and `tally.beyond`."""
    bound = bound.expand_as(error)
    # 0 where both are 0; a NaN wins, so that it is seen.
    share = torch.where((error == 0) & (bound == 0), 0.0, error / bound).flatten()
    where = int(share.argmax())
    return float(error.flatten()[where]), float(bound.flatten()[where])


class _Normalised:
    """What training and evaluation share: mean and variance from somewhere, and the map that they define.

    Everything is float64 on the CPU; per-channel values are shaped to broadcast against `x`.
    """

    mean: Tensor
    var: Tensor

    def __init__(
        self, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, *, oracle: bool = True
    ) -> None:
        self.x = exact(x)
        self.eps = eps
        self.precisions = [precision(x.dtype)] + oracle * [precision(torch.float64)]
        self.over = [axis for axis in range(x.dim()) if axis != 1]
        self.count = x.numel() // x.shape[1]
        channels = torch.ones(x.shape[1], dtype=torch.float64)
        self.gamma = self.beside(channels if weight is None else exact(weight))
        self.beta = self.beside(0 * channels if bias is None else exact(bias))

    def beside(self, values: Tensor) -> Tensor:
        """One value a channel, shaped to broadcast against `x`."""
        return values.reshape(1, -1, *[1] * (self.x.dim() - 2))

    def average(self, values: Tensor) -> Tensor:
        """Mean over batch and positions, shaped to broadcast."""
        return values.mean(self.over, keepdim=True)

    def total(self, bound: Callable[[Precision], Tensor]) -> Tensor:
        """The computation's bound plus the oracle's, with what is of second order."""
        return SECOND_ORDER * torch.stack([bound(p) for p in self.precisions]).sum(0)

    @property
    def centred(self) -> Tensor:
        """The deviations from the mean."""
        return self.x - self.mean

    @property
    def deviation(self) -> Tensor:
        """The divisor, sqrt(var + eps)."""
        return (self.var + self.eps).sqrt()

    @property
    def slope(self) -> Tensor:
        """Alpha = gamma / s."""
        return self.gamma / self.deviation

    @property
    def output(self) -> Tensor:
        """The normalised values."""
        return self.centred * self.slope + self.beta

    def _output_bound(self, p: Precision, mean_error: Tensor | float, scale_error: Tensor | float) -> Tensor:
        u, alpha, y = p.operation, self.slope.abs(), self.output.abs()
        statistics = alpha * (self.centred.abs() * scale_error + mean_error * (1 + scale_error))
        places = alpha * (self.centred.abs() + 2 * self.x.abs() + 2 * self.mean.abs())
        return statistics + u * (places + self.beta.abs() + y) + p.storage * y

    def beta_gradient_bound(self, gradient: Tensor) -> Tensor:
        """On the gradient to beta, the sum of g, a value a channel."""
        g = exact(gradient)
        size, value = g.abs().sum(self.over), g.sum(self.over).abs()
        return self.total(lambda p: self.count * p.operation * size + p.storage * value)


class Evaluation(_Normalised):
    """Batch norm by running statistics at one input: exact values and bounds on those computed.

    `oracle` is whether computed values are compared with the ones here, whose own error then counts.
    """

    def __init__(
        self,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
        *,
        running_mean: Tensor,
        running_var: Tensor,
        oracle: bool = True,
    ) -> None:
        super().__init__(x, weight, bias, eps, oracle=oracle)
        self.mean = self.beside(exact(running_mean))
        self.var = self.beside(exact(running_var))

    @property
    def output_bound(self) -> Tensor:
        """On each output: as in training, with statistics that are given and a scale that costs 4 u."""
        return self.total(lambda p: self._output_bound(p, 0.0, 4 * p.operation))

    def input_gradient_bound(self, gradient: Tensor) -> Tensor:
        """On each element of the gradient to the input."""
        dx = (self.slope * exact(gradient)).abs()
        return self.total(lambda p: (6 * p.operation + p.storage) * dx)

    def weight_gradient_bound(self, gradient: Tensor) -> Tensor:
        """On the gradient to gamma, a value a channel."""
        terms = exact(gradient) * self.centred / self.deviation
        size, value = terms.abs().sum(self.over), terms.sum(self.over).abs()
        return self.total(lambda p: (self.count + 6) * p.operation * size + p.storage * value)

    def moved(self, by: Tensor | float) -> Tensor:
        """How much the output moves when each input moves by at most `by`."""
        return self.slope.abs() * by


class Training(_Normalised):
    """Batch norm by the statistics of the batch at one input: exact values and bounds on those computed.

    `oracle` is as in `Evaluation`.
    """

    def __init__(
        self, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, *, oracle: bool = True
    ) -> None:
        super().__init__(x, weight, bias, eps, oracle=oracle)
        self.mean = self.average(self.x)
        self.var = self.average(self.centred.square())

    def _mean_error(self, p: Precision) -> Tensor:
        return self.count * p.operation * self.average(self.x.abs()) + p.storage * self.mean.abs()

    def _var_error(self, p: Precision) -> Tensor:
        by_mean = self._mean_error(p).square()
        return by_mean + ((self.count + 3) * p.operation + 3 * p.storage) * (self.var + by_mean)

    def _scale_error(self, p: Precision) -> Tensor:
        return self._var_error(p) / (2 * (self.var + self.eps)) + 4 * p.operation + p.storage

    @property
    def output_bound(self) -> Tensor:
        """On each output."""
        return self.total(lambda p: self._output_bound(p, self._mean_error(p), self._scale_error(p)))

    def running_mean(self, old: Tensor, momentum: float) -> Tensor:
        """The running mean after this batch, a value a channel."""
        return _moved_towards(self.mean.flatten(), exact(old), momentum)

    def running_mean_bound(self, old: Tensor, momentum: float) -> Tensor:
        """On it."""

        def bound(p: Precision) -> Tensor:
            rounding = _moving_error(self.mean.flatten(), exact(old), momentum, p)
            return momentum * self._mean_error(p).flatten() + rounding

        return self.total(bound)

    @property
    def unbiased(self) -> float:
        """What makes the biased variance unbiased, m / (m - 1)."""
        return self.count / (self.count - 1)

    def running_var(self, old: Tensor, momentum: float) -> Tensor:
        """The running variance after this batch, a value a channel."""
        return _moved_towards(self.unbiased * self.var.flatten(), exact(old), momentum)

    def running_var_bound(self, old: Tensor, momentum: float) -> Tensor:
        """On it."""

        def bound(p: Precision) -> Tensor:
            var = self.unbiased * self.var.flatten()
            rounding = _moving_error(var, exact(old), momentum, p) + 2 * p.operation * momentum * var
            return momentum * self.unbiased * self._var_error(p).flatten() + rounding

        return self.total(bound)

    def _pull(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Of the formula for dx: q and k."""
        q = self.average(gradient * self.centred)
        return q, q / (self.var + self.eps)

    def input_gradient(self, gradient: Tensor) -> Tensor:
        """Gradient to the input, for the gradient that comes in at the output."""
        g = exact(gradient)
        _, k = self._pull(g)
        return self.slope * (g - self.average(g) - self.centred * k)

    def input_gradient_bound(self, gradient: Tensor) -> Tensor:
        """On each of its elements."""
        g = exact(gradient)
        q, k = self._pull(g)
        dx, term, mean = self.input_gradient(gradient), (self.centred * k).abs(), self.average(g)

        def bound(p: Precision) -> Tensor:
            u, rho, dmu = p.operation, self._scale_error(p), self._mean_error(p)
            size = self.average(g.abs() * (self.centred.abs() + dmu))
            dq = dmu * mean.abs() + (self.count + 3) * u * size
            dk = (dq + q.abs() * (2 * rho + rho.square() + 4 * u)) / (self.var + self.eps)
            dt = self.centred.abs() * dk + dmu * (k.abs() + dk) + 2 * u * term
            sums = self.count * u * (self.average(g.abs()) + self.average(term))
            within = dt + sums + 2 * u * (g.abs() + mean.abs() + term)
            return self.slope.abs() * within * (1 + rho) + dx.abs() * (rho + 2 * u + p.storage)

        return self.total(bound)

    def bias_gradient_bound(self, gradient: Tensor) -> Tensor:
        """On the gradient of a bias in front, a value a channel: the sum of dx over the channel, which is exactly 0."""
        total = self.input_gradient(gradient).abs().sum(self.over)
        return self.input_gradient_bound(gradient).sum(self.over) + self.count * self.precisions[0].operation * total

    def weight_gradient(self, gradient: Tensor) -> Tensor:
        """Gradient to gamma, a value a channel."""
        return (exact(gradient) * self.centred / self.deviation).sum(self.over)

    def weight_gradient_bound(self, gradient: Tensor) -> Tensor:
        """On it: the statistics' error, then m products and sums and a factor 1/s."""
        g = exact(gradient)
        value = self.weight_gradient(gradient).abs()

        def bound(p: Precision) -> Tensor:
            rho = self._scale_error(p)
            shift = self._mean_error(p) * self.average(g).abs() * (1 + rho)
            size = self.average((g * self.centred).abs()) + self._mean_error(p) * self.average(g.abs())
            error = shift + (self.count + 4) * p.operation * size + self.average(g * self.centred).abs() * rho
            return self.count * (error / self.deviation).flatten() + p.storage * value

        return self.total(bound)

    def _reach(self, by: Tensor | float) -> tuple[Tensor, Tensor]:
        """The input's movement, shaped to broadcast, and the smallest s' after it."""
        e = torch.as_tensor(by, dtype=torch.float64).expand(self.mean.shape)
        if not bool((e < self.deviation).all()):
            raise ValueError(f"inputs that move by {float(e.max()):.3g}: the bound needs less than sqrt(var + eps)")
        return e, self.deviation - e

    def moved(self, by: Tensor | float) -> Tensor:
        """How much the output moves when each input of a channel moves by at most `by`."""
        e, smallest = self._reach(by)
        return self.gamma.abs() * (2 + self.centred.abs() / self.deviation) * e / smallest

    def input_gradient_moved(self, gradient: Tensor, by: Tensor | float) -> Tensor:
        """How much the gradient to the input moves then: the formula for dx, each factor at its largest change."""
        e, smallest = self._reach(by)
        g = exact(gradient)
        normal = self.centred / self.deviation
        change = (2 + normal.abs()) * e / smallest
        q, dq = self.average(g * normal), self.average(g.abs() * change)
        rest = g - self.average(g) - normal * q
        inverse = e / (self.deviation * smallest)
        return self.gamma.abs() * (inverse * rest.abs() + (change * (q.abs() + dq) + normal.abs() * dq) / smallest)

    def var_moved(self, by: Tensor | float) -> Tensor:
        """How much the biased variance moves then, a value a channel."""
        e, _ = self._reach(by)
        return (2 * self.var.sqrt() * e + e.square()).flatten()


def _moved_towards(new: Tensor, old: Tensor, momentum: float) -> Tensor:
    return (1 - momentum) * old + momentum * new


def _moving_error(new: Tensor, old: Tensor, momentum: float, p: Precision) -> Tensor:
    result = _moved_towards(new, old, momentum).abs()
    return (p.operation + p.storage) * (2 * momentum * new.abs() + (2 - momentum) * old.abs() + result)


def moments(y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Measured mean and (biased) standard deviation of each channel, and a bound on the rounding in measuring them.

    The mean is a sum of m terms, the deviation a sum of m squares around it; the mean's error adds to both.
    """
    values = exact(y)
    over = [axis for axis in range(y.dim()) if axis != 1]
    count = y.numel() // y.shape[1]
    mean, deviation = values.mean(over), values.std(over, correction=0)
    return mean, deviation, (count + 5) * unit_roundoff(torch.float64) * (values.abs().mean(over) + deviation)
