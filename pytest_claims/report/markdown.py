"""Plain text as Markdown, for the summary of a run and the claims table."""

import re


def markup(text: str) -> str:
    """One line, with no character that makes markup, a mention or a link."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_\[\]|~#!$])", r"\\\1", text)
    return text.replace("@", "&#64;").replace("://", "&#58;//")
