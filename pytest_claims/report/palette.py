"""The colours of reports, on a light page and on a dark one. Contrast on the page is tested: 4.5 for text, 3 for lines."""

PALETTE: dict[str, tuple[str, str]] = {
    "page": ("#ffffff", "#0d1117"),
    "panel": ("#f6f8fa", "#161b22"),
    "line": ("#d0d7de", "#3a424d"),
    "text": ("#1b1f24", "#e6edf3"),
    "muted": ("#57606a", "#9ba6b2"),
    "link": ("#0550ae", "#79b8ff"),
    "arm1": ("#0062a8", "#6cb6ff"),
    "arm2": ("#b04a00", "#ffa657"),
    "arm3": ("#1c7a5b", "#56d4a8"),
    "arm4": ("#7a3fa8", "#d2a8ff"),
    "arm5": ("#b3194f", "#ff8fae"),
    "arm6": ("#5c6068", "#b9c1cb"),
    "arm7": ("#6b6400", "#e0d060"),
    "arm8": ("#00707f", "#4fd3e6"),
    "supported": ("#116329", "#6fdd8b"),
    "supported-tint": ("#e3f6e8", "#12301c"),
    "refuted": ("#a40e26", "#ff9a94"),
    "refuted-tint": ("#ffebe9", "#3d1518"),
    "inconclusive": ("#7a4d00", "#e8bf52"),
    "inconclusive-tint": ("#fff5d1", "#33270a"),
    "not-judged": ("#4d5661", "#aab4bf"),
    "not-judged-tint": ("#eef1f4", "#21272e"),
    "error": ("#6b2fa5", "#d0a9f5"),
    "error-tint": ("#f4ebfc", "#2c1d40"),
}
VERDICTS = ("supported", "refuted", "inconclusive", "not-judged", "error")
ARMS = 8
