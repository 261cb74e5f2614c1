"""What all pages share: the templates, the style sheet, the script, and a policy that lets nothing else run or load."""

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pytest_claims.report import formulas, wording
from pytest_claims.report.palette import ARMS, PALETTE, VERDICTS
from pytest_claims.trial import Json


def document(template: str, *, hidden: Sequence[str], math: bool = True, **content: Any) -> str:
    """A page of one file that needs nothing else.

    Args:
        template: Extends `base.html.j2`.
        hidden: The classes that a box hides; each has a box with the id `show-CLASS`.
        math: Whether it has formulas, and their font, which is larger than many a page.
        content: What the template shows.
    """
    environment = _environment()
    style = environment.get_template("report.css").render(
        palette=PALETTE, verdicts=VERDICTS, arms=ARMS, hidden=hidden, math=formulas.font() if math else ""
    )
    script = environment.get_template("report.js").render()
    return environment.get_template(template).render(
        style=Markup(style),  # noqa: S704  # our own, with class names of ours
        script=Markup(script),  # noqa: S704
        policy=f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "font-src data:; base-uri 'none'; form-action 'none'",
        **content,
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pytest_claims.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["no_value"] = wording.NO_VALUE
    return environment


def _hash(text: str) -> str:
    """As a policy names the one text that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def packed(value: Json) -> str:
    """A document as text that is a tenth of its size: JSON, gzip, base64. Equal documents give equal texts."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(errors="replace"), mtime=0)).decode()
