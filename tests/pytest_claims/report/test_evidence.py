"""The document is checked where it enters and where it leaves; the files are whole or not there."""

import json
import math
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_claims.report import EVIDENCE_SCHEMA, EvidenceError, files, load, validate, write
from pytest_claims.report.evidence import chart_of
from pytest_claims.report.render import page
from pytest_claims.writing import NotWritten
from tests.pytest_claims.report import drawn
from tests.pytest_claims.report.evidence_example import example
from tests.pytest_claims.report.page import data, parse

Document = dict[str, Any]


@cache
def evidence() -> Document:
    return validate(example())


def test_example_is_valid() -> None:
    assert evidence()["schema"] == EVIDENCE_SCHEMA == 1


def test_validate_gives_plain_json_and_leaves_the_document_alone() -> None:
    document = deepcopy(evidence())
    document["scale"]["looks"] = (8, 12, 20)
    assert validate(document)["scale"]["looks"] == [8, 12, 20]
    assert document["scale"]["looks"] == (8, 12, 20)
    assert json.loads(json.dumps(validate(document))) == validate(document)


def first(document: Document, kind: str = "superiority") -> Document:
    return next(c for c in document["claims"] if c["kind"] == kind)


def trial(document: Document) -> Document:
    return next(iter(document["trials"].values()))


def chart(document: Document) -> Document:
    (drawn,) = next(c for c in document["claims"] if c["id"] == "Q5.1")["charts"]
    assert isinstance(drawn, dict)
    return drawn


def panel(document: Document) -> Document:
    first_panel = chart(document)["panels"][0]
    assert isinstance(first_panel, dict)
    return first_panel


Change = Callable[[Document], object]
REFUSED: dict[str, tuple[Change, str]] = {
    "schema 0": (lambda d: d.update(schema=0), r"\$\.schema: 0 breaks the rule const"),
    "no schema": (lambda d: d.pop("schema"), r"\$: 'schema' is a required property"),
    "schema true": (lambda d: d.update(schema="1"), r"\$\.schema"),
    "no claims": (lambda d: d.pop("claims"), r"\$: 'claims' is a required property"),
    "unknown field": (lambda d: d.update(verdict=1), r"\$: Additional properties are not allowed \('verdict'"),
    "status": (lambda d: d.update(status="fine"), r"\$\.status: 'fine' breaks the rule enum"),
    "title": (lambda d: d.update(title=""), r"\$\.title"),
    "problems": (lambda d: d.update(problems="no"), r"\$\.problems: 'no' breaks the rule type: array"),
    "started": (lambda d: d.update(started="yesterday"), r"\$\.started"),
    "seconds": (lambda d: d.update(seconds=-1.0), r"\$\.seconds: -1\.0 breaks the rule minimum: 0"),
    "looks": (lambda d: d["scale"].update(looks=[]), r"\$\.scale\.looks"),
    "family": (lambda d: d["manifest"].update(family=["Q1", "Q1"]), r"\$\.manifest\.family"),
    "gathering": (lambda d: d["gathering"].pop("cost_unit"), r"\$\.gathering: 'cost_unit'"),
    "outcome": (lambda d: first(d).update(outcome="MAYBE"), r"\$\.claims\[0\]\.outcome: 'MAYBE' breaks the rule enum"),
    "expected": (lambda d: first(d).update(expected="ERROR"), r"\$\.claims\[0\]\.expected"),
    "id": (lambda d: first(d).update(id="q 1"), r"\$\.claims\[0\]\.id: 'q 1' breaks the rule pattern"),
    "unit": (lambda d: first(d).update(unit=0), r"\$\.claims\[0\]\.unit"),
    "no unit": (lambda d: first(d).pop("unit"), r"\$\.claims\[0\]: 'unit' is a required property"),
    "reading": (lambda d: first(d)["readings"][0].update(mean="1"), r"readings\[0\]\.mean: '1' breaks the rule type"),
    "measure": (lambda d: first(d)["readings"][0].pop("measure"), r"readings\[0\]: 'measure' is a required"),
    "region": (lambda d: first(d)["readings"][0].update(region=[0]), r"readings\[0\]\.region"),
    "pvalue": (lambda d: first(d)["pvalues"].update(p_supported=1.5), r"pvalues\.p_supported: 1\.5"),
    "reported": (lambda d: first(d)["reported"].update(BN="0.98"), r"reported\.BN"),
    "worst": (lambda d: first(d, "property")["worst"]["output"].pop("share"), r"worst\.output: 'share'"),
    "trial": (lambda d: trial(d).pop("curves"), r"\$\.trials\.\w+: 'curves'|\$\.trials\[.+\]: 'curves'"),
    "curve": (lambda d: trial(d)["curves"].update({"test accuracy": ["high"]}), r"'high' breaks the rule type"),
    "chart": (lambda d: chart(d).pop("caption"), r"charts\[0\]: 'caption' is a required property"),
    "no panels": (lambda d: chart(d).update(panels=[]), r"charts\[0\]\.panels: \[\] breaks the rule minItems"),
    "figure 0": (lambda d: chart(d).update(figure=0), r"charts\[0\]\.figure: 0 breaks the rule minimum: 1"),
    "kind of a panel": (lambda d: panel(d).update(kind="bars"), r"panels\[0\]\.kind: 'bars' breaks the rule enum"),
    "ticks": (
        lambda d: panel(d).update(ticks=[["one", 1]]),
        r"panels\[0\]\.ticks\[0\]\[0\]: 'one' breaks the rule type",
    ),
    "tick": (lambda d: panel(d).update(ticks=[[1.0]]), r"panels\[0\]\.ticks\[0\]: \[1\.0\] breaks the rule minItems"),
    "place": (lambda d: panel(d)["series"][0].update(x=[None]), r"series\[0\]\.x\[0\]: None breaks the rule type"),
    "value": (lambda d: panel(d)["series"][0].update(y=["1"]), r"series\[0\]\.y\[0\]: '1' breaks the rule type"),
    "unknown in a series": (lambda d: panel(d)["series"][0].update(colour=1), r"series\[0\]: Additional properties"),
    "too few values": (
        lambda d: panel(d)["series"][0]["y"].pop(),
        r"\.charts\[0\]: series rate 0\.05: 9 values of y for 10",
    ),
    "too many ends": (
        lambda d: panel(d)["series"][0]["low"].append(1),
        r"\.charts\[0\]: series rate 0\.05: 11 values of low",
    ),
    "twice": (lambda d: d["claims"].append(deepcopy(first(d))), r"\$\.claims: C0 is there 2 times"),
    "nan": (lambda d: first(d)["readings"][0].update(mean=math.nan), r"claims\[0\]\.readings\[0\]\.mean: nan has no"),
    "infinite": (lambda d: d.update(seconds=math.inf), r"\$\.seconds: inf has no form in JSON; write null"),
    "key": (lambda d: d["provenance"].update({1: "one"}), r"\$\.provenance: key 1 is not a string"),
    "numpy": (lambda d: d.update(seconds=np.int64(3)), r"\$\.seconds: int64 has no form in JSON; convert it first"),
    "set": (lambda d: d["provenance"].update(seeds={1}), r"\$\.provenance\.seeds: set has no form"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_validate_refuses(name: str) -> None:
    change, message = REFUSED[name]
    document = deepcopy(evidence())
    change(document)
    with pytest.raises(EvidenceError, match=message) as refusal:
        validate(document)
    text = str(refusal.value)
    assert "\n" not in text
    assert len(text) < 400
    assert "; " in text  # the way out


@pytest.mark.parametrize("document", [[], None, 3, "text", {}])
def test_validate_refuses_what_is_no_document(document: Any) -> None:
    with pytest.raises(EvidenceError, match=r"evidence, \$: "):
        validate(document)


def test_newer_document_is_told_from_a_broken_one() -> None:
    with pytest.raises(EvidenceError, match=r"2 is newer than 1.*upgrade pytest_claims"):
        validate({"schema": 2, "anything": "else"})


def test_optional_fields_are_accepted() -> None:
    document = deepcopy(evidence())
    claim = first(document)
    claim |= {"curve": "training loss", "horizon": 2}
    claim["readings"][0]["region"] = [0.1, None]
    assert validate(document) == document


def test_evidence_from_before_charts_is_accepted() -> None:
    document = deepcopy(evidence())
    for claim in document["claims"]:
        del claim["charts"]
    assert validate(document) == document
    assert not parse(page(document)).all(css="charts")


def test_series_may_be_empty_or_without_ends() -> None:
    document = deepcopy(evidence())
    panel(document)["series"][0] |= {"x": [], "y": [], "low": [], "high": []}
    panel(document)["series"][1]["low"] = []
    assert validate(document) == document


def test_chart_of_gives_back_what_the_claim_drew() -> None:
    for drawn_chart in [*drawn.layers([]), *drawn.rates([]), *drawn.sigmoid()]:
        found = chart_of(json.loads(json.dumps(drawn_chart.to_json())))
        assert found.to_json() == json.loads(json.dumps(drawn_chart.to_json()))
        assert found.panels[0].ticks == drawn_chart.panels[0].ticks


def test_write_and_load(tmp_path: Path) -> None:
    to = tmp_path / "a new" / "r\u00e9port"
    write(example(), to)
    pictures, tables = ["overview-dark.svg", "overview-light.svg"], ["curves.csv", "trials.csv"]
    names = ["charts", "evidence.json", "index.html", "summary.md", *pictures, *tables]
    assert sorted(path.name for path in to.iterdir()) == sorted(names)
    assert load(to / "evidence.json") == evidence()
    assert data(parse((to / "index.html").read_text(encoding="utf-8"))) == evidence()
    before = {path: path.read_bytes() for path in to.rglob("*.*")}
    write(example(), to)
    assert {path: path.read_bytes() for path in to.rglob("*.*")} == before


def test_write_leaves_no_picture_of_an_earlier_run(tmp_path: Path) -> None:
    write(example(), tmp_path)
    assert list((tmp_path / "charts").iterdir())
    write(evidence() | {"claims": [], "trials": {}, "status": "nothing judged"}, tmp_path)
    assert not list(tmp_path.rglob("*.svg"))


def test_write_refuses_before_it_touches_anything(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError):
        write(evidence() | {"status": "fine"}, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_write_keeps_the_evidence_when_the_page_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(evidence(), tmp_path)
    old = (tmp_path / "index.html").read_bytes()

    def fail(_: Document) -> str:
        raise RuntimeError("a mistake in the page")

    monkeypatch.setattr(files, "page", fail)
    with pytest.raises(RuntimeError, match="mistake"):
        write(evidence() | {"title": "Again?"}, tmp_path)
    assert load(tmp_path / "evidence.json")["title"] == "Again?"
    assert (tmp_path / "index.html").read_bytes() == old


def test_write_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(NotWritten, match="disk is full"):
        write(evidence(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_half_a_surrogate_pair_does_not_lose_the_report(tmp_path: Path) -> None:
    document = deepcopy(evidence())
    first(document)["statement"] = "half \ud83e a pair"
    write(document, tmp_path)
    assert "half ? a pair" in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert load(tmp_path / "evidence.json") == document


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; a run of the claims writes it"),
        (b"", "not readable as JSON"),
        (b'{"schema": 1, "claims": [', "not readable as JSON"),
        (b"\xff\xfe\x00", "not readable as JSON"),
        (b'{"schema": 1, "seconds": NaN}', "nan has no form in JSON"),
        (b'{"schema": 9}', "9 is newer than 1"),
        (b"[]", "breaks the rule type: object"),
    ],
)
def test_load_refuses(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "evidence.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EvidenceError, match=message) as refusal:
        load(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_load_refuses_a_directory(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="not readable"):
        load(tmp_path)
