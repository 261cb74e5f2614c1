"""What one training run leaves behind."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from bnmodels.probes import Probe


@dataclass(frozen=True, kw_only=True)
class History:
    """The course of one training run.

    Attributes:
        steps_per_epoch: Minibatches in an epoch.
        losses: Training-mode loss of each step, in nats; shorter than planned if the run diverged.
        probes: Measurements before training and after each epoch, so `horizon + 1` of them. Epochs that a diverged run
            did not reach repeat what was measured when it stopped.
        diverged_at: Step, counted from 0, whose loss was not finite; None if all were.
    """

    steps_per_epoch: int
    losses: tuple[float, ...]
    probes: tuple[Probe, ...]
    diverged_at: int | None

    @property
    def horizon(self) -> int:
        """Epochs planned."""
        return len(self.probes) - 1

    @property
    def diverged(self) -> bool:
        """Whether a loss was not finite."""
        return self.diverged_at is not None

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
        size = self.steps_per_epoch
        epochs = [self.losses[epoch * size : (epoch + 1) * size] for epoch in range(self.horizon)]
        return [sum(steps) / len(steps) if steps else None for steps in epochs]

    def until(self, horizon: int) -> Self:
        """The same run planned for fewer epochs.

        Raises:
            ValueError: The run is shorter than that.
        """
        if not 1 <= horizon <= self.horizon:
            raise ValueError(f"horizon={horizon}: this run has {self.horizon} epochs")
        steps = horizon * self.steps_per_epoch
        diverged = self.diverged_at is not None and self.diverged_at < steps
        return replace(
            self,
            losses=self.losses[:steps],
            probes=self.probes[: horizon + 1],
            diverged_at=self.diverged_at if diverged else None,
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
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "History":
        """The run that `to_json` described."""
        return cls(
            steps_per_epoch=data["steps_per_epoch"],
            losses=tuple(data["losses"]),
            probes=tuple(Probe.from_json(probe) for probe in data["probes"]),
            diverged_at=data["diverged_at"],
        )
