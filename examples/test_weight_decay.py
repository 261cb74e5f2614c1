import pytest

from pytest_claims import Superiority, Verdict

from .conftest import Recipe


@pytest.mark.claim(Superiority(
    id="KH1", place="Krogh & Hertz 1991, abstract",
    statement="A weight decay of the right size takes more than a tenth off a student's error on new inputs.",
    arms={"decay": Recipe(decay=4 / 30), "plain": Recipe(decay=0.0)}, horizon={"full": 2000},
    effect=lambda runs: 1 - runs["decay"]["error"][-1] / runs["plain"]["error"][-1],
    delta=0.1, unit=0.1, measure="% of the error without decay", scaling=100,
))  # fmt: skip
def test_weight_decay_helps(verdict: Verdict) -> None:
    assert verdict.as_expected, verdict
