"""The commands beside pytest, as a shell calls them."""

import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest

from pytest_claims.__main__ import main
from pytest_claims.archive import pack
from pytest_claims.report import write
from pytest_claims.store import Store
from tests.pytest_claims import project
from tests.pytest_claims.report.example_page import evidence
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


@pytest.mark.parametrize(
    "arguments", [[], ["store"], ["report", "a"], ["compare"], ["store", "drop"], ["publish", "--to"]]
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
