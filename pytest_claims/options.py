"""The options of a run, read and checked. The plugin declares them; the rules stand here."""

import os
import re
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pytest_claims.statistics import LOOKS
from pytest_claims.trial import Scale

DEFAULT_STORE = ".claims/store.sqlite"
DEFAULT_REPORT = "reports/latest"
DEFAULT_SCALE = "standard"
DEFAULT_SCALES = {
    "full": Scale(
        name="full", looks=LOOKS, judged=True, scope="as declared", prepare=lambda recipe: recipe, examples=100
    )
}
"""For projects whose conftest declares none."""


class OptionError(Exception):
    """An option that cannot be used: the value, the rule and the way out, in one line."""


@dataclass(frozen=True)
class Options:
    """The options of a run.

    Attributes:
        device: As torch names it.
        scale: How much of the protocol is followed.
        store: File of finished trials.
        report: Directory of the report.
        workers: Processes; 0 trains in this one.
        together: Trials of one form that train at once in this process; 0: none, None: as many as an accelerator holds.
        scheduler: Address of a cluster's scheduler; empty: none.
        scheduler_file: File that says where a scheduler is; None: none.
        seeds_max: No look at more seeds than this.
        fresh: Train everything, also what was published.
        train: Whether to train what is missing.
        plan: Say what would be trained, and stop.
        verify: Train so many stored trials again, compare, and stop; 0: no.
        write_manifest: Write the manifest from the code, and stop.
        fail_inconclusive: A claim that stays undecided fails.
    """

    device: str
    scale: Scale
    store: Path
    report: Path
    workers: int
    together: int | None
    scheduler: str
    scheduler_file: Path | None
    seeds_max: int | None
    fresh: bool
    train: bool
    plan: bool
    verify: int
    write_manifest: bool
    fail_inconclusive: bool

    @classmethod
    def of(cls, given: Namespace, *, scales: Mapping[str, Scale], root: Path, distributed: bool) -> "Options":
        """Check what was given.

        Args:
            given: As the command line gave it.
            scales: What `--scale` takes.
            root: Relative paths start here.
            distributed: Whether tests are handed to other processes.

        Raises:
            OptionError: A value that cannot be used, or two that exclude each other.
        """
        if given.claims_seeds_max is not None and given.claims_seeds_max < 1:
            raise OptionError(f"--claims-seeds-max {given.claims_seeds_max}: at least 1")
        if given.claims_verify < 0:
            raise OptionError(f"--claims-verify {given.claims_verify}: how many trials, from 1")
        if given.claims_verify and (given.claims_plan or given.claims_no_train or distributed):
            raise OptionError(
                "--claims-verify trains and judges nothing; run it without -n, --claims-plan, --claims-no-train"
            )
        for switch in ("plan", "fresh"):
            if getattr(given, f"claims_{switch}") and given.claims_no_train:
                raise OptionError(f"--claims-{switch} with --claims-no-train: exclude each other; give one of them")
        if given.claims_scheduler and given.claims_scheduler_file:
            raise OptionError("--claims-scheduler with --claims-scheduler-file: exclude each other; give one of them")
        if given.claims_together not in ("auto", "0") and (given.claims_scheduler or given.claims_scheduler_file):
            raise OptionError(
                "--claims-together with a scheduler: exclude each other, as the cluster's workers train one trial at a time"
            )
        if (given.claims_plan or given.claims_write_manifest) and distributed:
            raise OptionError("--claims-plan and --claims-write-manifest train nothing; run them without -n")
        return cls(
            device=_device(given.device),
            scale=_scale(given.scale, scales),
            store=_store(root / given.claims_store, fresh=given.claims_fresh),
            report=root / given.claims_report,
            workers=_workers(given.claims_workers),
            together=_together(given.claims_together),
            scheduler=given.claims_scheduler,
            scheduler_file=root / given.claims_scheduler_file if given.claims_scheduler_file else None,
            seeds_max=given.claims_seeds_max,
            fresh=given.claims_fresh,
            train=not given.claims_no_train,
            plan=given.claims_plan,
            verify=given.claims_verify,
            write_manifest=given.claims_write_manifest,
            fail_inconclusive=given.fail_inconclusive,
        )


def _scale(name: str | None, scales: Mapping[str, Scale]) -> Scale:
    if name is None:
        name = DEFAULT_SCALE if DEFAULT_SCALE in scales else next(iter(scales))
    if name not in scales:
        raise OptionError(f"--scale {name}: unknown; one of {', '.join(scales)}")
    if scales[name].judged and (wrong := set(scales[name].looks) - set(LOOKS)):
        raise OptionError(f"--scale {name}: has looks at {sorted(wrong)} seeds; the design looks at {LOOKS}")
    return scales[name]


def _device(name: str) -> str:
    if name == "cpu":  # always there: no need to import torch
        return name
    from pytest_claims import devices  # noqa: PLC0415

    try:
        return str(devices.resolve(name))
    except devices.DeviceError as error:
        raise OptionError(str(error)) from None


def _workers(text: str) -> int:
    if text == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not re.fullmatch(r"\d{1,4}", text):
        raise OptionError(f"--claims-workers {text}: a number from 0, or auto for one a core")
    return int(text)


def _together(text: str) -> int | None:
    if text != "auto" and not re.fullmatch(r"\d{1,4}", text):
        raise OptionError(f"--claims-together {text}: a number from 0, or auto for as many as an accelerator holds")
    return None if text == "auto" else int(text)


def _store(path: Path, *, fresh: bool) -> Path:
    if not fresh:
        return path
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    return path.with_name(f"{path.stem}-fresh-{stamp}{path.suffix}")
