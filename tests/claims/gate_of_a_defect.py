"""The gate on real runs: of batch norm as it is, and of batch norm with a defect.

`python -m tests.claims.gate_of_a_defect` judges the property claims C1 in float64 three times, with few examples: twice with
torch as it is and once with a defect planted. It prints what the gate says, beside the first run, of the second, of the
one with the defect, and of evidence that was cut short.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import nullcontext, redirect_stderr
from pathlib import Path

import pytest

from pytest_claims.__main__ import main
from pytest_claims.report.files import EVIDENCE
from tests.claims.defects import DEFECTS, planted
from tests.claims.planting import ROOT, few_examples

CLAIMS = ("claims/test_context.py", "-k", "C1 and float64")
DEFECT = "eps 0.01, whatever is asked for"
NAME = "BNMODELS_DEFECT"
"""The variable that names the defect of a run; empty for none."""


# The plugin.


def pytest_sessionstart() -> None:
    """Before any test, and after conftest.py has chosen other settings."""
    few_examples()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Each test runs with the defect."""
    defect = os.environ[NAME]
    with planted(defect) if defect else nullcontext():
        yield


# Running it.


def run(defect: str, to: Path) -> None:
    """Judge the claims in a process of their own, and write the report.

    Raises:
        RuntimeError: The run broke. A claim that fails does not break it.
    """
    command = [sys.executable, "-m", "pytest", *CLAIMS, "-m", "property", "--scale", "smoke", "-q"]
    command += ["-p", "tests.claims.gate_of_a_defect", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["--claims-store", f"{to}.sqlite", "--claims-report", str(to)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {NAME: defect, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"exit code {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-2000:]}")


def gate(title: str, baseline: Path, fresh: Path) -> None:
    """Print what the gate says, and its exit code."""
    print(f"== {title}", flush=True)
    with redirect_stderr(sys.stdout):
        code = main(["gate", "--baseline", str(baseline), "--fresh", str(fresh)])
    print(f"exit code {code}\n", flush=True)


def show(defect: str, at: Path) -> None:
    """Make the runs in a directory and set them beside the first."""
    run("", at / "baseline")
    run("", at / "unchanged")
    run(defect, at / "defect")
    whole = (at / "unchanged" / EVIDENCE).read_bytes()
    (at / "damaged.json").write_bytes(whole[: len(whole) // 2])
    gate("unchanged", at / "baseline", at / "unchanged")
    gate(f"planted: {defect}", at / "baseline", at / "defect")
    gate("damaged evidence", at / "baseline", at / "damaged.json")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("defect", nargs="?", default=DEFECT, choices=DEFECTS, metavar="DEFECT", help=", ".join(DEFECTS))
    with tempfile.TemporaryDirectory() as directory:
        show(parser.parse_args().defect, Path(directory))
