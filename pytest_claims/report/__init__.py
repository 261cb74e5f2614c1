"""From evidence to a page, a summary and the evidence itself as files.

`evidence` checks the document, `cards` and `render` make the page with `charts` and `bars`, `summary` the Markdown,
`wording` what both say alike, and `files` writes them.
"""

from pytest_claims.report.evidence import EVIDENCE_SCHEMA, EvidenceError, load, validate
from pytest_claims.report.files import write

__all__ = ["EVIDENCE_SCHEMA", "EvidenceError", "load", "validate", "write"]
