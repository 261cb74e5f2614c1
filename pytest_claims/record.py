"""What a run leaves behind: the evidence document, made of verdicts, trials and provenance."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pytest_claims.claim import Outcome
from pytest_claims.options import Options
from pytest_claims.plan import Batch
from pytest_claims.report import EVIDENCE_SCHEMA
from pytest_claims.report import write as write_files
from pytest_claims.store import Store, StoreError
from pytest_claims.trial import Json, Study
from pytest_claims.writing import NotWritten


@dataclass
class Gathered:
    """What a process that gathered has to say, as plain values: they may come from a worker.

    Attributes:
        seconds: Wall time of training.
        trained: Trials trained now.
        requested: (claim, arm, seed) that the claims used.
        distinct: Different trials among them.
        requested_cost: Cost of training every request on its own.
        distinct_cost: Cost of each different one once.
        family: Ids of the claims that shared the error rate.
        manifest: Version of the manifest, 0 without one.
        environment: Under which the trials ran, where it is another than the study's.
        problems: What a reader must know first.
    """

    seconds: float = 0.0
    trained: int = 0
    requested: int = 0
    distinct: int = 0
    requested_cost: float = 0.0
    distinct_cost: float = 0.0
    family: list[str] = field(default_factory=list)
    manifest: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def used(self, everything: Batch) -> None:
        """Take the figures of all trials that the claims used."""
        self.requested, self.distinct = everything.requested, everything.distinct
        self.requested_cost, self.distinct_cost = everything.requested_cost, everything.distinct_cost


@dataclass
class Record:
    """Verdicts of one run as they come in, as plain values."""

    gathered: Gathered = field(default_factory=Gathered)
    verdicts: dict[str, Json] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.perf_counter)

    @property
    def claims(self) -> list[Json]:
        """The verdicts in the order of their ids."""
        return [self.verdicts[id_] for id_ in sorted(self.verdicts, key=natural)]

    def evidence(self, options: Options, *, study: Study | None, command: str, interrupted: bool) -> Json:
        """The evidence document (`report/schema.json`).

        Args:
            options: Of the run.
            study: The subject, where statistical claims were judged.
            command: What was called.
            interrupted: Whether the run ended before its end.
        """
        here: Json = {}
        if study is not None and self.gathered.environment:
            here = {"environment of this machine": dict(study.environment)}
            study = replace(study, environment=self.gathered.environment)
        trials = _trials(self.claims, study, options, self.gathered.problems) if study else {}
        status, problems = self._status(interrupted=interrupted)
        gathered, scale = self.gathered, options.scale
        provenance: Json = {"device": options.device, "command": command} | here
        if study is not None:
            provenance |= dict(study.environment) | dict(study.provenance)
        return {
            "schema": EVIDENCE_SCHEMA,
            "title": "Does the write-up hold?",
            "status": status,
            "problems": problems,
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - self.clock, 1),
            "seconds_gathering": round(gathered.seconds, 1),
            "scale": {"name": scale.name, "scope": scale.scope, "looks": list(scale.looks), "judged": scale.judged},
            "manifest": {"version": gathered.manifest, "family": gathered.family},
            "gathering": {
                "requested": gathered.requested,
                "distinct": gathered.distinct,
                "trained": gathered.trained,
                "reused": max(0, gathered.distinct - gathered.trained),
                "cost_unit": study.cost_unit if study else "",
                "requested_cost": round(gathered.requested_cost, 3),
                "distinct_cost": round(gathered.distinct_cost, 3),
            },
            "claims": self.claims,
            "trials": trials,
            "provenance": provenance,
        }

    def write(self, options: Options, *, study: Study | None, command: str, interrupted: bool) -> Path | None:
        """Write the report, unless nothing was judged, and say where; what prevents it becomes a problem of the run."""
        if not (self.verdicts or interrupted):
            return None
        evidence = self.evidence(options, study=study, command=command, interrupted=interrupted)
        try:
            write_files(evidence, options.report)
        except NotWritten as error:
            self.gathered.problems.append(f"report: {error}, or name another --claims-report")
            return None
        return options.report

    def _status(self, *, interrupted: bool) -> tuple[str, list[str]]:
        outcomes = {claim["outcome"] for claim in self.claims}
        errors = [f"{c['id']}: {c['reason']}" for c in self.claims if c["outcome"] == Outcome.ERROR]
        if interrupted:
            first = "The run was interrupted; claims that it did not reach are missing here."
            return "interrupted", [first, *errors, *self.gathered.problems]
        if errors:
            return "errors", [*errors, *self.gathered.problems]
        return "nothing judged" if outcomes <= {Outcome.NOT_JUDGED} else "complete", list(self.gathered.problems)


def _trials(claims: Sequence[Json], study: Study, options: Options, problems: list[str]) -> dict[str, Json]:
    """Every trial that a claim used, with its curves."""
    keys = sorted({key for claim in claims for keys in claim["trials"].values() for key in keys})
    if not keys:
        return {}
    try:
        with Store(options.store) as store:
            found = {key: stored for key in keys if (stored := store.longest(key)) is not None}
    except StoreError as error:
        problems.append(str(error))
        return {}
    return {
        key: {
            "seed": stored.seed,
            "horizon": stored.horizon,
            "recipe": stored.recipe,
            "diverged": stored.diverged,
            "seconds": round(stored.seconds, 2),
            "curves": _plain(study.decode(stored.result).curves()),
        }
        for key, stored in found.items()
    }


def _plain(curves: Mapping[str, Sequence[float | None]]) -> dict[str, list[float | None]]:
    return {name: [None if v is None else round(v, 6) for v in values] for name, values in curves.items()}


def natural(id_: str) -> list[tuple[int, int, str]]:
    """Sorts Q2.10 behind Q2.9."""
    parts = re.split(r"(\d+)", id_)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
