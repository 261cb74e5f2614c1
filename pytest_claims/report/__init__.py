"""From evidence to a page, a summary and the evidence itself as files.

`evidence` checks the document, `cards` and `render` make the page, `summary` the Markdown, `tables` the CSV, `standalone`
pictures, and `files` writes them; `wording` and `findings` have what they say alike. A card has the curves of its `arms`,
drawn by `charts`, what the claim itself draws (`pictures`, drawn by `panels`), `bars` and `formulas`; all are made of
`axes` and `marks`. `overview` draws all effects in one picture. `comparison` sets runs side by side. `pages` has what the
two pages share: templates, style, script, `filters`, and the `palette`.
"""

from pytest_claims.report.comparison import Comparison, compare
from pytest_claims.report.evidence import EVIDENCE_SCHEMA, EvidenceError, load, validate
from pytest_claims.report.files import write

__all__ = ["EVIDENCE_SCHEMA", "Comparison", "EvidenceError", "compare", "load", "validate", "write"]
