"""What a run of pytest says of claims: verdicts, categories, the table, JUnit, the report."""

import xml.etree.ElementTree as ET

import pytest

from tests.pytest_claims import project, toy
from tests.pytest_claims.project import judging


def test_run_verdicts(pytester: pytest.Pytester) -> None:
    """As expected passes, the opposite fails, what is undecided is skipped in a category of its own."""
    at = project.write(pytester)
    result = project.run(pytester)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.parseoutcomes() == {"passed": 1, "failed": 1, "inconclusive": 1}
    assert project.outcomes(at) == {"Q1.1": "SUPPORTED", "Q1.2": "REFUTED", "Q2.1": "INCONCLUSIVE"}


def test_run_failure_line(pytester: pytest.Pytester) -> None:
    """The failure shows outcome, expectation, figures and the command that repeats it."""
    project.write(pytester)
    output = project.run(pytester).stdout.str()
    assert "Q1.2 REFUTED (on toys, 2 epochs; expected SUPPORTED): A gain of -0.1 helps." in output
    assert 'Repeat: pytest claims --scale standard -k "Q1.2"' in output


def test_run_expected_refuted(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, judging("down", 'gain("Q1.2", -0.1, expected=REFUTED)'))
    project.run(pytester).assert_outcomes(passed=1)
    (claim,) = project.evidence(at)["claims"]
    assert (claim["outcome"], claim["expected"], claim["as_expected"]) == ("REFUTED", "REFUTED", True)


def test_run_expected_refuted_supported(pytester: pytest.Pytester) -> None:
    """A claim that holds after all fails where the opposite is expected."""
    project.write(pytester, judging("up", 'gain("Q1.1", expected=REFUTED)'))
    project.run(pytester).assert_outcomes(failed=1)


def test_run_fail_inconclusive(pytester: pytest.Pytester) -> None:
    project.write(pytester, judging("same", 'gain("Q2.1", 1e-4)'))
    assert project.run(pytester).ret == pytest.ExitCode.OK
    result = project.run(pytester, "--fail-inconclusive")
    result.assert_outcomes(failed=1)
    assert "Q2.1 INCONCLUSIVE" in result.stdout.str()


def test_run_smoke(pytester: pytest.Pytester) -> None:
    """Two seeds go all the way and judge nothing."""
    at = project.write(pytester)
    result = project.run(pytester, "--scale=smoke")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*= 3 not judged in *"])
    claims = project.evidence(at)["claims"]
    assert [claim["seeds"] for claim in claims] == [2, 2, 2]
    assert "2 seeds at scale smoke show that the pipeline works" in claims[0]["reason"]


@pytest.mark.parametrize(
    ("why_not", "reason"),
    [
        (', why_not={"standard": "Too long."}', "Too long."),
        ("", "Its horizon names smoke, full and not standard; give it one, or a why_not."),
    ],
)
def test_run_left_out_scale(pytester: pytest.Pytester, why_not: str, reason: str) -> None:
    """A claim without a horizon for the scale trains nothing and says why."""
    at = project.write(pytester, judging("up", f'gain("Q1.1", horizon={{"smoke": 1, "full": 9}}{why_not})'))
    project.run(pytester).stdout.fnmatch_lines(["*= 1 not judged in *"])
    assert toy.trainings(at / "trainings") == []
    assert project.evidence(at)["claims"][0]["reason"] == reason


def test_run_table(pytester: pytest.Pytester) -> None:
    project.write(pytester, project.THREE + project.PROPERTY)
    project.run(pytester).stdout.fnmatch_lines(
        [
            "*= claims =*",
            "Q1.1  SUPPORTED * accuracy, q = *, 8 seeds, on toys, 2 epochs",
            "Q1.2  REFUTED * (expected SUPPORTED)  *",
            "Q2.1  INCONCLUSIVE  *",
            "Q9.1  SUPPORTED     1 cases, worst error 0.01 of its bound",
            "4 claims: 2 supported, 1 refuted, 1 inconclusive",
            "evidence: 32 distinct trials for 48 requested, 32 trained in *",
            "report: *index.html",
        ]
    )


def test_run_evidence(pytester: pytest.Pytester) -> None:
    at = project.write(pytester)
    project.run(pytester)
    assert {"index.html", "evidence.json", "summary.md"} <= {f.name for f in (at / "reports/latest").iterdir()}
    evidence = project.evidence(at)
    assert evidence["manifest"]["family"] == ["Q1.1", "Q1.2", "Q2.1"]
    assert len(evidence["trials"]) == evidence["gathering"]["distinct"] == 4 * 8
    assert evidence["provenance"]["toy"] == "1"
    first = evidence["claims"][0]
    assert set(evidence["trials"]) >= set(first["trials"]["better"])
    assert len(first["trials"]["better"]) == first["seeds"] == 8


def test_run_again_from_store(pytester: pytest.Pytester) -> None:
    """The second run trains nothing and says the same."""
    at = project.write(pytester)
    project.run(pytester)
    first = project.evidence(at)
    result = project.run(pytester)
    assert len(toy.trainings(at / "trainings")) == 32
    assert project.evidence(at)["claims"] == first["claims"]
    assert project.evidence(at)["gathering"]["trained"] == 0
    assert "0 trained" in result.stdout.str()


def test_run_report_elsewhere(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, project.PROPERTY)
    project.run(pytester, "--claims-report=out/here")
    assert (at / "out/here/index.html").exists()
    assert not (at / "reports").exists()


def test_run_report_not_writable(pytester: pytest.Pytester) -> None:
    """The verdicts are shown all the same."""
    at = project.write(pytester, judging("up", 'gain("Q1.1")'))
    (at / "reports").write_text("a file where the directory should be")
    result = project.run(pytester)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["Q1.1  SUPPORTED*", "problem: report: *not written*--claims-report"])


def test_run_junit(pytester: pytest.Pytester) -> None:
    at = project.write(pytester, project.THREE + project.PROPERTY)
    project.run(pytester, "--junit-xml=junit.xml")
    cases = ET.parse(at / "junit.xml").iter("testcase")
    found = {case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")} for case in cases}
    assert found["test_up"]["claim"] == "Q1.1"
    assert found["test_up"]["verdict"] == "SUPPORTED"
    assert "8 seeds" in (found["test_up"]["figures"] or "")
    assert found["test_same"]["verdict"] == "INCONCLUSIVE"
    assert found["test_property"]["verdict"] == "SUPPORTED"


def test_run_without_claims(pytester: pytest.Pytester) -> None:
    """A project that only has the plugin installed notices nothing but the header."""
    project.write(pytester, "\ndef test_plain():\n    pass\n")
    result = project.run(pytester)
    result.assert_outcomes(passed=1)
    assert "= claims =" not in result.stdout.str()
    assert not (pytester.path / ".claims").exists()


def test_run_verdict_of_diverged(pytester: pytest.Pytester) -> None:
    """A diverged run without a value is decided by the sign test, and counted."""
    claim = """gain("Q1.1", fault="diverge", faulty=(3,),
        effect=lambda runs: float("-inf") if runs["better"].diverged else 0.1)"""
    at = project.write(pytester, judging("up", claim))
    assert project.run(pytester).parseoutcomes() == {"inconclusive": 1}
    (verdict,) = project.evidence(at)["claims"]
    assert verdict["diverged"] == 1
    assert "Decided by the exact sign test" in verdict["reason"]


def test_device_fixture(pytester: pytest.Pytester) -> None:
    project.write(pytester, "\ndef test_device(device):\n    assert str(device) == 'cpu'\n")
    project.run(pytester).assert_outcomes(passed=1)
