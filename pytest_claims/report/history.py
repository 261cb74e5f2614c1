"""Runs by date: what each came to, and which verdicts changed since the run before it of the same kind."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from typing import NamedTuple

from pytest_claims.report import wording
from pytest_claims.report.changes import Change, changes, outcomes
from pytest_claims.report.comparison import fact
from pytest_claims.report.evidence import instant
from pytest_claims.report.files import EVIDENCE, PAGE
from pytest_claims.report.pages import document
from pytest_claims.report.wording import Verdict, plural
from pytest_claims.trial import Json, digest

TITLE = "Which verdicts changed from run to run?"
LATEST = 30
"""Runs on the first page; the pages of the months have all."""
COMPARED = 14
"""Runs of a kind that are set side by side."""
NAMED = 5
"""Changes of a run that are named."""
RUNS = "runs"
"""The directory that has a directory a run."""
FACTS = ("torch", "device", "processor", "commit")
"""Provenance that a row shows, where it is there."""

WARNINGS = {
    "complete": "",
    "interrupted": "The run was interrupted.",
    "errors": "Not every claim has a result.",
    "nothing judged": "Nothing was judged over seeds.",
}


class Kind(NamedTuple):
    """What runs must have in common for their verdicts to be set side by side."""

    scale: str
    device: str
    dataset: str

    @property
    def page(self) -> str:
        """The file that compares the last of them."""
        return f"comparison-{'-'.join(map(_slug, self))}.html"


@dataclass(frozen=True, kw_only=True)
class Night:
    """A run, without what only its own report shows.

    Attributes:
        name: Of its directory.
        started: UTC.
        facts: Provenance by name.
        outcomes: By id of the claim.
    """

    name: str
    started: datetime
    kind: Kind
    facts: Mapping[str, str]
    status: str
    outcomes: Mapping[str, str]

    @classmethod
    def of(cls, evidence: Json, name: str = "") -> "Night":
        """The run of an evidence document, by default in a directory that its content names: the same run, the same name."""
        kind = Kind(*(fact(evidence, name) for name in ("scale", "device", "dataset")))
        started = instant(evidence["started"])
        words = [f"{started:%Y-%m-%d-%H%M}", "torch", fact(evidence, "torch"), kind.device, kind.scale]
        told = evidence["provenance"]
        return cls(
            name=name or "-".join([*map(_slug, words), digest(evidence)[:8]]),
            started=started,
            kind=kind,
            facts={name: str(told[name]) for name in FACTS if told.get(name)},
            status=evidence["status"],
            outcomes=outcomes(evidence),
        )

    @property
    def when(self) -> str:
        """To the minute."""
        return f"{self.started:%Y-%m-%d %H:%M}"


class Shown(NamedTuple):
    """A run as its row shows it.

    Attributes:
        before: When the run before it of its kind started; None: there is none.
        headline: How many verdicts changed since.
        changes: The first of them.
        more: How many are not named.
    """

    when: str
    page: str
    evidence: str
    environment: str
    verdicts: list[Verdict]
    warning: str
    before: str | None
    headline: str
    changes: list[str]
    more: int


class Listed(NamedTuple):
    """A line that leads to the page of a month."""

    label: str
    page: str
    words: str


class Side(NamedTuple):
    """A line that leads to a comparison; `page` is empty where there is only one run."""

    label: str
    runs: str
    page: str
    compared: int


@dataclass(frozen=True)
class History:
    """All runs, the oldest first."""

    nights: Sequence[Night]

    @classmethod
    def of(cls, nights: Iterable[Night]) -> "History":
        """From runs in any order."""
        return cls(sorted(nights, key=lambda night: (night.started, night.name)))

    @property
    def kinds(self) -> dict[Kind, list[Night]]:
        """The runs of each kind, the kind that ran last first."""
        found: dict[Kind, list[Night]] = {}
        for night in reversed(self.nights):
            found.setdefault(night.kind, []).insert(0, night)
        return found

    def pages(self) -> dict[str, str]:
        """By name of its file: the first page, and a page a month."""
        before = {of.name: one for runs in self.kinds.values() for one, of in pairwise(runs)}
        changed = {
            night.name: changes(before[night.name].outcomes, night.outcomes) if night.name in before else []
            for night in self.nights
        }
        rows = {night.name: _shown(night, before.get(night.name), changed[night.name]) for night in self.nights}
        found: dict[str, str] = {}
        months: list[Listed] = []
        for label, of_month in groupby(self.nights, key=lambda night: f"{night.started:%Y-%m}"):
            nights = list(of_month)
            file, count = f"{label}.html", sum(len(changed[night.name]) for night in nights)
            words = f"{plural(len(nights), 'run')}, {plural(count, 'changed verdict')}"
            months.insert(0, Listed(label, file, words))
            found[file] = document(
                "history.html.j2",
                hidden=[],
                math=False,
                title=TITLE,
                heading=f"Runs of {label}",
                answer=f"{words}.",
                kinds=[],
                nights=[rows[night.name] for night in reversed(nights)],
                months=[Listed("All months", PAGE, f"and the last {LATEST} runs")],
                months_heading="Other months",
            )
        latest = [rows[night.name] for night in reversed(self.nights[-LATEST:])]
        return found | {
            PAGE: document(
                "history.html.j2",
                hidden=[],
                math=False,
                title=TITLE,
                heading="Runs" if len(latest) == len(self.nights) else f"The last {len(latest)} runs",
                answer=self._answer(len(changed[self.nights[-1].name]), before.get(self.nights[-1].name)),
                kinds=[_side(kind, runs) for kind, runs in self.kinds.items()],
                nights=latest,
                months=months,
                months_heading="All runs by month",
            )
        }

    def _answer(self, changed: int, before: Night | None) -> str:
        """What there is, and what the last run changed."""
        first, last = (f"{self.nights[at].started:%Y-%m-%d}" for at in (0, -1))
        runs = f"{plural(len(self.nights), 'run')}, {first if first == last else f'{first} to {last}'}"
        if before is None:
            return f"{runs}; the last is the first of its kind."
        return f"{runs}; the last changed {plural(changed, 'verdict') if changed else 'no verdict'}."


def _shown(night: Night, before: Night | None, found: Sequence[Change]) -> Shown:
    at = f"{RUNS}/{night.name}"
    counts = wording.counts([{"outcome": outcome} for outcome in night.outcomes.values()])
    facts = [f"{name} {value}" if name != "processor" else value for name, value in night.facts.items()]
    return Shown(
        when=night.when,
        page=f"{at}/{PAGE}",
        evidence=f"{at}/{EVIDENCE}",
        environment="; ".join([f"{night.kind.scale}, {night.kind.dataset}", *facts]),
        verdicts=[Verdict.of(outcome, count) for outcome, count in counts.items() if count],
        warning=WARNINGS[night.status],
        before=None if before is None else before.when,
        headline=f"{plural(len(found), 'verdict')} changed",
        changes=[str(change) for change in found[:NAMED]],
        more=max(0, len(found) - NAMED),
    )


def _side(kind: Kind, runs: Sequence[Night]) -> Side:
    label = f"scale {kind.scale}, device {kind.device}, data set {kind.dataset}"
    return Side(label, plural(len(runs), "run"), kind.page if len(runs) > 1 else "", min(len(runs), COMPARED))


def _slug(text: str) -> str:
    """What any file system and any address takes."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text)[:40].strip("-.") or "none"
