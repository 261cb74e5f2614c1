"""A project with claims about the toy study, written into a directory and run by a pytest of its own."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from pytest_claims.trial import Json

ROOT = Path(__file__).parents[2]

INI = """
[pytest]
addopts = -p no:cacheprovider -p no:benchmark -p no:pytester --strict-markers -rfE
filterwarnings = error
"""

CONFTEST = """
from tests.pytest_claims import toy

def pytest_claims_scales(config):
    return toy.SCALES

def pytest_claims_study(config, device):
    return toy.study(config.rootpath / "trainings", device=device)
"""

HEAD = """
import pytest
from pytest_claims import REFUTED, Property
from tests.pytest_claims.toy import gain
"""


def judging(name: str, claim: str) -> str:
    """A test function that judges a claim."""
    return f"\n@pytest.mark.claim({claim})\ndef test_{name}(verdict):\n    assert verdict.as_expected, verdict\n"


THREE = judging("up", 'gain("Q1.1")') + judging("down", 'gain("Q1.2", -0.1)') + judging("same", 'gain("Q2.1", 1e-4)')
"""Supported, refuted and undecided."""

PROPERTY = """
@pytest.mark.claim(Property(id="Q9.1", statement="Rounding is small.", place="here"))
def test_property(tally):
    tally.within("rounding", 1e-8, 1e-6)
"""


def write(pytester: pytest.Pytester, claims: str = THREE, *, ini: str = "", conftest: str = CONFTEST) -> Path:
    """Write the project; its directory."""
    pytester.path.joinpath("pytest.ini").write_text(INI + ini)
    pytester.makeconftest(conftest)
    pytester.makepyfile(test_toys=HEAD + claims)
    return pytester.path


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run it in this process, where trials run too."""
    return pytester.runpytest_inprocess("--claims-workers=0", *options)


@contextmanager
def started(at: Path, *options: str) -> "Iterator[subprocess.Popen[str]]":
    """Run it in a process group of its own, as a shell would; nothing of it is left afterwards."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:hypothesispytest", "-p", "no:jaxtyping", *options],
        cwd=at,
        env=plain | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def call(at: Path, *options: str) -> tuple[int, str]:
    """Run it to its end; exit code and output."""
    with started(at, *options) as process:
        output, _ = process.communicate(timeout=120)
    return process.returncode, output


def evidence(at: Path) -> Json:
    """What the report was made of."""
    found: Json = json.loads((at / "reports/latest/evidence.json").read_text())
    return found


def outcomes(at: Path) -> dict[str, str]:
    """Outcome by id, as the report has it."""
    return {claim["id"]: claim["outcome"] for claim in evidence(at)["claims"]}


def stored(at: Path, store: str = ".claims/store.sqlite") -> set[tuple[float, int]]:
    """(gain, seed) of every stored trial."""
    if not (at / store).exists():
        return set()
    with closing(sqlite3.connect(at / store)) as db:
        if not db.execute("SELECT * FROM sqlite_master").fetchall():  # it is being made just now
            return set()
        return {(json.loads(recipe)["gain"], seed) for recipe, seed in db.execute("SELECT recipe, seed FROM trials")}
