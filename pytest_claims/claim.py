"""Claims: what is known of a statement before anything is run."""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal

from pytest_claims import statistics
from pytest_claims.chart import Chart
from pytest_claims.trial import Json, Run, describe, digest
from pytest_claims.tuning import FIRST_TUNING_SEED, Tuned


class Outcome(StrEnum):
    """What a claim can come to."""

    SUPPORTED = "SUPPORTED"
    REFUTED = "REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_JUDGED = "NOT JUDGED"
    ERROR = "ERROR"


SUPPORTED, REFUTED = Outcome.SUPPORTED, Outcome.REFUTED

ID = r"[A-Z]\w*(?:\.\w+)*(?:\[[^\[\]]+\])?"
"""What names a claim: a letter, digits and dots, then perhaps a variant in brackets."""

Runs = Mapping[str, Any]
"""The runs of one seed by arm, each cut to the claim's horizon."""
Effect = Callable[[Runs], float]
Region = tuple[float | None, float | None]
"""Where a mean must lie, in raw units; None is an open end."""
Effects = Callable[[Runs], Mapping[str, float]]
Charts = Callable[[Sequence[Runs]], Sequence[Chart]]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A recipe as a claim uses it.

    Attributes:
        recipe: What is trained.
        seed_offset: Added to the seed; an arm that must not share initial values and data order has one of its own.
        epochs: Trained at most, where fewer than the claim's are read.
    """

    recipe: Any
    seed_offset: int = 0
    epochs: int | None = None

    def parameters(self) -> Json:
        """What is trained, for the manifest."""
        shorter = {} if self.epochs is None else {"epochs": self.epochs}
        return describe(self.recipe) | {"seed_offset": self.seed_offset} | shorter


Search = Callable[[Mapping[str, Run]], Mapping[str, Arm]]
"""Given what one seed's runs showed so far, the arms wanted next; none when the search has ended."""


@dataclass(frozen=True)
class Also:
    """A further reading, shown with an interval and judging nothing.

    Attributes:
        effect: One number a seed.
        measure: What it is and in what unit.
        scaling: It is shown times this.
        share: Whether it is 1 for a seed that shows something and else 0, so that its mean is a share of seeds.
    """

    effect: Effect
    measure: str
    scaling: float = 1.0
    share: bool = False


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What all kinds of claim have.

    Attributes:
        id: Unique, such as `Q5.1`; variants stand in brackets.
        statement: In our own words, one sentence.
        place: Where the write-up says it.
        expected: The verdict that passes, for every scale or by scale. REFUTED only where a full run has shown it.
        reported: The write-up's own figures, by what they are of.
        formula: LaTeX, if one says it better.
        erratum: What is wrong in the write-up about it.
        notes: How to read the figures, and what threatens them.
        charts: Draws from the runs of all seeds, in their order; of a property, from none.
    """

    kind: ClassVar[str] = ""

    id: str
    statement: str
    place: str
    expected: Outcome | Mapping[str, Outcome] = SUPPORTED
    reported: Mapping[str, float] = field(default_factory=dict)
    formula: str = ""
    erratum: str = ""
    notes: str = ""
    charts: Charts | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(ID, self.id):
            raise ValueError(
                f"id={self.id!r}: a letter, digits and dots, then perhaps a variant in brackets: Q2.1[lr=0.1]"
            )
        for name in ("statement", "place"):
            if not getattr(self, name).strip():
                raise ValueError(f"{self.id}: {name} is empty: a reader needs it to know what is judged")
        expected = self.expected.values() if isinstance(self.expected, Mapping) else [self.expected]
        if wrong := [str(e) for e in expected if e not in (SUPPORTED, REFUTED)]:
            raise ValueError(f"{self.id}: expected={wrong[0]}: a claim is expected SUPPORTED or REFUTED")

    def expected_at(self, scale: str) -> Outcome:
        """The verdict that passes at a scale; SUPPORTED where nothing is said."""
        if isinstance(self.expected, Outcome):
            return self.expected
        return self.expected.get(scale, SUPPORTED)


@dataclass(frozen=True, kw_only=True)
class Property(Claim):
    """A statement that holds for every input, checked on many; its test is its judgement."""

    kind: ClassVar[str] = "property"


@dataclass(frozen=True, kw_only=True)
class Statistical(Claim):
    """A statement about training, judged over seeds.

    Attributes:
        arms: What is trained, by name: recipes, `Arm`s where the seed is shifted, `Tuned` arms at their own best setting.
        horizon: Epochs at each scale. At a scale that is left out the claim is not judged.
        why_not: Reasons for the scales left out.
        scope: What its verdict speaks of where that is not what the scale says: "on 2,000 images".
        effect: One number a seed. A diverged run for which it has no sensible value makes it inf (the claim's side
            wins), -inf (it loses) or nan (neither arm is left).
        unit: The smallest difference that would matter to someone, in the effect's own unit.
        measure: What the effect is and in what unit: "accuracy, pp".
        scaling: The effect is shown times this: 100 for percentage points.
        also: Further readings, with an interval and no verdict: effects measured as the claim's, or `Also`.
        diverged_value: What an effect that is not finite counts as. Without one the claim is then decided by the sign
            test.
        search: For claims that choose their next arm by what came out.
    """

    arms: Mapping[str, Any]
    horizon: Mapping[str, int]
    why_not: Mapping[str, str] = field(default_factory=dict)
    scope: str = ""
    unit: float
    measure: str
    scaling: float = 1.0
    also: Mapping[str, Effect | Also] = field(default_factory=dict)
    diverged_value: float | None = None
    search: Search | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_arms()
        if not self.horizon:
            raise ValueError(f"{self.id}: horizon is empty: give the epochs of at least one scale")
        for scale, epochs in self.horizon.items():
            if not isinstance(epochs, int) or epochs < 1:
                raise ValueError(f"{self.id}: horizon={epochs} at {scale}: at least 1 epoch")
        if not (math.isfinite(self.unit) and self.unit > 0):
            raise ValueError(f"{self.id}: unit={self.unit}: the smallest difference that matters is above 0")
        if self.diverged_value is not None and not math.isfinite(self.diverged_value):
            raise ValueError(
                f"{self.id}: diverged_value={self.diverged_value}: must be finite, or None for the sign test"
            )
        if len(set(self.rows)) != len(self.rows) or not self.rows:
            raise ValueError(f"{self.id}: rows={list(self.rows)}: at least one, each once")
        try:
            _ = self.test
        except ValueError as error:
            raise ValueError(f"{self.id}: {error}") from None

    def _check_arms(self) -> None:
        """Make `Arm`s of recipes, and refuse what cannot be trained or must not judge."""
        if not self.arms:
            raise ValueError(f"{self.id}: arms is empty: name at least one recipe to train")
        arms = {n: arm if isinstance(arm, Arm | Tuned) else Arm(recipe=arm) for n, arm in self.arms.items()}
        object.__setattr__(self, "arms", arms)
        for name, arm in arms.items():
            try:
                digest(arm.parameters())
            except (TypeError, ValueError) as error:
                raise type(error)(f"{self.id}: arm {name}: {error}") from None
            if isinstance(arm, Tuned):
                if missing := set(self.horizon) - set(arm.horizon):
                    raise ValueError(f"{self.id}: arm {name}: no tuning horizon for {', '.join(sorted(missing))}")
            elif arm.epochs is not None and arm.epochs < 1:
                raise ValueError(f"{self.id}: arm {name}: epochs={arm.epochs}: at least 1 epoch")
            elif not 0 <= arm.seed_offset <= FIRST_TUNING_SEED - max(statistics.LOOKS):
                raise ValueError(
                    f"{self.id}: arm {name}: seed_offset={arm.seed_offset}: 0 to "
                    f"{FIRST_TUNING_SEED - max(statistics.LOOKS)}; seeds from {FIRST_TUNING_SEED} on are for tuning"
                )

    @property
    def readings(self) -> dict[str, Also]:
        """Further readings by name, each with its measure."""
        return {
            name: also if isinstance(also, Also) else Also(also, self.measure, self.scaling, all(self.shares))
            for name, also in self.also.items()
        }

    @property
    def test(self) -> statistics.Test:
        """What turns the effects into p-values."""
        raise NotImplementedError

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of the numbers that a seed gives; one empty name where it is a single number."""
        return ("",)

    @property
    def regions(self) -> tuple[Region, ...]:
        """By row, where the mean must lie for the claim to hold; None is an open end."""
        return (region_of(self.test),) * len(self.rows)

    @property
    def shares(self) -> tuple[bool, ...]:
        """By row, whether the number is 0 or 1 and its mean a share of seeds."""
        return (isinstance(self.test, statistics.Share),) * len(self.rows)

    def values(self, runs: Runs) -> tuple[float, ...]:
        """The numbers of one seed, in the order of `rows`."""
        return (float(self.effect(runs)),)  # type: ignore[attr-defined]  # every kind declares its own

    def parameters(self) -> Json:
        """Everything fixed before the run that can change the verdict, for the manifest."""
        return {
            "kind": self.kind,
            "test": describe_test(self.test),
            "rows": list(self.rows),
            "arms": {name: arm.parameters() for name, arm in self.arms.items()},
            "horizon": dict(self.horizon),
            "unit": self.unit,
            "diverged_value": self.diverged_value,
            "search": getattr(self.search, "__name__", repr(self.search)) if self.search else None,
        }


def describe_test(test: Any) -> Json:
    """A statistical test as plain values."""
    fields = {f.name: getattr(test, f.name) for f in dataclasses.fields(test)}
    if "parts" in fields:
        fields["parts"] = [describe_test(part) for part in fields["parts"]]
    return {"test": type(test).__name__} | fields


def region_of(test: statistics.Test) -> Region:
    """Where the mean of a test's data must lie for its claim to hold."""
    match test:
        case statistics.Greater(delta=delta):
            return delta, None
        case statistics.Within(margin=margin):
            return -margin, margin
        case statistics.Share(p0=p0, side="at least"):
            return p0, None
        case statistics.Share(p0=p0):
            return None, p0
    return 0.0, None


@dataclass(frozen=True, kw_only=True)
class Superiority(Statistical):
    """The effect is above delta."""

    kind: ClassVar[str] = "superiority"

    effect: Effect
    delta: float = 0.0

    @property
    def test(self) -> statistics.Test:
        return statistics.Greater(delta=self.delta)


@dataclass(frozen=True, kw_only=True)
class Interaction(Superiority):
    """A difference of differences is above delta."""

    kind: ClassVar[str] = "interaction"


@dataclass(frozen=True, kw_only=True)
class Equivalence(Statistical):
    """The effect lies within the margin, on either side of 0."""

    kind: ClassVar[str] = "equivalence"

    effect: Effect
    margin: float

    @property
    def test(self) -> statistics.Test:
        return statistics.Within(margin=self.margin)


@dataclass(frozen=True, kw_only=True)
class Proportion(Statistical):
    """The share of seeds of which something holds is at least (or at most) p0."""

    kind: ClassVar[str] = "proportion"

    effect: Effect
    p0: float
    side: Literal["at least", "at most"] = "at least"

    @property
    def test(self) -> statistics.Test:
        return statistics.Share(p0=self.p0, side=self.side)


@dataclass(frozen=True, kw_only=True)
class Ordering(Statistical):
    """One arm has the largest effect of all: its lead over each rival is above 0.

    Attributes:
        rivals: Names of the leads that `effects` gives.
        effects: By rival, the effect of the arm in question minus the rival's.
    """

    kind: ClassVar[str] = "ordering"

    rivals: Sequence[str]
    effects: Effects

    @property
    def test(self) -> statistics.Test:
        return statistics.Largest()

    @property
    def rows(self) -> tuple[str, ...]:
        return tuple(self.rivals)

    def values(self, runs: Runs) -> tuple[float, ...]:
        return _in_order(self, self.effects(runs))


@dataclass(frozen=True, kw_only=True)
class AllOf(Statistical):
    """Every one of several statements holds.

    Attributes:
        parts: Each part's test, such as `statistics.Within(margin=0.003)`, by its name.
        effects: By part, the number that its test judges.
    """

    kind: ClassVar[str] = "all of"

    parts: Mapping[str, statistics.Test]
    effects: Effects

    @property
    def test(self) -> statistics.Test:
        return statistics.Every(parts=tuple(self.parts.values()))

    @property
    def rows(self) -> tuple[str, ...]:
        return tuple(self.parts)

    @property
    def regions(self) -> tuple[Region, ...]:
        return tuple(region_of(part) for part in self.parts.values())

    @property
    def shares(self) -> tuple[bool, ...]:
        return tuple(isinstance(part, statistics.Share) for part in self.parts.values())

    def values(self, runs: Runs) -> tuple[float, ...]:
        return _in_order(self, self.effects(runs))


def _in_order(claim: Statistical, values: Mapping[str, float]) -> tuple[float, ...]:
    if set(values) != set(claim.rows):
        raise ValueError(f"{claim.id}: effects gave {sorted(values)}, the claim declares {sorted(claim.rows)}")
    return tuple(float(values[row]) for row in claim.rows)
