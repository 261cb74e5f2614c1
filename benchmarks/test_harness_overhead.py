"""Time of the harness beside training, and of a run with everything stored, at scale standard.

Reads the evidence of two runs, the first of which trained:

    pytest claims/ -m statistical --claims-fresh --claims-report reports/first
    pytest claims/ -m statistical --claims-store .claims/store-fresh-... --claims-report reports/second
    python -m benchmarks.test_harness_overhead reports/first reports/second

As a test it makes both runs itself, at scale smoke, where the share says nothing and only the rerun is checked.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture


def beside(evidence: dict[str, Any]) -> float:
    """Share of a run's wall time that was not training."""
    return 1 - float(evidence["seconds_gathering"]) / float(evidence["seconds"])


def rerun_seconds(scale: str) -> float:
    """Wall time of the statistical claims when every trial is stored, from the first line to the last."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "claims", "-m", "statistical", "--scale", scale, "-q"]
        command += ["--claims-store", f"{folder}/store.sqlite", "--claims-report", folder]
        subprocess.run(command, check=True, capture_output=True)
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - start


def test_rerun(benchmark: BenchmarkFixture) -> None:
    """At most 10 s for the statistical part with everything in the store."""
    seconds = benchmark.pedantic(rerun_seconds, args=["smoke"], rounds=1)  # type: ignore[no-untyped-call]
    assert seconds <= 10


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise pytest.UsageError("give the report directories of two runs")
    first, second = (json.loads((Path(folder) / "evidence.json").read_text()) for folder in sys.argv[1:])
    print(f"beside training: {beside(first):.1%} of {first['seconds']:.0f} s; rerun: {second['seconds']:.1f} s")
