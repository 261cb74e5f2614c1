"""The branch that the nightly's site lives on: made where it is missing, and pushed to although others push there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .bounds import ROOT

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="its bash may be another system's"),
    pytest.mark.skipif(not (shutil.which("git") and shutil.which("bash")), reason="needs git and bash"),
]


def run(*command: str, at: Path) -> str:
    """What it prints; by no name or configuration of the machine."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(at)}
    done = subprocess.run(command, cwd=at, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def clone(origin: Path, at: Path) -> Path:
    run("git", "clone", "--quiet", "--depth", "1", f"file://{origin}", str(at), at=origin.parent)
    return at


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository that has a main branch with the scripts, and nothing else."""
    work, bare = tmp_path / "work", tmp_path / "origin.git"
    (work / ".ci").mkdir(parents=True)
    for name in ("checkout-site", "push"):
        shutil.copy(ROOT / ".ci" / name, work / ".ci" / name)
    run("git", "init", "--quiet", "--initial-branch", "main", at=work)
    run("git", "add", "--all", at=work)
    run("git", "-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "--quiet", "-m", "scripts", at=work)
    run("git", "clone", "--quiet", "--bare", str(work), str(bare), at=tmp_path)
    return bare


def publish(at: Path, name: str, text: str) -> None:
    """What the nightly's last job does."""
    site = at / "site"
    if not site.exists():
        run("bash", ".ci/checkout-site", "site", at=at)
    (site / name).write_text(text)
    run("bash", ".ci/push", "site", "gh-pages", f"Add {name}", at=at)


def published(origin: Path) -> list[str]:
    return run("git", "ls-tree", "--name-only", "gh-pages", at=origin).splitlines()


def test_branch_is_made_and_then_added_to(origin: Path, tmp_path: Path) -> None:
    publish(clone(origin, tmp_path / "first"), "one.html", "1")
    assert published(origin) == ["one.html"], "nothing of main belongs there"
    second = clone(origin, tmp_path / "second")
    publish(second, "two.html", "2")
    assert published(origin) == ["one.html", "two.html"]
    assert (second / "site" / "one.html").read_text() == "1"


def test_nothing_new_is_no_commit(origin: Path, tmp_path: Path) -> None:
    work = clone(origin, tmp_path / "first")
    publish(work, "one.html", "1")
    before = run("git", "rev-parse", "gh-pages", at=origin)
    publish(work, "one.html", "1")
    assert run("git", "rev-parse", "gh-pages", at=origin) == before


def test_push_that_lost_the_race_is_tried_again(origin: Path, tmp_path: Path) -> None:
    publish(clone(origin, tmp_path / "first"), "one.html", "1")
    late = clone(origin, tmp_path / "late")
    run("bash", ".ci/checkout-site", "site", at=late)
    publish(clone(origin, tmp_path / "early"), "early.html", "2")
    publish(late, "late.html", "3")
    assert published(origin) == ["early.html", "late.html", "one.html"]


@pytest.mark.parametrize(("made", "code"), [("touch {}/evidence.json; exit 1", 0), ("exit 1", 1), ("exit 0", 0)])
def test_judge_goes_by_the_evidence_of_this_run(tmp_path: Path, made: str, code: int) -> None:
    """With what tox would do in its place; evidence of another run is none."""
    report = tmp_path / "report"
    report.mkdir()
    (report / "evidence.json").write_text("of another run")
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "judge", tmp_path / ".ci" / "judge")
    (tmp_path / ".ci" / "tox").write_text(made.format(report))
    done = subprocess.run(["bash", ".ci/judge", "claims", "report"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == code


def test_gate_takes_the_accepted_changes_of_the_run_alone(tmp_path: Path) -> None:
    (tmp_path / ".ci" / "allowed").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "gate", tmp_path / ".ci" / "gate")
    (tmp_path / ".ci" / "tox").write_text('echo "$@"; exit 2')
    (tmp_path / ".ci" / "allowed" / "one").write_text("# none\n")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "gate.md").write_text("of another run")
    said = {}
    for name in ("one", "other"):
        command = ["bash", ".ci/gate", f"reports/{name}" if name == "other" else name, "base"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        said[name] = done.stdout
    assert "--allow .ci/allowed/one " in said["one"]
    assert "--allow" not in said["other"]
    assert not (tmp_path / "one" / "gate.md").exists()
