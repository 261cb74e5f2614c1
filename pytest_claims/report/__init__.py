"""From evidence to a page, a summary and the evidence itself as files.

`evidence` checks the document, `cards` and `render` make the page, `summary` the Markdown, `tables` the CSV, `standalone`
pictures, and `files` writes them; `wording` and `findings` have what they say alike. A card has the curves of its `arms`,
drawn by `charts`, what the claim itself draws (`pictures`, drawn by `panels`), `bars` and `formulas`; all are made of
`axes` and `marks`. `overview` draws all effects in one picture. `comparison` sets runs side by side, `changes` has
which verdicts changed and which of that is accepted, and `gate` says whether a nightly may pass. `history`
shows runs by date, in the files of `site`. `pages` has what the
pages share: templates, style, script, `filters`, and the `palette`.
"""

from pytest_claims.report.changes import AllowError, read_allowed
from pytest_claims.report.comparison import Comparison, compare
from pytest_claims.report.evidence import EVIDENCE_SCHEMA, EvidenceError, load, validate
from pytest_claims.report.files import write
from pytest_claims.report.gate import GateError, gate
from pytest_claims.report.site import add

__all__ = [
    "EVIDENCE_SCHEMA",
    "AllowError",
    "Comparison",
    "EvidenceError",
    "GateError",
    "add",
    "compare",
    "gate",
    "load",
    "read_allowed",
    "validate",
    "write",
]
