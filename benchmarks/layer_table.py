"""All layers at a glance, as Markdown: `python -m benchmarks.layer_table`.

Costs are those of `claims/layer_costs.json`, which `python -m benchmarks.norm_layers --to` writes, accuracies those of the
published evidence: the transform's P minus batch norm's, at each own best rate, which stands beside, in points, with its
interval, and the same of E, by running estimates, with the worst seed. A layer without one has not been trained to the
end. The largest stable rate is the median over seeds of the claims Q7.7, with the lowest and the highest seed. A second
table has milliseconds by the number of channels.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from claims.rates import GRID

ROOT = Path(__file__).parents[1]
SHIFT, FACTOR = "a constant on a channel", "a factor on a channel"
COMMON = "a common factor"
LEFT, PROJECTION = "Q7.3[what is left]", "Q7.5[cone, projection]"
GRADIENT, LAYER, NESTING, ORDER = "Q7[gradient]", "Q7.5[cone, layer]", "Q7.3[nesting]", "Q7.3[order of channels]"
FULL, FACTORS, PIT, ORBIT = (
    "Q7.2[invariances]",
    "Q7.2[what BN has and it has not]",
    "Q7.1[invariances]",
    "Q7.5[group, layer]",
)

LAYERS = {
    "batch": (f"{SHIFT}; {FACTOR}", ("Q1.1", GRADIENT)),
    "ghost": (f"{SHIFT}; {FACTOR}, group by group", (GRADIENT,)),
    "center": (f"{SHIFT}; not {FACTOR}", (GRADIENT,)),
    "scale": (f"{FACTOR}; not {SHIFT}", (GRADIENT,)),
    "pit": (f"{SHIFT}; {FACTOR}; a negative one turns the sign", (PIT, GRADIENT)),
    "pit-gaussian": (f"{SHIFT}; {FACTOR}; a negative one turns the sign", (PIT, GRADIENT)),
    "zca": (
        f"{SHIFT}; {COMMON}; turns with orthogonal maps and permutations; not {FACTOR}",
        (FULL, FACTORS, GRADIENT),
    ),
    "zca-cor": (f"{SHIFT}; {FACTOR}; permuted with the channels", (FULL, FACTORS, GRADIENT)),
    "cholesky": (f"{SHIFT}; {FACTOR}; lower triangular maps", (FULL, FACTORS, GRADIENT)),
    "newton": (f"{SHIFT}; {COMMON}; turns with orthogonal maps and permutations", (FULL, GRADIENT)),
    "block-2": (f"{SHIFT}; {COMMON}; the order of channels counts", (NESTING, ORDER, GRADIENT)),
    "circulant": (f"{SHIFT}; {COMMON}; moves with cyclic shifts and reversal", (ORDER, GRADIENT)),
    "monarch": (f"{SHIFT}; {COMMON}; moves with rows and columns of its grid", (NESTING, LEFT, ORDER, GRADIENT)),
    "thresholded": (f"{SHIFT}; {COMMON}; turns with permutations and signs", (NESTING, LEFT, ORDER, GRADIENT)),
    "top-k": (f"{SHIFT}; {FACTOR}; moves with channels and positions", ("Q7.4[density]", GRADIENT)),
    "random-mask": (f"{SHIFT}; {FACTOR}", (GRADIENT,)),
    "cone-nonnegative": (f"{SHIFT}; {FACTOR}", (PROJECTION, LAYER, GRADIENT)),
    "cone-second-order": (f"{SHIFT}; {FACTOR}", (PROJECTION, LAYER, GRADIENT)),
    "cone-monotone": (f"{SHIFT}; {FACTOR}", (PROJECTION, LAYER, GRADIENT)),
    "orbit-flips": (f"{SHIFT}; {FACTOR}; moves with mirror images", (ORBIT, GRADIENT)),
    "orbit-turns": (f"{SHIFT}; {FACTOR}; moves with quarter turns", (ORBIT, GRADIENT)),
    "orbit-channels": (f"a common constant; {COMMON}; moves with channel shifts", (ORBIT, GRADIENT)),
}
"""What each layer is blind to, or moves with, as its docstring says, and which claims are about that."""


def leads(evidence: Any) -> dict[str, tuple[str, str, str]]:
    """By layer, its own best rate, P minus batch norm's with its interval, and E minus batch norm's with the worst seed."""
    found = {}
    for claim in evidence["claims"]:
        if not claim["id"].startswith("Q7.6") or not claim["seeds"]:
            continue
        found["batch"] = (f"{claim['recipes']['batch']['lr']:g}", "0", "0")
        for reading in claim["readings"]:
            # the claim says by how much batch norm is ahead
            low, middle, high = (-reading["scaling"] * reading[end] for end in ("high", "mean", "low"))
            found[reading["name"]] = (
                f"{claim['recipes'][reading['name']]['lr']:g}",
                f"{middle:+.2f} ({low:+.2f} to {high:+.2f})",
                f"{statistics.mean(gains := gains_in_e(reading['name'], claim, evidence)):+.2f} (worst {min(gains):+.2f})",
            )
    return found


def gains_in_e(name: str, claim: Any, evidence: Any) -> list[float]:
    """Test accuracy by running estimates after the claim's last epoch, a layer's minus batch norm's, in points, by seed."""
    ends = [
        {
            evidence["trials"][key]["seed"]: evidence["trials"][key]["curves"]["test accuracy"][claim["horizon"] - 1]
            for key in claim["trials"][arm]
        }
        for arm in (name, "batch")
    ]
    return [100 * (ends[0][seed] - ends[1][seed]) for seed in ends[0]]


def largest_stable(evidence: Any) -> dict[str, str]:
    """By layer, the median over seeds of the largest stable rate, and the range of seeds."""
    found = {}
    for claim in evidence["claims"]:
        for reading in claim["also"] if claim["id"].startswith("Q7.7") else []:
            middle, low, high = (as_rate(of(reading["values"])) for of in (statistics.median, min, max))
            found[reading["name"]] = f"{middle} ({low} to {high})"
    return found


def as_rate(exponent: float) -> str:
    """A largest stable rate 2^k: below the grid none was, at its top a larger one may be."""
    if exponent < min(GRID):
        return "none"
    return f"{'at least ' * (exponent == max(GRID))}{2.0**exponent:.3g}"


def supported(evidence: Any, claims: Sequence[str]) -> bool:
    """Whether all of these claims are, of one in several types all of them."""
    outcomes = {claim["id"]: claim["outcome"] for claim in evidence["claims"]}
    found = [[o for id_, o in outcomes.items() if id_ == claim or id_.startswith(f"{claim}[")] for claim in claims]
    return all(each and set(each) == {"SUPPORTED"} for each in found)


def by_channels(costs: Mapping[str, Any]) -> None:
    """Print milliseconds of a forward and a backward pass on 256 images."""
    sizes = list(costs["batch"]["milliseconds"])
    print(f"\n| layer | {' | '.join(sizes)} |")
    print(f"|---|{'---|' * len(sizes)}")
    for name, cost in costs.items():
        print(f"| {name} | {' | '.join(f'{ms:.3g}' for ms in cost['milliseconds'].values())} |")


def main(evidence_file: Path) -> None:
    """Print the table."""
    evidence = json.loads(evidence_file.read_text())
    costs = json.loads((ROOT / "claims" / "layer_costs.json").read_text())
    accuracy, stable = leads(evidence), largest_stable(evidence)
    print(
        "| layer | blind to, or moves with | claims | hold | time ~ C^ | step / BN | kept / BN | rate "
        "| largest stable rate | P minus BN, points | E minus BN, points |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, (blind, claims) in LAYERS.items():
        cost = costs[name]
        low, high = cost["range"]
        rate, lead, by_running = accuracy.get(name, ("", "", ""))
        print(
            f"| {name} | {blind} | {', '.join(claims)} | {'yes' if supported(evidence, claims) else 'no'} "
            f"| {cost['exponent']:.2f} ± {cost['half_width']:.2f} | {cost['step']:.2f} ({low:.2f} to {high:.2f}) "
            f"| {cost['kept']:.2f} | {rate} | {stable.get(name, '')} | {lead} | {by_running} |"
        )
    by_channels(costs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evidence", nargs="?", type=Path, default=ROOT / "reports" / "published" / "evidence.json")
    main(parser.parse_args().evidence)
