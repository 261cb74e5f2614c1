"""The property claims notice every planted defect, and nothing in the correct code."""

import json
import os
from collections.abc import Mapping

import pytest
import torch
from filelock import FileLock
from torch import nn

from . import defects, layer_defects
from .planting import CONTROL, caught, table

# A claim that is about what the defect breaks. Others may notice too.
NOTICED_BY = {
    "defects": {
        "no centring": {"C1[moments]", "Q1.1"},
        "unbiased batch variance": {"C1[moments]", "C2[training, one batch]"},
        "variance in one pass": {"C1[running statistics]", "V1[training]", "V3[running statistics]"},
        "eps outside the root": {"C1[moments]", "V1[training]", "V2[training]"},
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
    },
    "layer_defects": {
        "whitening: covariance divided by m - 1": {"Q7.2[covariance]"},
        "whitening: shrunk by a tenth, always": {"Q7.2[covariance]", "Q7.2[nothing left]"},
        "whitening: covariance detached from the graph": {"Q7[gradient]"},
        "whitening: mean not subtracted": {"Q7.2[covariance]", "Q7.2[invariances]"},
        "whitening: blocks of channels that are apart": {"Q7.3[what is left]"},
        "whitening: not shrunk of itself": {"Q7.2[nothing left]"},
        "whitening: shrunk of itself by half of what it should": {"Q7.2[nothing left]"},
        "ZCA: the inverse for its root": {"Q7.2[covariance]"},
        "ZCA-cor: standardised alone": {"Q7.2[covariance]"},
        "Cholesky: the factor transposed": {"Q7.2[covariance]"},
        "Newton: one step less": {"Q7.2[covariance]"},
        "Monarch: columns not whitened": {"Q7.3[what is left]"},
        "Monarch: one row, if not told otherwise": {"Q7.3[what is left]"},
        "Monarch: running rows tripled": {"Q7[eval mode]"},
        "Monarch: running columns tripled": {"Q7[eval mode]"},
        "circulant: transform not unitary": {"Q7.3[what is left]"},
        "circulant: running spectrum tripled": {"Q7[eval mode]"},
        "threshold: nothing taken out": {"Q7.3[nesting]"},
        "threshold: negative correlations taken out": {"Q7.3[what is left]", "Q7.3[order of channels]"},
        "threshold: 0.5, if not told otherwise": {"Q7.3[what is left]"},
        "threshold: not shrunk": {"Q7.3[what is left]"},
        "integral transform: even knots": {"Q7.1[law]", "Q7.1[invariances]"},
        "integral transform: two levels": {"Q7.1[law]"},
        "integral transform: not centred": {"Q7.1[law]"},
        "integral transform: quantiles detached": {"Q7[gradient]"},
        "integral transform: no floor": {"Q7.1[law]"},
        "integral transform: uniform, whatever is asked for": {"Q7.1[law]"},
        "top-k: largest value, not magnitude": {"Q7.4[density]"},
        "top-k: one too many": {"Q7.4[density]"},
        "random mask: nothing dropped": {"Q7.4[density]"},
        "cone: not projected": {"Q7.5[cone, layer]"},
        "cone: projected over the last axis": {"Q7.5[cone, layer]"},
        "cone: the magnitude for ReLU": {"Q7.5[cone, projection]"},
        "cone: not the nearest point": {"Q7.5[cone, projection]"},
        "cone: sorted for isotonic": {"Q7.5[cone, projection]"},
        "orbit: flips over one axis alone": {"Q7.5[group, layer]"},
        "orbit: one turn missing": {"Q7.5[group, layer]"},
        "orbit: means' spread not in the variance": {"Q7.5[group, layer]"},
        "orbit: running variance tripled": {"Q7[eval mode]"},
        "orbit: running variance of images alone": {"Q7[eval mode]"},
        "all: momentum flipped": {"Q7[eval mode]", "Q7.2[eval]"},
        "all: eval on batch statistics": {"Q7[eval mode]"},
        "dropout: not scaled": {"Q6.3[formula]"},
        "dropout: one mask for all images": {"Q6.3[formula]"},
    },
}
MODULES = {"defects": defects, "layer_defects": layer_defects}
PAIRS = [(module, defect) for module, there in MODULES.items() for defect in there.DEFECTS]


def found_with(module: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    """Which claims failed with which defect; found out once, also where xdist's workers share the tests below."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # what its workers share
    result = shared / f"planted-{module}.json"
    with FileLock(f"{result}.lock"):
        if not result.exists():
            result.write_text(json.dumps(caught(f"tests.claims.{module}")))
    found: dict[str, list[str]] = json.loads(result.read_text())
    return found


@pytest.mark.parametrize("module", MODULES)
def test_correct_code_passes(module: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert found_with(module, tmp_path_factory)[CONTROL] == []


@pytest.mark.parametrize(("module", "defect"), PAIRS)
def test_defect_is_noticed(module: str, defect: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert NOTICED_BY[module][defect] <= set(found_with(module, tmp_path_factory)[defect])


@pytest.mark.parametrize("defect", defects.DEFECTS)
def test_defect_is_one(defect: str) -> None:
    """Planted, it changes what torch's own layer gives, in training or in eval mode, forward or backward."""

    def everything() -> list[torch.Tensor]:
        draw = torch.Generator().manual_seed(0)
        layer = nn.BatchNorm1d(3)
        with torch.no_grad():
            layer.weight.fill_(2)
            layer.bias.fill_(1)
        # far enough from 0 that float32 cancels, and so narrow that it matters where eps is added
        x = (3 + 0.03 * torch.randn(4, 3, 2, generator=draw)).requires_grad_()
        y = layer(x)
        (gradient,) = torch.autograd.grad(y, x, torch.randn(y.shape, generator=draw))
        return [y, gradient, *layer.buffers(), layer.eval()(x)]

    with defects.planted(CONTROL):
        right = everything()
    with defects.planted(defect):
        wrong = everything()
    assert any(not torch.allclose(a, b) for a, b in zip(right, wrong, strict=True))


def test_table() -> None:
    assert table({"this": ["C1", "Q1.1"], "that": []}).splitlines() == [
        "| defect | claims that caught it |",
        "|---|---|",
        "| this | C1, Q1.1 |",
        "| that | none |",
    ]
