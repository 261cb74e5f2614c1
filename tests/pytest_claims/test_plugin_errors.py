"""What is refused before anything is trained: one line with the value, the rule and the way out, and no traceback."""

from pathlib import Path

import pytest

from tests.pytest_claims import project, toy
from tests.pytest_claims.project import judging

UP = judging("up", 'gain("Q1.1")')


def refused(result: pytest.RunResult, *said: str) -> None:
    """A usage error in one line that says all that is in `said`, without a traceback."""
    output = [*result.stdout.lines, *result.stderr.lines]
    assert result.ret == pytest.ExitCode.USAGE_ERROR, output
    assert not any("INTERNALERROR" in line or "Traceback" in line for line in output)
    line = next(line for line in output if line.startswith("ERROR: "))
    for words in said:
        assert words in line


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--device=gpu", "--device gpu: unknown; this machine has cpu"),
        ("--device=cuda:7", "--device cuda:7: not there; this machine has cpu"),
        ("--device=meta", "--device meta: not supported; this machine has cpu"),
        ("--scale=huge", "--scale huge: unknown; one of smoke, standard, full"),
        ("--claims-workers=-1", "--claims-workers -1: a number from 0, or auto"),
        ("--claims-workers=many", "--claims-workers many: a number from 0, or auto"),
        ("--claims-seeds-max=0", "--claims-seeds-max 0: at least 1"),
    ],
)
def test_option_refused(pytester: pytest.Pytester, option: str, said: str) -> None:
    at = project.write(pytester, UP)
    refused(pytester.runpytest_inprocess(option), said)
    assert toy.trainings(at / "trainings") == []


@pytest.mark.parametrize("other", ["--claims-plan", "--claims-fresh"])
def test_options_contradict(pytester: pytest.Pytester, other: str) -> None:
    project.write(pytester, UP)
    refused(project.run(pytester, other, "--claims-no-train"), other, "--claims-no-train", "exclude each other")


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ('claim("Q1.1")', "claim('Q1.1'): takes one claim, such as Superiority(...)"),
        ("claim", "claim(): takes one claim"),
        ('claim(gain("Q1.1"), gain("Q1.2"))', "takes one claim"),
        ('claim(gain("Q1.1"), strict=True)', "takes one claim"),
        ('claim(claim=gain("Q1.1"))', "claim(claim): takes one claim"),
    ],
)
def test_mark_refused(pytester: pytest.Pytester, mark: str, said: str) -> None:
    project.write(pytester, f"\n@pytest.mark.{mark}\ndef test_up(verdict):\n    pass\n")
    refused(project.run(pytester), "test_toys.py::test_up", said)


def test_claims_twice(pytester: pytest.Pytester) -> None:
    project.write(pytester, UP + judging("again", 'gain("Q1.1")'))
    refused(project.run(pytester), "test_toys.py::test_again: claim Q1.1 is declared twice; ids are unique")


def test_claim_without_verdict_fixture(pytester: pytest.Pytester) -> None:
    project.write(pytester, '\n@pytest.mark.claim(gain("Q1.1"))\ndef test_up():\n    pass\n')
    refused(project.run(pytester), "test_toys.py::test_up: judges Q1.1 and does not take the fixture verdict")


def test_claim_impossible(pytester: pytest.Pytester) -> None:
    """A claim that refuses its parameters is a collection error, which shows the refusal."""
    at = project.write(pytester, judging("up", 'gain("Q1.1", unit=0.0)') + judging("down", 'gain("Q1.2", -0.1)'))
    result = project.run(pytester)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "Q1.1: unit=0.0: the smallest difference that matters is above 0" in result.stdout.str()
    assert toy.trainings(at / "trainings") == []


def test_verdict_without_claim(pytester: pytest.Pytester) -> None:
    """The fixture in a test that carries no statistical claim."""
    project.write(pytester, "\ndef test_up(verdict):\n    pass\n" + project.PROPERTY.replace("tally)", "verdict)"))
    result = project.run(pytester)
    result.assert_outcomes(errors=2)
    assert (
        "test_toys.py::test_up: no verdict; mark the test with claim(...) of a statistical kind" in result.stdout.str()
    )


def test_study_missing(pytester: pytest.Pytester) -> None:
    project.write(pytester, UP, conftest="")
    refused(project.run(pytester), "implement pytest_claims_study in conftest.py")


def test_study_refuses(pytester: pytest.Pytester) -> None:
    """A usage error of the project's own conftest keeps its words."""
    conftest = project.CONFTEST.replace("return toy", 'raise __import__("pytest").UsageError("no data")\n    toy')
    project.write(pytester, UP, conftest=conftest)
    refused(project.run(pytester), "no data")


def test_scales_default(pytester: pytest.Pytester) -> None:
    """A conftest without scales gets `full`."""
    at = project.write(pytester, UP, conftest=project.CONFTEST.replace("pytest_claims_scales", "other"))
    project.run(pytester).assert_outcomes(passed=1)
    assert project.evidence(at)["scale"]["name"] == "full"


def _not_sqlite(path: Path) -> None:
    path.write_text("these are not the trials you are looking for" * 100)


def _directory(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("spoil", [_not_sqlite, _directory])
def test_store_unusable(pytester: pytest.Pytester, spoil: object) -> None:
    at = project.write(pytester, UP)
    assert callable(spoil)
    spoil(at / "store")
    refused(project.run(pytester, "--claims-store=store"), "store: ", "--claims-store")
    refused(project.run(pytester, "--claims-store=store", "--claims-plan"), "store: ", "--claims-store")
    assert toy.trainings(at / "trainings") == []


def test_store_below_file(pytester: pytest.Pytester) -> None:
    """A folder that cannot be made."""
    at = project.write(pytester, UP)
    (at / "file").touch()
    refused(project.run(pytester, "--claims-store=file/store"), "file/store: ", "name another file with --claims-store")


def test_store_nowhere(pytester: pytest.Pytester) -> None:
    """A folder in which no one may write, not even root."""
    if not Path("/proc/sys").is_dir():
        pytest.skip("needs /proc")
    project.write(pytester, UP)
    refused(project.run(pytester, "--claims-store=/proc/sys/store"), "/proc/sys/store: ", "--claims-store")


MANIFEST = "claims_manifest = manifest.json\n"


def test_manifest_missing(pytester: pytest.Pytester) -> None:
    project.write(pytester, UP, ini=MANIFEST)
    refused(project.run(pytester), "manifest.json: claim Q1.1 is not in it", "--claims-write-manifest")


def test_manifest_written(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, UP, ini=MANIFEST)
    result = project.run(pytester, "--claims-write-manifest")
    assert result.ret == 0
    assert "manifest.json written, version 1" in result.stdout.str() + result.stderr.str()
    assert toy.trainings(at / "trainings") == []
    project.run(pytester).assert_outcomes(passed=1)
    assert project.evidence(at)["manifest"] == {"version": 1, "family": ["Q1.1"]}
    again = project.run(pytester, "--claims-write-manifest")
    assert "manifest.json is up to date at version 1" in again.stdout.str() + again.stderr.str()


def test_manifest_differs(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, UP, ini=MANIFEST)
    project.run(pytester, "--claims-write-manifest")
    (at / "test_toys.py").write_text(project.HEAD + judging("up", 'gain("Q1.1", delta=0.01)'))
    refused(project.run(pytester), "manifest.json: Q1.1 differs in test", "--claims-write-manifest")
    assert toy.trainings(at / "trainings") == []
    project.run(pytester, "--claims-write-manifest")
    project.run(pytester).assert_outcomes(passed=1)
    assert project.evidence(at)["manifest"]["version"] == 2


def test_manifest_claim_gone(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, ini=MANIFEST)
    project.run(pytester, "--claims-write-manifest")
    (at / "test_toys.py").write_text(project.HEAD + UP)
    refused(project.run(pytester), "is in it and not in the code")


def test_manifest_selection(pytester: pytest.Pytester) -> None:
    """A run of one test is not told that the others have gone; they are of the family all the same."""
    at = project.write(pytester, ini=MANIFEST)
    project.run(pytester, "--claims-write-manifest")
    project.run(pytester, "test_toys.py::test_up").assert_outcomes(passed=1)
    assert project.evidence(at)["manifest"]["family"] == ["Q1.1", "Q1.2", "Q2.1"]


def test_manifest_written_of_single_tests(pytester: pytest.Pytester) -> None:
    """The other claims of the module would be dropped."""
    project.write(pytester, ini=MANIFEST)
    result = project.run(pytester, "--claims-write-manifest", "test_toys.py::test_up")
    refused(result, "--claims-write-manifest: give whole modules")


def test_manifest_damaged(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, UP, ini=MANIFEST)
    (at / "manifest.json").write_text("{")
    refused(project.run(pytester), "manifest.json: not a manifest", "restore it from version control")


def test_manifest_not_configured(pytester: pytest.Pytester) -> None:
    """Asked to write a manifest that has no place."""
    project.write(pytester, UP)
    refused(project.run(pytester, "--claims-write-manifest"), "--claims-write-manifest", "claims_manifest")
