"""Stored trials trained again: the same bits, or what differs."""

from dataclasses import replace

import pytest

from pytest_claims.store import Store
from pytest_claims.verification import difference
from tests.pytest_claims import project
from tests.pytest_claims.project import judging

UP = judging("up", 'gain("Q1.1")')


def test_the_same_bits(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, UP)
    project.run(pytester)
    before = (at / "trainings").read_text().count("end")
    result = project.run(pytester, "--claims-verify=5")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["claims: 5 of 16 stored trials trained again, 5 came out the same"])
    assert (at / "trainings").read_text().count("end") == before + 5


def test_what_differs_is_named_and_fails(pytester: pytest.Pytester) -> None:
    """More than there are means all; the one that was tampered with is named, with its worst value."""
    at = project.write(pytester, UP)
    project.run(pytester)
    path = at / ".claims/store.sqlite"
    with Store(path) as store:
        one = next(store.trials())
        store.remove({(one.key, one.horizon)})
        accuracy = [one.result["accuracy"][0], one.result["accuracy"][1] + 0.25]
        store.add([replace(one, result=one.result | {"accuracy": accuracy})])
    result = project.run(pytester, "--claims-verify=99")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            f"differs: trial {one.key} (seed {one.seed}, horizon 2) in 1 of 3 values, most in accuracy[[]1]: * stored, * now",
            "claims: 16 of 16 stored trials trained again, 15 came out the same",
        ]
    )


def test_verify_nothing_stored(pytester: pytest.Pytester) -> None:
    project.write(pytester, UP)
    result = project.run(pytester, "--claims-verify=3")
    result.stdout.fnmatch_lines(["claims: 0 of 0 stored trials trained again, 0 came out the same"])


@pytest.mark.parametrize("options", [["--claims-verify=-1"], ["--claims-verify=1", "--claims-no-train"]])
def test_verify_refuses(pytester: pytest.Pytester, options: list[str]) -> None:
    project.write(pytester, UP)
    assert project.run(pytester, *options).ret == pytest.ExitCode.USAGE_ERROR


def test_difference() -> None:
    assert difference({"a": [1.0, None]}, {"a": [1.0, None]}) == ""
    assert difference({"a": [1.0]}, {"a": [1.0, 2.0]}) == "has other fields: a[1]"
    assert difference({"a": [1.0, 4.0], "b": 2}, {"a": [1.5, 5.0], "b": 2}) == (
        "in 2 of 3 values, most in a[0]: 1.0 stored, 1.5 now"
    )
    assert "None stored, 1.0 now" in difference({"a": [None, 1.0]}, {"a": [1.0, 2.0]})
