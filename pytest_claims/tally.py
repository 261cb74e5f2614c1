"""What property claims measured: the worst error of each quantity as a share of its bound."""

import math
from dataclasses import dataclass, field


@dataclass
class Worst:
    """How close one quantity came to its bound.

    Attributes:
        checks: How often it was compared.
        share: Largest error over bound; above 1 the claim fails.
        error: The error at that comparison.
        bound: The bound at that comparison.
    """

    checks: int = 0
    share: float = 0.0
    error: float = 0.0
    bound: float = math.inf

    def to_json(self) -> dict[str, float | int | None]:
        """Plain values; what is not finite becomes None."""
        numbers = {"share": self.share, "error": self.error, "bound": self.bound}
        return {"checks": self.checks} | {k: v if math.isfinite(v) else None for k, v in numbers.items()}


@dataclass
class Tally:
    """Handed to property claims by the session-scoped fixture `tally`; the plugin says which claim is running."""

    claim: str = ""
    # Hypothesis shows a failing case's arguments, of a dataclass what it is made with: with all claims in it, the failure
    # would drown
    claims: dict[str, dict[str, Worst]] = field(default_factory=dict, init=False, repr=False)

    def within(self, quantity: str, error: float, bound: float) -> None:
        """Record an error and assert that it does not exceed its bound (0 for what must be exact).

        Raises:
            AssertionError: The error is larger than the bound, or not a number.
            ValueError: The bound is negative or not a number.
        """
        if math.isnan(bound) or bound < 0:
            raise ValueError(f"{quantity}: bound={bound}: a bound is a number of at least 0")
        self._record(quantity, error, bound, share=error / bound if bound else (math.inf if error else 0.0))
        assert error <= bound, f"{quantity}: error {error:.3g} is above its bound {bound:.3g}"

    def beyond(self, quantity: str, difference: float, bound: float) -> None:
        """Record a difference and assert that it exceeds a bound on rounding: for what must *not* be invariant.

        The share is bound over difference.

        Raises:
            AssertionError: The difference can be explained by rounding.
            ValueError: The bound is negative or not a number.
        """
        if math.isnan(bound) or bound < 0:
            raise ValueError(f"{quantity}: bound={bound}: a bound is a number of at least 0")
        self._record(quantity, difference, bound, share=bound / difference if difference else math.inf)
        assert difference > bound, f"{quantity}: difference {difference:.3g} does not exceed rounding, {bound:.3g}"

    def _record(self, quantity: str, error: float, bound: float, *, share: float) -> None:
        worst = self.claims.setdefault(self.claim, {}).setdefault(quantity, Worst())
        worst.checks += 1
        if not share <= worst.share:
            worst.share, worst.error, worst.bound = (math.inf if math.isnan(share) else share), error, bound
