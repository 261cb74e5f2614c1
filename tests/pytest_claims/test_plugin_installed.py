"""Claims of an installed package, run by its name from a directory that has no ini file."""

from pathlib import Path

import pytest

from tests.pytest_claims import project, toy
from tests.pytest_claims.project import judging

UP = judging("up", 'gain("Q1.1")')

CONFTEST = (
    project.CONFTEST
    + """
def pytest_addoption(parser):
    parser.addoption("--images")

def pytest_report_header(config):
    return f"images: {config.option.images}"
"""
)


def install(pytester: pytest.Pytester, name: str, claims: str = UP, *, conftest: str = CONFTEST) -> Path:
    """A package on the path that has claims and their conftest; its directory."""
    at = pytester.path / "site" / name
    at.mkdir(parents=True)
    for file, text in {"__init__.py": "", "conftest.py": conftest, "test_toys.py": project.HEAD + claims}.items():
        (at / file).write_text(text)
    pytester.syspathinsert(at.parent)
    return at


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """From an empty directory beside the packages."""
    pytester.mkdir("here")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir("here")
        return project.run(pytester, "-p", "no:cacheprovider", "-p", "no:pytester", "--pyargs", *options)


@pytest.mark.parametrize("named", ["paper", "paper.test_toys", "paper.test_toys::test_up"])
def test_package_by_name(pytester: pytest.Pytester, named: str) -> None:
    """The options and the study of its conftest count; what comes out is in the directory of the run."""
    install(pytester, "paper")
    result = run(pytester, named, "--images=7")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["images: 7", "claims: scale standard (on toys)*"])
    assert project.outcomes(pytester.path / "here") == {"Q1.1": "SUPPORTED"}
    assert len(toy.trainings(pytester.path / "here" / "trainings")) == 16


def test_package_named_twice(pytester: pytest.Pytester) -> None:
    install(pytester, "paper", project.PROPERTY)
    run(pytester, "paper", "paper.test_toys", "--images=7").assert_outcomes(passed=1)


def test_package_without_study(pytester: pytest.Pytester) -> None:
    """The conftest of any other package is left to pytest, which loads it when it collects."""
    install(pytester, "other", "def test_other(): pass", conftest=CONFTEST.replace("pytest_claims_study", "study"))
    result = run(pytester, "other", "--images=7")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unrecognized arguments: --images=7"])


def test_package_not_found(pytester: pytest.Pytester) -> None:
    """Pytest's own words."""
    result = run(pytester, "no.such")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no.such*"])


def test_package_manifest(pytester: pytest.Pytester) -> None:
    """It is beside the claims, and a difference from it is refused."""
    at = install(pytester, "paper")
    (at / "manifest.json").write_text('{"version": 3, "claims": {}}')
    result = run(pytester, "paper")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{at / 'manifest.json'}: claim Q1.1 is not in it*"])


def test_package_manifests(pytester: pytest.Pytester) -> None:
    """Two papers share no error rate."""
    packages = [
        install(pytester, "paper"),
        install(pytester, "other", UP.replace("Q1.1", "Q1.2"), conftest=project.CONFTEST),
    ]
    for at in packages:
        (at / "manifest.json").write_text('{"version": 0, "claims": {}}')
    result = run(pytester, "paper", "other")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*one run has one manifest*claims_manifest*"])
