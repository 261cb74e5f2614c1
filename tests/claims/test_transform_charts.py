"""The charts of exercise 7, on values worked out by hand."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from bnmodels.history import History
from bnmodels.norms import LAYERS
from claims import transform_charts
from claims.test_q7_transforms import FIRST, SLOW, SPARSE, VARIANTS
from claims.transform_charts import BEATEN, BEST, COSTS, correlations, cost_and_accuracy, front
from tests.claims.runs import history


def run(final: float, correlation: float = 0.0) -> History:
    """Two epochs, with the correlation of each place after both."""
    made = history([0.1] * 20, [0.5, final], steps=10)
    places = tuple(correlation + place / 100 for place in range(1, 5))
    probes = [replace(probe, correlation=places) for probe in made.probes]
    return replace(made, probes=tuple(probes))


@pytest.fixture(autouse=True)
def costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform_charts, "COSTS", {"batch": 1.0, "zca": 2.0, "newton": 4.0, "pit": 4.0})


def test_front_has_what_nothing_cheaper_matches() -> None:
    accuracies = {"pit": [0.7], "batch": [0.8, 0.6], "newton": [0.9], "zca": [0.7, 0.7]}
    assert list(front(list(accuracies), accuracies).items()) == [
        ("batch", True),
        ("zca", False),  # as good and dearer
        ("newton", True),
        ("pit", False),  # as dear and worse
    ]


def test_cost_and_accuracy() -> None:
    names = ("batch", "zca", "newton")
    seeds = [
        {"batch": run(0.8), "zca": run(0.7), "newton": run(0.9)},
        {"batch": run(0.9), "zca": run(0.8), "newton": run(0.9)},
    ]
    (chart,) = cost_and_accuracy(names, seeds)
    by_cost, by_name = chart.panels
    assert [(s.name, list(s.x), list(s.y)) for s in by_cost.series] == [
        (BEST, [0.0, 2.0], [85.0, 90.0]),
        (BEATEN, [1.0], [75.0]),
    ]
    assert list(by_cost.series[0].low) == [80.0, 90.0]
    assert by_name.ticks == {0.0: "batch", 1.0: "zca", 2.0: "newton"}
    assert [list(s.x) for s in by_name.series] == [[0.0, 2.0], [1.0]]
    assert "batch 1, zca 2, newton 4" in chart.caption


def test_correlations_have_a_panel_a_place_and_the_epochs_that_were_run() -> None:
    seeds = [{"batch": run(0.8, 0.1), "zca": run(0.8, 0.0)}, {"batch": run(0.8, 0.3), "zca": run(0.8, 0.0)}]
    (chart,) = correlations(("batch", "zca"), seeds)
    assert [panel.title for panel in chart.panels] == ["place 1", "place 2", "place 3", "place 4"]
    batch, zca = chart.panels[3].series
    assert list(batch.x) == [1, 2]
    assert list(batch.y) == pytest.approx([0.24, 0.24])
    assert list(zca.y) == pytest.approx([0.04, 0.04])


def test_costs_are_known_of_every_layer() -> None:
    """As `benchmarks.norm_layers` wrote them."""
    assert set(COSTS) == set(LAYERS)
    assert COSTS["batch"] == 1
    assert all(math.isfinite(cost) and cost > 0 for cost in COSTS.values())
    written = json.loads((Path(transform_charts.__file__).with_name("layer_costs.json")).read_text())
    assert COSTS["zca"] == written["zca"]["step"]


def test_claims_cover_every_layer_that_is_not_half_of_batch_norm() -> None:
    assert {*FIRST, *SPARSE, *VARIANTS, *SLOW} == set(LAYERS) - {"batch", "center", "scale", "ghost"}
