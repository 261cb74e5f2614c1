"""The files of a report."""

import json
from pathlib import Path

from pytest_claims.report.evidence import validate
from pytest_claims.report.render import page
from pytest_claims.report.standalone import CHARTS, NAMES, charts, pictures
from pytest_claims.report.summary import summary
from pytest_claims.report.tables import curves_csv, trials_csv
from pytest_claims.trial import Json
from pytest_claims.writing import replace_file

PAGE, EVIDENCE, SUMMARY = "index.html", "evidence.json", "summary.md"


def write(evidence: Json, to: Path) -> None:
    """Write the report into a directory, which is made if it is missing; each file is replaced whole or not at all.

    Raises:
        EvidenceError: The document is not what `schema.json` says; nothing is written then.
        NotWritten: The directory cannot be written.
    """
    document = validate(evidence)
    # first, so that hours of training outlive a mistake in the page
    replace_file(to / EVIDENCE, encoded(json.dumps(document, allow_nan=False, separators=(",", ":")) + "\n"))
    files = {
        PAGE: page(document),
        SUMMARY: summary(document),
        "trials.csv": trials_csv(document),
        "curves.csv": curves_csv(document),
    }
    drawn = {to / name: text for name, text in (pictures(document) | charts(document)).items()}
    for path, text in ({to / name: text for name, text in files.items()} | drawn).items():
        replace_file(path, encoded(text))
    for stale in {*(to / name for name in NAMES), *(to / CHARTS).glob("*.svg")} - drawn.keys():
        stale.unlink(missing_ok=True)


def encoded(text: str) -> bytes:
    """A text as a file; half a surrogate pair has no UTF-8."""
    return text.encode("utf-8", errors="replace")
