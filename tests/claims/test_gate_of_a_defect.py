"""The gate on real runs: of batch norm as it is, with a defect, and of damaged evidence."""

from pathlib import Path

import pytest

from tests.claims.gate_of_a_defect import DEFECT, show


def test_gate_of_a_defect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(DEFECT, tmp_path)
    unchanged, defect, damaged = capsys.readouterr().out.split("== ")[1:]
    assert unchanged.splitlines()[1:3] == ["No verdict of 4 claims changed.", "exit code 0"]
    assert "claims changed verdict." in defect
    assert "C1[eval, float64]" in defect
    assert "exit code 1" in defect
    assert "not readable as JSON" in damaged
    assert "exit code 2" in damaged
