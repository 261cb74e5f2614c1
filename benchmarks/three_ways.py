"""One plan on local workers, on a dask cluster, and many networks at once: `python -m benchmarks.three_ways`.

Each way trains the statistical claims of a scale into a store of its own, which begins empty. Then every trial is compared
with that of the local workers: how many values of its result are the same, to the five digits that are kept, and how far
the others are. Training amplifies rounding, most where a rate is too high for a network. A search whose runs differ may
go on to other trials.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from pytest_claims.cluster import serve
from pytest_claims.store import Store
from pytest_claims.verification import leaves, relative


def train(store: Path, *options: str) -> float:
    """Seconds that a run takes."""
    command = [sys.executable, "-m", "pytest", "claims", "-q", "-m", "statistical", "-p", "no:cacheprovider"]
    command += ["--claims-store", str(store), "--claims-report", str(store.with_suffix(".report"))]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, "--override-ini", "claims_published=", *options], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stdout
    return time.perf_counter() - start


def compare(one: Path, other: Path) -> str:
    """In how much two stores agree, in words."""
    with Store(one) as ours, Store(other) as theirs:
        common = ours.keys() & theirs.keys()
        pairs = list(zip(ours.trials(common), theirs.trials(common), strict=True))
        alone = len(ours.keys() ^ theirs.keys())
    same, values, apart = 0, 0, []
    for a, b in pairs:
        before, after = dict(leaves(a.result)), dict(leaves(b.result))
        different = [relative(value, after.get(name)) for name, value in before.items() if value != after.get(name)]
        values += len(before)
        same += not different
        apart += different
    words = f"{same} of {len(pairs)} trials the same in all values, {alone} in one store alone; "
    words += f"{len(apart)} of {values} values differ"
    if not apart:
        return words
    half, most = (sorted(apart)[int(share * (len(apart) - 1))] for share in (0.5, 0.95))
    return f"{words}: half of those by {half:.0e} of the larger at most, 95 % by {most:.0e}"


def main(scale: str, networks: int, selection: str) -> None:
    """Train, compare and print."""
    options = ["--scale", scale, *(["-k", selection] if selection else [])]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = directory / "scheduler.json"
        stack.enter_context(serve(2, file))
        ways = {
            "local workers": [],
            "dask": ["--claims-scheduler-file", str(file)],
            f"{networks} at once": ["--claims-together", str(networks)],
        }
        for number, (name, more) in enumerate(ways.items()):
            store = directory / f"{number}.sqlite"
            seconds = train(store, *options, *more)
            print(f"{name:16} {seconds:6.0f} s; {compare(directory / '0.sqlite', store)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="smoke")
    parser.add_argument("--networks", type=int, default=16)
    parser.add_argument("-k", dest="selection", default="")
    given = parser.parse_args()
    main(given.scale, given.networks, given.selection)
