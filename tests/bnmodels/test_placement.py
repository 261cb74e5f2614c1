"""Nothing is left on the CPU: whole runs on the meta device, with every operation that mixes devices refused."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bnmodels import probes, training
from bnmodels.beginning import images_of
from bnmodels.recipe import Recipe
from bnmodels.together import form, train_together
from bnmodels.training import train
from tests.claims.recipes import draws, manifest_recipes

from .samples import SMALL

MOVES = {"_to_copy", "copy_", "index", "index_put_"}
"""May see two devices: they move values, or are given indices, which an accelerator takes from the CPU."""


class Accelerator(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not type it
    """Makes the meta device behave as an accelerator: it refuses tensors of the CPU, and what is read from it is 1.

    Numbers of no dimension may come from anywhere, as on an accelerator. With `double=False` it has no float64, as `mps`.
    """

    def __init__(self, *, double: bool = True) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.double = double
        self.seen = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.is_inference_mode_enabled():  # which hands compound operations over whole
            with self:
                parts = func.decompose(*args, **(kwargs or {}))
            if parts is not NotImplemented:
                return parts
        name = func.overloadpacket.__name__
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        on_meta = [tensor for tensor in tensors if tensor.is_meta]
        self.seen += len(on_meta)
        if on_meta and name not in MOVES:
            astray = [tensor for tensor in tensors if not tensor.is_meta and tensor.dim()]
            assert not astray, f"{name}: {len(astray)} tensors on the CPU beside {len(on_meta)} on the accelerator"
        if on_meta and name == "_local_scalar_dense":
            return {torch.bool: True}.get(args[0].dtype, 1.0 if args[0].is_floating_point() else 1)
        if on_meta and name == "_to_copy" and (kwargs or {}).get("device") == torch.device("cpu"):
            return torch.ones(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        made = func(*args, **(kwargs or {}))
        if not self.double:
            doubles = [leaf for leaf in tree_leaves(made) if isinstance(leaf, torch.Tensor) and leaf.is_meta]
            assert all(leaf.dtype != torch.float64 for leaf in doubles), f"{name}: float64 on a device without it"
        return made


def _small(recipe: Recipe) -> Recipe:
    """A step and a half, with all that is measured on the way."""
    images = int(1.5 * recipe.batch_size)
    return replace(
        recipe,
        train_images=images,
        test_images=10,
        precise_images=10,
        passes=1,
        held_out=False,
        precise_epochs=(),
        training_accuracy=True,
        parameter_epochs=(1,),
        flatness_epochs=(1,) if recipe.flatness_epochs else (),
        noise_epochs=(1,) if recipe.noise_epochs else (),
    )


RECIPES = list({form(recipe): recipe for recipe in map(_small, manifest_recipes())}.values())


@pytest.mark.parametrize(
    ("double", "recipe"), [(True, recipe) for recipe in RECIPES] + [(False, recipe) for recipe in RECIPES[::8]]
)
def test_train_leaves_nothing_on_the_cpu(double: bool, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole epoch and everything that is measured; of every fourth form in a stack, too, whose step is one for all."""
    if not double:
        monkeypatch.setattr(probes, "NO_DOUBLE", {"meta"})
    with Accelerator(double=double) as accelerator:
        alone = train(recipe, seed=0, horizon=1, device="meta")
        pair = [] if draws(recipe) or RECIPES.index(recipe) % 4 else [recipe, replace(recipe, lr=1.0)]
        together = train_together(pair, seeds=[0, 1], horizons=[1, 1], device="meta") if pair else []
    assert accelerator.seen > 500
    assert [history.horizon for history in (alone, *together)] == [1] * (1 + len(pair))


def test_the_check_sees_a_tensor_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels that stay on the CPU, as a forgotten `.to(device)` leaves them."""

    def forgets(*arguments: Any) -> Any:
        images, labels, bench = images_of(*arguments)
        return images, torch.zeros(labels.shape, dtype=torch.int64), bench

    monkeypatch.setattr(training, "images_of", forgets)
    with Accelerator(), pytest.raises(AssertionError, match="1 tensors on the CPU beside"):
        train(_small(SMALL), seed=0, horizon=1, device="meta")
