"""Records of torch versions set side by side."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.versions_table import RecordError, document, load, parting
from tests.bounds import ROOT

RECORDS = [load(path) for path in sorted((ROOT / "reports" / "versions").glob("*.json"))]


def run(losses: list[float], weights: list[str]) -> dict[str, list[str]]:
    return {"losses": [loss.hex() for loss in losses], "weights": weights}


def test_parting() -> None:
    """Weights part in step 1, which the loss of step 2 shows; by 1e-3 in step 3."""
    one = run([2.0, 1.0, 1.0], ["a", "b", "c", "d"])
    other = run([2.0, 1.0 + 1e-8, 1.002], ["a", "x", "y", "z"])
    assert parting(one, other) == ["1", "2", "3", "3", "2.0e-03"]
    assert parting(one, one) == ["never"] * 4 + ["0.0e+00"]
    assert parting(one, run([2.0, float("nan"), 1.0], ["a", "b", "c", "d"]))[0] == "never"


def test_committed_table_is_that_of_the_records() -> None:
    assert (ROOT / "docs" / "versions.md").read_text(encoding="utf-8") == document(RECORDS)


def test_oldest_version_first_whatever_the_order() -> None:
    table = document(RECORDS[::-1])
    assert table == document(RECORDS)
    assert table.index("| 2.9.1 |") < table.index("| 2.11.0 |") < table.index("| 2.14.1 |")


def test_records_that_cannot_be_set_side_by_side(tmp_path: Path) -> None:
    first, second = RECORDS[:2]
    with pytest.raises(RecordError, match="given twice"):
        document([first, first])
    with pytest.raises(RecordError, match=r"other inputs than .*; record both with the same code"):
        document([first, replace(second, inputs="else")])
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(RecordError, match=r"record\.json: not a record .*; write one with"):
        load(tmp_path / "record.json")
