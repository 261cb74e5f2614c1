"""The loop: plan, gather, judge, until no undecided claim wants anything."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from pytest_claims import statistics
from pytest_claims.claim import Outcome, Statistical
from pytest_claims.estimate import expected_seconds, kind
from pytest_claims.executors import Executor, Finished, TrialFailed, next_done
from pytest_claims.family import Decision, Family
from pytest_claims.judgement import Undecidable, effects, pvalues_of, verdict_of
from pytest_claims.plan import Batch, SearchFailed, SeedPlan, batch, order, plan_seed
from pytest_claims.statistics import PValues
from pytest_claims.store import Store
from pytest_claims.trial import Run, Scale, Study, Trial
from pytest_claims.verdict import Verdict

ATTEMPTS = 2
"""A trial that gives no result is repeated once with the same seed."""


class Watch(Protocol):
    """Who is told how gathering goes."""

    def planned(self, todo: Batch, seconds: float | None) -> None:
        """A batch is about to start; its expected time, if any trial was ever timed."""

    def finished(self, cost: float, running: int) -> None:
        """A trial has finished and is stored, or was given up."""

    def warned(self, message: str) -> None:
        """Something a user should know of."""

    def gathered(self) -> None:
        """The batch is done, or was interrupted."""


@dataclass
class Court:
    """Trains what the claims want and judges them together.

    Attributes:
        study: The subject.
        scale: How much of the protocol is followed.
        claims: Those selected that this scale judges.
        family: All that share the error rate, selected or not.
        store: Finished trials.
        executor: Makes the executor when there is something to train; None judges what is stored.
        watch: Told how gathering goes.
        seeds_max: No look at more seeds than this.
        seconds_gathering: Wall time spent in training so far.
        trained: Trials trained and stored so far.
        peak_memory: Bytes that the largest process took that trained one.
    """

    study: Study
    scale: Scale
    claims: Sequence[Statistical]
    family: Family
    store: Store
    executor: Callable[[], Executor] | None
    watch: Watch
    seeds_max: int | None = None
    seconds_gathering: float = 0.0
    trained: int = 0
    peak_memory: int = 0
    _runs: dict[tuple[str, int], Run] = field(default_factory=dict)
    _failed: dict[str, str] = field(default_factory=dict)

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of seeds at which to judge; where `seeds_max` is below the first, one look that judges nothing."""
        most = self.seeds_max or max(self.scale.looks)
        return tuple(n for n in self.scale.looks if n <= most) or (most,)

    @property
    def judges(self) -> bool:
        """Whether any planned look can be made."""
        return self.scale.judged and self.looks[0] in statistics.LOOKS

    def next_batch(self) -> Batch:
        """What the next look lacks, given what is stored: the first one, or a later one of claims still undecided."""
        todo = self.wanted(self.looks[0])
        if not todo.trials and len(self.looks) > 1:
            verdicts = replace(self, executor=None).sit()
            undecided = [claim for claim in self.claims if verdicts[claim.id].outcome is Outcome.INCONCLUSIVE]
            later = (self._batch(undecided, look) for look in self.looks[1:])
            todo = next((batch for batch in later if batch.trials), todo)
        return todo

    def wanted(self, look: int) -> Batch:
        """What all claims want for a look."""
        return self._batch(self.claims, look)

    def expected_seconds(
        self, todo: Batch, executor: Executor, *, measured: Mapping[str, float] | None = None
    ) -> float | None:
        """Wall time of a batch on an executor; None where nothing like it was ever timed."""
        return expected_seconds(todo, self.study, self.store, executor, measured=measured)

    def sit(self) -> dict[str, Verdict]:
        """Gather and judge look by look; the verdict of each claim by id.

        Raises:
            KeyboardInterrupt: After Ctrl-C; every finished trial is in the store.
            StoreError: From the store.
        """
        undecided = list(self.claims)
        verdicts: dict[str, Verdict] = {}
        pvalues = self.family.kept(self.store, besides={claim.id for claim in self.claims})
        values: dict[str, np.ndarray] = {}
        stands: set[str] = set()
        with _Gathering(self) as gathering:
            for look in self.looks:
                gathering.gather(undecided, look)
                for claim in undecided:
                    try:
                        values[claim.id] = effects(claim, self._complete(claim, look))
                        if self.judges:
                            pvalues[claim.id] = pvalues_of(claim, values[claim.id])
                    except Undecidable as error:
                        if error.outcome is Outcome.NOT_JUDGED and claim.id in values:
                            stands.add(claim.id)  # what an earlier look came to
                        else:
                            verdicts[claim.id] = verdict_of(claim, self.scale, error)
                decisions = self._judge(pvalues)
                undecided = [
                    claim
                    for claim in undecided
                    if claim.id not in verdicts
                    and claim.id not in stands
                    and not (claim.id in decisions and decisions[claim.id].outcome is not Outcome.INCONCLUSIVE)
                ]
                if not undecided:
                    break
        self.family.keep(self.store, {claim.id: pvalues[claim.id] for claim in self.claims if claim.id in pvalues})
        for claim in self.claims:
            if claim.id not in verdicts:
                plans = self._complete(claim, values[claim.id].shape[-1])
                verdicts[claim.id] = verdict_of(
                    claim, self.scale, values[claim.id], plans, decisions.get(claim.id), len(self.family.claims)
                )
        return verdicts

    def stored(self) -> dict[Trial, Run]:
        """Every trial that the claims want at any look and that is stored, with its run."""
        wanted = (trial for claim in self.claims for trial in self._trials(claim, max(self.scale.looks)))
        return {trial: run for trial in wanted if (run := self._known(trial)) is not None}

    def everything(self, verdicts: Mapping[str, Verdict]) -> Batch:
        """All trials that the claims used, merged as a batch."""
        wanted = (trial for claim in self.claims for trial in self._trials(claim, verdicts[claim.id].seeds))
        return batch(wanted, known=self._known, study=self.study)

    def _judge(self, pvalues: dict[str, PValues]) -> dict[str, Decision]:
        return self.family.judge(pvalues) if self.judges else {}

    def _complete(self, claim: Statistical, look: int) -> list[SeedPlan]:
        """The claim's seeds at a look, all trained.

        Raises:
            Undecidable: A trial failed or is not stored.
        """
        try:
            plans = [self._plan(claim, seed) for seed in range(look)]
        except SearchFailed as error:
            raise Undecidable(Outcome.ERROR, str(error)) from error
        missing = [trial for plan in plans for arm, trial in plan.trials.items() if arm not in plan.runs]
        for trial in missing:
            if trial.key in self._failed:
                reason = f"Trial {trial.key} (seed {trial.seed}) gave no result: {self._failed[trial.key]}."
                raise Undecidable(Outcome.ERROR, reason)
        if missing:
            raise Undecidable(
                Outcome.NOT_JUDGED,
                f"{len(missing)} of the {look} seeds' trials are not stored; run without --claims-no-train.",
            )
        return plans

    def _known(self, trial: Trial) -> Run | None:
        run = self._runs.get((trial.key, trial.horizon))
        if run is None and (stored := self.store.get(trial)) is not None:
            run = self.study.decode(stored.result).until(trial.horizon)
            self._runs[trial.key, trial.horizon] = run
        return run

    def _plan(self, claim: Statistical, seed: int) -> SeedPlan:
        return plan_seed(claim, seed, known=self._known, study=self.study, scale=self.scale)

    def _batch(self, claims: Sequence[Statistical], look: int) -> Batch:
        wanted = (trial for claim in claims for trial in self._trials(claim, look))
        return batch(wanted, known=self._known, study=self.study, without=self._failed)

    def _trials(self, claim: Statistical, seeds: int) -> list[Trial]:
        """What a claim wants; nothing if its search fails, which is found again when it is judged."""
        try:
            return [trial for seed in range(seeds) for trial in self._plan(claim, seed).trials.values()]
        except SearchFailed:
            return []


class _Gathering:
    """The part of the court's loop that has workers."""

    def __init__(self, court: Court) -> None:
        self.court = court
        self.executor: Executor | None = None

    def __enter__(self) -> "_Gathering":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.executor is not None:
            self.executor.close(cancel=kind is not None)

    def gather(self, claims: Sequence[Statistical], look: int) -> None:
        """Train until no claim wants anything more for this look; a search wants its next only when asked again."""
        court = self.court
        while court.executor is not None:
            todo = court._batch(claims, look)
            if not todo.trials:
                return
            self.executor = self.executor or court.executor()
            court.watch.planned(todo, court.expected_seconds(todo, self.executor))
            start = time.perf_counter()
            try:
                self._train(todo.trials, self.executor)
            finally:
                court.seconds_gathering += time.perf_counter() - start
                court.watch.gathered()

    def _train(self, trials: Sequence[Trial], executor: Executor) -> None:
        ordered = order(trials, [self._cost(trial) for trial in trials], 1 if executor.together else executor.workers)
        queue = [(trial, 1) for trial in reversed(ordered)]
        running: dict[Future[Finished], tuple[Trial, int]] = {}
        while queue or running:
            # Few are handed out ahead, so that an interrupt has little to take back.
            while queue and len(running) < 2 * executor.workers:
                trial, attempt = queue.pop()
                running[executor.submit(trial)] = trial, attempt
            for future in next_done(executor, running):
                trial, attempt = running.pop(future)
                try:
                    self._keep(trial, future.result())
                except TrialFailed as failure:
                    if attempt < ATTEMPTS:
                        self._warn(trial, f"{failure}; trying once more")
                        queue.append((trial, attempt + 1))
                        continue
                    self._warn(trial, f"{failure}; given up")
                    self.court._failed[trial.key] = str(failure)
                self.court.watch.finished(self._cost(trial), len(running))

    def _keep(self, trial: Trial, finished: Finished) -> None:
        provenance = dict(self.court.study.provenance) | finished.worker
        try:
            self.court.store.put(
                trial,
                finished.result,
                diverged=finished.diverged,
                seconds=finished.seconds,
                cost=self._cost(trial),
                provenance=provenance,
            )
        except (TypeError, ValueError) as error:
            raise TrialFailed(f"its result cannot be stored: {error}") from error
        self.court.trained += 1
        self.court.peak_memory = max(self.court.peak_memory, finished.worker.get("peak_memory") or 0)
        if cost := self._cost(trial):
            together = self.executor is not None and self.executor.together
            name = kind(self.court.study, trial.recipe, together=together)
            self.court.store.put_rate(name, finished.seconds / cost)

    def _warn(self, trial: Trial, message: str) -> None:
        self.court.watch.warned(f"trial {trial.key} (seed {trial.seed}): {message}")

    def _cost(self, trial: Trial) -> float:
        return self.court.study.cost(trial.recipe, trial.horizon)
