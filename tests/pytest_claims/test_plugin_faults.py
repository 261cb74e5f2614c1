"""What survives: killed and hung workers, failing trials, Ctrl-C and kill -9 in the middle of gathering."""

import os
import pty
import random
import signal
import subprocess
import sys
import termios
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_claims.store import Store
from tests.pytest_claims import project, toy
from tests.pytest_claims.project import judging

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
UP = judging("up", 'gain("Q1.1")')
# slow enough that a busy machine sees the run before its end
SLOW = judging("up", 'gain("Q1.1", seconds=0.4)') + judging("down", 'gain("Q1.2", -0.1, seconds=0.4)')


def wait_for(happened: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until it has happened."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def gone(group: int) -> bool:
    """Whether no process is left in a group."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def trained(at: Path, event: str = "end") -> list[tuple[float, int]]:
    """(gain, seed) of trainings that ended, or that began."""
    return toy.trainings(at / "trainings", "end" if event == "end" else "begin")


@posix
def test_worker_killed(pytester: pytest.Pytester) -> None:
    """SIGKILL in mid-trial costs that trial alone; it is done again, and nothing else is."""
    at = project.write(pytester, judging("up", 'gain("Q1.1", fault="kill", faulty=(2, 5), recovers=True)'))
    code, output = project.call(at, "--claims-workers=2")
    assert code == pytest.ExitCode.OK, output
    assert project.outcomes(at) == {"Q1.1": "SUPPORTED"}
    assert output.count("trying once more") == 2 * 2  # at once, and as a problem at the end
    assert "the worker died (exit code -9); out of memory or killed from outside?" in output
    begun = Counter(trained(at, "begin"))
    assert {trial for trial, times in begun.items() if times > 1} == {(0.1, 2), (0.1, 5)}
    assert project.evidence(at)["gathering"]["trained"] == 16


@posix
def test_worker_killed_always(pytester: pytest.Pytester) -> None:
    """A trial that always kills its worker makes its claim an ERROR and no other; the next run tries again."""
    at = project.write(pytester, UP + judging("bad", 'gain("Q1.2", -0.1, fault="kill", faulty=(2,))'))
    code, output = project.call(at, "--claims-workers=2")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert project.outcomes(at) == {"Q1.1": "SUPPORTED", "Q1.2": "ERROR"}
    assert "(seed 2) gave no result: the worker died (exit code -9)" in output
    assert project.evidence(at)["status"] == "errors"
    assert Counter(trained(at, "begin"))[-0.1, 2] == 2
    assert project.stored(at) == {(g, s) for g in (0.1, 0.0, -0.1) for s in range(8)} - {(-0.1, 2)}


def test_worker_hung(pytester: pytest.Pytester) -> None:
    """A trial that hangs is stopped at its time limit."""
    limit = "device=device, seconds_at_least=0.5, seconds_per_cost=0.0)"
    conftest = project.CONFTEST.replace("device=device)", limit)
    claims = UP + judging("bad", 'gain("Q1.2", -0.1, fault="hang", faulty=(2,))')
    at = project.write(pytester, claims, conftest=conftest)
    code, output = project.call(at, "--claims-workers=2")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert project.outcomes(at) == {"Q1.1": "SUPPORTED", "Q1.2": "ERROR"}
    assert "s, the trial's time limit" in output


def test_trial_raises(pytester: pytest.Pytester) -> None:
    """An exception is an error of the claims that use the trial, with its words; errors do not pass as skips."""
    at = project.write(pytester, UP + judging("bad", 'gain("Q1.2", -0.1, fault="raise", faulty=(2,))'))
    result = project.run(pytester)
    result.assert_outcomes(passed=1, errors=1)
    assert "RuntimeError: the toy was told to fail; trying once more" in result.stdout.str()
    gathering = project.evidence(at)["gathering"]
    assert gathering["trained"] == 23


def test_trial_raises_once(pytester: pytest.Pytester) -> None:
    project.write(pytester, judging("up", 'gain("Q1.1", fault="raise", faulty=(0, 7), recovers=True)'))
    project.run(pytester).assert_outcomes(passed=1)


def test_effect_raises(pytester: pytest.Pytester) -> None:
    """A claim whose own function fails is an error, and no other claim is."""
    at = project.write(pytester, UP + judging("bad", 'gain("Q1.2", effect=lambda runs: runs["worse"])'))
    project.run(pytester).assert_outcomes(passed=1, errors=1)
    assert "Its effect cannot be computed: KeyError: 'worse'." in project.evidence(at)["claims"][1]["reason"]


@pytest.fixture
def heeds_interrupts() -> Iterator[None]:
    """What a shell starts in the background ignores SIGINT, and so would the processes that a test starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@posix
@pytest.mark.usefixtures("heeds_interrupts")
@pytest.mark.parametrize("options", [["--claims-workers=2"], ["--claims-workers=0"], ["--claims-workers=2", "-n2"]])
def test_interrupt(pytester: pytest.Pytester, options: list[str]) -> None:
    """Ctrl-C: every finished trial is stored, no process is left, and the next run does only the rest."""
    at = project.write(pytester, SLOW)
    with project.started(at, *options) as process:
        wait_for(lambda: len(project.stored(at)) >= 5)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=20)
        assert process.returncode == pytest.ExitCode.INTERRUPTED, output
        assert "INTERNALERROR" not in output
        wait_for(lambda: gone(process.pid), 5.0)
    if "-n2" not in options:
        assert project.evidence(at)["status"] == "interrupted"
    kept, before = project.stored(at), trained(at, "begin")
    assert 5 <= len(kept) < 24
    code, output = project.call(at, *options)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert project.outcomes(at) == {"Q1.1": "SUPPORTED", "Q1.2": "REFUTED"}
    assert sorted(trained(at, "begin")[len(before) :]) == sorted(project.stored(at) - kept)
    assert len(project.stored(at)) == 24


KILLS = 50


@posix
def test_killed_over_and_over(pytester: pytest.Pytester) -> None:
    """`kill -9` at random moments, many times in a row: in the end the store has what an undisturbed run has, each once."""
    gains = [i / 10 for i in range(1, 13)]
    claims = [judging(f"g{i}", f'gain("Q1.{i}", {by}, seconds=0.4)') for i, by in enumerate(gains, 1)]
    at = project.write(pytester, "".join(claims))
    moments = random.Random(0)
    kept = 0
    for life in range(KILLS):
        with project.started(at, "--claims-workers=2") as process:
            if life % 10:  # else it is killed while it starts
                begun = len(trained(at, "begin"))
                wait_for(lambda begun=begun: len(trained(at, "begin")) > begun)  # type: ignore[misc]
            time.sleep(moments.uniform(0.0, 0.6))
            process.kill()
            process.communicate(timeout=20)
        now = len(project.stored(at))
        assert now >= kept, "a finished trial was lost"
        print(f"kill {life + 1}: {now} trials stored, {now - kept} of them new")  # for `-rP`
        kept = now
    assert 0 < kept < 8 * (len(gains) + 1)
    code, output = project.call(at, "--claims-workers=2")
    assert code == pytest.ExitCode.OK, output
    with Store(at / ".claims/store.sqlite") as store:
        assert store.integrity() == "ok"
        found = {(t.recipe["gain"], t.seed): tuple(t.result["accuracy"]) for t in store.trials()}
        assert store.count() == len(found)
    assert found == {
        (by, seed): toy.train(toy.Recipe(gain=by), seed=seed, horizon=2, device="cpu").accuracy
        for by in (0.0, *gains)
        for seed in range(8)
    }


@posix
def test_killed(pytester: pytest.Pytester) -> None:
    """`kill -9` of pytest itself: its workers end too, and the next run resumes."""
    at = project.write(pytester, SLOW)
    with project.started(at, "--claims-workers=2") as process:
        wait_for(lambda: len(project.stored(at)) >= 5)
        process.kill()
        process.communicate(timeout=20)
        wait_for(lambda: gone(process.pid), 10.0)
    kept, before = project.stored(at), trained(at, "begin")
    code, output = project.call(at, "--claims-workers=2")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert sorted(trained(at, "begin")[len(before) :]) == sorted(project.stored(at) - kept)


@posix
def test_terminal_bar(pytester: pytest.Pytester) -> None:
    """On a terminal a bar shows what is done, reused and running."""
    at = project.write(pytester, SLOW)
    here, there = pty.openpty()
    termios.tcsetwinsize(there, (40, 120))
    command = [sys.executable, "-m", "pytest", "--claims-workers=0", "-p", "no:hypothesispytest"]
    environment = os.environ | {"PYTHONPATH": str(project.ROOT)}
    process = subprocess.Popen(command, cwd=at, env=environment, stdout=there, stderr=there)
    os.close(there)
    shown = b""
    try:
        while piece := os.read(here, 4096):
            shown += piece
    except OSError:  # Linux's way to say that nobody writes any more
        pass
    finally:
        os.close(here)
    assert process.wait(timeout=20) == pytest.ExitCode.TESTS_FAILED
    text = shown.decode()
    assert "training:   0%" in text
    assert "training: 100%" in text
    assert "48.0/48.0 toy-epochs" in text
    assert "done=23, reused=0, running=1" in text


def test_no_terminal(pytester: pytest.Pytester) -> None:
    """Elsewhere one line a batch, no bar and no control characters."""
    at = project.write(pytester, UP)
    _, output = project.call(at, "--claims-workers=0")
    assert output.count("claims: 16 runs wanted") == 1
    assert "%|" not in output
    assert "\r" not in output
    assert "\x1b" not in output
