"""What a user sees while evidence is gathered: a bar on a terminal, nothing but warnings elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from pytest_claims.plan import Batch


def duration(seconds: float) -> str:
    """A time span for people: "45 s", "2.5 min", "12 min", "3.4 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 600:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def wanted(todo: Batch, seconds: float | None, *, unit: str) -> str:
    """A batch in one line: what it wants, what is stored, and the expected time."""
    time = f"about {duration(seconds)}" if seconds is not None else "time unknown, as nothing like it was timed yet"
    reused = todo.distinct - len(todo.trials)
    return (
        f"claims: {todo.requested} runs wanted, {todo.distinct} of them distinct "
        f"({todo.distinct_cost:.1f} of {todo.requested_cost:.1f} {unit}); {reused} stored, {len(todo.trials)} to train "
        f"({todo.cost:.1f} {unit}, {time})"
    )


def trained(trials: int, seconds: float, memory: int) -> str:
    """What gathering came to, in one line."""
    held = f"; the largest process held {memory / 1e6:.0f} MB" if memory else ""
    return f"claims: {trials} trials trained in {duration(seconds)}{held}"


@dataclass
class Bar:
    """Shows a batch being trained.

    Attributes:
        write: Prints a line.
        unit: Of cost.
        show: Whether there is a terminal for a bar.
        trained: Trials finished or given up in all batches.
        warnings: What was warned of.
    """

    write: Callable[[str], None]
    unit: str
    show: bool
    trained: int = 0
    warnings: list[str] = field(default_factory=list)
    _bar: "tqdm[Any] | None" = None
    _reused: int = 0

    def planned(self, todo: Batch, seconds: float | None) -> None:
        """Say what is wanted and start the bar."""
        self.write(wanted(todo, seconds, unit=self.unit))
        if self.show:
            self._reused = todo.distinct - len(todo.trials)
            layout = (
                "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} "
                + self.unit
                + " [{elapsed}<{remaining}{postfix}]"
            )
            self._bar = bar = tqdm(total=todo.cost, desc="training", bar_format=layout, dynamic_ncols=True)
            bar.set_postfix(done=0, reused=self._reused, running=0)

    def finished(self, cost: float, running: int) -> None:
        """Move the bar on."""
        self.trained += 1
        if self._bar is not None:
            self._bar.set_postfix(done=self.trained, reused=self._reused, running=running, refresh=False)
            self._bar.update(cost)

    def warned(self, message: str) -> None:
        """Print a warning, above the bar if there is one."""
        self.warnings.append(message)
        if self._bar is not None:
            self._bar.clear()
        self.write(f"claims: {message}")

    def gathered(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
