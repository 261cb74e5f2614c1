"""A history of runs as a directory of static pages, to which each night is added."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from pytest_claims.report.comparison import compare
from pytest_claims.report.evidence import EvidenceError
from pytest_claims.report.files import EVIDENCE, PAGE, encoded
from pytest_claims.report.history import RUNS, History, Night
from pytest_claims.report.render import page
from pytest_claims.report.wording import plural
from pytest_claims.trial import Json
from pytest_claims.writing import replace_file

OURS = ("[0-9][0-9][0-9][0-9]-[0-9][0-9].html", "comparison-*.html", "versions-*.html")
"""Pages that are written anew each time, and taken away where nothing is left to show."""


def add(runs: Sequence[Json], to: Path, *, keep: int | None = None) -> list[str]:
    """Add runs, each once, and write the pages anew; a file whose content stays is not touched.

    Args:
        runs: Checked evidence documents.
        to: Directory of the site, which is made if it is missing.
        keep: How many runs stay, the latest; older ones are taken out of the site. None: all.

    Returns:
        A line a run that was given: its directory, and whether it is new; and one for what was taken out.

    Raises:
        EvidenceError: A stored run is damaged, or there is none at all. Nothing is written then.
        NotWritten: The directory cannot be written.
    """
    stored = {path.parent.name: path for path in sorted((to / RUNS).glob(f"*/{EVIDENCE}"))}
    nights = {name: _night(path) for name, path in stored.items()}
    given = {Night.of(run).name: run for run in runs}
    new = {name: run for name, run in given.items() if name not in stored}
    history = History.of([*nights.values(), *(Night.of(run) for run in new.values())])
    if not history.nights:
        raise EvidenceError(f"{to}: a history of no runs; name one to add")
    old = history.nights[:-keep] if keep else []
    history = History(history.nights[len(old) :])
    new = {name: run for name, run in new.items() if name not in {night.name for night in old}}
    pages = history.pages()
    for name, of_page in history.comparisons.items():
        documents = [new[night.name] if night.name in new else _read(stored[night.name]) for night in of_page]
        pages[name] = compare(documents).page
    reports = {name: page(run) for name, run in new.items()}
    for name, run in new.items():
        _write(to / RUNS / name / PAGE, reports[name])
        # last, as it is what makes a directory a run
        _write(to / RUNS / name / EVIDENCE, json.dumps(run, allow_nan=False, separators=(",", ":")) + "\n")
    for name, text in sorted(pages.items(), key=lambda named: named[0] == PAGE):  # the first page last: it links to all
        _write(to / name, text)
    for stale in {path for pattern in OURS for path in to.glob(pattern)} - {to / name for name in pages}:
        stale.unlink()
    for night in old:
        shutil.rmtree(to / RUNS / night.name, ignore_errors=True)
    out = {night.name for night in old}
    lines = [
        f"{to / RUNS / name}: {'new' if name in new else 'too old' if name in out else 'already there'}"
        for name in given
    ]
    gone = len(out & stored.keys())
    return [*lines, *([f"{plural(gone, 'run')} taken out, {len(history.nights)} kept"] if gone else [])]


def _read(path: Path) -> Json:
    """A stored document, which was checked when it came in.

    Raises:
        EvidenceError: It is no document any more.
    """
    try:
        found: Json = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    return found


def _night(path: Path) -> Night:
    try:
        return Night.of(_read(path), path.parent.name)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> EvidenceError:
    return EvidenceError(f"{path}: damaged; restore it, or take its directory out of the site and add the run again")


def _write(path: Path, text: str) -> None:
    content = encoded(text)
    if not path.exists() or path.read_bytes() != content:
        replace_file(path, content)
