"""Property claims inside pytest: the test is the judgement."""

import pytest

from tests.pytest_claims import project


def _property(body: str, *, arguments: str = "tally", marks: str = "", id_: str = "Q9.1", more: str = "") -> str:
    claim = f'Property(id="{id_}", statement="It holds.", place="here"{more})'
    return f"\n@pytest.mark.claim({claim})\n{marks}\ndef test_property({arguments}):\n    {body}\n"


def test_property_pass(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, _property('tally.within("x", 1e-8, 1e-6); tally.within("x", 5e-7, 1e-6)'))
    project.run(pytester).assert_outcomes(passed=1)
    (claim,) = project.evidence(at)["claims"]
    assert claim["outcome"] == "SUPPORTED"
    assert claim["worst"] == {"x": {"checks": 2, "share": pytest.approx(0.5), "error": 5e-7, "bound": 1e-6}}


def test_property_fail(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, _property('tally.within("x", 2.0, 1.0)'))
    result = project.run(pytester)
    result.assert_outcomes(failed=1)
    assert "x: error 2 is above its bound 1" in result.stdout.str()
    (claim,) = project.evidence(at)["claims"]
    assert claim["outcome"] == "REFUTED"
    assert claim["worst"]["x"]["share"] == 2.0


def test_property_fail_expected(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, _property('tally.within("x", 2.0, 1.0)', more=", expected=REFUTED"))
    project.run(pytester).assert_outcomes(passed=1)
    assert project.outcomes(at) == {"Q9.1": "REFUTED"}


def test_property_pass_not_expected(pytester: pytest.Pytester) -> None:
    """What was refuted and now holds is a surprise too."""
    project.write(pytester, _property('tally.within("x", 0.5, 1.0)', more=", expected=REFUTED"))
    result = project.run(pytester)
    result.assert_outcomes(failed=1)
    assert "Q9.1 SUPPORTED" in result.stdout.str()


@pytest.mark.parametrize("more", ["", ", expected=REFUTED"])
def test_property_error(pytester: pytest.Pytester, more: str) -> None:
    """An exception that is no assertion refutes nothing."""
    at = project.write(pytester, _property('raise RuntimeError("out of memory")', more=more))
    project.run(pytester).assert_outcomes(failed=1)
    assert project.outcomes(at) == {"Q9.1": "ERROR"}


def test_property_error_in_setup(pytester: pytest.Pytester) -> None:
    fixture = "\n@pytest.fixture\ndef broken():\n    raise OSError('no data')\n"
    at = project.write(pytester, fixture + _property("pass", arguments="broken"))
    project.run(pytester).assert_outcomes(errors=1)
    assert project.evidence(at)["claims"][0]["reason"] == "OSError: no data"


def test_property_skip(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, _property('pytest.skip("no accelerator")'))
    project.run(pytester).stdout.fnmatch_lines(["*= 1 not judged in *"])
    assert project.evidence(at)["claims"][0]["reason"] == "no accelerator"


def test_property_skip_mark(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, _property("pass", marks='@pytest.mark.skip(reason="not here")'))
    project.run(pytester).stdout.fnmatch_lines(["*= 1 not judged in *"])
    assert project.outcomes(at) == {"Q9.1": "NOT JUDGED"}


def test_property_parametrised(pytester: pytest.Pytester) -> None:
    """A claim over parameters is one claim a parameter set."""
    marks = '@pytest.mark.parametrize("share", [0.5, 2.0], ids=["half", "twice"])'
    body = 'tally.within("x", share, 1.0)'
    at = project.write(pytester, _property(body, arguments="tally, share", marks=marks))
    project.run(pytester).assert_outcomes(passed=1, failed=1)
    assert project.outcomes(at) == {"Q9.1[half]": "SUPPORTED", "Q9.1[twice]": "REFUTED"}
    claims = project.evidence(at)["claims"]
    assert [claim["worst"]["x"]["share"] for claim in claims] == [0.5, 2.0]


def test_property_parametrised_variant(pytester: pytest.Pytester) -> None:
    marks = '@pytest.mark.parametrize("n", [1])'
    at = project.write(pytester, _property("pass", arguments="n", marks=marks, id_="Q9.1[odd]"))
    project.run(pytester).assert_outcomes(passed=1)
    assert project.outcomes(at) == {"Q9.1[odd, 1]": "SUPPORTED"}


HYPOTHESIS = """
from hypothesis import given, strategies as st

@pytest.mark.claim(Property(id="Q9.1", statement="Halving is exact.", place="here"))
@given(st.integers(0, 1000))
def test_property(tally, n):
    tally.within("halves", abs(n / 2 * 2 - n) + (n >= LIMIT), 0.5)
"""


@pytest.mark.parametrize(("limit", "outcome"), [(2000, "SUPPORTED"), (500, "REFUTED")])
def test_property_hypothesis(pytester: pytest.Pytester, limit: int, outcome: str) -> None:
    """Many examples, one verdict; one broken example refutes."""
    at = project.write(pytester, HYPOTHESIS.replace("LIMIT", str(limit)))
    project.run(pytester, "-p", "no:randomly", "--hypothesis-seed=0")
    (claim,) = project.evidence(at)["claims"]
    assert claim["outcome"] == outcome
    assert claim["worst"]["halves"]["checks"] > 5


def test_property_whose_charts_raise(pytester: pytest.Pytester) -> None:
    """The check passed, but the evidence is not whole: an error, and the report is written all the same."""
    at = project.write(pytester, _property('tally.within("x", 0.5, 1.0)', more=", charts=lambda seeds: seeds[0]"))
    result = project.run(pytester)
    result.assert_outcomes(failed=1)
    assert "Its charts cannot be drawn: IndexError" in result.stdout.str()
    assert project.outcomes(at) == {"Q9.1": "ERROR"}
