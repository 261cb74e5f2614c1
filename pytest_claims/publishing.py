"""From the report of a run to what a project publishes: its evidence and trials, the claims table and its picture."""

import json
import zlib
from pathlib import Path

from pytest_claims.archive import ArchiveError, MissingTrials, export
from pytest_claims.claims_table import claims_table
from pytest_claims.published import EVIDENCE, TRIALS
from pytest_claims.report import load
from pytest_claims.report.files import EVIDENCE as REPORTED
from pytest_claims.report.standalone import pictures
from pytest_claims.store import Store
from pytest_claims.trial import Json
from pytest_claims.writing import replace_file

MOST_BYTES = 5_000_000
"""For all files together, compressed, as version control keeps every one of them for ever."""


class Unfinished(ArchiveError):
    """The run was interrupted, so that its verdicts are not those of the whole family."""


class TooLarge(ArchiveError):
    """What would be published is more than version control should keep."""


def publish(report: Path, store: Path, *, to: Path, table: Path) -> list[str]:
    """Publish the run that a report tells of, all or nothing.

    Args:
        report: Directory of the report.
        store: Where the run's trials are.
        to: Directory for the evidence and its trials.
        table: File for the claims table; the picture of all effects goes beside it.

    Returns:
        What was written, a line a file.

    Raises:
        EvidenceError: There is no report, or it cannot be used.
        ArchiveError: The run was interrupted, a trial is missing, or the files are too large.
        NotWritten: One of them cannot be written.
        StoreError: From the store.
    """
    evidence = load(report / REPORTED)
    if evidence["status"] == "interrupted":
        raise Unfinished(
            f"{report / REPORTED}: the run was interrupted; run the same command again, which goes on from there"
        )
    for claim in evidence["claims"]:
        claim.pop("published", None)  # what was published before is no part of it
    if not store.exists():
        raise MissingTrials(f"{store}: no such file; name the store that the run used with --store")
    with Store(store) as opened:
        trials = export(opened, trials_of(evidence))
    document = json.dumps(evidence, allow_nan=False, separators=(",", ":")) + "\n"
    files = {
        to / EVIDENCE: document.encode(),
        to / TRIALS: trials,
        table: claims_table(evidence).encode(),
        **{table.with_name(name): svg.encode() for name, svg in pictures(evidence).items()},
    }
    packed = {path: len(zlib.compress(content)) / 1e6 for path, content in files.items()}
    if (total := sum(packed.values())) > MOST_BYTES / 1e6:
        raise TooLarge(
            f"{total:.3g} MB compressed to publish ({'; '.join(f'{path}, {size:.3g} MB' for path, size in packed.items())}): "
            f"at most {MOST_BYTES / 1e6:g} MB, as they stay in version control for ever; publish a run of fewer claims or seeds"
        )
    for path, content in files.items():
        replace_file(path, content)
    return [f"{path}, {len(content) / 1e6:.3g} MB" for path, content in files.items()]


def trials_of(evidence: Json) -> set[tuple[str, int]]:
    """(key, horizon) of every trial that a claim used.

    Raises:
        MissingTrials: The evidence itself lacks one, as a run says that could not read its store.
    """
    used = {key for claim in evidence["claims"] for keys in claim["trials"].values() for key in keys}
    if missing := sorted(used - set(evidence["trials"])):
        raise MissingTrials(
            f"evidence: trial {missing[0]} is named by a claim and not among the trials; run the claims again"
        )
    return {(key, evidence["trials"][key]["horizon"]) for key in used}
