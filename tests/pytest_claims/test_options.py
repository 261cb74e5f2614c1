"""Options: what they become, and what is refused with the value, the rule and the way out."""

import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from pytest_claims.options import DEFAULT_SCALES, OptionError, Options
from pytest_claims.statistics import LOOKS
from tests.pytest_claims import toy

ROOT = Path("/home/of/project")


def options(*, scales: Any = toy.SCALES, distributed: bool = False, **changes: Any) -> Options:
    """Of the command line's defaults with changes."""
    given = {
        "device": "cpu",
        "scale": None,
        "fail_inconclusive": False,
        "claims_store": ".claims/store.sqlite",
        "claims_report": "reports/latest",
        "claims_workers": "auto",
        "claims_together": "auto",
        "claims_scheduler": "",
        "claims_scheduler_file": "",
        "claims_seeds_max": None,
        "claims_plan": False,
        "claims_verify": 0,
        "claims_fresh": False,
        "claims_no_train": False,
        "claims_write_manifest": False,
    }
    return Options.of(Namespace(**(given | changes)), scales=scales, root=ROOT, distributed=distributed)


def test_defaults() -> None:
    made = options()
    assert (made.device, made.scale.name, made.train, made.plan) == ("cpu", "standard", True, False)
    assert made.store == ROOT / ".claims/store.sqlite"
    assert made.report == ROOT / "reports/latest"
    assert made.workers >= 1


def test_default_scale() -> None:
    """`standard`, or a project's first."""
    assert options(scales={"quick": toy.scale("quick"), "slow": toy.scale("slow")}).scale.name == "quick"
    assert options(scales=DEFAULT_SCALES).scale.looks == LOOKS


def test_paths_absolute() -> None:
    assert options(claims_store="/else/where.db").store == Path("/else/where.db")


def test_no_train() -> None:
    assert not options(claims_no_train=True).train


def test_fresh() -> None:
    """A name of its own beside the usual store, each time another."""
    one, two = options(claims_fresh=True).store, options(claims_fresh=True).store
    assert one.parent == ROOT / ".claims"
    assert re.fullmatch(r"store-fresh-\d{8}T\d{12}\.sqlite", one.name)
    assert one != two


@pytest.mark.parametrize(("text", "workers"), [("0", 0), ("1", 1), ("16", 16)])
def test_workers(text: str, workers: int) -> None:
    assert options(claims_workers=text).workers == workers


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"claims_workers": "-1"}, "--claims-workers -1: a number from 0, or auto for one a core"),
        ({"claims_workers": "1.5"}, "--claims-workers 1.5: a number from 0, or auto"),
        ({"claims_workers": ""}, "--claims-workers : a number from 0, or auto"),
        ({"claims_workers": "99999"}, "--claims-workers 99999: a number from 0, or auto"),
        ({"claims_seeds_max": 0}, "--claims-seeds-max 0: at least 1"),
        ({"claims_seeds_max": -3}, "--claims-seeds-max -3: at least 1"),
        ({"scale": "huge"}, "--scale huge: unknown; one of smoke, standard, full"),
        ({"device": "gpu"}, "--device gpu: unknown; this machine has cpu"),
        ({"claims_plan": True, "claims_no_train": True}, "--claims-plan with --claims-no-train: exclude each other"),
        ({"claims_fresh": True, "claims_no_train": True}, "--claims-fresh with --claims-no-train: exclude each other"),
        ({"claims_plan": True, "distributed": True}, "run them without -n"),
        ({"claims_verify": -1}, "--claims-verify -1: how many trials, from 1"),
        ({"claims_verify": 1, "claims_no_train": True}, "--claims-verify trains and judges nothing"),
        (
            {"claims_scheduler": "tcp://a:1", "claims_scheduler_file": "b"},
            "--claims-scheduler with --claims-scheduler-file: exclude each other",
        ),
        ({"claims_together": "many"}, "--claims-together many: a number from 0, or auto"),
        (
            {"claims_together": "8", "claims_scheduler": "tcp://a:1"},
            "--claims-together with a scheduler: exclude each other",
        ),
        ({"claims_write_manifest": True, "distributed": True}, "run them without -n"),
    ],
)
def test_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=re.escape(said)):
        options(**changes)


def test_scheduler() -> None:
    assert options().scheduler_file is None
    assert options(claims_scheduler="tcp://a:1").scheduler == "tcp://a:1"
    assert options(claims_scheduler_file="there.json").scheduler_file == ROOT / "there.json"


def test_together() -> None:
    assert options().together is None
    assert options(claims_together="0").together == 0
    assert options(claims_together="16").together == 16


def test_refused_looks() -> None:
    """A scale that judges at a look that the error rate is not shared with."""
    scales = {"odd": toy.scale("odd", (8, 10))}
    with pytest.raises(OptionError, match=r"--scale odd: has looks at \[10\] seeds; the design looks at \(8, 12, 20\)"):
        options(scales=scales)
    assert options(scales={"odd": toy.scale("odd", (3,), judged=False)}).scale.looks == (3,)
