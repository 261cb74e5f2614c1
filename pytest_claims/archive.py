"""An archive: finished trials in one file that is small enough for version control.

Lines of JSON, compressed with xz. The first is a header with the keys of all trials and the values that many of them
share; each further line is a trial, in the header's order. Equal trials make equal files.
"""

import json
import lzma
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from pytest_claims.store import Store, Stored
from pytest_claims.trial import Json

FORMAT = "pytest_claims trials"
VERSION = 1
"""Raised when a reader of the old form would misread the new one."""
PRESET = 9 | lzma.PRESET_EXTREME

SHARED = ("recipe", "environment", "provenance")
"""Fields of a trial that are written once in the header, and referred to by number."""
INLINE = tuple(field.name for field in fields(Stored) if field.name not in (*SHARED, "key", "horizon"))


class ArchiveError(Exception):
    """An archive that cannot be used: the value, the rule and the way out, in one line."""


class MissingTrials(ArchiveError):
    """Trials were asked for that the store has not."""


def pack(trials: Iterable[Stored]) -> bytes:
    """An archive of trials, whatever their order."""
    ordered = sorted(trials, key=lambda t: (json.dumps(t.recipe, sort_keys=True), t.seed, t.horizon, t.key))
    often = _often([trial.provenance for trial in ordered])
    tables: dict[str, dict[str, int]] = {name: {} for name in SHARED}
    lines = []
    for trial in ordered:
        shared = {"recipe": trial.recipe, "environment": trial.environment}
        shared["provenance"] = {name: value for name, value in trial.provenance.items() if name in often}
        line: Json = {}
        for name, value in shared.items():
            table = tables[name]
            line[name] = table.setdefault(_text(value), len(table))
        own = {name: value for name, value in trial.provenance.items() if name not in often}
        lines.append(_text(line | {"own": own} | {name: getattr(trial, name) for name in INLINE}))
    header = {"format": FORMAT, "version": VERSION, "trials": [(trial.key, trial.horizon) for trial in ordered]}
    header |= {name: [json.loads(text) for text in table] for name, table in tables.items()}
    text = "".join(f"{line}\n" for line in [_text(header), *lines])
    return lzma.compress(text.encode(), preset=PRESET)


def export(store: Store, which: Collection[tuple[str, int]] | None = None) -> bytes:
    """An archive of a store's trials, all or those of (key, horizon).

    Raises:
        MissingTrials: One of them is not stored.
        StoreError: From the store.
    """
    if which is not None and (missing := sorted(set(which) - store.keys())):
        key, horizon = missing[0]
        raise MissingTrials(
            f"{store.path}: {len(missing)} of {len(set(which))} trials are not in it, such as {key} with horizon "
            f"{horizon}; name the store that the run used with --store, or run the claims again"
        )
    return pack(store.trials(which))


def _often(provenances: Sequence[Mapping[str, Any]]) -> set[str]:
    """Fields of which a value serves two trials or more, on average."""
    names = {name for provenance in provenances for name in provenance}
    values = {name: {_text(provenance.get(name)) for provenance in provenances} for name in names}
    return {name for name in names if 2 * len(values[name]) <= len(provenances)}


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True)
class Archive:
    """An archive of which the header is read, which is quick.

    Attributes:
        path: The file.
        header: Its first line.
    """

    path: Path
    header: Json

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the header.

        Raises:
            ArchiveError: The file is not there, damaged, of another kind or of a newer version.
        """
        archive = cls(path, {})
        with archive._explained(), lzma.open(path) as file:
            header = json.loads(file.readline())
            if not isinstance(header, dict) or header.get("format") != FORMAT:
                raise ArchiveError(
                    f"{path}: not an archive of trials; name a file that `python -m pytest_claims store export` wrote"
                )
            if header["version"] > VERSION:
                raise ArchiveError(
                    f"{path}: written by a newer version (format {header['version']}, this one reads up to {VERSION}); "
                    "upgrade pytest_claims"
                )
            checked: Json = {"trials": [(str(key), int(horizon)) for key, horizon in header["trials"]]}
            for name in SHARED:
                checked[name] = [dict(value) for value in header[name]]
        return cls(path, header | checked)

    @property
    def horizons(self) -> dict[str, int]:
        """The longest horizon of each key."""
        return dict(sorted(self.header["trials"], key=lambda trial: trial[1]))

    @property
    def keys(self) -> set[tuple[str, int]]:
        """(key, horizon) of every trial."""
        return set(self.header["trials"])

    @property
    def environments(self) -> list[Json]:
        """Under what its trials ran."""
        return list(self.header["environment"])

    def read(self) -> list[Stored]:
        """Every trial.

        Raises:
            ArchiveError: The file is damaged.
        """
        with self._explained(), lzma.open(self.path) as file:
            _, *lines = file.read().splitlines()
            return [
                self._trial(key, horizon, json.loads(line))
                for (key, horizon), line in zip(self.header["trials"], lines, strict=True)
            ]

    def _trial(self, key: str, horizon: int, line: Json) -> Stored:
        shared: Json = {name: dict(self.header[name][line[name]]) for name in SHARED}
        shared["provenance"] |= line["own"]
        trial = Stored(key=key, horizon=horizon, **shared, **{name: line[name] for name in INLINE})
        right = (
            isinstance(trial.seed, int)
            and isinstance(trial.result, dict)
            and isinstance(trial.finished, str)
            and all(isinstance(x, int | float) for x in (trial.diverged, trial.seconds, trial.cost))
        )
        if not right:
            raise TypeError(f"trial {key} has a field of a wrong type")
        return trial

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ArchiveError(f"{self.path}: {error.strerror or error}; name a readable archive of trials") from error
        except (lzma.LZMAError, EOFError, KeyError, IndexError, TypeError, ValueError) as error:
            raise ArchiveError(
                f"{self.path}: not a whole archive of trials ({type(error).__name__}: {error}); restore it from version "
                "control, or export it again"
            ) from error
