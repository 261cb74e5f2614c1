"""Trials as CSV: a row a trial, and a row an epoch, for those who analyse them elsewhere."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytest_claims.trial import Json

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins so is run by some spreadsheets."""


def trials_csv(evidence: Json) -> str:
    """A row a trial: its key, seed and length, how it ended, which arms of which claims it serves, and its recipe."""
    trials = evidence["trials"]
    recipes = {key: dict(flat(trial["recipe"])) for key, trial in trials.items()}
    served = _served(evidence["claims"])
    curves = names_of(trial["curves"] for trial in trials.values())
    fields = names_of(recipes.values())
    head = ["trial", "seed", "epochs", "diverged", "seconds", "serves", *(f"final {c}" for c in curves)]
    rows = [
        [
            key,
            trial["seed"],
            trial["horizon"],
            trial["diverged"],
            trial["seconds"],
            "; ".join(served.get(key, [])),
            *(last(trial["curves"].get(curve, [])) for curve in curves),
            *(recipes[key].get(name) for name in fields),
        ]
        for key, trial in trials.items()
    ]
    return as_csv([*head, *fields], rows)


def curves_csv(evidence: Json) -> str:
    """A row an epoch of a trial: what was measured after it."""
    trials = evidence["trials"]
    curves = names_of(trial["curves"] for trial in trials.values())
    rows = [
        [key, trial["seed"], epoch + 1, *(_at(trial["curves"].get(curve, []), epoch) for curve in curves)]
        for key, trial in trials.items()
        for epoch in range(trial["horizon"])
    ]
    return as_csv(["trial", "seed", "epoch", *curves], rows)


def flat(fields: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a recipe and of what it is made of, as `part.field`."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value


def _served(claims: Sequence[Json]) -> dict[str, list[str]]:
    """By trial, the claims and arms that use it."""
    found: dict[str, list[str]] = {}
    for claim in claims:
        for arm, keys in claim["trials"].items():
            for key in keys:
                found.setdefault(key, []).append(f"{claim['id']}: {arm}")
    return found


def names_of(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every key, in the order of appearance."""
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def _at(values: Sequence[float | None], epoch: int) -> float | None:
    return values[epoch] if epoch < len(values) else None


def last(values: Sequence[float | None]) -> float | None:
    """The last value of a curve; None where there is none."""
    return values[-1] if values else None


def as_csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A head and rows, with no cell that a spreadsheet would run."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([[_cell(cell) for cell in row] for row in [head, *rows]])
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A value as it is, a list as JSON, and a text so that no spreadsheet takes it for a formula."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | list) else value
