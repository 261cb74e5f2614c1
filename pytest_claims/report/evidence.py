"""The evidence of a run: one document of plain JSON, checked where it enters and where it leaves."""

import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, relevance

from pytest_claims.chart import Chart, Panel, Series
from pytest_claims.trial import Json

EVIDENCE_SCHEMA = 1
"""Raised when a reader of the old form would misread the new one; `schema.json` describes this form."""

REWRITE = "run the claims again to write it anew, or restore it from version control"


class EvidenceError(Exception):
    """A document that cannot be reported: where in it, what rule it breaks, and the way out, in one line."""


def validate(evidence: Json) -> Json:
    """Check a document.

    Returns:
        The same as plain JSON would give it back: lists for tuples.

    Raises:
        EvidenceError: It is not what `schema.json` says.
    """
    document = _plain(evidence, "$")
    _check_schema(document)
    if worst := min(_validator().iter_errors(document), key=_first, default=None):
        raise EvidenceError(f"evidence, {worst.json_path}: {_rule(worst)}; {REWRITE}")
    counts = Counter(claim["id"] for claim in document["claims"])
    if twice := [id_ for id_, count in counts.items() if count > 1]:
        raise EvidenceError(f"evidence, $.claims: {twice[0]} is there {counts[twice[0]]} times; {REWRITE}")
    try:
        instant(document["started"])
    except (OverflowError, ValueError) as error:
        raise EvidenceError(f"evidence, $.started: {_line(str(error))}; {REWRITE}") from None
    _check_charts(document)
    return dict(document)


def instant(started: str) -> datetime:
    """When a run started, in UTC; a time without a zone counts as UTC.

    Raises:
        OverflowError: At the end of the calendar.
        ValueError: There is no such day or time.
    """
    time = datetime.fromisoformat(started)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _check_charts(document: Json) -> None:
    """Values belong to an x each, which a schema cannot say."""
    for i, claim in enumerate(document["claims"]):
        for j, chart in enumerate(claim.get("charts", [])):
            try:
                chart_of(chart)
            except ValueError as error:
                raise EvidenceError(f"evidence, $.claims[{i}].charts[{j}]: {_line(str(error))}; {REWRITE}") from None


def chart_of(chart: Json) -> Chart:
    """A chart as the claim drew it.

    Raises:
        ValueError: A series has more or fewer values than places for them.
    """
    panels = [
        Panel(**panel | {"series": [Series(**series) for series in panel["series"]], "ticks": dict(panel["ticks"])})
        for panel in chart["panels"]
    ]
    return Chart(**chart | {"panels": panels})


def load(path: Path) -> Json:
    """Read a document that `write` wrote.

    Raises:
        EvidenceError: There is none, it is damaged, or a newer version wrote it.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EvidenceError(f"{path}: no such file; a run of the claims writes it beside index.html") from None
    except (OSError, RecursionError, ValueError) as error:  # ValueError: not JSON, or not UTF-8
        raise EvidenceError(f"{path}: not readable as JSON ({_line(str(error))}); {REWRITE}") from error
    try:
        return validate(document)
    except EvidenceError as error:
        raise EvidenceError(f"{path}: {error}") from None
    except RecursionError as error:
        raise EvidenceError(f"{path}: evidence is not nested so deep; {REWRITE}") from error


def _check_schema(document: Any) -> None:
    """Say first what explains everything else: that a newer version wrote the document."""
    schema = document.get("schema") if isinstance(document, dict) else None
    if isinstance(schema, int) and schema > EVIDENCE_SCHEMA:
        raise EvidenceError(
            f"evidence, $.schema: {schema} is newer than {EVIDENCE_SCHEMA}, the latest that this version reads; "
            "upgrade pytest_claims"
        )


def _plain(value: Any, where: str) -> Any:
    """The value with lists for tuples, if JSON has a form for it; a NaN would make a file that no browser reads."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if abs(value) > sys.float_info.max:
            raise EvidenceError(f"evidence, {where}: a number of {len(str(value))} digits is larger than any float")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise EvidenceError(f"evidence, {where}: {value} has no form in JSON; write null for it")
        return float(value)
    if isinstance(value, Mapping):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise EvidenceError(f"evidence, {where}: key {wrong[0]!r} is not a string; JSON knows no others")
        return {key: _plain(item, f"{where}.{_line(key, 40)}") for key, item in value.items()}
    if isinstance(value, Iterable) and isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    raise EvidenceError(f"evidence, {where}: {type(value).__name__} has no form in JSON; convert it first")


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads((resources.files(__package__) / "schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def _first(error: ValidationError) -> tuple[Any, ...]:
    """Shallow errors first: they explain the deep ones."""
    return len(error.absolute_path), relevance(error), [str(step) for step in error.absolute_path]


def _rule(error: ValidationError) -> str:
    """What is wrong, without the whole document in it."""
    if error.validator in ("required", "additionalProperties"):
        return _line(error.message, 200).removesuffix(".")
    return f"{_line(repr(error.instance), 60)} breaks the rule {error.validator}: {_line(str(error.validator_value))}"


def _line(text: str, most: int = 120) -> str:
    """One line of bounded length."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 3] + "..."
