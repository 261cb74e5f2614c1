"""What is recorded while a network trains, and when a run is over before its last epoch."""

import math
from collections.abc import Collection
from dataclasses import replace

from bnmodels.correlation import correlation
from bnmodels.history import LAST_STEPS, History, blocks
from bnmodels.noise import batch_noise
from bnmodels.probes import Bench, Network, Probe, probe, short
from bnmodels.recipe import Correlated, Recipe
from bnmodels.sharpness import flatness

BLOW_UP_STEPS = 100
"""First steps over which the growth of the signal is watched."""
HOPELESS = 1.25 * math.log(10)
"""Mean training loss of an epoch, in nats, above which a network is worse than one that guesses."""


class Course:
    """The course of one run: fed with each step's loss and with the network after each epoch, it gives the history."""

    def __init__(self, recipe: Recipe, seed: int, horizon: int, bench: Bench) -> None:
        self.recipe, self.seed, self.horizon, self.bench = recipe, seed, horizon, bench
        self.losses: list[float] = []
        self.tails: list[float] = []
        self.probes: list[Probe] = []
        self.first: list[float] = []
        self.largest: list[float] = []

    @property
    def watches(self) -> bool:
        """Whether the next step's signal is wanted."""
        return len(self.losses) < BLOW_UP_STEPS

    def step(self, loss: float, signal: list[float]) -> bool:
        """Take a step's loss, and, if it `watches`, the signal at each place; False if the loss is not finite."""
        if self.watches:
            signal = [value if math.isfinite(value) else math.inf for value in signal]
            self.first = self.first or signal
            self.largest = [max(pair) for pair in zip(self.largest or signal, signal, strict=True)]
        if not math.isfinite(loss):
            return False
        self.losses.append(loss)
        return True

    def measure(self, network: Network, epoch: int) -> None:
        """Probe the network after an epoch."""
        self.probes.append(self._probe(network, {epoch}, precise=self.recipe.precise_after(epoch)))
        if epoch:
            self.tails.append(short(_mean(self.losses[-LAST_STEPS:])))

    def _probe(self, network: Network, epochs: Collection[int], *, precise: bool) -> Probe:
        """What the recipe wants measured after these epochs."""
        recipe = self.recipe
        measured = probe(
            network,
            self.bench,
            precise=precise,
            training=recipe.training_accuracy,
            parameters=not set(epochs).isdisjoint(recipe.parameter_epochs),
        )
        if not set(epochs).isdisjoint(recipe.flatness_epochs):
            measured = replace(measured, flatness=flatness(network, self.bench, seed=self.seed))
        if not set(epochs).isdisjoint(recipe.noise_epochs):
            measured = replace(measured, noise=batch_noise(network, self.bench, seed=self.seed))
        if isinstance(recipe, Correlated) and not set(epochs).isdisjoint(recipe.correlation_epochs):
            measured = replace(measured, correlation=correlation(network, self.bench))
        return measured

    @property
    def gives_up(self) -> bool:
        """Whether epochs are left, and the recipe lets a failed run end.

        Failed is a run whose last two epochs were each worse than guessing, and whose last 100 steps were, too.
        """
        size = self.recipe.steps_per_epoch
        epochs = [self.losses[-size:], self.losses[-2 * size : -size]]
        worse = all(len(losses) == size and _mean(losses) > HOPELESS for losses in epochs)
        return self.recipe.give_up and len(self.tails) < self.horizon and worse and self.tails[-1] > HOPELESS

    def stopped(self, network: Network, *, diverged: bool) -> History:
        """The history of a run that ends here: the epochs it does not reach hold what the network does now."""
        missing = range(len(self.probes), self.horizon + 1)
        self.probes += [self._probe(network, missing, precise=True)] * len(missing)
        tail = math.inf if diverged else self.tails[-1]
        self.tails += [tail] * (self.horizon - len(self.tails))
        made = len(self.losses)
        history = self.history()
        return replace(history, diverged_at=made) if diverged else replace(history, given_up_at=made)

    def history(self) -> History:
        """What was recorded so far."""
        return History(
            steps_per_epoch=self.recipe.steps_per_epoch,
            losses=tuple(map(short, blocks(self.losses, self.recipe.steps_per_epoch))),
            tails=tuple(self.tails),
            probes=tuple(self.probes),
            blow_up=tuple(
                (short(first) if math.isfinite(first) else None, short(most) if math.isfinite(most) else None)
                for first, most in zip(self.first, self.largest, strict=True)
            ),
        )


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
