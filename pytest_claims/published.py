"""What a project published: its verdicts, shown beside fresh ones, and its trials, which spare training them again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from pytest_claims.archive import Archive
from pytest_claims.plan import Batch
from pytest_claims.report import load
from pytest_claims.report.readings import weakest
from pytest_claims.store import Store
from pytest_claims.trial import Json, Study

EVIDENCE, TRIALS = "evidence.json", "trials.jsonl.xz"


@dataclass(frozen=True)
class Published:
    """A directory that `publish` wrote. What is missing from it counts as not published.

    Attributes:
        directory: Where the files are.
    """

    directory: Path

    def verdicts(self) -> dict[str, Json]:
        """By id of the claim, what evidence says of the verdict that was published.

        Raises:
            EvidenceError: The published evidence is damaged.
        """
        path = self.directory / EVIDENCE
        if not path.exists():
            return {}
        return {
            claim["id"]: {
                "outcome": claim["outcome"],
                "figures": _figures(claim),
                "scale": claim["scale"],
                "seeds": claim["seeds"],
            }
            for claim in load(path)["claims"]
        }

    def archive(self) -> Archive | None:
        """The published trials, if there are any.

        Raises:
            ArchiveError: The file is damaged.
        """
        path = self.directory / TRIALS
        return Archive.open(path) if path.exists() else None


def _figures(claim: Json) -> str:
    """The effect in its unit; of a property, its cases and worst share."""
    reading = weakest(claim)
    if reading is None or reading["mean"] is None:
        return str(claim["figures"])
    name = f"{reading['name']}: " if reading["name"] else ""
    return f"{name}{reading['mean'] * reading['scaling']:{'' if 'share' in reading else '+'}.3g}"


class Supply(NamedTuple):
    """What published trials did for a run.

    Attributes:
        study: To judge under.
        taken: How many trials came into the store.
        problem: What a reader must know first, if anything.
    """

    study: Study
    taken: int = 0
    problem: str = ""


def supply(archive: Archive, store: Store, study: Study, *, wanted: Callable[[Study], Batch], train: bool) -> Supply:
    """Take published trials into the store, if they serve the claims.

    Where nothing is trained and nothing is stored for this environment, the claims are judged under the archive's.

    Args:
        archive: The published trials.
        store: Takes them.
        study: As this machine would train.
        wanted: What the claims want of a study in the end, given what is stored.
        train: Whether missing trials will be trained.

    Raises:
        ArchiveError: The archive is needed and damaged.
        StoreError: From the store.
    """
    lacking = archive.keys - store.keys()
    elsewhere = not train and len(archive.environments) == 1 and archive.environments[0] != dict(study.environment)
    if not lacking and not elsewhere:
        return Supply(study)
    here = wanted(study)
    if _serves(archive, here):
        return Supply(study, store.add(archive.read()))
    if not elsewhere or len(here.trials) < here.distinct:
        return Supply(study)
    there = replace(study, environment=archive.environments[0])
    todo = wanted(there)
    taken = store.add(archive.read()) if _serves(archive, todo) else 0
    if not taken and len(todo.trials) == todo.distinct:
        return Supply(study)
    return Supply(there, taken, _other(there, study))


def _serves(archive: Archive, todo: Batch) -> bool:
    """Whether any missing trial is in the archive."""
    horizons = archive.horizons
    return any(horizons.get(trial.key, 0) >= trial.horizon for trial in todo.trials)


def _other(there: Study, here: Study) -> str:
    """Which environment the verdicts are of, and which they are not of; what is equal is left out."""
    names = sorted({*there.environment, *here.environment})
    differing = [name for name in names if there.environment.get(name) != here.environment.get(name)]
    theirs, ours = (
        ", ".join(f"{name} {study.environment.get(name, 'not named')}" for name in differing) for study in (there, here)
    )
    return f"Judged from published trials under {theirs}; none are stored under {ours}, which this machine has."
