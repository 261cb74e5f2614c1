"""Which verdicts changed, and the file of those that are accepted."""

from pathlib import Path

import pytest

from pytest_claims.report import AllowError, read_allowed
from pytest_claims.report.changes import GONE, Change, changes


def test_changes() -> None:
    before = {"A": "SUPPORTED", "B": "REFUTED", "C": "SUPPORTED", "D": "ERROR", "E": "NOT JUDGED"}
    after = {"A": "SUPPORTED", "B": "INCONCLUSIVE", "D": "ERROR", "E": "NOT JUDGED", "F": "REFUTED"}
    assert changes(before, after) == [
        Change("B", "REFUTED", "INCONCLUSIVE"),
        Change("C", "SUPPORTED", GONE),
        Change("D", "ERROR", "ERROR"),
    ]


def test_read_allowed(tmp_path: Path) -> None:
    file = tmp_path / "allowed"
    file.write_text(
        "# accepted\n\nQ2.1[lr=0.1]: SUPPORTED -> INCONCLUSIVE: fewer seeds: 8\n"
        "Q7.5[cone, layer]: NOT JUDGED -> GONE: renamed\n"
    )
    assert read_allowed(file) == {
        Change("Q2.1[lr=0.1]", "SUPPORTED", "INCONCLUSIVE"): "fewer seeds: 8",
        Change("Q7.5[cone, layer]", "NOT JUDGED", GONE): "renamed",
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("C0", "line 2: 'C0' is not CLAIM: BEFORE -> AFTER: REASON"),
        ("C0: SUPPORTED -> MAYBE: why", "line 2: 'C0: SUPPORTED -> MAYBE: why' is not"),
        ("C0: GONE -> SUPPORTED: why", "is not CLAIM"),
        ("C0: SUPPORTED -> REFUTED", "line 2: .* has no reason; say behind a colon why"),
        ("C0: SUPPORTED -> REFUTED:  ", "has no reason"),
    ],
)
def test_line_that_is_no_change(line: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "allowed"
    file.write_text(f"# first\n{line}\n")
    with pytest.raises(AllowError, match=message):
        read_allowed(file)


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(AllowError, match=r"not readable .* a text file of lines CLAIM"):
        read_allowed(tmp_path / "missing")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AllowError, match="not readable"):
        read_allowed(binary)
