"""Formulas: what the converter knows becomes MathML, and nothing that a formula quotes becomes markup."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_claims.report import formulas
from pytest_claims.report.formulas import mathml
from tests.pytest_claims.report.page import Node, parse

KNOWN = [
    r"y_c = \gamma_c (x_c - \mu_c) / \sqrt{\sigma_c^2 + \epsilon} + \beta_c",
    r"r \leftarrow (1 - \alpha) r + \alpha s, \quad s = \mu \text{ or } \tfrac{m}{m-1} \sigma^2",
    r"\phi_i = \sum_{S \not\ni i} \frac{|S|! \, (3 - |S|)!}{4!} \, (v(S \cup i) - v(S))",
    r"\operatorname{mean}(y) = \beta, \quad b - \bar{b} = (1 - \alpha)^t b",
    r"\begin{split} a &= b \\ c &= d \end{split}",
    r"\begin{cases} 1 & x < 0 \\ 0 & x > 0 \end{cases}",
    r"\left( \frac{\partial L}{\partial x_i} \right)^{\prime} \in \mathbb{R}",
]


def nodes(latex: str) -> list[Node]:
    return parse(f"<p>{mathml(latex)}</p>").all()


@pytest.mark.parametrize("latex", KNOWN)
def test_known_formulas_become_mathml(latex: str) -> None:
    found = nodes(latex)
    assert found[1].tag == "math"
    assert found[1].attributes["display"] == "block"
    assert found[1].attributes["alttext"] == latex
    for node in found[1:]:
        own = "".join(child for child in node.children if isinstance(child, str))
        assert "\\" not in own
        assert node.attributes.get("mathvariant", "normal") == "normal"
        assert node.tag == "mtext" or "&" not in own


@pytest.mark.parametrize(
    "latex",
    [
        "",
        "x_{",
        r"\foo{x}",
        "a & b",
        r"\frac{1}",
        r"\begin{aligned} a &= b \end{aligned}",
        r"\boldsymbol{\Sigma}",
        r"x \\ y",
    ],
)
def test_what_is_not_known_is_left_to_its_source(latex: str) -> None:
    assert mathml(latex) == ""


@pytest.mark.parametrize(
    "latex",
    [
        r"\text{</math><script>alert(1)</script>}",
        r"\href{javascript:alert(1)}{x}",
        r"\style{color:red}{x}",
        r"\class{card}{x}",
    ],
)
def test_nothing_hostile_becomes_markup(latex: str) -> None:
    """It is mathematics, or is left to its source by a converter too old to know it."""
    found = nodes(latex)
    assert [node.tag for node in found[:2]] == ["p", "math"] or mathml(latex) == ""
    assert {node.tag for node in found} <= {"p", "math", "mrow", "mtext", "mi"}
    assert {name for node in found for name in node.attributes} <= {"display", "alttext"}


@given(st.text(alphabet=r"\{}^_&<>\"' abx2$%#~[]()+-frachttexqy", max_size=40))
def test_any_text_is_safe(latex: str) -> None:
    """Well formed, and of known elements; the parser fails on what is not closed in its place."""
    assert {node.tag for node in nodes(latex)} <= {"p", *formulas.PLAIN, *formulas.PARTS}


def test_hat_has_the_right_size() -> None:
    accent = next(node for node in nodes(r"\hat{x}") if node.tag == "mo")
    assert (accent.text, accent.attributes["stretchy"]) == ("\u02c6", "false")


def test_font_is_inlined_and_has_a_table_for_mathematics() -> None:
    assert re.match(r"data:font/woff2;base64,d09GMg", formulas.font())  # wOF2
    assert len(formulas.font()) < 110_000
