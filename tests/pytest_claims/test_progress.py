"""What is said while evidence is gathered."""

import pytest

from pytest_claims.plan import Batch, batch
from pytest_claims.progress import Bar, duration, trained, wanted
from tests.pytest_claims import toy
from tests.pytest_claims.toy import Recipe


def todo(*, stored: int = 1) -> Batch:
    """Three distinct trials of two epochs, one of them asked for twice; some are stored."""
    study = toy.study()
    trials = [study.trial(Recipe(), seed=seed, horizon=2) for seed in (0, 1, 2, 2)]
    known = {trial.key: toy.History((0.5, 0.5)) for trial in trials[:stored]}
    return batch(trials, known=lambda trial: known.get(trial.key), study=study)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (99, "99 s"),
        (100, "1.7 min"),
        (600, "10 min"),
        (90 * 60, "90 min"),
        (6000, "1.7 h"),
        (36_000, "10.0 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_wanted() -> None:
    assert wanted(todo(), 300.0, unit="epochs") == (
        "claims: 4 runs wanted, 3 of them distinct (6.0 of 8.0 epochs); 1 stored, 2 to train (4.0 epochs, about 5.0 min)"
    )


def test_wanted_time_unknown() -> None:
    assert "time unknown, as nothing like it was timed yet" in wanted(todo(), None, unit="epochs")


def test_bar_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal: the line and the warnings, nothing else."""
    said: list[str] = []
    bar = Bar(write=said.append, unit="epochs", show=False)
    bar.planned(todo(), None)
    bar.finished(2.0, 1)
    bar.warned("a trial failed")
    bar.gathered()
    assert said[1:] == ["claims: a trial failed"]
    assert bar.warnings == ["a trial failed"]
    assert capsys.readouterr() == ("", "")


def test_bar_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Done, reused and running stand behind the bar; a second batch counts on."""
    said: list[str] = []
    bar = Bar(write=said.append, unit="epochs", show=True)
    for _ in range(2):
        bar.planned(todo(), None)
        bar.finished(2.0, 1)
        bar.warned("a trial failed")
        bar.finished(2.0, 0)
        bar.gathered()
    shown = capsys.readouterr().err
    assert "training: 100%" in shown
    assert "4.0/4.0 epochs" in shown
    assert "done=4, reused=1, running=0" in shown
    assert len(said) == 4


def test_bar_gathered_without_planned() -> None:
    """An interrupt before the first batch."""
    Bar(write=print, unit="epochs", show=True).gathered()


def test_trained() -> None:
    assert trained(24, 61.2, 412_300_000) == "claims: 24 trials trained in 61 s; the largest process held 412 MB"
    assert trained(1, 120.0, 0) == "claims: 1 trials trained in 2.0 min"
