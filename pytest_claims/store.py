"""Finished trials, in one SQLite file that several processes may use at once."""

import json
import sqlite3
import time
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pytest_claims.trial import Json, Trial, describe

COLUMNS = "key, horizon, seed, recipe, environment, result, diverged, seconds, cost, finished, provenance"
APPLICATION = 0x636C6D73
"""Marks the file as ours, in SQLite's `application_id`."""

SCHEMAS = (
    """
CREATE TABLE trials (
    key TEXT NOT NULL, horizon INTEGER NOT NULL, seed INTEGER NOT NULL, recipe TEXT NOT NULL, environment TEXT NOT NULL,
    result BLOB NOT NULL, diverged INTEGER NOT NULL, seconds REAL NOT NULL, cost REAL NOT NULL,
    finished TEXT NOT NULL, provenance TEXT NOT NULL, PRIMARY KEY (key, horizon)
) WITHOUT ROWID;
CREATE TABLE looks (
    family TEXT NOT NULL, claim TEXT NOT NULL, look INTEGER NOT NULL, supported REAL NOT NULL, refuted REAL NOT NULL,
    PRIMARY KEY (family, claim, look)
) WITHOUT ROWID;
""",
    """
CREATE TABLE timings (kind TEXT NOT NULL, rate REAL NOT NULL);
CREATE INDEX timings_by_kind ON timings (kind);
""",
)
"""What makes each version of the tables out of the one before; never changed once released."""
VERSION = len(SCHEMAS)
"""Of the tables, in SQLite's `user_version`."""


class StoreError(Exception):
    """The store cannot be used: the reason and the way out, in one line."""


@dataclass(frozen=True)
class Stored:
    """A finished trial.

    Attributes:
        environment: What else was meant to change the result, and is part of the key.
        result: What the run's `to_json` gave.
        seconds: Wall time of the training, on the machine that did it.
        cost: In the study's unit, for `seconds` to be compared with.
    """

    key: str
    horizon: int
    seed: int
    recipe: Json
    environment: Json
    result: Json
    diverged: bool
    seconds: float
    cost: float
    finished: str
    provenance: Json


class Store:
    """Trials that are never changed once written. Each method is one transaction.

    Attributes:
        version: Of the tables.

    Raises:
        StoreError: From every method, where the file is not a store, is of a newer version, is read-only, damaged, or
            the disk is full. What is already stored stays.
    """

    version = VERSION

    def __init__(self, path: Path, *, timeout: float = 60.0) -> None:
        self.path = path
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=timeout, isolation_level=None)
            try:
                self._open(timeout)
            except BaseException:
                self._db.close()
                raise

    def _open(self, timeout: float) -> None:
        self._db.execute("BEGIN")  # one view of all three, though another process may be making the tables
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        (application,) = self._db.execute("PRAGMA application_id").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        self._db.execute("ROLLBACK")
        if tables and application != APPLICATION:
            raise StoreError(f"{self.path}: a database of another program; name another file with --claims-store")
        if version > VERSION:
            raise StoreError(
                f"{self.path}: written by a newer version (schema {version}, this one reads up to {VERSION}); "
                "upgrade, or name another file with --claims-store"
            )
        if (found := self.integrity()) != "ok":
            raise StoreError(
                f"{self.path}: damaged ({found}); move it away and import an archive, or name another with --claims-store"
            )
        self._write_ahead(time.monotonic() + timeout)
        self._db.execute("PRAGMA synchronous = NORMAL")
        if version < VERSION:
            self._upgrade()
        self._db.execute("BEGIN IMMEDIATE")  # a store that cannot be written is found out before any training
        self._db.execute("ROLLBACK")

    def _write_ahead(self, deadline: float) -> None:
        """Switch to the write-ahead log; SQLite itself does not wait here for others who open the file just now."""
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _upgrade(self) -> None:
        """Bring the tables to this version, all or nothing; a new file has version 0."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            (version,) = self._db.execute("PRAGMA user_version").fetchone()  # another process may have been faster
            for schema in SCHEMAS[version:]:
                for statement in filter(str.strip, schema.split(";")):
                    self._db.execute(statement)
            if version < VERSION:
                self._db.execute(f"PRAGMA application_id = {APPLICATION}")
                self._db.execute(f"PRAGMA user_version = {VERSION}")
        except BaseException:
            if self._db.in_transaction:  # SQLite itself takes some back, as on a full disk
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            reason = str(error)
            if "readonly" in reason or "unable to open" in reason:
                way = "make it and its folder writable, or name another file with --claims-store"
            elif "full" in reason:
                way = "free space and run again: every trial stored so far is kept"
            elif "locked" in reason or "busy" in reason:
                way = "another process holds it; wait for that one and run again"
            else:
                way = "not a usable store; move it away, or name another file with --claims-store"
            raise StoreError(f"{self.path}: {reason}; {way}") from error
        except OSError as error:
            raise StoreError(
                f"{self.path}: {error.strerror or error}; name another file with --claims-store"
            ) from error

    def put(
        self, trial: Trial, result: Json, *, diverged: bool, seconds: float, cost: float, provenance: Mapping[str, Any]
    ) -> None:
        """Write a finished trial; one that is already there stays as it is."""
        self.add(
            [
                Stored(
                    key=trial.key,
                    horizon=trial.horizon,
                    seed=trial.seed,
                    recipe=describe(trial.recipe),
                    environment=dict(trial.environment),
                    result=result,
                    diverged=diverged,
                    seconds=seconds,
                    cost=cost,
                    finished=datetime.now(UTC).isoformat(timespec="seconds"),
                    provenance=dict(provenance),
                )
            ]
        )

    def add(self, trials: Iterable[Stored]) -> int:
        """Take finished trials as they are, all or none; one that is already there stays as it is.

        Returns:
            How many were new.
        """
        rows = [_row(trial) for trial in trials]
        with self._explained():
            before = self._db.total_changes
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    f"INSERT OR IGNORE INTO trials ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                    rows,
                )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite itself takes some back, as on a full disk
                    self._db.execute("ROLLBACK")
                raise
            return self._db.total_changes - before

    def integrity(self) -> str:
        """What SQLite's own check says: `ok`, or the first thing that is wrong."""
        with self._explained():
            return " ".join(str(self._db.execute("PRAGMA quick_check(1)").fetchone()[0]).split())

    def conflicts(self, trials: Iterable[Stored]) -> list[tuple[str, int]]:
        """(key, horizon) of those that are stored already with another result."""
        found = []
        for trial in trials:
            mine = self._one("WHERE key = ? AND horizon = ?", trial.key, trial.horizon)
            if mine is not None and mine.result != trial.result:
                found.append((trial.key, trial.horizon))
        return found

    def remove(self, which: Collection[tuple[str, int]]) -> int:
        """Take out trials of (key, horizon), all or none, and give their room back; how many there were."""
        with self._explained():
            before = self._db.total_changes
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("DELETE FROM trials WHERE key = ? AND horizon = ?", sorted(which))
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            removed = self._db.total_changes - before
            self._db.execute("VACUUM")
            return removed

    def keys(self) -> set[tuple[str, int]]:
        """(key, horizon) of every stored trial."""
        with self._explained():
            return set(self._db.execute("SELECT key, horizon FROM trials").fetchall())

    def trials(self, which: Collection[tuple[str, int]] | None = None) -> Iterator[Stored]:
        """Stored trials, all or those of (key, horizon) that are there, in the order of their keys."""
        for key, horizon in sorted(self.keys() if which is None else set(which) & self.keys()):
            if (trial := self._one("WHERE key = ? AND horizon = ?", key, horizon)) is not None:
                yield trial

    def get(self, trial: Trial) -> Stored | None:
        """The shortest stored run that is at least as long as the trial, if there is one."""
        return self._one("WHERE key = ? AND horizon >= ? ORDER BY horizon", trial.key, trial.horizon)

    def longest(self, key: str) -> Stored | None:
        """The longest stored run of a key, if there is one."""
        return self._one("WHERE key = ? ORDER BY horizon DESC", key)

    def _one(self, which: str, *values: str | int) -> Stored | None:
        with self._explained():
            row = self._db.execute(f"SELECT {COLUMNS} FROM trials {which} LIMIT 1", values).fetchone()  # noqa: S608
        if row is None:
            return None
        key, horizon, seed, recipe, environment, result, diverged, seconds, cost, finished, provenance = row
        with self._readable(key):
            return Stored(
                key=key,
                horizon=horizon,
                seed=seed,
                recipe=json.loads(recipe),
                environment=json.loads(environment),
                result=json.loads(zlib.decompress(result)),
                diverged=bool(diverged),
                seconds=seconds,
                cost=cost,
                finished=finished,
                provenance=json.loads(provenance),
            )

    @contextmanager
    def _readable(self, key: str) -> Iterator[None]:
        try:
            yield
        except (zlib.error, TypeError, ValueError) as error:
            raise StoreError(
                f"{self.path}: trial {key} cannot be read ({error}); move the file away and run again"
            ) from error

    def put_rate(self, kind: str, rate: float) -> None:
        """Keep how many seconds a unit of cost a trial of a kind took here. Timings are never exported or imported."""
        with self._explained():
            self._db.execute("INSERT INTO timings VALUES (?, ?)", (kind, rate))

    def rates(self, kind: str) -> list[float]:
        """Seconds a unit of cost of the last hundred trials of a kind, the newest first."""
        with self._explained():
            rows = self._db.execute("SELECT rate FROM timings WHERE kind = ? ORDER BY rowid DESC LIMIT 100", (kind,))
            return [rate for (rate,) in rows]

    def count(self) -> int:
        """How many trials are stored."""
        with self._explained():
            return int(self._db.execute("SELECT count(*) FROM trials").fetchone()[0])

    def put_look(self, family: str, claim: str, look: int, *, supported: float, refuted: float) -> None:
        """Keep the p-values of a claim at a look, for runs that select other claims of the family."""
        with self._explained():
            self._db.execute(
                "INSERT OR REPLACE INTO looks VALUES (?, ?, ?, ?, ?)", (family, claim, look, supported, refuted)
            )

    def looks(self, family: str) -> dict[tuple[str, int], tuple[float, float]]:
        """(claim, number of seeds) -> the p-values kept for a family."""
        with self._explained():
            rows = self._db.execute("SELECT claim, look, supported, refuted FROM looks WHERE family = ?", (family,))
            return {(claim, look): (supported, refuted) for claim, look, supported, refuted in rows}

    def close(self) -> None:
        """Close the file; safe to repeat."""
        with closing(self._db):
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def duplicate(path: Path, directory: Path) -> Path:
    """A copy of a store, so that one of an older schema is read and stays as it is.

    Raises:
        StoreError: It cannot be read.
    """
    copy = directory / path.name
    try:
        with (
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path}: {error}; name a readable store or archive") from error
    return copy


def _row(trial: Stored) -> tuple[Any, ...]:
    """Its columns, in the order of `COLUMNS`."""
    return (
        trial.key,
        trial.horizon,
        trial.seed,
        json.dumps(trial.recipe),
        json.dumps(trial.environment),
        zlib.compress(json.dumps(trial.result, allow_nan=False, separators=(",", ":")).encode()),
        trial.diverged,
        trial.seconds,
        trial.cost,
        trial.finished,
        json.dumps(trial.provenance),
    )
