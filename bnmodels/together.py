"""Training of many networks at once, for accelerators: arms and seeds of one shape in one stack of tensors.

A small network leaves an accelerator idle: every step is some fifty launches of kernels that have little to do. Here each
launch works for all networks. What they train on, from and with stays each one's own, and so does what is measured.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional as F  # noqa: N812  # its usual name

from bnmodels.beginning import images_of, network_of, order_of
from bnmodels.course import Course
from bnmodels.dropout import Dropout
from bnmodels.history import History
from bnmodels.lenet import Architecture
from bnmodels.probes import Bench, widest
from bnmodels.recipe import DTYPES, Recipe

State = dict[str, Tensor]
"""Tensors by name; the first axis counts networks."""
SPARE = 0.5
"""Share of the free memory that networks may take."""


def form(recipe: Recipe) -> Recipe:
    """The recipe that stands for all that can train together with this one.

    Free are the learning rate, momentum, weight decay, giving up, what is measured after which epoch, and which of bias,
    gamma and beta are there and are trained: one that is not is there, does nothing, and stays as it is.
    """
    architecture = recipe.architecture
    if isinstance(architecture, Architecture):
        architecture = replace(
            architecture, conv_bias=True, linear_bias=True, affine=True, freeze_gamma=False, freeze_beta=False
        )
    measured: dict[str, Any] = {field.name: () for field in fields(recipe) if field.name.endswith("_epochs")}
    return replace(
        recipe,
        architecture=architecture,
        lr=1.0,
        momentum=0.0,
        weight_decay=0.0,
        give_up=True,
        training_accuracy=False,
        **measured,
    )


def train_together(
    recipes: Sequence[Recipe],
    *,
    seeds: Sequence[int],
    horizons: Sequence[int],
    device: str,
    data_dir: Path | None = None,
    compiled: bool = False,
) -> list[History]:
    """Train networks of one form at once, each as `train` does it.

    Args:
        recipes: One a network; all of one `form`.
        seeds: One a network.
        horizons: Epochs, one a network; networks leave the stack as they end.
        device: Where, such as `cpu` or `cuda:1`.
        data_dir: Where data sets lie that are not embedded.
        compiled: Whether a step goes through `torch.compile`.

    Returns:
        The histories, in order. They are those of `train` up to rounding, which training may amplify. Where a norm refuses a
        network's input as not finite, which nothing can be asked of in a stack, its running statistics may then not be finite.

    Raises:
        ValueError: As `train`; or recipes of different forms, or not as many seeds and horizons as recipes.
        bnmodels.data.DataError: The data cannot be used.
    """
    if not len(recipes) == len(seeds) == len(horizons) or not recipes:
        raise ValueError(
            f"{len(recipes)} recipes, {len(seeds)} seeds, {len(horizons)} horizons: as many of each, from 1"
        )
    if min(horizons) < 1:
        raise ValueError(f"horizon={min(horizons)}: at least 1 epoch")
    common = form(recipes[0])
    if other := next((recipe for recipe in recipes if form(recipe) != common), None):
        raise ValueError(f"{recipes[0]} and {other}: have different forms, and cannot train together")
    images, labels, bench = images_of(common, torch.device(device), data_dir)
    members = [
        Member(k, recipe, seed, network_of(recipe, seed).to(device).train(), Course(recipe, seed, horizon, bench))
        for k, (recipe, seed, horizon) in enumerate(zip(recipes, seeds, horizons, strict=True))
    ]
    stack = Stack(common, members, torch.device(device), compiled=compiled)
    histories: dict[int, History] = {}
    for member in members:
        member.course.measure(member.network, 0)
    epoch = 0
    while members:
        epoch += 1
        _run_epoch(stack, members, epoch, images, labels, bench)
        for row, member in enumerate(members):
            stack.copy_to(member.network, row)
            if (history := member.after(epoch)) is not None:
                histories[member.place] = history
        staying = [row for row, member in enumerate(members) if member.place not in histories]
        if len(staying) < len(members):
            members = [members[row] for row in staying]
            stack.keep(staying)
    return [histories[k] for k in range(len(recipes))]


def at_once(recipe: Recipe, device: str) -> int:
    """How many networks of a recipe's form fit into half of the device's free memory, at least 1.

    A network takes what its backward pass keeps, once more for gradients on the way, and its parameters five times
    (values, gradients, momentum, and old beside new).
    """
    common = form(recipe)
    network = network_of(common, 0).to("meta").train()
    if any(isinstance(layer, Dropout) for layer in network.modules()):
        return 1  # what it draws cannot be drawn in a stack
    pixels = torch.empty((min(common.batch_size, common.train_images), 1, 28, 28), dtype=network.dtype, device="meta")
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        _, logits = network.trace(pixels)
    state = sum(value.nbytes for value in network.state_dict().values())
    each = 2 * (sum(kept.values()) + pixels.nbytes + logits.nbytes) + 5 * state
    return max(1, int(SPARE * _free_memory(torch.device(device)) / each))


def _free_memory(device: torch.device) -> int:
    """Bytes that may be had, as far as the system says."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows, macOS
        return 2**31


@dataclass
class Member:
    """One network of the stack: what is its own."""

    place: int
    recipe: Recipe
    seed: int
    network: Any
    course: Course
    stopped: bool = False

    def after(self, epoch: int) -> History | None:
        """Measure what stands after an epoch; the history, if the run is over."""
        if self.stopped:
            return self.course.stopped(self.network, diverged=True)
        self.course.measure(self.network, epoch)
        if self.course.gives_up:
            return self.course.stopped(self.network, diverged=False)
        return self.course.history() if epoch == self.course.horizon else None


def _run_epoch(stack: "Stack", members: list[Member], epoch: int, images: Tensor, labels: Tensor, bench: Bench) -> None:
    """An epoch of all networks, and its losses and signals to each one's course."""
    by_seed = {member.seed: order_of(member.recipe, member.seed, epoch, images.device) for member in members}
    orders = [by_seed[member.seed] for member in members]
    losses, signals = [], []
    for step in range(len(orders[0])):
        chosen = torch.stack([order[step] for order in orders])
        pixels = torch.unflatten(bench.scaled(images[chosen.flatten()], stack.dtype), 0, chosen.shape)
        loss, signal = stack.step(pixels, labels[chosen])
        losses.append(loss)
        signals.append(signal)
    every_loss = torch.stack(losses).tolist()  # the one moment at which the device is waited for
    every_signal = torch.stack(signals).tolist()
    for row, member in enumerate(members):
        steps = zip(every_loss, every_signal, strict=True)
        member.stopped = not all(member.course.step(losses[row], signals[row]) for losses, signals in steps)


class _Traced(nn.Module):
    """A network whose forward pass is its trace."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Any:
        return self.network.trace(images)


class Stack:
    """Networks of one form, as one tensor a name."""

    def __init__(self, common: Recipe, members: Sequence[Member], device: torch.device, *, compiled: bool) -> None:
        self.dtype = DTYPES[common.dtype]
        self.frame = _Traced(network_of(common, 0)).to("meta").train()
        twins = [_Traced(_twin(common, member)).to(device) for member in members]
        parameters, buffers = stack_module_state(twins)
        self.parameters: State = {name: value.detach() for name, value in parameters.items()}
        self.buffers: State = {name: value.clone() for name, value in buffers.items()}
        self.velocity: State = {name: torch.zeros_like(value) for name, value in self.parameters.items()}
        self.alive = torch.ones(len(members), dtype=torch.bool, device=device)
        own = [dict(member.network.named_parameters()) for member in members]
        trained = {name: [_trained(each, name.removeprefix("network.")) for each in own] for name in self.parameters}
        recipes = [member.recipe for member in members]

        def column(values: Sequence[float], like: Tensor) -> Tensor:
            return torch.tensor(values, dtype=like.dtype, device=device).view(-1, *[1] * (like.dim() - 1))

        self.rates: State = {
            name: column([recipe.lr * moves for recipe, moves in zip(recipes, trained[name], strict=True)], value)
            for name, value in self.parameters.items()
        }
        self.momentum = torch.tensor([recipe.momentum for recipe in recipes], dtype=self.dtype, device=device)
        self.decay = torch.tensor([recipe.weight_decay for recipe in recipes], dtype=self.dtype, device=device)
        self._gradients = vmap(grad_and_value(self._loss, has_aux=True))
        self._step: Any = torch.compile(self._update) if compiled else self._update

    def _loss(self, parameters: State, buffers: State, images: Tensor, labels: Tensor) -> Any:
        """Of one network; beside it the signal at its places, and its buffers after the forward pass."""
        moved = {name: value.clone() for name, value in buffers.items()}  # norms move them in place
        places, logits = functional_call(self.frame, (parameters, moved), (images,))
        signal = torch.stack([place.detach().square().mean(dtype=widest(place.device)) for place in places])
        return F.cross_entropy(logits, labels), (signal, moved)

    def _update(
        self, parameters: State, buffers: State, velocity: State, alive: Tensor, images: Tensor, labels: Tensor
    ) -> tuple[State, State, State, Tensor, Tensor, Tensor]:
        """All states after a step of SGD; what is no longer alive stays."""
        gradients, (loss, (signal, moved)) = self._gradients(parameters, buffers, images, labels)
        still = alive & loss.isfinite()
        after, speed = {}, {}
        for name, value in parameters.items():
            step = gradients[name] + _beside(self.decay, value) * value
            speed[name] = _beside(self.momentum, value) * velocity[name] + step
            after[name] = torch.where(_beside(still, value), value - self.rates[name] * speed[name], value)
        # a step whose loss is not finite still moves the running statistics, as it does for one network
        kept = {name: torch.where(_beside(alive, value), moved[name], value) for name, value in buffers.items()}
        return after, kept, speed, still, loss, signal

    @torch.no_grad()
    def step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """A step of SGD, each network on a batch of its own.

        Args:
            images: Shape `(networks, batch, 1, 28, 28)`.
            labels: Shape `(networks, batch)`.

        Returns:
            The losses, of shape `(networks,)`, and the signals, of shape `(networks, places)`.
        """
        state = (self.parameters, self.buffers, self.velocity, self.alive)
        self.parameters, self.buffers, self.velocity, self.alive, loss, signal = self._step(*state, images, labels)
        return loss, signal

    @torch.no_grad()
    def copy_to(self, network: Any, row: int) -> None:
        """Give a network of its own what the stack holds for it."""
        for name, value in network.state_dict().items():
            source = self.parameters if f"network.{name}" in self.parameters else self.buffers
            value.copy_(source[f"network.{name}"][row])

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all networks but these."""
        chosen = torch.tensor(rows, dtype=torch.long, device=self.alive.device)
        for state in (self.parameters, self.buffers, self.velocity, self.rates):
            for name, value in state.items():
                state[name] = value[chosen]
        self.alive, self.momentum, self.decay = self.alive[chosen], self.momentum[chosen], self.decay[chosen]


def _twin(common: Recipe, member: Member) -> Any:
    """A member's network in the common form: biases that it lacks are 0; gamma and beta begin at 1 and 0 anyway."""
    own = dict(member.network.named_parameters())
    twin = network_of(common, member.seed)
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            if name not in own and name.endswith("bias"):
                parameter.zero_()
    return twin


def _trained(own: dict[str, nn.Parameter], name: str) -> bool:
    return name in own and own[name].requires_grad


def _beside(per_network: Tensor, values: Tensor) -> Tensor:
    return per_network.view(-1, *[1] * (values.dim() - 1))
