"""Pictures as files of their own, for a README: the same shapes as on the page, with the colours of one theme."""

import re

from markupsafe import Markup

from pytest_claims.report import overview
from pytest_claims.report.palette import PALETTE, VERDICTS
from pytest_claims.report.render import by_verdict
from pytest_claims.trial import Json

NAMES = ("overview-light.svg", "overview-dark.svg")
FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML does not know; HTML does."""


def pictures(evidence: Json) -> dict[str, str]:
    """By file name the pictures of a run: all effects, light and dark; none without an effect."""
    drawn = overview.picture([c for c in by_verdict(evidence["claims"]) if c["kind"] != "property"])
    return {name: _file(drawn, theme) for theme, name in enumerate(NAMES)} if drawn else {}


def _file(drawn: Markup, theme: int) -> str:
    """An SVG that opens by itself: named, with a background, and with no colour that a style sheet of others decides."""
    colours = {name: pair[theme] for name, pair in PALETTE.items()}
    style = "".join(
        [
            f"svg{{color:{colours['text']};font-family:system-ui,sans-serif}}.ticks{{fill:{colours['muted']}}}",
            *(f".{verdict}{{color:{colours[verdict]}}}" for verdict in VERDICTS),
        ]
    )
    _, _, width, height = re.findall(r"[\d.]+", drawn.partition('viewBox="')[2].partition('"')[0])
    label = drawn.partition('aria-label="')[2].partition('"')[0]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    inside = f'<title>{label}</title><style>{style}</style><rect width="100%" height="100%" fill="{colours["page"]}"/>'
    opened, _, rest = drawn.removeprefix("<svg ").partition(">")
    return FORBIDDEN.sub("", f"{head}{opened}>{inside}{rest}\n")
