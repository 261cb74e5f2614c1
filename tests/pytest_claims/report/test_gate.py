"""The gate: what changes a verdict closes it, and what it says of the rest."""

from typing import Any

import pytest

from pytest_claims.report import GateError, gate
from pytest_claims.report.changes import GONE, NEW, Change
from tests.pytest_claims.report.evidence_example import HOSTILE
from tests.pytest_claims.report.example_page import evidence
from tests.pytest_claims.report.test_comparison import claim_of, moved, run, sound, turned

REFUSED = Change("C0", "SUPPORTED", "REFUTED")
SOUND = len(sound()["claims"])


def without(document: dict[str, Any], id_: str) -> dict[str, Any]:
    document["claims"] = [claim for claim in document["claims"] if claim["id"] != id_]
    return document


def test_unchanged_says_so_in_one_line() -> None:
    baseline = sound()
    baseline["problems"] = []
    found = gate(baseline, baseline)
    assert found.lines == [f"No verdict of {SOUND} claims changed."]
    assert found.changed == []
    assert found.summary.splitlines()[0] == f"### No verdict of {SOUND} claims changed."


def test_changed_verdict_is_named_with_both_effects_and_what_differs() -> None:
    found = gate(sound(torch="2.9.1"), turned(moved(sound(torch="2.14.1"), "C0", 10.0), "C0", "REFUTED"))
    assert [each.change for each in found.changed] == [REFUSED]
    answer, environment, head, before, after, way_out, *_ = found.lines
    assert answer == f"1 of {SOUND} claims changed verdict."
    assert environment == "differs: torch 2.9.1 -> 2.14.1"
    assert head.split() == ["claim", "run", "verdict", "effect", "(interval)"]
    mean = 100 * claim_of(evidence(), "C0")["readings"][0]["mean"]
    assert before.split()[:4] == ["C0", "before", "SUPPORTED", f"{mean:+.1f}"]
    assert after.split()[:2] == ["after", "REFUTED"]
    assert "CLAIM: BEFORE -> AFTER: REASON" in way_out
    assert "| C0 | SUPPORTED | REFUTED |" in found.summary


def test_claim_that_is_gone_or_has_no_verdict_any_more_is_a_change() -> None:
    gone = gate(sound(), without(sound(), "C0"))
    assert [each.change for each in gone.changed] == [Change("C0", "SUPPORTED", GONE)]
    assert gone.changed[0].after == "not in this run"
    unjudged = gate(sound(), turned(sound(), "C0", "NOT JUDGED"))
    assert [each.change.after for each in unjudged.changed] == ["NOT JUDGED"]


def test_error_is_a_change_each_time() -> None:
    """As nobody knows what the verdict would be."""
    errors = [claim["id"] for claim in evidence()["claims"] if claim["outcome"] == "ERROR"]
    assert errors
    assert [each.change.claim for each in gate(run(), run()).changed] == errors


def test_new_claim_is_shown_and_no_change() -> None:
    found = gate(without(sound(), "C0"), sound())
    assert found.changed == []
    assert found.new == ["C0 SUPPORTED"]
    assert "new: C0 SUPPORTED" in found.lines


@pytest.mark.parametrize(("outcome", "expected"), [("ERROR", False), ("REFUTED", False)])
def test_new_claim_that_is_wrong_is_a_change(outcome: str, expected: bool) -> None:
    """Nothing else would notice it in the nightly."""
    fresh = turned(sound(), "C0", outcome)
    claim_of(fresh, "C0")["as_expected"] = expected
    found = gate(without(sound(), "C0"), fresh)
    assert [each.change for each in found.changed] == [Change("C0", NEW, outcome)]
    assert found.changed[0].before == "not in this run"
    assert found.new == []
    accepted = gate(without(sound(), "C0"), fresh, {Change("C0", NEW, outcome): "known"})
    assert accepted.changed == []


@pytest.mark.parametrize("outcome", ["REFUTED", "INCONCLUSIVE"])
def test_new_claim_may_be_refuted_as_expected_or_open(outcome: str) -> None:
    fresh = turned(sound(), "C0", outcome)
    claim_of(fresh, "C0")["as_expected"] = outcome == "REFUTED"
    assert gate(without(sound(), "C0"), fresh).changed == []


def test_accepted_change_leaves_the_gate_open_and_is_shown() -> None:
    fresh = turned(sound(), "C0", "REFUTED")
    found = gate(sound(), fresh, {REFUSED: "torch 2.14 rounds otherwise"})
    assert found.changed == []
    assert found.answer == f"No verdict of {SOUND} claims changed; 1 change is accepted."
    assert "accepted: C0: SUPPORTED -> REFUTED: torch 2.14 rounds otherwise" in found.lines


def test_acceptance_is_of_one_change_alone() -> None:
    found = gate(sound(), turned(sound(), "C0", "INCONCLUSIVE"), {REFUSED: "why"})
    assert [each.change.after for each in found.changed] == ["INCONCLUSIVE"]
    assert "--allow: C0: SUPPORTED -> REFUTED did not happen here" in found.warnings


def test_drift_out_of_the_interval_is_a_warning_where_the_verdict_stands() -> None:
    reading = claim_of(evidence(), "C0")["readings"][0]
    by = 1.01 * (reading["high"] - reading["mean"])
    found = gate(sound(), moved(sound(), "C0", by))
    assert found.changed == []
    (warning,) = [text for text in found.warnings if text.startswith("C0 drifted: ")]
    assert "intervals apart" not in warning
    (far,) = [t for t in gate(sound(), moved(sound(), "C0", 3 * by)).warnings if t.startswith("C0 drifted: ")]
    assert far.endswith("intervals apart")
    within = gate(sound(), moved(sound(), "C0", 0.5 * by))
    assert not [text for text in within.warnings if "drifted" in text]


@pytest.mark.parametrize("fresh_lacks", [True, False])
@pytest.mark.parametrize("lacking", ["value", "reading"])
def test_effect_that_one_run_lacks_is_a_warning(lacking: str, *, fresh_lacks: bool) -> None:
    """As where runs diverged and the sign test judged."""
    without_effect = sound()
    claim = claim_of(without_effect, "C0")
    if lacking == "reading":
        claim["readings"] = []
    else:
        claim["readings"][0] |= {"mean": None, "low": None, "high": None}
    found = gate(sound(), without_effect) if fresh_lacks else gate(without_effect, sound())
    assert found.changed == []
    (warning,) = [text for text in found.warnings if text.startswith("C0 drifted: ")]
    assert (" -> no value " in warning) is fresh_lacks
    assert ("no value -> " in warning) is not fresh_lacks
    claim["outcome"] = "INCONCLUSIVE"
    assert not [text for text in gate(sound(), without_effect).warnings if "drifted" in text]


def test_problems_of_either_run_are_warnings() -> None:
    fresh = sound() | {"problems": ["the disk is full"]}
    fresh["manifest"] = fresh["manifest"] | {"version": 99}
    warnings = gate(sound() | {"problems": []}, fresh).warnings
    assert "fresh: the disk is full" in warnings
    assert any("different versions of the manifest" in text and "99" in text for text in warnings)


@pytest.mark.parametrize("name", ["name", "scope", "looks"])
def test_another_scale_is_refused(name: str) -> None:
    fresh = sound()
    fresh["scale"] = fresh["scale"] | {name: ["another"] if name == "looks" else "another"}
    with pytest.raises(GateError, match=r"cannot be compared like with like: .*another"):
        gate(sound(), fresh)


def test_other_data_are_refused() -> None:
    with pytest.raises(GateError, match="dataset mnist in the baseline, fashion-mnist in the fresh run"):
        gate(sound(dataset="mnist"), sound(dataset="fashion-mnist"))


def test_no_claim_in_common_is_refused() -> None:
    fresh = sound()
    fresh["claims"] = [claim | {"id": f"X{i}"} for i, claim in enumerate(fresh["claims"])]
    with pytest.raises(GateError, match="no claim in common; name a baseline of the same claims"):
        gate(sound(), fresh)


def test_what_a_run_says_does_not_act_in_a_terminal() -> None:
    fresh = turned(sound(device=HOSTILE + "\x1b[31m"), "C0", "REFUTED")
    assert all(line.isprintable() for line in gate(sound(), fresh).lines)
