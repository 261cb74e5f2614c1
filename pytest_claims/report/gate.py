"""Whether the verdicts of a fresh run are those of a baseline, so that a nightly can fail where they are not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_claims.claim import Outcome
from pytest_claims.report.changes import FORM, NEW, Change, changes, outcomes
from pytest_claims.report.comparison import Cell, compare, named
from pytest_claims.report.markdown import markup
from pytest_claims.report.readings import Decisive, estimate
from pytest_claims.report.wording import MINUS, NO_VALUE, aligned, be, plural
from pytest_claims.trial import Json

HEAD = ("claim", "run", "verdict", "effect (interval)")
REASON = 100
"""Characters of a reason for which a line of the table has room."""


class GateError(Exception):
    """Two runs cannot be compared like with like: what differs and the way out, in one line."""


@dataclass(frozen=True)
class Changed:
    """A change with what either run measured: an effect and its interval, or why there is none."""

    change: Change
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What is to be said of a fresh run beside its baseline.

    Attributes:
        claims: How many the baseline has.
        changed: Verdicts that changed and that nobody accepted.
        accepted: Those that somebody did, with the reason.
        environment: What tells the runs apart, such as `torch 2.9.1 -> 2.14.1`.
        new: Claims that the baseline has not, with their verdicts; one that is an error, or another verdict than it
            expects, has changed.
        warnings: What does not close the gate: drifts, problems of either run, accepted changes that did not happen.
    """

    claims: int
    changed: list[Changed]
    accepted: list[tuple[Change, str]]
    environment: list[str]
    new: list[str]
    warnings: list[str]

    @property
    def answer(self) -> str:
        """Whether a verdict changed, in a sentence."""
        count = str(len(self.changed)) if self.changed else "No verdict"
        said = f"{count} of {plural(self.claims, 'claim')} changed" + " verdict" * bool(self.changed)
        accepted = f"; {plural(len(self.accepted), 'change')} {be(len(self.accepted))} accepted"
        return f"{said}{accepted * bool(self.accepted)}."

    @property
    def lines(self) -> list[str]:
        """For a terminal: the answer, a table of the changes, two rows each, and what else to know."""
        rows = [HEAD]
        for each in self.changed:
            rows += [
                (each.change.claim, "before", each.change.before, _plain(each.before)),
                ("", "after", each.change.after, _plain(each.after)),
            ]
        table = [*aligned(rows).splitlines(), f"Accept a change by a line {FORM} in a file for --allow."]
        notes = [_plain(f"{kind}: {text}") for kind, text in self._notes]
        return [self.answer, *map(_plain, self._environment), *table * bool(self.changed), *notes]

    @property
    def summary(self) -> str:
        """The same in Markdown, for the page of a CI job."""
        lines = [f"### {markup(self.answer)}", "", *(markup(line) for line in self._environment), ""]
        if self.changed:
            lines += ["| Claim | Before | After | Effect before | Effect after |", "| --- | --- | --- | --- | --- |"]
            for each in self.changed:
                cells = (each.change.claim, each.change.before, each.change.after, each.before, each.after)
                lines.append(f"| {' | '.join(map(markup, cells))} |")
        return "\n".join([*lines, "", *(f"- {kind}: {markup(text)}" for kind, text in self._notes), ""])

    @property
    def _environment(self) -> list[str]:
        return [f"differs: {'; '.join(self.environment)}"] if self.environment else []

    @property
    def _notes(self) -> list[tuple[str, str]]:
        accepted = [("accepted", f"{change}: {reason}") for change, reason in self.accepted]
        return accepted + [("new", text) for text in self.new] + [("warning", text) for text in self.warnings]


def gate(baseline: Json, fresh: Json, allowed: Mapping[Change, str] | None = None) -> Gate:
    """Set a run beside its baseline.

    Args:
        baseline: Evidence of the run that is stood by.
        fresh: Evidence of the run in question.
        allowed: Changes that were accepted, with the reason.

    Raises:
        GateError: They have no claim in common, or are of different scales or data sets.
    """
    allowed = allowed or {}
    _check_alike(baseline, fresh)
    before, after = outcomes(baseline), outcomes(fresh)
    wrong = [claim["id"] for claim in fresh["claims"] if claim["id"] not in before and _wrong(claim)]
    found = changes(before, after) + [Change(id_, NEW, after[id_]) for id_ in wrong]
    compared = compare([baseline, fresh])
    rows = {row.id: row for row in compared.rows}
    claims = [{claim["id"]: claim for claim in run["claims"]} for run in (baseline, fresh)]

    def changed(change: Change) -> Changed:
        row = rows[change.claim]
        return Changed(
            change,
            *(_figures(of.get(row.id), cell, row.reading) for of, cell in zip(claims, row.cells, strict=True)),
        )

    facts = zip(compared.heads, *(run.facts for run in compared.runs), strict=True)
    drifts = [
        f"{id_} {drift}"
        for id_, row in rows.items()
        if id_ in before and id_ in after
        for drift in _drifts(claims[0][id_], claims[1][id_], row.cells[1].apart)
    ]
    stale = [f"--allow: {change} did not happen here" for change in allowed if change not in found]
    return Gate(
        claims=len(before),
        changed=[changed(change) for change in found if change not in allowed],
        accepted=[(change, allowed[change]) for change in found if change in allowed],
        environment=[f"{name} {here} -> {there}" for name, here, there in facts],
        new=[f"{id_} {outcome}" for id_, outcome in after.items() if id_ not in before and id_ not in wrong],
        warnings=[*drifts, *_problems(baseline, fresh), *stale],
    )


def _wrong(claim: Json) -> bool:
    """Whether a verdict that nothing can be compared with is one to look at."""
    judged = claim["outcome"] in (Outcome.SUPPORTED, Outcome.REFUTED)
    return claim["outcome"] == Outcome.ERROR or (judged and not claim["as_expected"])


def _check_alike(baseline: Json, fresh: Json) -> None:
    """Verdicts of another scale or of other data speak of something else."""
    one, other = _subject(baseline), _subject(fresh)
    differing = [name for name in one if one[name] != other[name] and None not in (one[name], other[name])]
    if differing:
        name = differing[0]
        raise GateError(
            f"the runs cannot be compared like with like: {name} {one[name]} in the baseline, {other[name]} in the fresh "
            "run; name a baseline of the same scale and data set"
        )
    if not outcomes(baseline).keys() & outcomes(fresh).keys():
        raise GateError("the runs have no claim in common; name a baseline of the same claims")


def _subject(run: Json) -> Json:
    """What the verdicts of a run speak of; None for what is not recorded, as by a run of properties alone."""
    scale, told = run["scale"], run["provenance"]
    of_data = {name: told.get(name) for name in ("dataset", "data")}
    return {"scale": scale["name"], "scope": scale["scope"], "looks": scale["looks"], **of_data}


def _figures(claim: Json | None, cell: Cell, reading: str) -> str:
    """What a run measured: of the reading that both are compared by, or of a property."""
    if claim is None:
        return "not in this run"
    if cell.effect and claim["outcome"] != Outcome.ERROR:
        return f"{cell.effect}{f' ({cell.interval})' * bool(cell.interval)} {reading}".rstrip()
    why = " ".join(claim["reason"].split())
    short = why if len(why) <= REASON else why[: REASON - 3].rstrip() + "..."
    return (claim["outcome"] != Outcome.ERROR and Decisive.of(claim).effect) or short


def _drifts(before: Json, after: Json, apart: Sequence[str]) -> Iterator[str]:
    """Effects outside of the interval of the other run, or that only one run has, also where the verdict stands."""
    for name in dict.fromkeys(reading["name"] for claim in (before, after) for reading in claim["readings"]):
        one, other = named(before, name), named(after, name)
        if one and other:
            if not (_outside(one, other) or _outside(other, one)):
                continue
        elif one is other or before["outcome"] != after["outcome"]:  # the change itself is told
            continue
        moved = " -> ".join(_moved(claim, reading) for claim, reading in ((before, one), (after, other)))
        label = ": ".join(filter(None, [name, *(reading["measure"] for reading in [other or one] if reading)]))
        yield f"drifted: {moved} {label}" + ", intervals apart" * (name in apart)


def _moved(claim: Json, reading: Json | None) -> str:
    """An effect with its interval."""
    if reading is None:
        return NO_VALUE
    shown = estimate(claim, reading)
    return f"{shown.mean}{f' ({shown.interval})' * bool(shown.interval)}"


def _outside(reading: Json, other: Json) -> bool:
    """Whether the effect is one that the other's interval excludes."""
    low, high = other["low"], other["high"]
    return low is not None and high is not None and not low <= reading["mean"] <= high


def _problems(baseline: Json, fresh: Json) -> list[str]:
    """What either run says of itself, and whether the claims may be worded otherwise."""
    found = [f"{name}: {text}" for name, run in (("baseline", baseline), ("fresh", fresh)) for text in run["problems"]]
    one, other = baseline["manifest"]["version"], fresh["manifest"]["version"]
    if one != other:
        found.append(f"the runs are of different versions of the manifest ({one}, {other}), which holds the margins")
    return found


def _plain(text: str) -> str:
    """One line for a terminal of any encoding, in which nothing of a run may act."""
    text = " ".join(text.replace(MINUS, "-").split())
    return "".join(c if c.isprintable() else "?" for c in text)
