"""Commands beside pytest: `python -m pytest_claims report`, `compare`, `gate`, `history`, `publish`, `store`, `cluster`."""

import argparse
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_claims.archive import Archive, ArchiveError
from pytest_claims.cluster import ClusterError, serve
from pytest_claims.inventory import FORMATS, FormatError, info, listing, packed, shown
from pytest_claims.options import DEFAULT_REPORT, DEFAULT_STORE
from pytest_claims.publishing import publish
from pytest_claims.report import AllowError, EvidenceError, GateError, add, compare, gate, load, read_allowed, write
from pytest_claims.report.files import EVIDENCE, PAGE, encoded
from pytest_claims.store import Store, Stored, StoreError, duplicate
from pytest_claims.writing import NotWritten, replace_file

REFUSALS = (AllowError, ArchiveError, ClusterError, EvidenceError, FormatError, GateError, NotWritten, StoreError)
STORE: dict[str, Any] = {"type": Path, "default": DEFAULT_STORE, "metavar": "FILE"}


class No(list[str]):
    """Lines of a command that answers no, which a shell is to know from yes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 if it did what it is for, 1 if it answered no or refused, with the reason on standard error. A command that can
        answer no refuses with 2.
    """
    given = _parser().parse_args(arguments)
    lines: list[str] = []
    try:
        lines = given.run(given)
        for line in lines:
            print(_printable(line))
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except REFUSALS as error:
        print(f"error: {error}".replace("--claims-store", "--store"), file=sys.stderr)  # pytest's name for it
        return int(given.refused)
    except Exception as error:
        if given.refused == 1:
            raise
        # a defect of ours must not look like an answer
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
        return int(given.refused)
    return int(isinstance(lines, No))


def _printable(line: str) -> str:
    """The line, with a question mark for what the terminal's encoding has no character for."""
    encoding = sys.stdout.encoding or "utf-8"
    return line.encode(encoding, errors="replace").decode(encoding)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pytest_claims", description="Evidence of claims, beside pytest.")
    parser.set_defaults(refused=1)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_report(commands)
    _add_compare(commands)
    _add_gate(commands)
    _add_history(commands)
    _add_publish(commands)
    _add_store(commands)
    _add_cluster(commands)
    return parser


def _add_cluster(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("cluster", help="a scheduler and workers on this machine, until Ctrl-C")
    command.add_argument("--workers", type=int, default=2, metavar="N", help="processes of one thread (default: 2)")
    command.add_argument(
        "--file", type=Path, default=".claims/scheduler.json", metavar="FILE", help="where it is (default: %(default)s)"
    )
    command.set_defaults(run=_cluster)


def _add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("report", help="render a report again from its evidence, without training")
    command.add_argument("evidence", type=Path, metavar="EVIDENCE", help="evidence.json, or the directory that has it")
    command.add_argument("--to", type=Path, required=True, metavar="DIR", help="where the report goes")
    command.set_defaults(run=_report)


def _add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("compare", help="set runs side by side: versions, devices, nights")
    words = "evidence.json, or the directory that has it; two or more, the oldest first"
    command.add_argument("evidence", type=Path, nargs="+", metavar="EVIDENCE", help=words)
    command.add_argument(
        "--to",
        type=Path,
        default="reports/comparison",
        metavar="DIR",
        help="where the page goes (default: %(default)s)",
    )
    command.set_defaults(run=_compare)


def _add_gate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "gate",
        help="whether a verdict changed: exit code 0 if none did, 1 if one did, 2 if that cannot be said",
    )
    add: Any = command.add_argument
    words = "evidence.json, or the directory that has it, of the run "
    add("--baseline", type=Path, required=True, metavar="EVIDENCE", help=f"{words}that is stood by")
    add("--fresh", type=Path, required=True, metavar="EVIDENCE", help=f"{words}in question")
    add(
        "--allow",
        type=Path,
        metavar="FILE",
        help="changes that were accepted, a line each: CLAIM: BEFORE -> AFTER: REASON",
    )
    add("--summary", type=Path, metavar="FILE", help="write the answer in Markdown, too")
    command.set_defaults(run=_gate, refused=2)


def _add_history(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("history", help="add runs to a site that shows all of them by date")
    command.add_argument(
        "--site", type=Path, required=True, metavar="DIR", help="the site; it is made if it is missing"
    )
    words = "evidence.json, or the directory that has it; without any, the pages are written anew"
    command.add_argument("evidence", type=Path, nargs="*", metavar="EVIDENCE", help=words)
    words = "runs that stay in the site, the latest; older ones are taken out (default: all)"
    command.add_argument("--keep", type=_count, metavar="N", help=words)
    command.set_defaults(run=_history)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: a whole number of at least 1")
    return int(text)


def _add_store(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    store = commands.add_parser("store", help="look into a store, and take finished trials from one to another")
    verbs = store.add_subparsers(required=True, metavar="VERB")

    def add(name: str, run: Callable[[argparse.Namespace], list[str]], words: str) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, help=words)
        verb.add_argument("--store", **STORE, help="finished trials (default: %(default)s)")
        verb.set_defaults(run=run)
        return verb

    add("info", _info, "how much it holds, of what environments, and whether it is whole")
    add("list", _list, "a line a trial").add_argument("words", nargs="*", metavar="WORD", help="that a line must have")
    add("show", _show, "everything of a trial, as JSON").add_argument("key", metavar="KEY", help="or how it begins")
    form = f"its suffix says how: {', '.join(FORMATS)}"
    add("export", _export, "write all trials of the store").add_argument(
        "archive", type=Path, metavar="FILE", help=form
    )
    source = "an archive, or another store"
    add("import", _import, "add trials to the store").add_argument("archive", type=Path, metavar="FILE", help=source)
    prune = add("prune", _prune, "take trials out")
    prune.add_argument("--environment", metavar="NAME=VALUE", help="those that ran under this")
    prune.add_argument("--before", metavar="YYYY-MM-DD", help="those that finished before that day")


def _add_publish(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("publish", help="publish the evidence of a run, its trials and the claims table")
    add: Any = command.add_argument
    add("--report", type=Path, default=DEFAULT_REPORT, metavar="DIR", help="of the run (default: %(default)s)")
    add("--store", **STORE, help="the run's finished trials (default: %(default)s)")
    add("--to", type=Path, default="reports/published", metavar="DIR", help="default: %(default)s")
    add("--table", type=Path, default="docs/claims.md", metavar="FILE", help="default: %(default)s")
    command.set_defaults(run=lambda given: publish(given.report, given.store, to=given.to, table=given.table))


def _evidence(path: Path) -> Path:
    return path / EVIDENCE if os.path.isdir(path) else path  # noqa: PTH112 - Path's raises where the name is too long


def _report(given: argparse.Namespace) -> list[str]:
    write(load(_evidence(given.evidence)), given.to)
    return [f"report: {given.to / PAGE}"]


def _compare(given: argparse.Namespace) -> list[str]:
    if len(given.evidence) < 2:
        raise EvidenceError(f"{given.evidence[0]}: one run alone; name at least two to compare")
    found = compare([load(_evidence(path)) for path in given.evidence])
    replace_file(given.to / PAGE, encoded(found.page))
    return [found.answer, *found.lines, f"comparison: {given.to / PAGE}"]


def _gate(given: argparse.Namespace) -> list[str]:
    allowed = read_allowed(given.allow) if given.allow else {}
    found = gate(load(_evidence(given.baseline)), load(_evidence(given.fresh)), allowed)
    if given.summary:
        replace_file(given.summary, encoded(found.summary))
    return No(found.lines) if found.changed else found.lines


def _history(given: argparse.Namespace) -> list[str]:
    lines = add([load(_evidence(path)) for path in given.evidence], given.site, keep=given.keep)
    return [*lines, f"history: {given.site / PAGE}"]


def _cluster(given: argparse.Namespace) -> list[str]:
    with serve(given.workers, given.file) as cluster:
        print(
            f"{cluster.scheduler_address}: {given.workers} workers; pytest claims --claims-scheduler-file {given.file}",
            flush=True,
        )
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    given.file.unlink(missing_ok=True)
    return ["stopped"]


def _opened(given: argparse.Namespace) -> Store:
    """A store that is there; none is made by looking at it."""
    if not given.store.exists():
        raise StoreError(f"{given.store}: no such file; name the store with --store")
    return Store(given.store)


def _info(given: argparse.Namespace) -> list[str]:
    with _opened(given) as store:
        return info(store)


def _list(given: argparse.Namespace) -> list[str]:
    with _opened(given) as store:
        return [line for line in listing(store.trials()) if all(word in line for word in given.words)]


def _show(given: argparse.Namespace) -> list[str]:
    with _opened(given) as store:
        stored = store.keys()
        which = {(key, horizon) for key, horizon in stored if key.startswith(given.key)}
        if len({key for key, _ in which}) != 1:
            raise StoreError(
                f"{given.store}: {len({key for key, _ in which})} keys begin with {given.key}; `store list` has them all"
            )
        return shown(list(store.trials(which)))


def _export(given: argparse.Namespace) -> list[str]:
    with _opened(given) as store:
        content = packed(store, given.archive.suffix)
        replace_file(given.archive, content)
        return [f"{given.archive}: {store.count()} trials, {len(content) / 1e6:.3g} MB"]


def _import(given: argparse.Namespace) -> list[str]:
    trials = _read(given.archive)
    with Store(given.store) as store:
        conflicts = store.conflicts(trials)
        new = store.add(trials)
    lines = [f"{given.store}: {new} new, {len(trials) - new} already there"]
    return lines + [
        f"conflict: {key} horizon {horizon} has another result there; kept ours" for key, horizon in conflicts
    ]


def _read(path: Path) -> list[Stored]:
    """The trials of an archive or of another store."""
    if path.exists() and path.read_bytes()[:16] == b"SQLite format 3\0":
        with tempfile.TemporaryDirectory() as directory, Store(duplicate(path, Path(directory))) as other:
            return list(other.trials())
    return Archive.open(path).read()


def _prune(given: argparse.Namespace) -> list[str]:
    name, equals, value = (given.environment or "").partition("=")
    if given.environment and not equals:
        raise StoreError(f"--environment {given.environment}: NAME=VALUE, such as torch=2.9.1")
    if not given.environment and not given.before:
        raise StoreError("prune: say which trials, by --environment or --before; all would be lost")
    with _opened(given) as store:
        which = {
            (trial.key, trial.horizon)
            for trial in store.trials()
            if (not given.environment or str(trial.environment.get(name)) == value)
            and (not given.before or trial.finished[:10] < given.before)
        }
        return [f"{given.store}: {store.remove(which)} trials taken out, {store.count()} left"]


if __name__ == "__main__":
    sys.exit(main())
