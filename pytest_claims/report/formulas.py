"""Formulas as MathML, made when the page is: they need no script, and a screen reader can read them."""

import base64
from collections.abc import Iterator
from functools import cache
from html import unescape
from importlib import resources
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element
from markupsafe import Markup

PARTS = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "mover": 2, "munder": 2, "msubsup": 3, "munderover": 3}
"""How many children an element has that is not one at all with fewer or more."""

PLAIN = frozenset(
    {"math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mstyle", "msqrt", "mtable", "mtr", "mtd", "mpadded"}
)
KEPT = frozenset(
    {
        "accent",
        "columnalign",
        "display",
        "displaystyle",
        "fence",
        "form",
        "largeop",
        "linethickness",
        "lspace",
        "mathsize",
    }
    | {"mathvariant", "maxsize", "minsize", "movablelimits", "rspace", "scriptlevel", "separator", "stretchy", "width"}
)
"""Attributes that change how a formula looks and nothing else; a link or a style is left out."""

HAT = "^"
"""An accent that browsers stretch badly; the modifier letter has the right size."""


class _Unknown(Exception):
    """Something that would come out as its own source, or not at all."""


def mathml(latex: str) -> Markup:
    """A formula as a block of MathML, with its source as its alternative text.

    Returns:
        Empty where the converter does not know something in it; the source is to be shown then.
    """
    try:
        root = convert_to_element(latex, display="block")
        root.set("alttext", latex)
        return _markup(root)
    except Exception:  # the converter raises whatever its reader stumbled over
        return Markup("")


def _markup(element: Element) -> Markup:
    """An element, all of it escaped here: the converter escapes nothing that a formula quotes."""
    children = list(element)
    if element.tag not in PLAIN and len(children) != PARTS.get(element.tag):
        raise _Unknown(element.tag)
    text = unescape(element.text or "")
    if "\\" in text or (element.tag != "mtext" and "&" in text):
        raise _Unknown(text)
    attributes = dict(element.items())
    if attributes.get("mathvariant", "normal") != "normal" or "linebreak" in attributes:
        raise _Unknown(element.tag)  # browsers ignore both
    if element.tag == "mo" and text == HAT:
        text, attributes = "\N{MODIFIER LETTER CIRCUMFLEX ACCENT}", attributes | {"stretchy": "false"}
    return Markup("<{0}{1}>{2}{3}</{0}>").format(
        element.tag, Markup("").join(_attributes(attributes)), text, Markup("").join(map(_markup, children))
    )


def _attributes(given: dict[str, str]) -> Iterator[Markup]:
    for name, value in given.items():
        if name in KEPT or name == "alttext":
            yield Markup(' {}="{}"').format(name, value)


@cache
def font() -> Markup:
    """The font of formulas, to stand in a style sheet."""
    content = (resources.files(__package__) / "fonts" / "math.woff2").read_bytes()
    return Markup("data:font/woff2;base64,{}").format(base64.b64encode(content).decode())
