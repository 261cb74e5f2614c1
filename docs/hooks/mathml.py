"""Formulas of the documentation as MathML, so that a page needs no script."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.S)
DISPLAYED = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>|\$\$(.*?)\$\$', re.S)
"""As the extension arithmatex leaves them; and within a paragraph, where docstrings have them, as it does not find them."""


def on_page_content(content: str, **_: Any) -> str:
    """Called by mkdocs with the HTML of each page."""
    content = INLINE.sub(lambda found: convert(html.unescape(found[1])), content)
    return DISPLAYED.sub(lambda found: convert(html.unescape(found[1] or found[2]), display="block"), content)
