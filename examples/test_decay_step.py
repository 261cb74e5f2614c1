from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_claims import Property, Tally

NUMBERS = st.floats(-1e3, 1e3)
RATES = st.floats(1e-3, 1)


@pytest.mark.claim(
    Property(
        id="LH1",
        statement="In plain SGD weight decay shrinks each weight by lr * decay, and then takes the step without decay.",
        place="Loshchilov & Hutter 2019, proposition 1",
    )
)
@settings(deadline=None)  # the first example imports half of torch
@given(weight=NUMBERS, gradient=NUMBERS, lr=RATES, decay=RATES)
def test_decay_shrinks(tally: Tally, weight: float, gradient: float, lr: float, decay: float) -> None:
    parameter = torch.tensor(weight, dtype=torch.float64, requires_grad=True)
    parameter.grad = torch.tensor(gradient, dtype=torch.float64)
    torch.optim.SGD([parameter], lr=lr, weight_decay=decay).step()
    w, g, rate, shrinkage = map(Fraction, (weight, gradient, lr, decay))
    error = abs(Fraction(parameter.item()) - ((1 - rate * shrinkage) * w - rate * g))
    # Four roundings, each of at most 2^-53 of the sum of all terms.
    bound = 4 * Fraction(2) ** -53 * (abs(w) + rate * shrinkage * abs(w) + rate * abs(g))
    tally.within("weight after a step", float(error), float(bound) + 1e-300)
