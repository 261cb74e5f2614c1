"""Charts of exercise 7: correlation by epoch, and cost against accuracy."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from bnmodels.lenet import PLACES
from pytest_claims import Chart, Panel, Series

from .figures import BAND, BARS, over_seeds
from .measures import Runs, final_p, mean
from .transforms import SEEN_AT, correlation

COSTS: Mapping[str, float] = {
    name: layer["step"] for name, layer in json.loads(Path(__file__).with_name("layer_costs.json").read_text()).items()
} | {"batch": 1.0}  # there it is how much one network differs from itself
"""Time of a step with each layer over one with batch norm, as `python -m benchmarks.norm_layers --to` found it."""

BEST, BEATEN = "nothing cheaper is as good", "something cheaper is as good"


def correlations(names: Sequence[str], seeds: Sequence[Runs]) -> list[Chart]:
    """How much channels correlate by epoch, a panel a place."""
    epochs = [epoch for epoch in SEEN_AT if epoch <= seeds[0][names[0]].horizon]
    panels = [
        Panel(
            title=f"place {place}",
            x_label="epoch",
            y_label="correlation, root mean square",
            series=[
                over_seeds(
                    name, epochs, [[correlation(name, place, runs, epoch) for epoch in epochs] for runs in seeds]
                )
                for name in names
            ],
        )
        for place in range(1, PLACES + 1)
    ]
    caption = f"Between two channels behind the activation, in eval mode on 2,000 test images. {BAND}"
    return [
        Chart(title="How much channels correlate", caption=caption.format(seeds=len(seeds)), panels=panels),
    ]


def front(names: Sequence[str], accuracies: Mapping[str, Sequence[float]]) -> dict[str, bool]:
    """Names by cost, and whether nothing that costs as much or less is as accurate on average: the Pareto front."""
    found: dict[str, bool] = {}
    best = -math.inf
    for name in sorted(names, key=lambda name: (COSTS[name], -mean(accuracies[name]))):
        found[name] = mean(accuracies[name]) > best
        best = max(best, mean(accuracies[name]))
    return found


def cost_and_accuracy(names: Sequence[str], seeds: Sequence[Runs]) -> list[Chart]:
    """Every transform by what its step costs and what P it ends at: once on the scale of costs, once by name."""
    accuracies = {name: [100 * final_p(runs[name]) for runs in seeds] for name in names}
    on_front = front(names, accuracies)
    ranks = {name: float(rank) for rank, name in enumerate(on_front)}

    def series(x: Mapping[str, float]) -> list[Series]:
        found = []
        for label, wanted in ((BEST, True), (BEATEN, False)):
            chosen = [name for name, best in on_front.items() if best is wanted]
            rows = [[accuracies[name][seed] for name in chosen] for seed in range(len(seeds))]
            found.append(over_seeds(label, [x[name] for name in chosen], rows))
        return found

    panels = [
        Panel(
            title="by cost",
            x_label="log2 of step time over batch norm's",
            y_label="P, last epoch, %",
            kind="points",
            series=series({name: round(math.log2(COSTS[name]), 3) for name in names}),
        ),
        Panel(
            title="by name, in the order of cost",
            x_label="",
            y_label="P, last epoch, %",
            kind="points",
            ticks={ranks[name]: name for name in on_front},
            series=series(ranks),
        ),
    ]
    ratios = ", ".join(f"{name} {COSTS[name]:.2g}" for name in on_front)
    caption = f"Filled: {BEST}, the Pareto front. {BARS.format(seeds=len(seeds))} Times batch norm's step: {ratios}."
    return [Chart(title="What a transform costs and gives", caption=caption, panels=panels)]
