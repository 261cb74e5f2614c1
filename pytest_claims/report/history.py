"""Runs by date: what each came to, and which verdicts changed since the run before it of the same kind.

A kind is a scale, a device, a data set and a version of torch; all pre-releases of a version are one. The first run of a new
version is set beside the one before it of another.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
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
EARLY = "pre-release"
FACTS = ("torch", "device", "processor", "commit")
"""Provenance that a row shows, where it is there."""

WARNINGS = {
    "complete": "",
    "interrupted": "The run was interrupted.",
    "errors": "Not every claim has a result.",
    "nothing judged": "Nothing was judged over seeds.",
}


class Kind(NamedTuple):
    """What runs have in common whose verdicts are set side by side; without a version of torch, all versions."""

    scale: str
    device: str
    dataset: str
    torch: str = ""

    @classmethod
    def of(cls, evidence: Json) -> "Kind":
        """Of an evidence document."""
        scale, device, dataset, torch = (fact(evidence, name) for name in cls._fields)
        return cls(scale, device, dataset, re.sub(r"^([\d.]*\d)\.?(dev|a|b|rc)\d.*", rf"\1 {EARLY}", torch))

    @property
    def age(self) -> tuple[list[int], bool]:
        """By which versions of torch are ordered: a pre-release before what it leads to."""
        return [*map(int, re.findall(r"\d+", self.torch))], EARLY not in self.torch

    @property
    def of_any_torch(self) -> "Kind":
        """The same scale, device and data set."""
        return self._replace(torch="")

    @property
    def label(self) -> str:
        """In words."""
        words = f"scale {self.scale}, device {self.device}, data set {self.dataset}"
        return f"torch {self.torch}, {words}" if self.torch else words

    @property
    def page(self) -> str:
        """The file that compares runs of it."""
        of = "comparison" if self.torch else "versions"
        return f"{of}-{'-'.join(map(_slug, filter(None, self)))}.html"


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
        kind = Kind.of(evidence)
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
        before: The run it is set beside, in words; None: there is none.
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
    link: str


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

    @property
    def by_torch(self) -> dict[Kind, list[Night]]:
        """The last run under each version of torch, the oldest version first, of what ran under several."""
        found: dict[Kind, list[Night]] = {}
        for kind, runs in self.kinds.items():
            found.setdefault(kind.of_any_torch, []).append(runs[-1])
        return {kind: sorted(runs, key=lambda night: night.kind.age) for kind, runs in found.items() if len(runs) > 1}

    @property
    def comparisons(self) -> dict[str, list[Night]]:
        """By name of its page, runs to be set side by side."""
        several = {kind: runs[-COMPARED:] for kind, runs in self.kinds.items() if len(runs) > 1}
        return {kind.page: runs for kind, runs in (self.by_torch | several).items()}

    @property
    def before(self) -> dict[str, Night]:
        """By name of a run the one that it is set beside: the last of its kind, else of any torch."""
        found, last = dict[str, Night](), dict[Kind, Night]()
        for night in self.nights:
            kinds = (night.kind, night.kind.of_any_torch)
            if earlier := next((last[kind] for kind in kinds if kind in last), None):
                found[night.name] = earlier
            last |= dict.fromkeys(kinds, night)
        return found

    def pages(self) -> dict[str, str]:
        """By name of its file: the first page, and a page a month."""
        before = self.before
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
                answer=self._answer(changed, before),
                kinds=[
                    *(
                        _side(kind, "torch version", runs, "the last run of each")
                        for kind, runs in self.by_torch.items()
                    ),
                    *(
                        _side(kind, "run", runs, f"the last {min(len(runs), COMPARED)}")
                        for kind, runs in self.kinds.items()
                    ),
                ],
                nights=latest,
                months=months,
                months_heading="All runs by month",
            )
        }

    def _answer(self, changed: Mapping[str, Sequence[Change]], before: Mapping[str, Night]) -> str:
        """What there is, and what the runs of the last day changed."""
        first, last = (f"{self.nights[at].started:%Y-%m-%d}" for at in (0, -1))
        runs = f"{plural(len(self.nights), 'run')}, {first if first == last else f'{first} to {last}'}"
        day = [night.name for night in self.nights if f"{night.started:%Y-%m-%d}" == last]
        of_day = f"{runs}; the {plural(len(day), 'run')} of {last}" if first != last else f"{runs}; together they"
        if not any(name in before for name in day):
            return f"{runs}; here no run of the last day has an earlier one of its kind."
        count = sum(len(changed[name]) for name in day)
        return f"{of_day} changed {plural(count, 'verdict') if count else 'no verdict'}."


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
        before=None if before is None else _since(before, night),
        headline=f"{plural(len(found), 'verdict')} changed",
        changes=[str(change) for change in found[:NAMED]],
        more=max(0, len(found) - NAMED),
    )


def _since(before: Night, night: Night) -> str:
    return before.when if before.kind == night.kind else f"{before.when}, under torch {before.kind.torch}"


def _side(kind: Kind, noun: str, runs: Sequence[Night], which: str) -> Side:
    return Side(kind.label, plural(len(runs), noun), kind.page if len(runs) > 1 else "", f"{which} side by side")


def _slug(text: str) -> str:
    """What any file system and any address takes."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text)[:40].strip("-.") or "none"
