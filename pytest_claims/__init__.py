"""Claims as tests: each distinct arm and seed is trained once, all claims are judged together, and reported."""

from pytest_claims.chart import Chart, Panel, Series
from pytest_claims.claim import (
    REFUTED,
    SUPPORTED,
    AllOf,
    Also,
    Arm,
    Equivalence,
    Interaction,
    Ordering,
    Outcome,
    Property,
    Proportion,
    Superiority,
)
from pytest_claims.tally import Tally
from pytest_claims.trial import Grouped, Scale, Study
from pytest_claims.tuning import Tuned
from pytest_claims.verdict import Verdict

__all__ = [
    "REFUTED",
    "SUPPORTED",
    "AllOf",
    "Also",
    "Arm",
    "Chart",
    "Equivalence",
    "Grouped",
    "Interaction",
    "Ordering",
    "Outcome",
    "Panel",
    "Property",
    "Proportion",
    "Scale",
    "Series",
    "Study",
    "Superiority",
    "Tally",
    "Tuned",
    "Verdict",
]
