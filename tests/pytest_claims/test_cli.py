"""The commands beside pytest, as a shell calls them."""

import csv
import importlib
import json
import os
import re
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_claims.__main__ import main
from pytest_claims.archive import pack
from pytest_claims.report import write
from pytest_claims.store import VERSION, Store
from tests.pytest_claims import project
from tests.pytest_claims.report.example_page import evidence
from tests.pytest_claims.report.test_comparison import sound, turned
from tests.pytest_claims.test_archive import TRIALS, trial


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a store of `TRIALS`, to be in."""
    monkeypatch.chdir(tmp_path)
    with Store(tmp_path / ".claims/store.sqlite") as store:
        store.add(TRIALS)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What a command says, on the one of the two streams that fits its exit code."""
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert (err if code == 0 else out) == ""
    return out if code == 0 else err


def test_export(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "store", "export", "out/all.xz") == "out/all.xz: 25 trials, 0.000764 MB\n"
    assert (at / "out/all.xz").read_bytes() == pack(TRIALS)


def test_import(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is new and what was there already."""
    (at / "more.xz").write_bytes(pack([*TRIALS, trial(99)]))
    line = said(capsys, "store", "import", "more.xz")
    assert line == ".claims/store.sqlite: 1 new, 25 already there\n"
    assert said(capsys, "store", "import", "more.xz", "--store", "new/store") == "new/store: 26 new, 0 already there\n"
    assert said(capsys, "store", "import", "more.xz") == ".claims/store.sqlite: 0 new, 26 already there\n"


def test_export_no_store(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """None is made by looking at it."""
    line = said(capsys, "store", "export", "all.xz", "--store", "other", code=1)
    assert line == "error: other: no such file; name the store with --store\n"
    assert not (at / "other").exists()


def test_import_damaged(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of it is taken."""
    (at / "half.xz").write_bytes(pack([trial(99)])[:-30])
    assert "half.xz: not a whole archive" in said(capsys, "store", "import", "half.xz", code=1)
    with Store(at / ".claims/store.sqlite") as store:
        assert store.count() == len(TRIALS)


def test_import_into_no_store(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The way out is an option of this command."""
    (at / "all.xz").write_bytes(pack(TRIALS))
    line = said(capsys, "store", "import", "all.xz", "--store", "all.xz", code=1)
    assert "file is not a database" in line
    assert "with --store" in line


def test_info(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size, trials, hours, dates, *environments = said(capsys, "store", "info").splitlines()
    assert size.startswith(".claims/store.sqlite: ")
    assert size.endswith(f"schema {VERSION}, integrity ok")
    assert trials.startswith(
        f"25 trials of {len({t.key for t in TRIALS})} keys, {sum(t.diverged for t in TRIALS)} diverged"
    )
    assert re.search(r"hours of training, the longest trial \d+ s", hours)
    assert dates.startswith("finished ")
    assert sum(int(line.split()[0]) for line in environments) == 25


def test_list_and_show(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line each, those that have all words; and everything of one, named by how its key begins."""
    lines = said(capsys, "store", "list").splitlines()
    assert len(lines) == 25
    one = TRIALS[3]
    (line,) = said(capsys, "store", "list", one.key, f"horizon {one.horizon} ").splitlines()
    assert line in lines
    found = json.loads(said(capsys, "store", "show", one.key))
    assert vars(one) in found
    assert "0 keys begin with zz" in said(capsys, "store", "show", "zz", code=1)


def test_export_as_tables(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same trials in every form, read back by what others read them with."""
    for form in (".csv", ".json", ".parquet"):
        if form == ".parquet":
            pytest.importorskip("pyarrow", reason="pip install -e '.[parquet]'")
        assert said(capsys, "store", "export", f"all{form}").startswith(f"all{form}: 25 trials")
    rows = list(csv.DictReader((at / "all.csv").read_text().splitlines()))
    whole = json.loads((at / "all.json").read_text())
    assert [row["key"] for row in rows] == [trial["key"] for trial in whole]
    assert [json.loads(row["result"]) for row in rows] == [trial["result"] for trial in whole]
    assert all(vars(trial) in whole for trial in TRIALS)
    parquet = importlib.import_module("pyarrow.parquet").read_table(at / "all.parquet").to_pylist()
    assert [(row["key"], row["horizon"], row["seconds"]) for row in parquet] == [
        (trial["key"], trial["horizon"], trial["seconds"]) for trial in whole
    ]


def test_export_of_no_known_form(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "store", "export", "all.txt", code=1) == (
        "error: .txt: trials are written as .xz, .csv, .json, .parquet\n"
    )
    assert not (at / "all.txt").exists()


def test_import_another_store_and_name_conflicts(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is new comes in; of what is there with another result ours stays, and is named."""
    one = TRIALS[0]
    with Store(at / "other.sqlite") as other:
        other.add([replace(one, result={"another": 1}), trial(99), TRIALS[1]])
    first, second = said(capsys, "store", "import", "other.sqlite").splitlines()
    assert first == ".claims/store.sqlite: 1 new, 2 already there"
    assert second == f"conflict: {one.key} horizon {one.horizon} has another result there; kept ours"
    with Store(at / ".claims/store.sqlite") as store:
        assert next(store.trials([(one.key, one.horizon)])).result == one.result


def test_prune(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, value = next(iter(TRIALS[0].environment.items()))
    which = [t for t in TRIALS if t.environment.get(name) == value]
    line = said(capsys, "store", "prune", "--environment", f"{name}={value}")
    assert line == f".claims/store.sqlite: {len(which)} trials taken out, {25 - len(which)} left\n"
    assert said(capsys, "store", "prune", "--before", "2000-01-01").startswith(
        ".claims/store.sqlite: 0 trials taken out"
    )


@pytest.mark.parametrize(("options", "words"), [([], "say which trials"), (["--environment", "torch"], "NAME=VALUE")])
def test_prune_refuses(at: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str) -> None:
    assert words in said(capsys, "store", "prune", *options, code=1)
    with Store(at / ".claims/store.sqlite") as store:
        assert store.count() == 25


def test_listing_into_a_pipe_that_closes(at: Path) -> None:
    """As `| head` does it: no complaint."""
    with Store(at / ".claims/store.sqlite") as store:
        store.add([trial(seed) for seed in range(1000, 3000)])
    call = f"{sys.executable} -m pytest_claims store list | head -1"
    done = subprocess.run(
        call,
        shell=True,
        cwd=at,
        env={"PYTHONPATH": str(project.ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_publish_no_report(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = said(capsys, "publish", code=1)
    assert (
        line == "error: reports/latest/evidence.json: no such file; a run of the claims writes it beside index.html\n"
    )


def test_report_again(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same files as the run wrote, from its evidence alone."""
    write(evidence(), at / "first")
    assert said(capsys, "report", "first", "--to", "again") == "report: again/index.html\n"
    first, again = ({p.name: p.read_bytes() for p in (at / name).rglob("*.*")} for name in ("first", "again"))
    assert first == again
    assert said(capsys, "report", "first/evidence.json", "--to", "third") == "report: third/index.html\n"


def test_report_of_nothing(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "report", "none", "--to", "again", code=1).startswith("error: none: no such file")
    (at / "torn").mkdir()
    (at / "torn/evidence.json").write_text('{"schema"')
    assert "torn/evidence.json: not readable as JSON" in said(capsys, "report", "torn", "--to", "again", code=1)
    assert not (at / "again").exists()


def test_compare(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Directories or files; what differs is said, and the page is where it says."""
    other = deepcopy(evidence())
    other["claims"][0]["outcome"] = "REFUTED"
    write(evidence(), at / "a")
    write(other, at / "b")
    answer, line, where = said(capsys, "compare", "a", "b/evidence.json").splitlines()
    assert answer == f"1 of {len(other['claims'])} claims changed verdict; no two intervals are apart."
    assert line == f"{other['claims'][0]['id']}: SUPPORTED -> REFUTED"
    assert where == "comparison: reports/comparison/index.html"
    assert "What differs between the runs?" in (at / "reports/comparison/index.html").read_text()


def test_compare_one_alone(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(evidence(), at / "a")
    line = said(capsys, "compare", "a", code=1)
    assert line == "error: a: one run alone; name at least two to compare\n"


def test_gate_is_open(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line."""
    write(sound() | {"problems": []}, at / "a")
    line = said(capsys, "gate", "--baseline", "a", "--fresh", "a/evidence.json")
    assert line == f"No verdict of {len(sound()['claims'])} claims changed.\n"


def test_gate_is_closed_unless_the_change_is_allowed(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With 1, and what it says on standard output; a summary where one is wanted."""
    write(sound(), at / "a")
    write(turned(sound(), "C0", "REFUTED"), at / "b")
    call = ["gate", "--baseline", "a", "--fresh", "b", "--summary", "summary.md"]
    assert main(call) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"1 of {len(sound()['claims'])} claims changed verdict.\n")
    assert err == ""
    assert "| C0 | SUPPORTED | REFUTED |" in (at / "summary.md").read_text()
    (at / "allowed").write_text("C0: SUPPORTED -> REFUTED: a new definition\n")
    assert "accepted: C0: SUPPORTED -> REFUTED: a new definition\n" in said(capsys, *call, "--allow", "allowed")
    assert "1 change is accepted" in (at / "summary.md").read_text()


def test_gate_of_what_cannot_be_used(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With 2, which is neither yes nor no."""
    write(sound(), at / "a")
    whole = (at / "a/evidence.json").read_text()
    (at / "damaged.json").write_text(whole[: len(whole) // 2])
    (at / "other.json").write_text("{}")
    (at / "deep.json").write_text("[" * 200_000)
    (at / "nested.json").write_text('{"a":' * 900 + "0" + "}" * 900)
    (at / "large.json").write_text(whole.replace('"seconds":', f'"seconds":1{"0" * 400},"other":', 1))
    (at / "allowed").write_text("C0\n")
    for fresh, words in (
        ("damaged.json", "not readable as JSON"),
        ("other.json", "evidence"),
        ("none", "no such file"),
        ("n" * 300, "not readable as JSON"),
        ("deep.json", "not readable as JSON"),
        ("nested.json", "nested so deep"),
        ("large.json", "larger than any float"),
    ):
        assert words in said(capsys, "gate", "--baseline", "a", "--fresh", fresh, code=2)
        assert words in said(capsys, "gate", "--baseline", fresh, "--fresh", "a", code=2)
    line = said(capsys, "gate", "--baseline", "a", "--fresh", "a", "--allow", "allowed", code=2)
    assert line.startswith("error: allowed, line 1: 'C0' is not CLAIM: BEFORE -> AFTER: REASON")


def test_gate_on_a_terminal_of_another_encoding(at: Path) -> None:
    """What has no character there is a question mark, and the exit code says what it always does."""
    document = sound()
    document["claims"][0]["readings"][0]["measure"] = "\u0394 accuracy"
    write(document, at / "a")
    write(turned(document, document["claims"][0]["id"], "REFUTED"), at / "b")
    command = [sys.executable, "-m", "pytest_claims", "gate", "--baseline", "a", "--fresh", "b"]
    done = subprocess.run(
        command, cwd=at, env=os.environ | {"PYTHONIOENCODING": "cp1252"}, capture_output=True, check=False
    )
    assert (done.returncode, b"? accuracy" in done.stdout, done.stderr) == (1, True, b"")


def test_gate_never_answers_by_an_error_of_its_own(
    at: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(sound(), at / "a")
    monkeypatch.setattr("pytest_claims.__main__.gate", lambda *_: 1 / 0)
    line = said(capsys, "gate", "--baseline", "a", "--fresh", "a", code=2)
    assert line == "error: ZeroDivisionError: division by zero\n"


def test_history(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(sound(), at / "a")
    new, where = said(capsys, "history", "--site", "site", "a").splitlines()
    assert new.endswith(": new")
    assert where == "history: site/index.html"
    assert (at / new.removesuffix(": new") / "index.html").is_file()
    old, _ = said(capsys, "history", "--site", "site", "a").splitlines()
    assert old.endswith(": already there")
    assert said(capsys, "history", "--site", "site", "--keep", "1").splitlines() == [where]
    with pytest.raises(SystemExit, match="2"):
        main(["history", "--site", "site", "--keep", "0"])
    assert "--keep: 0: a whole number of at least 1" in capsys.readouterr().err
    assert said(capsys, "history", "--site", "none", code=1) == "error: none: a history of no runs; name one to add\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["store"],
        ["report", "a"],
        ["compare"],
        ["store", "drop"],
        ["publish", "--to"],
        ["gate", "--fresh", "a"],
        ["history", "a"],
    ],
)
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: python -m pytest_claims" in capsys.readouterr().err


def test_as_module(at: Path) -> None:
    """Without pytest or torch, which a store needs not."""
    code = (
        "import sys, runpy\ntry: runpy.run_module('pytest_claims', run_name='__main__')\nfinally: print(*sys.modules)"
    )
    call = [sys.executable, "-W", "error", "-c", code, "store", "export", "all.xz"]
    path = {"PYTHONPATH": str(project.ROOT)}
    done = subprocess.run(call, cwd=at, env=path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    line, modules = done.stdout.splitlines()
    assert line == "all.xz: 25 trials, 0.000764 MB"
    assert not {"pytest", "torch"} & set(modules.split())
