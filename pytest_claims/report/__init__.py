"""From evidence to a page, a summary and the evidence itself as files.

`evidence` checks the document, `cards` and `render` make the page, `summary` the Markdown, `wording` and `findings` what
both say alike, and `files` writes them. A card has the curves of its `arms`, drawn by `charts`, what the claim itself draws
(`pictures`, drawn by `panels`), and `bars`; all are made of `axes` and `marks`.
"""

from pytest_claims.report.evidence import EVIDENCE_SCHEMA, EvidenceError, load, validate
from pytest_claims.report.files import write

__all__ = ["EVIDENCE_SCHEMA", "EvidenceError", "load", "validate", "write"]
