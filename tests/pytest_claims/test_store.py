"""The store: what is written stays, whoever writes at once, and whatever is wrong with the file."""

import multiprocessing
import os
import signal
import sqlite3
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, tzinfo
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

import pytest_claims.store as store_module
from pytest_claims.__main__ import main
from pytest_claims.store import APPLICATION, VERSION, Store, StoreError
from pytest_claims.trial import Json, Trial, describe
from tests.pytest_claims.toy import Recipe, study

PROCESSES: Any = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")


def trial(seed: int = 0, *, horizon: int = 2, gain: float = 0.0) -> Trial:
    """A trial of the toy study."""
    return study().trial(Recipe(gain=gain), seed=seed, horizon=horizon)


def put(store: Store, which: Trial, result: Json | None = None, *, seconds: float = 1.0, cost: float = 2.0) -> None:
    """Write a trial with a small result."""
    result = {"accuracy": [0.5] * which.horizon} if result is None else result
    store.put(which, result, diverged=False, seconds=seconds, cost=cost, provenance={"host": "here"})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store."""
    with Store(tmp_path / "deep" / "store.sqlite") as store:
        yield store


def test_store_get_missing(store: Store) -> None:
    assert store.get(trial()) is None
    assert store.longest(trial().key) is None
    assert store.count() == 0


def test_store_get_all_fields(store: Store) -> None:
    store.put(trial(3), {"accuracy": [0.25]}, diverged=True, seconds=1.5, cost=4.0, provenance={"host": "here"})
    stored = store.get(trial(3))
    assert stored is not None
    assert (stored.key, stored.horizon, stored.seed, stored.diverged) == (trial(3).key, 2, 3, True)
    assert stored.recipe == describe(Recipe()) | {"faulty": []}
    assert stored.result == {"accuracy": [0.25]}
    assert (stored.seconds, stored.cost, stored.provenance) == (1.5, 4.0, {"host": "here"})


def test_store_get_other_trial(store: Store) -> None:
    put(store, trial(0))
    assert store.get(trial(1)) is None
    assert store.get(trial(0, gain=0.1)) is None


def test_store_get_at_least_as_long(store: Store) -> None:
    """The shortest run that is long enough serves; a shorter one does not."""
    put(store, trial(horizon=3))
    put(store, trial(horizon=9))
    found = {horizon: store.get(trial(horizon=horizon)) for horizon in (1, 3, 4, 9, 10)}
    assert {h: s and s.horizon for h, s in found.items()} == {1: 3, 3: 3, 4: 9, 9: 9, 10: None}


def test_store_longest(store: Store) -> None:
    for horizon in (3, 9, 5):
        put(store, trial(horizon=horizon))
    longest = store.longest(trial().key)
    assert longest is not None
    assert longest.horizon == 9


def test_store_put_twice(store: Store) -> None:
    """What is stored is never changed."""
    put(store, trial(), {"accuracy": [0.1]})
    put(store, trial(), {"accuracy": [0.9]})
    stored = store.get(trial())
    assert stored is not None
    assert stored.result == {"accuracy": [0.1]}
    assert store.count() == 1


def test_store_put_not_finite(store: Store) -> None:
    """NaN has no form in JSON; a run says null."""
    with pytest.raises(ValueError, match="JSON"):
        put(store, trial(), {"accuracy": [float("nan")]})
    assert store.count() == 0


def test_store_rates(store: Store) -> None:
    """By kind, the newest first, a hundred at most; whatever the clock says, as none is asked."""
    assert store.rates("a") == []
    for n in range(120):
        store.put_rate("a", float(n))
    store.put_rate("b", 7.0)
    assert store.rates("a") == [float(n) for n in range(119, 19, -1)]
    assert store.rates("b") == [7.0]


def test_store_looks(store: Store) -> None:
    """p-values are kept by family; a new one of the same look replaces the old."""
    store.put_look("a", "Q1", 8, supported=0.5, refuted=0.6)
    store.put_look("a", "Q1", 8, supported=0.1, refuted=0.9)
    store.put_look("a", "Q1", 12, supported=0.2, refuted=0.8)
    store.put_look("b", "Q1", 8, supported=0.3, refuted=0.7)
    assert store.looks("a") == {("Q1", 8): (0.1, 0.9), ("Q1", 12): (0.2, 0.8)}
    assert store.looks("c") == {}


def test_store_reopened(store: Store) -> None:
    put(store, trial())
    store.close()
    store.close()
    with Store(store.path) as again:
        assert again.get(trial()) is not None


def _write_many(path: Path, writer: int, together: Barrier) -> None:
    together.wait()
    with Store(path) as store:
        for seed in range(20):
            put(store, trial(100 * writer + seed))
            put(store, trial(9000 + seed), {"writer": writer})


def _start(target: Callable[..., None], *arguments: Any) -> Any:
    process = PROCESSES.Process(target=target, args=arguments)
    process.start()
    return process


def test_store_many_writers(tmp_path: Path) -> None:
    """Processes that open a new store in the same moment and write at once; where two write one trial, one stays."""
    path, together = tmp_path / "store.sqlite", PROCESSES.Barrier(4)
    writers = [_start(_write_many, path, writer, together) for writer in range(4)]
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    with Store(path) as store:
        assert store.count() == 4 * 20 + 20


def _write_forever(path: Path, acknowledged: Path) -> None:
    with Store(path) as store, acknowledged.open("a", buffering=1) as done:
        for seed in range(1_000_000):
            put(store, trial(seed), {"accuracy": [0.5] * 1000})
            done.write(f"{seed}\n")


def test_store_killed_writer(tmp_path: Path) -> None:
    """What `put` returned from is there after SIGKILL in the middle of writing, and the store works on."""
    path, acknowledged = tmp_path / "store.sqlite", tmp_path / "acknowledged"
    for _ in range(2):
        writer = _start(_write_forever, path, acknowledged)
        before = acknowledged.stat().st_size if acknowledged.exists() else 0
        while not acknowledged.exists() or acknowledged.stat().st_size < before + 200:
            assert writer.is_alive()
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        *whole, _ = acknowledged.read_text().split("\n")
        with Store(path, timeout=1.0) as store:
            assert all(store.get(trial(int(seed))) for seed in whole)
            put(store, trial(0, gain=0.1))


def refused(path: Path, *said: str) -> None:
    """Opening it is an error in one line with the path, the reason and the way out."""
    with pytest.raises(StoreError) as error, Store(path):
        pass
    message = str(error.value)
    assert "\n" not in message
    for words in (str(path), "--claims-store", *said):
        assert words in message


def test_store_not_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_text("Dear diary, " * 100)
    refused(path, "file is not a database")
    assert path.read_text() == "Dear diary, " * 100


def test_store_other_program(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    refused(path, "a database of another program")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]


def test_store_newer_schema(store: Store) -> None:
    put(store, trial())
    store.close()
    with closing(sqlite3.connect(store.path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    refused(store.path, f"schema {VERSION + 1}, this one reads up to {VERSION}", "upgrade")
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT count(*) FROM trials").fetchone() == (1,)


def test_store_clock_going_backwards(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is read goes by the time: a trial that finished "before" the others is there like them."""
    years = iter([2031, 2026, 1999])

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            return cls(next(years), 1, 1, tzinfo=tz)

    monkeypatch.setattr(store_module, "datetime", Clock)
    for seed in range(3):
        put(store, trial(seed), {"accuracy": [0.1 * seed] * 2})
        store.put_rate("a", float(seed))
    assert [stored.finished[:4] for seed in range(3) if (stored := store.get(trial(seed)))] == ["2031", "2026", "1999"]
    assert [stored.result["accuracy"][0] for seed in range(3) if (stored := store.get(trial(seed)))] == [0.0, 0.1, 0.2]
    assert store.rates("a") == [2.0, 1.0, 0.0]


FIRST_SCHEMA = """
CREATE TABLE trials (
    key TEXT NOT NULL, horizon INTEGER NOT NULL, seed INTEGER NOT NULL, recipe TEXT NOT NULL, environment TEXT NOT NULL,
    result BLOB NOT NULL, diverged INTEGER NOT NULL, seconds REAL NOT NULL, cost REAL NOT NULL,
    finished TEXT NOT NULL, provenance TEXT NOT NULL, PRIMARY KEY (key, horizon)
) WITHOUT ROWID;
CREATE TABLE looks (
    family TEXT NOT NULL, claim TEXT NOT NULL, look INTEGER NOT NULL, supported REAL NOT NULL, refuted REAL NOT NULL,
    PRIMARY KEY (family, claim, look)
) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
"""As version 1 made it."""


def test_store_older_schema(tmp_path: Path) -> None:
    """Is brought up to date when it is opened, with everything that it holds; two that open it at once do not mind."""
    path = tmp_path / "store.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(f"{FIRST_SCHEMA} PRAGMA application_id = {APPLICATION};")
        db.execute(
            "INSERT INTO trials VALUES (?, 3, 1, '{}', '{}', ?, 0, 1.5, 2.0, '2026-01-01T00:00:00+00:00', '{}')",
            (trial(1).key, zlib.compress(b'{"accuracy": [0.5]}')),
        )
        db.execute("INSERT INTO looks VALUES ('f', 'Q1', 8, 0.1, 0.9)")
    with Store(path) as store, Store(path) as other:
        (kept,) = store.trials()
        assert (kept.key, kept.result) == (trial(1).key, {"accuracy": [0.5]})
        assert store.looks("f") == {("Q1", 8): (0.1, 0.9)}
        other.put_rate("a", 1.0)
        assert store.rates("a") == [1.0]
        put(store, trial(2))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_store_older_schema_is_imported_and_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever wrote it may still use it."""
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(f"{FIRST_SCHEMA} PRAGMA application_id = {APPLICATION};")
    assert main(["store", "import", "--store", str(tmp_path / "new.sqlite"), str(path)]) == 0
    assert "0 new" in capsys.readouterr().out
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


def test_store_upgrade_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up in the middle leaves the older store as it was."""
    path = tmp_path / "store.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(f"{FIRST_SCHEMA} PRAGMA application_id = {APPLICATION};")
        before = db.execute("SELECT sql FROM sqlite_master").fetchall()
    monkeypatch.setattr(
        store_module, "SCHEMAS", (*store_module.SCHEMAS, "CREATE TABLE more (x); CREATE TABLE more (x);")
    )
    monkeypatch.setattr(store_module, "VERSION", VERSION + 1)
    refused(path, "already exists")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT sql FROM sqlite_master").fetchall() == before
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


def test_store_is_marked(store: Store) -> None:
    """Other programs can tell whose file it is."""
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION,)
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_store_empty_file(tmp_path: Path) -> None:
    """An empty file is an empty database: one that was killed before its tables were made."""
    path = tmp_path / "store.sqlite"
    path.touch()
    with Store(path) as store:
        put(store, trial())
        assert store.count() == 1


def test_store_directory(tmp_path: Path) -> None:
    refused(tmp_path, "unable to open database file")


def test_store_below_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "store.sqlite")


def test_store_read_only_folder() -> None:
    """/proc takes no files, not even from root."""
    if not Path("/proc/sys").is_dir():
        pytest.skip("needs /proc")
    refused(Path("/proc/sys/store.sqlite"), "unable to open database file", "writable")


def _cannot_write(path: Path) -> bool:
    try:
        path.open("ab").close()
    except OSError:
        return True
    return False


@pytest.mark.parametrize("what", ["file", "folder"])
def test_store_read_only(store: Store, what: str) -> None:
    """Found out on opening, before any training; what is stored stays."""
    put(store, trial())
    store.close()
    locked = store.path if what == "file" else store.path.parent
    locked.chmod(0o444 if what == "file" else 0o555)
    try:
        if not _cannot_write(store.path if what == "file" else store.path.with_name("new")):
            pytest.skip("permission bits do not bind this user")
        refused(store.path, "writable")
    finally:
        locked.chmod(0o755)
    with Store(store.path) as again:
        assert again.count() == 1


def test_store_read_only_connection(store: Store) -> None:
    """What SQLite says of a database that cannot be written, whoever the user is."""
    put(store, trial())
    store._db.execute("PRAGMA query_only = 1")
    with pytest.raises(StoreError, match=r"store.sqlite: .*readonly.*writable.*--claims-store"):
        put(store, trial(1))
    assert store.get(trial()) is not None


def test_store_disk_full(store: Store) -> None:
    """A limit on the file's pages gives SQLite's own error for a full disk; all that is stored can be read."""
    put(store, trial(0))
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    big = {"noise": os.urandom(100_000).hex()}
    with pytest.raises(StoreError, match=r"store.sqlite: database or disk is full; free space.*is kept"):
        put(store, trial(1), big)
    assert store.get(trial(0)) is not None
    assert store.get(trial(1)) is None
    store._db.execute("PRAGMA max_page_count = 100000")
    put(store, trial(1), big)
    assert store.count() == 2


def test_store_locked(store: Store) -> None:
    """Another process that never lets go."""
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"store.sqlite: database is locked; another process holds it"):
            Store(store.path, timeout=0.05)


def test_store_waits_for_writer(store: Store) -> None:
    """Opening needs the file for itself for a moment; another process that writes just then is waited for."""
    store._db.execute("PRAGMA journal_mode = DELETE")
    store.close()
    with closing(sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.2, other.execute, ["ROLLBACK"])
        release.start()
        with Store(store.path, timeout=10.0) as again:
            put(again, trial())
        release.join()


@pytest.mark.parametrize("blob", [b"not compressed", zlib.compress(b"{not json"), zlib.compress(b"\xff\xfe{}"), "text"])
def test_store_damaged_result(store: Store, blob: bytes | str) -> None:
    """One damaged trial is named; the others can be read."""
    put(store, trial(0))
    put(store, trial(1))
    store._db.execute("UPDATE trials SET result = ? WHERE key = ?", (blob, trial(0).key))
    with pytest.raises(StoreError, match=rf"store.sqlite: trial {trial(0).key} cannot be read"):
        store.get(trial(0))
    assert store.get(trial(1)) is not None


def test_store_damaged_page(store: Store) -> None:
    """Garbage in the middle of the file is an error with a way out, not a wrong result."""
    for seed in range(50):
        put(store, trial(seed), {"noise": os.urandom(500).hex()})
    store.close()
    content = bytearray(store.path.read_bytes())
    content[4096 * 2 : 4096 * 6] = os.urandom(4096 * 4)
    store.path.write_bytes(content)
    with pytest.raises(StoreError, match=r"store.sqlite: .*--claims-store|cannot be read"):
        _read_all(store.path)


def _read_all(path: Path) -> None:
    with Store(path) as store:
        for seed in range(50):
            store.get(trial(seed))


def test_store_add(store: Store, tmp_path: Path) -> None:
    """Trials of another store, unchanged; those that are there stay as they are."""
    put(store, trial(0), {"accuracy": [0.1]})
    put(store, trial(0, horizon=3))
    put(store, trial(1), seconds=0.25)
    with Store(tmp_path / "other.sqlite") as other:
        put(other, trial(0), {"accuracy": [0.9]})
        assert other.add(store.trials()) == 2
        assert other.add(store.trials()) == 0
        assert other.keys() == store.keys()
        assert other.longest(trial(1).key) == store.longest(trial(1).key)
        kept = other.get(trial(0))
        assert kept is not None
        assert kept.result == {"accuracy": [0.9]}


def test_store_add_all_or_none(store: Store, tmp_path: Path) -> None:
    """A disk that fills up in the middle leaves no part of them."""
    with Store(tmp_path / "other.sqlite") as other:
        for seed in range(20):
            put(other, trial(seed), {"noise": os.urandom(5000).hex()})
        (pages,) = store._db.execute("PRAGMA page_count").fetchone()
        store._db.execute(f"PRAGMA max_page_count = {pages + 10}")
        with pytest.raises(StoreError, match="full"):
            store.add(other.trials())
        assert store.count() == 0
        store._db.execute("PRAGMA max_page_count = 100000")
        assert store.add(other.trials()) == 20


def test_store_trials(store: Store) -> None:
    """All, or those that are asked for and there, in the order of their keys."""
    for seed in range(3):
        put(store, trial(seed))
    put(store, trial(0, horizon=5))
    assert [(t.key, t.horizon) for t in store.trials()] == sorted(store.keys())
    some = store.trials({(trial(0).key, 5), (trial(1).key, 2), (trial(1).key, 5), (trial(7).key, 2)})
    assert {(t.seed, t.horizon) for t in some} == {(0, 5), (1, 2)}


def test_store_environment(store: Store) -> None:
    put(store, trial())
    (stored,) = store.trials()
    assert stored.environment == {"toy": "1"}
