"""Histories made by hand."""

from collections.abc import Sequence

from bnmodels.history import LAST_STEPS, History, blocks
from bnmodels.probes import Probe


def history(
    losses: Sequence[float], accuracy: Sequence[float], *, steps: int = 100, precise: Sequence[float] | None = None
) -> History:
    """A run with these losses a step, and these accuracies an epoch."""
    probes = [
        Probe(accuracy=a, precise_accuracy=p, signal=(1.0,) * 4, signal_eval=(1.0,) * 4)
        for a, p in zip([0.1, *accuracy], [0.1, *(precise or accuracy)], strict=True)
    ]
    ends = range(steps, steps * len(accuracy) + 1, steps)
    tails = [losses[max(0, end - LAST_STEPS) : end] for end in ends]
    return History(
        steps_per_epoch=steps,
        losses=tuple(blocks(losses, steps)),
        tails=tuple(sum(tail) / len(tail) if tail else 0.0 for tail in tails),
        probes=tuple(probes),
    )


TRAINED = history([0.1] * 200, [0.9, 0.95])
PLATEAU = history([2.3] * 200, [0.1, 0.1])
UNSTABLE = history([5.0] * 200, [0.1, 0.1])
