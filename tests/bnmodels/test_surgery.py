"""Leaving norms out, and folding biases away; that folding keeps the function is claimed, and tested, in `claims`."""

import copy

import pytest
import torch
from torch import Tensor, nn

from bnmodels.lenet import Architecture
from bnmodels.surgery import fold_bias_into_beta, fold_bias_into_running_mean, without_norms


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([], ("batch", "batch", "batch", "batch")),
        ([1], (None, "batch", "batch", "batch")),
        ({2, 4}, ("batch", None, "batch", None)),
        ((1, 2, 3, 4), (None, None, None, None)),
        ([3, 3], ("batch", "batch", None, "batch")),
    ],
)
def test_without_norms(places: list[int], expected: tuple[str | None, ...]) -> None:
    before = Architecture(affine=False)
    after = without_norms(before, places)
    assert after.norms == expected
    assert not after.affine
    assert before.norms == ("batch",) * 4


@pytest.mark.parametrize("places", [[0], [5], [1, -1]])
def test_without_norms_wrong_place(places: list[int]) -> None:
    with pytest.raises(ValueError, match=rf"places=\[{places[-1]}\]: a LeNet has places 1 to 4"):
        without_norms(Architecture(), places)


def linear(bias: bool = True) -> nn.Linear:
    """y = (2 x, 3 x) + (1, -2)."""
    layer = nn.Linear(1, 2, bias=bias, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0], [3.0]]))
        if bias:
            layer.bias.copy_(torch.tensor([1.0, -2.0]))
    return layer


def norm() -> nn.BatchNorm1d:
    """Gamma (4, 5), beta (1, 1), running mean (10, 20), running variance such that sqrt(var + eps) = (2, 4)."""
    layer = nn.BatchNorm1d(2, eps=0.25, dtype=torch.float64)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([4.0, 5.0]))
        layer.bias.fill_(1)
        layer.running_mean.copy_(torch.tensor([10.0, 20.0]))
        layer.running_var.copy_(torch.tensor([3.75, 15.75]))
    return layer


def test_fold_bias_into_running_mean_by_hand() -> None:
    layer, after = linear(), norm()
    mean = after.running_mean
    fold_bias_into_running_mean(layer, after)
    assert not list(layer.named_parameters())[1:]
    assert after.running_mean is mean, "still the same buffer, so that a state dict and an optimiser see it"
    assert mean is not None
    assert mean.tolist() == [9.0, 22.0]
    assert after.bias.tolist() == [1.0, 1.0]


def test_fold_bias_into_beta_by_hand() -> None:
    layer, after = linear(), norm()
    fold_bias_into_beta(layer, after)
    assert not list(layer.named_parameters())[1:]
    assert after.bias.tolist() == [1 + 4 * 1 / 2, 1 + 5 * -2 / 4]
    assert after.running_mean is not None
    assert after.running_mean.tolist() == [10.0, 20.0]
    assert after.bias.requires_grad


@pytest.mark.parametrize("fold", [fold_bias_into_running_mean, fold_bias_into_beta])
def test_fold_keeps_eval_output(fold: object) -> None:
    """All values are small multiples of powers of 2, so that nothing rounds."""
    layer, after = linear(), norm().eval()
    x = torch.tensor([[0.0], [1.0], [-8.0]], dtype=torch.float64)
    before: Tensor = after(layer(x))
    assert callable(fold)
    fold(layer, after)
    assert torch.equal(after(layer(x)), before)


def test_fold_bias_into_beta_is_wrong_in_training() -> None:
    layer, after = linear(), norm()
    x = torch.tensor([[0.0], [1.0], [-8.0]], dtype=torch.float64)
    before = copy.deepcopy(after)(layer(x))
    fold_bias_into_beta(layer, after)
    assert (after(layer(x)) - before).abs().min() > 1, (
        "beta moved by 2 and -2.5, the batch mean had no bias to take out"
    )


def test_folded_network_can_be_saved_and_trained() -> None:
    layer, after = linear(), norm()
    fold_bias_into_running_mean(layer, after)
    assert list(layer.state_dict()) == ["weight"]
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    torch.autograd.backward(after(layer(torch.ones(2, 1, dtype=torch.float64))).sum())


@pytest.mark.parametrize("fold", [fold_bias_into_running_mean, fold_bias_into_beta])
@pytest.mark.parametrize(
    ("layer", "after", "words"),
    [
        (linear(bias=False), norm(), "has no bias to fold"),
        (nn.Sigmoid(), norm(), "has no bias to fold"),
        (linear(), nn.Identity(), "only a batch norm makes"),
        (linear(), nn.LayerNorm(2), "only a batch norm makes"),
        (linear(), nn.BatchNorm1d(2, track_running_stats=False), "keeps no running statistics"),
        (linear(), nn.BatchNorm1d(3), "has 2 channels, .* has 3"),
    ],
)
def test_fold_refuses(fold: object, layer: nn.Module, after: nn.Module, words: str) -> None:
    before = copy.deepcopy(layer.state_dict()), copy.deepcopy(after.state_dict())
    assert callable(fold)
    with pytest.raises(ValueError, match=words):
        fold(layer, after)
    for old, module in zip(before, (layer, after), strict=True):
        assert all(torch.equal(old[name], value) for name, value in module.state_dict().items())


def test_fold_bias_into_beta_needs_beta() -> None:
    layer = linear()
    with pytest.raises(ValueError, match="has no beta to take the bias up"):
        fold_bias_into_beta(layer, nn.BatchNorm1d(2, affine=False))
    assert layer.bias is not None, "what was refused must not be changed"
