"""What a store holds, in words and as tables for other programs."""

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from pytest_claims.archive import export as archived
from pytest_claims.report.tables import as_csv, flat, names_of
from pytest_claims.store import Store, Stored
from pytest_claims.trial import Json

FORMATS = (".xz", ".csv", ".json", ".parquet")
PLAIN = ("key", "seed", "horizon", "diverged", "seconds", "cost", "finished")
SHOWN = 120
"""Characters of a recipe that a line of the listing has room for."""


class FormatError(Exception):
    """A form in which trials cannot be written: the value, the rule and the way out."""


def info(store: Store) -> list[str]:
    """How much, of what environments, and how long it took."""
    trials = list(store.trials())
    environments = Counter(json.dumps(trial.environment, sort_keys=True) for trial in trials)
    dates = sorted(trial.finished for trial in trials)
    longest = max((t.seconds for t in trials), default=0.0)
    lines = [
        f"{store.path}: {store.path.stat().st_size / 1e6:.3g} MB, schema {store.version}, integrity {store.integrity()}",
        f"{len(trials)} trials of {len({trial.key for trial in trials})} keys, {sum(t.diverged for t in trials)} diverged",
        f"{sum(t.seconds for t in trials) / 3600:.3g} hours of training, the longest trial {longest:.0f} s, "
        f"cost {sum(t.cost for t in trials):.6g}",
    ]
    if dates:
        lines.append(f"finished {dates[0]} to {dates[-1]}")
    return [*lines, *(f"{n} trials under {_fields(json.loads(text))}" for text, n in environments.most_common())]


def listing(trials: Iterable[Stored]) -> Iterator[str]:
    """A line a trial."""
    for t in trials:
        diverged = " diverged" if t.diverged else ""
        recipe = _fields(t.recipe)
        short = recipe if len(recipe) <= SHOWN else f"{recipe[: SHOWN - 3]}..."
        yield f"{t.key} seed {t.seed} horizon {t.horizon} {t.seconds:.1f} s {t.finished[:10]}{diverged} {short}"


def shown(trials: Sequence[Stored]) -> list[str]:
    """Everything of trials, as JSON."""
    return json.dumps([_all(trial) for trial in trials], indent=1, ensure_ascii=False).splitlines()


def packed(store: Store, suffix: str) -> bytes:
    """All trials in the form that a file's suffix names; an archive is the one that `import` reads.

    Raises:
        FormatError: No such form, or what writes it is not installed.
    """
    if suffix == ".xz":
        return archived(store)
    if suffix == ".json":
        return (json.dumps([_all(trial) for trial in store.trials()], ensure_ascii=False) + "\n").encode()
    if suffix == ".csv":
        return _csv([_row(trial) for trial in store.trials()])
    if suffix == ".parquet":
        return _parquet([_row(trial) for trial in store.trials()])
    raise FormatError(f"{suffix or 'no suffix'}: trials are written as {', '.join(FORMATS)}")


def _all(trial: Stored) -> Json:
    return dict(vars(trial))


def _row(trial: Stored) -> Json:
    """One level of plain values: fields of the recipe and what surrounds it as `recipe.lr`, and the result as JSON."""
    around = {name: getattr(trial, name) for name in ("recipe", "environment", "provenance")}
    row: Json = {name: getattr(trial, name) for name in PLAIN} | {name: _plain(value) for name, value in flat(around)}
    return row | {"result": json.dumps(trial.result, separators=(",", ":"))}


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value)


def _csv(rows: Sequence[Json]) -> bytes:
    names = names_of(rows) or [*PLAIN, "result"]
    return as_csv(names, ([row.get(name) for name in names] for row in rows)).encode()


def _parquet(rows: Sequence[Json]) -> bytes:
    try:
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise FormatError(".parquet: pyarrow is not installed; pip install pyarrow, or write .csv or .json") from None
    columns = {name: [row.get(name) for row in rows] for name in names_of(rows)}
    for name, values in columns.items():
        if len({type(value) for value in values if value is not None}) > 1:  # a column has one type
            columns[name] = [None if value is None else json.dumps(value) for value in values]
    out = io.BytesIO()
    parquet.write_table(arrow.table(columns), out)
    return out.getvalue()


def _fields(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_plain(value)}" for name, value in fields.items())
