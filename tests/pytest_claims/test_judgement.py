"""From effects to a verdict: what diverged runs are worth, rounding, and the sentence that says why."""

from typing import Any

import numpy as np
import pytest

from pytest_claims.claim import AllOf, Also, Equivalence, Outcome, Proportion, Statistical
from pytest_claims.family import Family
from pytest_claims.judgement import Undecidable, effects, pvalues_of, verdict_of
from pytest_claims.plan import SeedPlan
from pytest_claims.statistics import Greater, Share
from tests.pytest_claims import toy
from tests.pytest_claims.toy import History, Recipe, gain

NAN, INF = float("nan"), float("inf")
STANDARD = toy.SCALES["standard"]


def plans(*leads: float) -> list[SeedPlan]:
    """A seed for each lead of the better arm."""
    study, trials = toy.study(), {}
    made = []
    for seed, lead in enumerate(leads):
        trials = {
            name: study.trial(Recipe(gain=g), seed=seed, horizon=2) for name, g in (("better", 0.1), ("plain", 0.0))
        }
        made.append(SeedPlan(trials, {"better": History((0.5, 0.5 + lead)), "plain": History((0.5, 0.5))}))
    return made


def rows(claim: Statistical, *values: float) -> Any:
    """p-values, shape (3,), of a claim's effects."""
    return pvalues_of(claim, np.array([values]))


def test_effects() -> None:
    np.testing.assert_allclose(effects(gain("Q1"), plans(0.1, -0.2)), [[0.1, -0.2]])


def test_effects_rounded() -> None:
    """0.1 + 0.2 - 0.3 and 0 are one number: no variance is made of the rounding of a subtraction."""
    claim = gain("Q1", effect=lambda runs: runs["better"].accuracy[-1] - 0.5)
    values = effects(claim, plans(0.1 + 0.2 - 0.3, 0.0))
    assert np.ptp(values) == 0.0


def test_effects_rounding_keeps_what_matters() -> None:
    """Nine digits below the unit stay."""
    values = effects(gain("Q1", unit=0.005, effect=lambda runs: 1.23456789e-9), plans(0.0))
    assert values[0, 0] == pytest.approx(1.235e-9, rel=1e-3)


def test_effects_diverged_value() -> None:
    """Everything that is not finite counts as declared."""
    answers = iter([0.1, INF, -INF, NAN])
    claim = gain("Q1", diverged_value=-1.0, effect=lambda runs: next(answers))
    np.testing.assert_array_equal(effects(claim, plans(0, 0, 0, 0)), [[0.1, -1.0, -1.0, -1.0]])


@pytest.mark.parametrize("effect", [lambda runs: runs["missing"], lambda runs: 1 / 0, lambda runs: "high"])
def test_effects_raise(effect: Any) -> None:
    with pytest.raises(Undecidable, match="Its effect cannot be computed") as error:
        effects(gain("Q1", effect=effect), plans(0.1))
    assert error.value.outcome is Outcome.ERROR


def test_pvalues_sign_test() -> None:
    """8 wins, of which one is infinite: the exact sign test gives 2^-8, whatever the size of the others."""
    p = rows(gain("Q1"), INF, *[1e-5] * 7)
    assert p.supported[0] == pytest.approx(2.0**-8)
    assert np.isnan(p.supported[1:]).all()


def test_pvalues_sign_test_loss() -> None:
    """7 wins and a loss of 8: Pr(X >= 7) = 9 / 256."""
    assert rows(gain("Q1"), -INF, *[0.1] * 7).supported[0] == pytest.approx(9 / 256)


def test_pvalues_sign_test_tie() -> None:
    """NaN counts against the claim as a loss does, and never for its opposite."""
    p = rows(gain("Q1"), NAN, *[0.1] * 7)
    assert p.supported[0] == pytest.approx(9 / 256)
    assert p.refuted[0] > 0.9


def test_pvalues_sign_test_delta() -> None:
    """A win is a lead above delta."""
    assert rows(gain("Q1", delta=0.2), INF, *[0.1] * 7).supported[0] > 0.9


def test_pvalues_equivalence_diverged() -> None:
    """No sign test says that two arms are alike."""
    fields = {f: getattr(gain("Q1"), f) for f in ("id", "statement", "place", "arms", "horizon", "unit", "measure")}
    claim = Equivalence(**fields, effect=lambda runs: 0.0, margin=0.1)
    with pytest.raises(Undecidable, match=r"An effect is inf after a run diverged; .* must declare a diverged_value"):
        rows(claim, INF, *[0.0] * 7)


def test_pvalues_proportion_no_outcome() -> None:
    """A share is of 0 and 1; anything else is an error of the claim."""
    fields = {f: getattr(gain("Q1"), f) for f in ("id", "statement", "place", "arms", "horizon", "unit", "measure")}
    claim = Proportion(**fields, effect=lambda runs: 0.5, p0=0.5)
    with pytest.raises(Undecidable, match="an outcome must be one of") as error:
        rows(claim, *[0.5] * 8)
    assert error.value.outcome is Outcome.ERROR


def test_share_of_seeds_has_its_own_interval() -> None:
    """Clopper-Pearson's, for the part that is a share and what is read beside it, and not for the part that is a mean."""
    fields = {f: getattr(gain("Q1"), f) for f in ("id", "statement", "place", "arms", "horizon", "unit", "measure")}
    claim = AllOf(
        **fields,
        parts={"often": Share(p0=0.5), "much": Greater(delta=0.0)},
        effects=lambda runs: {"often": 1.0, "much": 1.0},
        also={"mean": lambda runs: 0.5, "share": Also(lambda runs: 0.0, "share of seeds", share=True)},
    )
    values = np.array([[1.0] * 8, [1.0] * 8])
    found = verdict_of(claim, STANDARD, values, plans(*[0.0] * 8))
    often, much = found.readings
    assert (often.low, often.mean, often.high) == pytest.approx(((0.1 / 3 / 2) ** (1 / 8), 1, 1))
    assert (much.low, much.mean, much.high) == (1, 1, 1)
    assert [reading.low for reading in found.also] == [0.5, 0.0]
    assert found.also[1].high == pytest.approx(1 - (0.1 / 3 / 2) ** (1 / 8))
    assert [reading.to_json().get("share", False) for reading in (often, much, *found.also)] == [
        True,
        False,
        False,
        True,
    ]


def test_share_of_seeds_that_is_none() -> None:
    """Also where nothing is judged it is an error of the claim."""
    fields = {f: getattr(gain("Q1"), f) for f in ("id", "statement", "place", "arms", "horizon", "unit", "measure")}
    claim = Proportion(**fields, effect=lambda runs: 0.5, p0=0.5)
    found = verdict_of(claim, STANDARD, np.array([[0.5, 1.0]]), plans(0.0, 0.0))
    assert (found.outcome, found.reason) == (Outcome.ERROR, "0.5: of a share of seeds each value is 0 or 1.")


def judged(*leads: float, **changes: Any) -> Any:
    """The verdict on these leads, in a family of one."""
    claim = gain("Q1", **changes)
    values = effects(claim, plans(*leads))
    decision = Family.of({"Q1": {}}, context={}).judge({"Q1": pvalues_of(claim, values)})["Q1"]
    return verdict_of(claim, STANDARD, values, plans(*leads), decision, 1)


LEADS = (0.11, 0.09, 0.12, 0.08, 0.1, 0.11, 0.09, 0.1)


def test_verdict_supported() -> None:
    verdict = judged(*LEADS)
    assert verdict.outcome is Outcome.SUPPORTED
    assert verdict.reason.startswith("q = 0.012 <= 0.05 over the family of 1 claims (look 1 of 3, 8 seeds).")
    assert "Holm" in verdict.reason
    assert verdict.scope == "on toys, 2 epochs"
    assert (verdict.seeds, verdict.readings[0].mean) == (8, pytest.approx(0.1))
    assert {arm: len(keys) for arm, keys in verdict.trials.items()} == {"better": 8, "plain": 8}
    assert verdict.recipes["better"]["gain"] == 0.1


def test_verdict_scope_of_its_own() -> None:
    """A claim on fewer images than the scale has says so."""
    assert judged(*LEADS, scope="on 2 toys").scope == "on 2 toys, 2 epochs"


def test_verdict_refuted() -> None:
    verdict = judged(*[-lead for lead in LEADS])
    assert verdict.outcome is Outcome.REFUTED
    assert verdict.reason.startswith("The opposite has q = 0.012 <= 0.05")


def test_verdict_undecided() -> None:
    verdict = judged(0.1, -0.1, 0.1, -0.1, 0.1, -0.1, 0.1, -0.1)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("Neither it (q = 1) nor the opposite (q = 1) reaches 0.05")


def test_verdict_no_difference() -> None:
    verdict = judged(*[0.0] * 8)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason == "No difference observed (look 1 of 3, 8 seeds)."


def test_verdict_sign_test_said() -> None:
    """The reason names the test, and the figures have no mean to show."""
    verdict = judged(*LEADS, effect=lambda runs: INF)
    assert verdict.outcome is Outcome.SUPPORTED
    assert "Decided by the exact sign test, as diverged runs left no value." in verdict.reason
    assert verdict.to_json()["readings"][0]["mean"] is None
    assert "q = 0.012" in verdict.figures


def test_verdict_undecidable() -> None:
    verdict = verdict_of(gain("Q1"), STANDARD, Undecidable(Outcome.ERROR, "It broke."))
    assert (verdict.outcome, verdict.reason, verdict.seeds) == (Outcome.ERROR, "It broke.", 0)


def test_verdict_not_judged() -> None:
    """Two seeds judge nothing."""
    values = effects(gain("Q1"), plans(0.1, 0.1))
    verdict = verdict_of(gain("Q1"), toy.SCALES["smoke"], values, plans(0.1, 0.1))
    assert verdict.outcome is Outcome.NOT_JUDGED
    assert verdict.scope == "on toys, 1 epoch"
    assert verdict.pvalues == {}
