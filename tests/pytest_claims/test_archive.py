"""Archives: what goes in comes out, equal trials make equal files, and whatever is wrong with a file is said."""

import json
import lzma
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_claims.archive import FORMAT, VERSION, Archive, ArchiveError, MissingTrials, export, pack
from pytest_claims.store import Store, Stored
from pytest_claims.trial import Json
from tests.pytest_claims.toy import Recipe, study


def trial(seed: int = 0, *, gain: float = 0.0, horizon: int = 2, **changes: Any) -> Stored:
    """A finished trial of the toy study."""
    key = study().trial(Recipe(gain=gain), seed=seed, horizon=horizon).key
    stored = Stored(
        key=key,
        horizon=horizon,
        seed=seed,
        recipe={"class": "Recipe", "gain": gain},
        environment={"toy": "1"},
        result={"accuracy": [0.1 + 0.2, None, 1e-300]},
        diverged=False,
        seconds=0.1 * seed,
        cost=2.0,
        finished="2026-11-25T04:05:59+00:00",
        provenance={"host": "here", "pid": 1000 * horizon + 100 * round(10 * gain) + seed, "cores": 2},
    )
    return replace(stored, **changes)


TRIALS = [trial(seed, gain=gain) for gain in (0.1, 0.0) for seed in range(12)] + [trial(0, horizon=9)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An archive of `TRIALS`."""
    path = tmp_path / "trials.jsonl.xz"
    path.write_bytes(pack(TRIALS))
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of `TRIALS`."""
    with Store(tmp_path / "store.sqlite") as store:
        store.add(TRIALS)
        yield store


def lines(content: bytes) -> list[Json]:
    """Header and trials as they are written."""
    return [json.loads(line) for line in lzma.decompress(content).splitlines()]


def test_read_what_was_packed(path: Path) -> None:
    """Every field, to the last bit."""
    by_key = {(t.key, t.horizon): t for t in Archive.open(path).read()}
    assert by_key == {(t.key, t.horizon): t for t in TRIALS}


def test_pack_order() -> None:
    """By recipe, then seed, so that what is alike lies together."""
    _, *trials = lines(pack(TRIALS))
    assert [(t["recipe"], t["seed"]) for t in trials] == [
        *((0, seed) for seed in (0, 0, *range(1, 12))),
        *((1, seed) for seed in range(12)),
    ]


def test_pack_same_bytes() -> None:
    """Whatever the order in which trials come."""
    shuffled = list(TRIALS)
    random.Random(0).shuffle(shuffled)
    assert pack(shuffled) == pack(TRIALS)


def test_export_same_bytes(store: Store, tmp_path: Path, path: Path) -> None:
    """Also after a way through a store and an archive."""
    first = export(store)
    assert first == pack(TRIALS)
    with Store(tmp_path / "other.sqlite") as other:
        other.add(reversed(Archive.open(path).read()))
        assert export(other) == first


def test_pack_shared_once() -> None:
    """Recipes, environments and what provenance repeats are numbered; what differs from trial to trial is not."""
    header, *trials = lines(pack(TRIALS))
    assert (header["format"], header["version"]) == (FORMAT, VERSION)
    assert header["recipe"] == [{"class": "Recipe", "gain": gain} for gain in (0.0, 0.1)]
    assert header["environment"] == [{"toy": "1"}]
    assert header["provenance"] == [{"host": "here", "cores": 2}]
    assert trials[-1]["own"] == {"pid": 2111}


def test_pack_small() -> None:
    """A trial with nothing new in it costs a few bytes more than its key."""
    more = [trial(seed, gain=0.5, seconds=1.0, provenance={}) for seed in range(1000)]
    assert len(pack(more)) < 25 * 1000


def test_pack_not_finite() -> None:
    with pytest.raises(ValueError, match="JSON"):
        pack([trial(result={"accuracy": [float("nan")]})])


def test_pack_nothing(path: Path) -> None:
    path.write_bytes(pack([]))
    archive = Archive.open(path)
    assert (archive.read(), archive.keys, archive.environments) == ([], set(), [])


def test_open(path: Path) -> None:
    archive = Archive.open(path)
    assert archive.keys == {(t.key, t.horizon) for t in TRIALS}
    assert archive.horizons[trial().key] == 9
    assert archive.horizons[trial(1).key] == 2
    assert archive.environments == [{"toy": "1"}]


def test_export_some(store: Store, path: Path) -> None:
    path.write_bytes(export(store, {(trial().key, 9), (trial(3).key, 2)}))
    assert {(t.seed, t.horizon) for t in Archive.open(path).read()} == {(0, 9), (3, 2)}


def test_export_missing(store: Store) -> None:
    """A trial with another horizon is another trial."""
    with pytest.raises(MissingTrials, match=rf"store.sqlite: 1 of 2 .* {trial(3).key} with horizon 3; .*--store"):
        export(store, {(trial().key, 9), (trial(3).key, 3)})


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


def _changed(change: Callable[[list[Json]], object]) -> Callable[[bytes], bytes]:
    """A whole xz file of lines that are not right."""

    def spoil(content: bytes) -> bytes:
        found = lines(content)
        change(found)
        return lzma.compress("".join(json.dumps(line) + "\n" for line in found).encode())

    return spoil


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "not xz": lambda _: b"version https://git-lfs.example/spec/v1\n",
    "cut": _cut,
    "flipped": _flipped,
    "not json": lambda _: lzma.compress(b"{\n"),
    "not utf-8": lambda _: lzma.compress(b"\xff\xfe\n"),
    "no version": _changed(lambda found: found[0].pop("version")),
    "no trials": _changed(lambda found: found[0].pop("trials")),
    "trials": _changed(lambda found: found[0].update(trials=3)),
    "one less": _changed(lambda found: found.pop()),
    "one more": _changed(lambda found: found.append(found[-1])),
    "recipe": _changed(lambda found: found[1].update(recipe=7)),
    "no seed": _changed(lambda found: found[1].pop("seed")),
    "seed": _changed(lambda found: found[1].update(seed="0")),
    "result": _changed(lambda found: found[1].update(result=[])),
    "own": _changed(lambda found: found[1].update(own=3)),
}


@pytest.mark.parametrize("spoil", DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged(path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(
        ArchiveError, match=r"trials.jsonl.xz: not a whole archive .*; restore it .* or export it again"
    ):
        Archive.open(path).read()


def test_foreign(path: Path) -> None:
    for content in (b'{"format": "bookmarks"}\n', b"[]\n", b'"trials"\n'):
        path.write_bytes(lzma.compress(content))
        with pytest.raises(ArchiveError, match=r"trials.jsonl.xz: not an archive of trials; .* store export"):
            Archive.open(path)


def test_newer(path: Path) -> None:
    path.write_bytes(_changed(lambda found: found[0].update(version=VERSION + 1))(path.read_bytes()))
    with pytest.raises(ArchiveError, match=rf"newer version \(format {VERSION + 1}, .* {VERSION}\); upgrade"):
        Archive.open(path)


@pytest.mark.parametrize("name", ["missing.xz", "."])
def test_not_readable(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveError, match="name a readable archive"):
        Archive.open(tmp_path / name)
