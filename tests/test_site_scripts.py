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
