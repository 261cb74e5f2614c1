"""Runs property claims with defects planted, to see which of them notice.

A module of defects has `CLAIMS`, the files of claims to run, `PLANTED`, names with the correct code's first, and
`planted(name)`, a context in which that defect is there. As a pytest plugin (`-p tests.claims.planting`) this module runs
every property claim once for each name, and writes down which of them failed.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, cast

import pytest
from hypothesis import HealthCheck, Phase, settings

from pytest_claims import Property

ROOT = Path(__file__).parents[2]
CONTROL = "the correct reference"
MODULE, RESULT = "BNMODELS_DEFECTS", "BNMODELS_DEFECTS_RESULT"
EXAMPLES = 4
"""Of each claim for each defect. A defect that shows in one input of ten is no plain defect."""


class Defects(Protocol):
    """A module of defects."""

    CLAIMS: tuple[str, ...]
    PLANTED: Iterable[str]

    def planted(self, name: str, /) -> AbstractContextManager[None]:
        """A context with that defect."""


def few_examples() -> None:
    """Few examples, always the same, and no time spent on making a failing one small; for all tests from now on."""
    settings.register_profile(
        "defects",
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        report_multiple_bugs=False,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("defects")


def defects_of(module: str) -> Defects:
    """The module, by its dotted name."""
    return cast("Defects", importlib.import_module(module))


# The plugin.

_failed: dict[str, list[str]] = {}
_judged: list[str] = []


def pytest_sessionstart() -> None:
    """Before any test, and after conftest.py has chosen other settings."""
    few_examples()
    _failed.update({name: [] for name in defects_of(os.environ[MODULE]).PLANTED})


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a property claim with each defect in turn, inside one test."""
    mark = pyfuncitem.get_closest_marker("claim")
    if mark is None or not isinstance(mark.args[0], Property):
        return None
    claim = mark.args[0].id
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    _judged.append(claim)
    defects = defects_of(os.environ[MODULE])
    for name, failed in _failed.items():
        with defects.planted(name):
            try:
                pyfuncitem.obj(**arguments)
            except AssertionError:
                failed.append(claim)
    return True


def pytest_sessionfinish() -> None:
    """Write down what failed; variants of a claim count once."""
    failed = {name: list(dict.fromkeys(claims)) for name, claims in _failed.items()}
    Path(os.environ[RESULT]).write_text(json.dumps({"judged": _judged, "failed": failed}))


# Running it.


def caught(module: str, timeout: float = 300) -> dict[str, list[str]]:
    """For the control and each defect of a module, the property claims that fail, in a process of its own.

    Raises:
        RuntimeError: The run broke, or judged nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            *defects_of(module).CLAIMS,
            "-m",
            "property",
            "--scale",
            "smoke",
            "-q",
        ]
        command += ["-p", "tests.claims.planting", "-p", "no:cacheprovider", "-p", "no:xdist"]
        command += ["--claims-store", f"{folder}/store.sqlite", "--claims-report", f"{folder}/report"]
        environment = os.environ | {MODULE: module, RESULT: str(result), "OMP_NUM_THREADS": "1"}
        for name in [name for name in environment if name.startswith("PYTEST_")]:
            del environment[name]  # of the run that may be around this one
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        found = json.loads(result.read_text()) if result.exists() else {"judged": []}
        if done.returncode or not found["judged"]:
            raise RuntimeError(
                f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-2000:]}"
            )
    failed: dict[str, list[str]] = found["failed"]
    return failed


def table(failed: Mapping[str, list[str]]) -> str:
    """Defects and the claims that caught them, in Markdown."""
    rows = [f"| {name} | {', '.join(claims) or 'none'} |" for name, claims in failed.items()]
    return "\n".join(["| defect | claims that caught it |", "|---|---|", *rows])
