"""The example is what the document shows; it is short, runs anywhere, and its claims hold."""

import re
import shutil
from pathlib import Path

import pytest

from tests.pytest_claims import project

EXAMPLES = project.ROOT / "examples"
DOCUMENT = project.ROOT / "docs" / "write-a-claim.md"
SHOWN = ["conftest.py", "test_weight_decay.py", "test_decay_step.py", "pytest.ini"]
LEFT_OVER = shutil.ignore_patterns("__pycache__", "reports", ".claims", ".hypothesis", ".*_cache")


def test_examples_run_elsewhere(tmp_path: Path) -> None:
    """From a copy under another name, with a store and a report of its own; warnings are errors."""
    at = shutil.copytree(EXAMPLES, tmp_path / "another_paper", ignore=LEFT_OVER)
    code, output = project.call(at, "-W", "error", "--claims-workers=2")
    assert code == pytest.ExitCode.OK, output
    assert "2 passed" in output
    assert f"rootdir: {at}" in output
    assert (at / ".claims/store.sqlite").exists()
    assert project.outcomes(at) == {"KH1": "SUPPORTED", "LH1": "SUPPORTED"}
    decay = next(claim for claim in project.evidence(at)["claims"] if claim["id"] == "KH1")
    assert decay["seeds"] == 8
    assert decay["readings"][0]["low"] > 0.1  # its delta, by a good way and not by luck


def test_examples_import_no_subject() -> None:
    """Neither bnmodels nor its claims."""
    for file in EXAMPLES.glob("*.py"):
        assert not re.search(r"(from|import) (bnmodels|claims)\b", file.read_text()), file


def test_examples_length() -> None:
    """A claim about another model takes 40 lines, with all that it needs."""
    lines = [line for name in SHOWN[:2] for line in (EXAMPLES / name).read_text().splitlines() if line.strip()]
    assert len(lines) <= 40


@pytest.mark.parametrize("name", SHOWN)
def test_document_shows_file(name: str) -> None:
    """Word for word, under its path."""
    shown = re.search(rf"^`examples/{re.escape(name)}`[^`]*```\w+\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)
    assert shown is not None
    assert shown[1] == (EXAMPLES / name).read_text()


def test_document_shows_length() -> None:
    """The number of lines that the document speaks of."""
    lines = [line for name in SHOWN[:2] for line in (EXAMPLES / name).read_text().splitlines() if line.strip()]
    assert f"{len(lines)} lines together" in DOCUMENT.read_text()
