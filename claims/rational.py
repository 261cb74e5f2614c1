r"""Batch norm in rational numbers: the value that computed ones are pinned to, from nobody's kernels.

Every float is a rational number, and sums, products and quotients of those are exact. What is rounded is 1 / sqrt(var +
eps), to a relative 2^-160, and at the end each value to the sum of two float64, a relative 2^-106. Nothing here depends
on torch's or numpy's arithmetic, so that a reference is the same number under every version of both.
"""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .bounds import exact

Rational = npt.NDArray[Any]
"""An array of `Fraction`; one value a channel is shaped to broadcast against `(N, C, *positions)`."""

BITS = 160
"""Of a root, those that count."""


class Reference(NamedTuple):
    """Exact values as the sum of two float64, the second a rounding error of the first."""

    high: Tensor
    low: Tensor

    @classmethod
    def of(cls, values: Rational) -> "Reference":
        """Both parts, of the shape of `values`."""
        high = np.array([float(value) for value in values.flat])
        low = np.array([float(value - Fraction(first)) for value, first in zip(values.flat, high, strict=True)])
        return cls(*(torch.from_numpy(part).reshape(values.shape) for part in (high, low)))

    def error(self, computed: Tensor) -> Tensor:
        """How far computed values of the same number are off, in float64, of the shape of `computed`."""
        high, low = (part.reshape(computed.shape) for part in self)
        return ((exact(computed) - high) - low).abs()


def rational(values: Tensor) -> Rational:
    """The same values."""
    return _array(map(Fraction, exact(values).flatten().tolist()), values.shape)


def _array(values: Iterable[Fraction], shape: tuple[int, ...]) -> Rational:
    return np.array([*values], dtype=object).reshape(shape)


def average(x: Rational) -> Rational:
    """Mean of each channel."""
    over = tuple(axis for axis in range(x.ndim) if axis != 1)
    mean: Rational = x.sum(axis=over, keepdims=True) * Fraction(x.shape[1], x.size)
    return mean


def statistics(x: Rational) -> tuple[Rational, Rational]:
    """Mean and biased variance of each channel."""
    mean = average(x)
    return mean, average((x - mean) ** 2)


def inverse_deviation(var: Rational, eps: float) -> Rational:
    """1 / sqrt(var + eps)."""
    return _array((_inverse_root(value + Fraction(eps)) for value in var.flat), var.shape)


def _inverse_root(value: Fraction) -> Fraction:
    shift = BITS + max(0, value.numerator.bit_length() - value.denominator.bit_length()) // 2 + 1
    return Fraction(math.isqrt((value.denominator << 2 * shift) // value.numerator), 1 << shift)


def weight_gradient(gradient: Rational, normal: Rational) -> Rational:
    """To gamma, for the gradient at the output and the normalised input."""
    return bias_gradient(gradient * normal)


def bias_gradient(gradient: Rational) -> Rational:
    """To beta."""
    total: Rational = average(gradient) * Fraction(gradient.size, gradient.shape[1])
    return total


def input_gradient(gradient: Rational, normal: Rational, slope: Rational) -> Rational:
    """To the input in training mode, where mean and variance depend on it; `slope` is gamma / sqrt(var + eps)."""
    centred: Rational = gradient - average(gradient) - normal * average(gradient * normal)
    return slope * centred


def unbiased(var: Rational, count: int) -> Rational:
    """What a running variance moves towards, for a biased variance of `count` values."""
    result: Rational = var * Fraction(count, count - 1)
    return result


def moved(old: Rational, new: Rational, momentum: float) -> Rational:
    """A running statistic after a step."""
    weight = Fraction(momentum)
    result: Rational = (1 - weight) * old + weight * new
    return result
