"""Charts as plain values."""

import json
import math

import numpy as np
import pytest

from pytest_claims import Chart, Panel, Series


def test_to_json_is_plain() -> None:
    """Ranges and numpy's numbers become lists of floats, and what is not finite a gap."""
    series = Series(name="a", x=range(3), y=np.array([1.0, math.nan, 3.0]).tolist(), low=[0, None, math.inf])
    panel = Panel(title="", x_label="x", y_label="y", series=[series], kind="points", ticks={1: "one"})
    data = Chart(title="t", caption="c", panels=[panel], figure=2).to_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["figure"] == 2
    assert data["panels"][0]["ticks"] == [[1.0, "one"]]
    assert data["panels"][0]["series"][0] == {
        "name": "a",
        "x": [0.0, 1.0, 2.0],
        "y": [1.0, None, 3.0],
        "low": [0.0, None, None],
        "high": [],
    }


@pytest.mark.parametrize("lengths", [{"y": [1.0]}, {"y": [1.0, 2.0], "low": [0.0]}])
def test_series_of_unequal_lengths(lengths: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match=r"series a: 1 values of (y|low) for 2 of x"):
        Series(name="a", x=[1.0, 2.0], **lengths)
