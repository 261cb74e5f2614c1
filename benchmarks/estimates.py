"""Expected times against actual ones: `python -m benchmarks.estimates`.

Each selection of claims is planned (`--claims-plan`) and then trained, in a store of its own that begins empty, so that the
expectation rests on short trials alone; then a second part of it, so that it rests on stored timings. What counts is the
median over all of how far the expectation is off.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SELECTIONS = ("C6", "Q2.1", "Q4.1a or Q4.1b", "Q5.1", "Q2.5a")
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def run(store: Path, *options: str) -> str:
    """What a run of the claims prints."""
    command = [sys.executable, "-m", "pytest", "claims", "-q", "-p", "no:cacheprovider", "--claims-store", str(store)]
    command += ["--claims-report", str(store.with_suffix(".report")), "--override-ini", "claims_published=", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def found(pattern: str, text: str) -> float:
    """The time span that a line of output has."""
    match = re.search(pattern + r" ([\d.]+) (s|min|h)\b", text)
    assert match, text
    return float(match[1]) * UNITS[match[2]]


def main(scale: str, selections: list[str]) -> None:
    """Measure and print."""
    off = []
    with tempfile.TemporaryDirectory() as directory:
        for number, selection in enumerate(selections):
            store = Path(directory) / f"{number}.sqlite"
            for seeds in (4, 8):  # the second half of the seeds has stored timings to go by
                options = ["--scale", scale, "-k", selection, "--claims-seeds-max", str(seeds)]
                expected = found("about", run(store, *options, "--claims-plan"))
                actual = found("trials trained in", run(store, *options))
                off.append(abs(expected / actual - 1))
                basis = "short trials" if seeds == 4 else "stored timings"
                print(
                    f"{selection:16} {basis:16} expected {expected:6.0f} s, took {actual:6.0f} s, off by {off[-1]:.0%}"
                )
    print(f"median {statistics.median(off):.0%} of {len(off)}, at most {max(off):.0%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="standard")
    parser.add_argument("selections", nargs="*", default=list(SELECTIONS))
    given = parser.parse_args()
    main(given.scale, given.selections)
