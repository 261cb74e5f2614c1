"""The property claims notice every planted defect, and nothing in the correct reference."""

import json
import os
from collections.abc import Mapping

import pytest
import torch
from filelock import FileLock
from torch import nn

from tests.claims import defects

# A claim that is about what the defect breaks. Others may notice too.
NOTICED_BY = {
    "no centring": {"C1[moments]", "Q1.1"},
    "unbiased batch variance": {"C1[moments]", "C2[training, one batch]"},
    "statistics per position": {"C1[not per position]", "Q1.1[shift by position]"},
    "statistics detached from the graph": {"Q1.4[gradient]"},
    "running variance biased": {"C1[running statistics]"},
    "momentum flipped": {"C1[running statistics]", "Q1.1"},
    "eps 0.01, whatever is asked for": {"C1[moments]", "C1[eval]", "Q1.2"},
    "median for mean": {"C1[moments]"},
    "gamma ignored": {"C1[moments]", "C1[eval]", "Q1.2"},
    "beta ignored": {"C1[moments]", "C1[eval]", "C2[eval, every input]"},
    "eval on batch statistics": {"C1[eval]", "C2[eval, every input]", "Q1.4[eval mode]"},
    "training on running statistics": {"C1[moments]", "Q1.1[exact sums]", "Q1.7"},
}


@pytest.fixture(scope="module")
def caught(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    """Which claims failed with which defect; found out once, also where xdist's workers share the tests below."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # what its workers share
    result = shared / "planted-defects.json"
    with FileLock(f"{result}.lock"):
        if not result.exists():
            result.write_text(json.dumps(defects.caught()))
    found: dict[str, list[str]] = json.loads(result.read_text())
    return found


def test_correct_reference_passes(caught: Mapping[str, list[str]]) -> None:
    assert caught[defects.CONTROL] == []


@pytest.mark.parametrize("defect", defects.DEFECTS)
def test_defect_is_noticed(defect: str, caught: Mapping[str, list[str]]) -> None:
    assert NOTICED_BY[defect] <= set(caught[defect])


@pytest.mark.parametrize("defect", defects.DEFECTS)
def test_defect_is_one(defect: str) -> None:
    """Planted, it changes what torch's own layer gives, in training or in eval mode, forward or backward."""

    def everything() -> list[torch.Tensor]:
        draw = torch.Generator().manual_seed(0)
        layer = nn.BatchNorm1d(3, dtype=torch.float64)
        with torch.no_grad():
            layer.weight.fill_(2)
            layer.bias.fill_(1)
        x = torch.randn(4, 3, 2, generator=draw, dtype=torch.float64, requires_grad=True)
        y = layer(x)
        (gradient,) = torch.autograd.grad(y, x, torch.randn(y.shape, generator=draw, dtype=torch.float64))
        return [y, gradient, *layer.buffers(), layer.eval()(x)]

    with defects.planted(defects.CONTROL):
        right = everything()
    with defects.planted(defect):
        wrong = everything()
    assert any(not torch.allclose(a, b) for a, b in zip(right, wrong, strict=True))


def test_table() -> None:
    assert defects.table({"this": ["C1", "Q1.1"], "that": []}).splitlines() == [
        "| defect | claims that caught it |",
        "|---|---|",
        "| this | C1, Q1.1 |",
        "| that | none |",
    ]
