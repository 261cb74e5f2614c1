"""Trials as CSV, read back by the standard library."""

import csv
import io
import json

from pytest_claims.report.tables import curves_csv, trials_csv
from tests.pytest_claims.report.example_page import changed, claim, evidence


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_a_trial() -> None:
    rows = {row["trial"]: row for row in read(trials_csv(evidence()))}
    assert rows.keys() == evidence()["trials"].keys()
    for key, trial in evidence()["trials"].items():
        assert int(rows[key]["seed"]) == trial["seed"]
        assert rows[key]["diverged"] == json.dumps(trial["diverged"])
        last = trial["curves"]["test accuracy"][-1]
        assert rows[key]["final test accuracy"] == ("" if last is None else str(last))
        assert rows[key]["norm"] == trial["recipe"]["norm"]


def test_trials_say_whom_they_serve() -> None:
    rows = {row["trial"]: row for row in read(trials_csv(evidence()))}
    for key in claim("C0")["trials"]["BN"]:
        assert "C0: BN" in rows[key]["serves"].split("; ")


def test_a_row_an_epoch() -> None:
    rows = read(curves_csv(evidence()))
    assert len(rows) == sum(trial["horizon"] for trial in evidence()["trials"].values())
    for row in rows:
        curve = evidence()["trials"][row["trial"]]["curves"]["test accuracy"]
        value = curve[int(row["epoch"]) - 1] if int(row["epoch"]) <= len(curve) else None
        assert row["test accuracy"] == ("" if value is None else str(value))


def test_no_text_is_a_formula_of_a_spreadsheet() -> None:
    """An id of a claim that begins with an equals sign is text."""
    hostile = claim("C0") | {"id": "=HYPERLINK(1)"}
    rows = read(trials_csv(changed(claims=[hostile])))
    assert {row["serves"][:1] for row in rows if row["serves"]} == {"'"}


def test_no_trials() -> None:
    assert read(trials_csv(changed(trials={}, claims=[]))) == []
    assert curves_csv(changed(trials={}, claims=[])) == "trial,seed,epoch\n"
