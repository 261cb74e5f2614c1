"""From claims and what is known so far to the distinct trials wanted next. Runs nothing."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_claims.claim import Arm, Statistical
from pytest_claims.trial import Run, Scale, Study, Trial
from pytest_claims.tuning import Attempt, Tuned

Known = Callable[[Trial], Run | None]
"""The run of a trial, cut to its horizon, if it has finished."""


class SearchFailed(Exception):
    """A claim's search, or the score of a tuned arm, raised instead of naming arms."""


@dataclass(frozen=True)
class SeedPlan:
    """What one claim wants for one seed.

    Attributes:
        trials: By arm, in the order in which the claim asked for them.
        runs: Those that have finished.
    """

    trials: Mapping[str, Trial]
    runs: Mapping[str, Run]

    @property
    def complete(self) -> bool:
        """Whether nothing is left to train."""
        return len(self.runs) == len(self.trials)


def plan_seed(claim: Statistical, seed: int, *, known: Known, study: Study, scale: Scale) -> SeedPlan:
    """What a claim wants for one seed, given what has finished.

    A claim with a search is asked again whenever all its arms have finished, until it names no new one. A tuned arm comes
    to what its search found; the runs of that search are counted with seed 0.

    Raises:
        SearchFailed: The search raised.
    """
    horizon = claim.horizon[scale.name]
    trials: dict[str, Trial] = {}
    runs: dict[str, Run] = {}
    arms: dict[str, Arm] = {}
    for name, arm in claim.arms.items():
        if isinstance(arm, Tuned):
            tuned, tuning = _tuned(claim, name, arm, known=known, study=study, scale=scale)
            arms |= {name: tuned} if tuned else {}
            if seed == 0 or not tuned:
                trials |= tuning.trials
                runs |= tuning.runs
        else:
            arms[name] = arm
    while True:
        for name, arm in arms.items():
            if name not in trials:
                epochs = min(horizon, arm.epochs or horizon)
                trial = study.trial(scale.prepare(arm.recipe), seed=seed + arm.seed_offset, horizon=epochs)
                trials[name] = trial
                if (run := known(trial)) is not None:
                    runs[name] = run
        if claim.search is None or len(runs) < len(trials):
            return SeedPlan(trials, runs)
        try:
            found = claim.search(runs)
        except Exception as error:  # a claim's own code: whatever it raises concerns this claim alone
            raise SearchFailed(f"Its search failed at seed {seed}: {type(error).__name__}: {error}.") from error
        more = {name: arm for name, arm in found.items() if name not in trials}
        if not more:
            return SeedPlan(trials, runs)
        arms = more


def _tuned(
    claim: Statistical, name: str, arm: Tuned, *, known: Known, study: Study, scale: Scale
) -> tuple[Arm | None, SeedPlan]:
    """The arm at its best setting, None while the search goes on, and the search's trials.

    A scale that judges nothing tries the first setting with one seed: enough to show that it works.
    """
    trials: dict[str, Trial] = {}
    runs: dict[str, Run] = {}
    scores: dict[float, list[float]] = {}
    while (wanted := arm.wanted(scores)) and (scale.judged or not scores):
        for setting in wanted:
            recipe = scale.prepare(arm.candidate(setting))
            for seed in arm.seeds if scale.judged else arm.seeds[:1]:
                label = Attempt(name, setting, seed).label
                trials[label] = study.trial(recipe, seed=seed, horizon=arm.horizon[scale.name])
                if (run := known(trials[label])) is not None:
                    runs[label] = run
                    scores.setdefault(setting, []).append(_score(claim, name, arm, run))
        if len(runs) < len(trials):
            return None, SeedPlan(trials, runs)
    return Arm(recipe=arm.recipe(arm.best(scores))), SeedPlan(trials, runs)


def _score(claim: Statistical, name: str, arm: Tuned, run: Run) -> float:
    try:
        return arm.scored(run)
    except Exception as error:  # a claim's own code: whatever it raises concerns this claim alone
        raise SearchFailed(f"{claim.id}: {name} has no score: {type(error).__name__}: {error}.") from error


@dataclass(frozen=True)
class Batch:
    """The distinct trials to train next.

    Attributes:
        trials: Missing ones, in the order of the claims that want them.
        requested: How many (claim, arm, seed) the claims asked for.
        distinct: How many different trials those are.
        requested_cost: Cost of training every request on its own.
        distinct_cost: Cost of training each different one once, finished or not.
        cost: Cost of what is missing.
    """

    trials: tuple[Trial, ...]
    requested: int
    distinct: int
    requested_cost: float
    distinct_cost: float
    cost: float


def batch(wanted: Iterable[Trial], *, known: Known, study: Study, without: Container[str] = ()) -> Batch:
    """Merge requests: of those with one key the longest serves all. Keys in `without` are not asked for again."""
    longest: dict[str, Trial] = {}
    requested, requested_cost = 0, 0.0
    for trial in wanted:
        requested += 1
        requested_cost += study.cost(trial.recipe, trial.horizon)
        if trial.key not in longest or longest[trial.key].horizon < trial.horizon:
            longest[trial.key] = trial
    costs = {key: study.cost(trial.recipe, trial.horizon) for key, trial in longest.items()}
    missing = [trial for trial in longest.values() if trial.key not in without and known(trial) is None]
    return Batch(
        trials=tuple(missing),
        requested=requested,
        distinct=len(longest),
        requested_cost=requested_cost,
        distinct_cost=sum(costs.values()),
        cost=sum(costs[trial.key] for trial in missing),
    )


def order(trials: Sequence[Trial], costs: Sequence[float], workers: int) -> list[Trial]:
    """In which order workers should take trials, so that the first claims are complete early and no worker idles at the end.

    The cheapest are kept for the end, the most expensive of them first: as many as occupy all other workers while the last of
    the rest is trained. The rest stays in order. So the workers end within the cost of one of the kept trials.
    """
    cheapest_first = sorted(range(len(trials)), key=lambda i: costs[i])
    kept, filled = 0, 0.0
    while kept < len(trials) and filled < (workers - 1) * costs[cheapest_first[-1]]:
        filled += costs[cheapest_first[kept]]
        kept += 1
    last = cheapest_first[:kept][::-1]
    return [trial for i, trial in enumerate(trials) if i not in set(last)] + [trials[i] for i in last]
