"""What one training run leaves behind."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from bnmodels.probes import Probe

BLOCK = 10
"""Steps whose losses are kept as one mean. A block ends with its epoch."""
LAST_STEPS = 100
"""Steps over which the loss at the end of an epoch is taken."""


@dataclass(frozen=True, kw_only=True)
class History:
    """The course of one training run.

    An epoch that was not reached, since the run diverged or was given up, repeats what was measured when it stopped.

    Attributes:
        steps_per_epoch: Minibatches in an epoch.
        losses: Training-mode loss, in nats, as means over blocks of `BLOCK` steps; shorter than planned if the run stopped.
        tails: For each epoch the mean loss of the last 100 steps up to its end; inf once a loss was not finite.
        probes: Measurements before training and after each epoch, so `horizon + 1` of them.
        blow_up: For each place, the mean square of what enters the activation, on the batch of the first step, and its
            largest value over the first 100 steps; None where it was not finite.
        diverged_at: Step, counted from 0, whose loss was not finite; None if all were.
        given_up_at: Steps after which the run was given up as failed; None if it was not.
    """

    steps_per_epoch: int
    losses: tuple[float, ...]
    tails: tuple[float, ...]
    probes: tuple[Probe, ...]
    blow_up: tuple[tuple[float | None, float | None], ...] = ()
    diverged_at: int | None = None
    given_up_at: int | None = None

    @property
    def horizon(self) -> int:
        """Epochs planned."""
        return len(self.probes) - 1

    @property
    def diverged(self) -> bool:
        """Whether a loss was not finite."""
        return self.diverged_at is not None

    @property
    def blocks_per_epoch(self) -> int:
        """Means in `losses` for each epoch."""
        return -(-self.steps_per_epoch // BLOCK)

    @property
    def block_ends(self) -> list[int]:
        """For each of `losses`, how many steps had been made at the end of its block."""
        per_epoch = [min((block + 1) * BLOCK, self.steps_per_epoch) for block in range(self.blocks_per_epoch)]
        made = self.horizon * self.steps_per_epoch if self.diverged_at is None else self.diverged_at
        return [
            min(index // self.blocks_per_epoch * self.steps_per_epoch + per_epoch[index % self.blocks_per_epoch], made)
            for index in range(len(self.losses))
        ]

    @property
    def test_accuracy(self) -> list[float]:
        """E: share of test images classified right in eval mode, after each epoch."""
        return [probe.accuracy for probe in self.probes[1:]]

    @property
    def precise_accuracy(self) -> list[float | None]:
        """P: the same with re-estimated statistics, after each epoch; None where the recipe did not measure it."""
        return [probe.precise_accuracy for probe in self.probes[1:]]

    @property
    def training_loss(self) -> list[float | None]:
        """Mean training-mode loss of each epoch, in nats; None for epochs that were not reached."""
        size, ends = self.blocks_per_epoch, self.block_ends
        steps = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        means: list[float | None] = []
        for first in range(0, self.horizon * size, size):
            weights = steps[first : first + size]
            losses = self.losses[first : first + size]
            means.append(sum(map(float.__mul__, map(float, weights), losses)) / sum(weights) if losses else None)
        return means

    def until(self, horizon: int) -> Self:
        """The same run planned for fewer epochs. `blow_up` stays, even if those epochs have fewer than its 100 steps.

        Raises:
            ValueError: The run is shorter than that.
        """
        if not 1 <= horizon <= self.horizon:
            raise ValueError(f"horizon={horizon}: this run has {self.horizon} epochs")
        steps = horizon * self.steps_per_epoch
        return replace(
            self,
            losses=self.losses[: horizon * self.blocks_per_epoch],
            tails=self.tails[:horizon],
            probes=self.probes[: horizon + 1],
            diverged_at=_before(self.diverged_at, steps),
            given_up_at=_before(self.given_up_at, steps),
        )

    def curves(self) -> dict[str, list[float | None]]:
        """What a report draws, one value an epoch."""
        return {
            "test accuracy": list(self.test_accuracy),
            "precise accuracy": self.precise_accuracy,
            "training loss": self.training_loss,
        }

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"tails": [tail if math.isfinite(tail) else None for tail in self.tails]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "History":
        """The run that `to_json` described."""
        return cls(
            steps_per_epoch=data["steps_per_epoch"],
            losses=tuple(data["losses"]),
            tails=tuple(math.inf if tail is None else tail for tail in data["tails"]),
            probes=tuple(Probe.from_json(probe) for probe in data["probes"]),
            blow_up=tuple((first, largest) for first, largest in data["blow_up"]),
            diverged_at=data["diverged_at"],
            given_up_at=data["given_up_at"],
        )


def _before(step: int | None, end: int) -> int | None:
    return step if step is not None and step < end else None


def blocks(losses: Sequence[float], steps_per_epoch: int) -> list[float]:
    """Losses of single steps as means over blocks; a block ends with its epoch, the last one may be unfinished."""
    means = []
    for epoch in range(0, len(losses), steps_per_epoch):
        of_epoch = losses[epoch : epoch + steps_per_epoch]
        for start in range(0, len(of_epoch), BLOCK):
            block = of_epoch[start : start + BLOCK]
            means.append(math.fsum(block) / len(block))
    return means
