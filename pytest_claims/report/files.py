"""The files of a report."""

import json
import os
from pathlib import Path

from pytest_claims.report.evidence import validate
from pytest_claims.report.render import page
from pytest_claims.report.summary import summary
from pytest_claims.trial import Json

PAGE, EVIDENCE, SUMMARY = "index.html", "evidence.json", "summary.md"


def write(evidence: Json, to: Path) -> None:
    """Write the report into a directory, which is made if it is missing; each file is replaced whole or not at all.

    Raises:
        EvidenceError: The document is not what `schema.json` says; nothing is written then.
        OSError: The directory cannot be written.
    """
    document = validate(evidence)
    to.mkdir(parents=True, exist_ok=True)
    # first, so that hours of training outlive a mistake in the page
    _replace(to / EVIDENCE, json.dumps(document, allow_nan=False, separators=(",", ":")) + "\n")
    _replace(to / PAGE, page(document))
    _replace(to / SUMMARY, summary(document))


def _replace(path: Path, text: str) -> None:
    """Write beside the file and rename, which no reader sees half done."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(text.encode("utf-8", errors="replace"))  # half a surrogate pair has no UTF-8
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
