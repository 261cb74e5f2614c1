"""Kinds of claim: what each judges, and what each refuses when it is declared."""

import re
from typing import Any

import pytest

from pytest_claims import statistics
from pytest_claims.claim import (
    REFUTED,
    SUPPORTED,
    AllOf,
    Arm,
    Equivalence,
    Interaction,
    Ordering,
    Outcome,
    Property,
    Proportion,
    Statistical,
    Superiority,
    describe_test,
)
from tests.pytest_claims.toy import History, Recipe

RUNS = {"better": History((0.5, 0.75)), "plain": History((0.5, 0.5))}


def lead(runs: Any) -> float:
    """By how much the better arm leads at the end."""
    return float(runs["better"].accuracy[-1] - runs["plain"].accuracy[-1])


def leads(runs: Any) -> dict[str, float]:
    """The same in two rows, in another order than declared."""
    return {"second": 2 * lead(runs), "first": lead(runs)}


def fields(**changes: Any) -> dict[str, Any]:
    """What all statistical kinds want."""
    wanted = {
        "id": "Q1.1",
        "statement": "It helps.",
        "place": "Section 1",
        "arms": {"better": Recipe(gain=0.1), "plain": Recipe()},
        "horizon": {"full": 3},
        "unit": 0.005,
        "measure": "accuracy",
    }
    return wanted | changes


KINDS: dict[type[Statistical], dict[str, Any]] = {
    Superiority: {"effect": lead, "delta": 0.01},
    Interaction: {"effect": lead, "delta": 0.01},
    Equivalence: {"effect": lead, "margin": 0.02},
    Proportion: {"effect": lead, "p0": 0.5},
    Ordering: {"effects": leads, "rivals": ["first", "second"]},
    AllOf: {
        "effects": leads,
        "parts": {"first": statistics.Within(margin=0.1), "second": statistics.Greater(delta=0.2)},
    },
}

TESTS = {
    Superiority: statistics.Greater(delta=0.01),
    Interaction: statistics.Greater(delta=0.01),
    Equivalence: statistics.Within(margin=0.02),
    Proportion: statistics.Share(p0=0.5, side="at least"),
    Ordering: statistics.Largest(),
    AllOf: statistics.Every(parts=(statistics.Within(margin=0.1), statistics.Greater(delta=0.2))),
}


def make(kind: type[Statistical] = Superiority, **changes: Any) -> Statistical:
    """A claim of a kind."""
    return kind(**(fields() | KINDS[kind] | changes))


@pytest.mark.parametrize("kind", KINDS)
def test_test(kind: type[Statistical]) -> None:
    assert make(kind).test == TESTS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_and_values(kind: type[Statistical]) -> None:
    """One unnamed number, or the named ones in the order declared."""
    claim = make(kind)
    rows = ("first", "second") if kind in (Ordering, AllOf) else ("",)
    assert claim.rows == rows
    assert claim.values(RUNS) == ((0.25, 0.5) if len(rows) == 2 else (0.25,))


@pytest.mark.parametrize(
    ("kind", "regions"),
    [
        (Superiority, ((0.01, None),)),
        (Equivalence, ((-0.02, 0.02),)),
        (Proportion, ((0.5, None),)),
        (Ordering, ((0.0, None), (0.0, None))),
        (AllOf, ((-0.1, 0.1), (0.2, None))),
    ],
)
def test_regions(kind: type[Statistical], regions: tuple[Any, ...]) -> None:
    assert make(kind).regions == regions


def test_regions_at_most() -> None:
    assert make(Proportion, side="at most").regions == ((None, 0.5),)


@pytest.mark.parametrize("kind", KINDS)
def test_parameters(kind: type[Statistical]) -> None:
    """All that can change a verdict is in them, with the recipes in full."""
    parameters = make(kind, arms={"a": Arm(recipe=Recipe(), seed_offset=7)}).parameters()
    assert parameters["kind"] == kind.kind
    assert parameters["test"] == describe_test(TESTS[kind])
    assert parameters["arms"]["a"]["seed_offset"] == 7
    assert parameters["arms"]["a"]["class"] == "Recipe"
    assert {"horizon", "unit", "rows", "diverged_value", "search"} <= set(parameters)


@pytest.mark.parametrize("kind", [Ordering, AllOf])
@pytest.mark.parametrize("given", [{"first": 0.1}, {"first": 0.1, "second": 0.2, "third": 0.3}])
def test_values_other_rows(kind: type[Statistical], given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Q1.1: effects gave .*, the claim declares \['first', 'second'\]"):
        make(kind, effects=lambda runs: given).values(RUNS)


def test_arms_are_wrapped() -> None:
    claim = make(arms={"plain": Recipe(), "shifted": Arm(recipe=Recipe(), seed_offset=5)})
    assert {name: arm.seed_offset for name, arm in claim.arms.items()} == {"plain": 0, "shifted": 5}


def test_expected_at() -> None:
    by_scale = make(expected={"full": REFUTED})
    assert (by_scale.expected_at("full"), by_scale.expected_at("standard")) == (REFUTED, SUPPORTED)
    assert make(expected=REFUTED).expected_at("standard") == REFUTED


@pytest.mark.parametrize("id_", ["Q1", "Q1.1", "Q2.1[lr=0.1]", "Q2.1[lr=0.1, seed 3]", "Erratum.bias"])
def test_id(id_: str) -> None:
    assert make(id=id_).id == id_


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "1.1"}, "id='1.1': a letter, digits and dots"),
        ({"id": "Q1 1"}, "id='Q1 1': a letter, digits and dots"),
        ({"id": "Q1[a][b]"}, "id='Q1[a][b]': a letter, digits and dots"),
        ({"id": "Q1\n"}, r"id='Q1\n': a letter, digits and dots"),
        ({"id": ""}, "id='': a letter, digits and dots"),
        ({"statement": " "}, "Q1.1: statement is empty: a reader needs it"),
        ({"place": ""}, "Q1.1: place is empty: a reader needs it"),
        ({"expected": Outcome.INCONCLUSIVE}, "Q1.1: expected=INCONCLUSIVE: a claim is expected SUPPORTED or REFUTED"),
        ({"expected": {"full": Outcome.ERROR}}, "Q1.1: expected=ERROR: a claim is expected SUPPORTED or REFUTED"),
        ({"arms": {}}, "Q1.1: arms is empty: name at least one"),
        ({"arms": {"a": Arm(recipe=Recipe(), seed_offset=-1)}}, "Q1.1: arm a: seed_offset=-1: 0 to 1980"),
        (
            {"arms": {"a": Arm(recipe=Recipe(), seed_offset=1981)}},
            "Q1.1: arm a: seed_offset=1981: 0 to 1980; seeds from",
        ),
        ({"arms": {"a": Arm(recipe=Recipe(), epochs=0)}}, "Q1.1: arm a: epochs=0: at least 1 epoch"),
        ({"horizon": {}}, "Q1.1: horizon is empty: give the epochs"),
        ({"horizon": {"full": 0}}, "Q1.1: horizon=0 at full: at least 1 epoch"),
        ({"unit": 0.0}, "Q1.1: unit=0.0: the smallest difference that matters is above 0"),
        ({"unit": -1.0}, "Q1.1: unit=-1.0: the smallest difference that matters is above 0"),
        ({"unit": NAN}, "Q1.1: unit=nan: the smallest difference that matters is above 0"),
        ({"diverged_value": INF}, "Q1.1: diverged_value=inf: must be finite, or None"),
        ({"delta": NAN}, "Q1.1: delta=nan: must be finite"),
        ({"delta": INF}, "Q1.1: delta=inf: must be finite"),
    ],
)
def test_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        make(**changes)


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        (Equivalence, {"margin": 0.0}, "Q1.1: margin=0.0: "),
        (Equivalence, {"margin": -0.1}, "Q1.1: margin=-0.1: "),
        (Equivalence, {"margin": NAN}, "Q1.1: margin=nan: "),
        (Proportion, {"p0": 0.9}, "Q1.1: p0=0.9"),
        (Proportion, {"p0": 1.5}, "Q1.1: p0=1.5"),
        (Proportion, {"p0": 0.0}, "Q1.1: p0=0.0"),
        (Proportion, {"p0": 0.05, "side": "at most"}, "Q1.1: p0=0.05"),
        (Proportion, {"side": "about"}, "Q1.1: side='about'"),
        (Ordering, {"rivals": ["first", "first"]}, "Q1.1: rows=['first', 'first']: at least one, each once"),
        (Ordering, {"rivals": []}, "Q1.1: rows=[]: at least one, each once"),
        (AllOf, {"parts": {}}, "Q1.1: rows=[]: at least one, each once"),
    ],
)
def test_kind_refused(kind: type[Statistical], changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        make(kind, **changes)


@pytest.mark.parametrize("recipe", [{"gain": 0.1}, None, Recipe])
def test_refused_recipe(recipe: object) -> None:
    """No dataclass; names the claim."""
    with pytest.raises((TypeError, ValueError), match=r"Q1.1: .*a recipe is an instance of a frozen dataclass"):
        make(arms={"a": recipe})


def test_refused_recipe_without_key() -> None:
    """A number that no key can hold is found at declaration, not in the middle of planning."""
    with pytest.raises(ValueError, match=r"Q1.1: arm a: "):
        make(arms={"a": Recipe(gain=NAN)})


def test_refused_horizon_no_integer() -> None:
    with pytest.raises(ValueError, match=r"Q1.1: horizon=2.5 at full: at least 1 epoch"):
        make(horizon={"full": 2.5})


def test_property() -> None:
    claim = Property(id="Q9", statement="It holds.", place="here")
    assert (claim.kind, claim.expected_at("full")) == ("property", SUPPORTED)
    with pytest.raises(ValueError, match="Q9: statement is empty"):
        Property(id="Q9", statement="", place="here")
