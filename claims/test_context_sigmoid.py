"""What the introduction says of the sigmoid: nearly linear near 0, and not further out."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from scipy.special import expit

from pytest_claims import Chart, Panel, Property, Series, Tally

from .measures import Runs

NEAR, FAR = 1.0, 4.0
LINES = {NEAR: (0.2357, 0.0046), FAR: (0.1454, 0.0996)}
"""Half width of an interval -> slope of the best line in the minimax sense, and its largest error."""
LEAST_SQUARES = {NEAR: (0.0073, 0.9996), FAR: (0.131, 0.967)}
"""Half width -> largest error of the least-squares line, and the share of the variance that it explains."""
GAUSSIAN = {1.0: 0.984, 4.0: 0.838}
"""Standard deviation of a normal input -> share of the sigmoid's variance that a line explains."""


def minimax(width: float) -> tuple[float, float]:
    """Slope and largest error of the best line on [-width, width].

    sigmoid(x) - 1/2 is odd and concave for x > 0, so that the best line 1/2 + s x has the same error at the end as where
    sigmoid' = s, with the opposite sign (Chebyshev's theorem); s is found by bisection.
    """

    def errors(s: float) -> tuple[float, float]:
        root = math.sqrt(1 - 4 * s)  # sigmoid' = y (1 - y) = s
        y = (1 + root) / 2
        return y - 0.5 - s * math.log(y / (1 - y)), 0.5 + s * width - float(expit(width))

    low, high = 1e-9, 0.25
    for _ in range(200):
        middle = (low + high) / 2
        inside, end = errors(middle)
        low, high = (middle, high) if inside > end else (low, middle)
    return low, errors(low)[0]


def last_digit(stated: float) -> float:
    """What a unit in the last digit of a figure below 1 is worth."""
    return float(10.0 ** -(len(str(stated)) - 2))


def explained(density: object, width: float) -> tuple[float, float]:
    """Slope of the least-squares line through 1/2 and the share of the sigmoid's variance that it explains."""

    def moment(power: int, of: int) -> float:
        def integrand(x: float) -> float:
            return float(x**power * (expit(x) - 0.5) ** of * density(x))  # type: ignore[operator]

        return float(integrate.quad(integrand, -width, width, epsabs=1e-13)[0])

    xx, xy, yy = moment(2, 0), moment(1, 1), moment(0, 2)
    return xy / xx, xy**2 / (xx * yy)


def draw(_: Sequence[Runs]) -> list[Chart]:
    """The write-up's first figure, with the best lines in it."""
    x = [round(float(v), 3) for v in np.linspace(-FAR, FAR, 161)]
    curves = {"sigmoid": [float(expit(v)) for v in x]} | {
        f"best line on [-{width:g}, {width:g}]": [0.5 + minimax(width)[0] * v for v in x] for width in LINES
    }
    near = [v for v in x if abs(v) <= NEAR]
    marked = Series(
        name="[-1, 1]", x=near, y=[float(expit(v)) for v in near], low=[0.0] * len(near), high=[1.0] * len(near)
    )
    series = [Series(name=name, x=x, y=[round(v, 6) for v in y]) for name, y in curves.items()]
    panel = Panel(title="", x_label="input", y_label="output", series=[*series, marked])
    caption = (
        "The sigmoid on [-4, 4] with [-1, 1] marked, and the lines whose largest error is least on either interval."
    )
    return [Chart(title="Sigmoid", caption=caption, panels=[panel], figure=1)]


@pytest.mark.claim(
    Property(
        id="C3",
        statement="The sigmoid is nearly linear on [-1, 1], and on [-4, 4] it is not.",
        place="Introduction",
        notes="Best means that the largest error is least: 0.0046 on [-1, 1], 0.0996 on [-4, 4]. The best line explains 99.96 "
        "% of the sigmoid's variance on [-1, 1] and 96.7 % on [-4, 4]; for normal input with standard deviation 1 and 4 it "
        "explains 98.4 % and 83.8 %.",
        charts=draw,
    )
)
@given(slope=st.floats(0, 0.5), offset=st.floats(0, 1), width=st.sampled_from(sorted(LINES)))
def test_sigmoid_is_nearly_linear_near_zero(slope: float, offset: float, width: float, tally: Tally) -> None:
    """No line does better than the best one, and its figures are those stated, to the digits given."""
    best, least = minimax(width)
    stated_slope, stated_error = LINES[width]
    tally.within(f"slope on [-{width:g}, {width:g}]", abs(best - stated_slope), 0.5e-4)
    tally.within(f"largest error on [-{width:g}, {width:g}]", abs(least - stated_error), last_digit(stated_error) / 2)
    x = np.linspace(-width, width, 401)
    error = float(np.abs(offset + slope * x - expit(x)).max())
    # On the grid an error is seen at most h^2/8 max |sigmoid''| too small; max |sigmoid''| < 0.0963.
    tally.within("least error minus that of any other line", max(0.0, least - error), (x[1] - x[0]) ** 2 / 8 * 0.0963)
    _check_least_squares(width, tally)


def _check_least_squares(width: float, tally: Tally) -> None:
    slope, share = explained(lambda _: 1.0, width)
    x = np.linspace(-width, width, 4001)
    largest = float(np.abs(0.5 + slope * x - expit(x)).max())
    stated_largest, stated_share = LEAST_SQUARES[width]
    for what, value, stated in (("largest error", largest, stated_largest), ("explained", share, stated_share)):
        tally.within(f"least squares, {what} on [-{width:g}, {width:g}]", abs(value - stated), last_digit(stated) / 2)
    for deviation, stated in GAUSSIAN.items():
        _, of_normal = explained(lambda x, s=deviation: math.exp(-((x / s) ** 2) / 2), 12 * deviation)
        tally.within(f"explained for normal input, deviation {deviation:g}", abs(of_normal - stated), 0.5e-3)
