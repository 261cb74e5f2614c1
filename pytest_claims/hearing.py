"""One run's hearing: manifest, store and lock around the court."""

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from pytest_claims.claim import Outcome, Statistical
from pytest_claims.cluster import Cluster
from pytest_claims.court import Court
from pytest_claims.estimate import measure
from pytest_claims.executors import Executor, InProcess, LocalProcesses
from pytest_claims.family import Family, Manifest
from pytest_claims.options import OptionError, Options
from pytest_claims.plan import Batch
from pytest_claims.progress import Bar, trained, wanted
from pytest_claims.published import Published, supply
from pytest_claims.record import Gathered
from pytest_claims.store import Store
from pytest_claims.together import Together
from pytest_claims.trial import Json, Study
from pytest_claims.verdict import Verdict
from pytest_claims.verification import again


@dataclass
class Docket:
    """The statistical claims that were collected, before any was deselected.

    Attributes:
        claims: (module, claim) of each.
        manifest: The committed list; None judges what is collected as its own family.
    """

    claims: Sequence[tuple[str, Statistical]]
    manifest: Manifest | None

    @classmethod
    def of(cls, claims: Sequence[tuple[str, Statistical]], *, manifest: Path | None) -> "Docket":
        """Read the manifest, if the project has one.

        Raises:
            ManifestError: It cannot be read.
        """
        return cls(claims, Manifest(manifest) if manifest else None)

    def check(self, *, whole_modules: bool) -> None:
        """Compare the code with the manifest.

        Raises:
            ManifestError: They differ.
        """
        if self.manifest is not None:
            self.manifest.check(self.claims, whole_modules=whole_modules)

    def members(self, scale: str) -> dict[str, Json]:
        """Parameters by id of the claims that share the error rate at a scale."""
        if self.manifest is not None:
            return self.manifest.members(scale)
        return {id_: fields for id_, fields in Manifest.describe(self.claims).items() if scale in fields["horizon"]}


@dataclass
class Hearing:
    """Hears the selected claims.

    Attributes:
        options: Of the run.
        docket: All collected claims.
        study: Gives the subject; asked only when something is to be judged.
        write: Prints a line.
        bars: Whether there is a terminal for a progress bar.
        uncaptured: Lets output through while it lasts.
        gathered: Figures for the report.
        published: What the project published, if it says where.
    """

    options: Options
    docket: Docket
    study: Callable[[], Study]
    write: Callable[[str], None]
    bars: bool
    uncaptured: Callable[[], AbstractContextManager[None]] = nullcontext
    gathered: Gathered = field(default_factory=Gathered)
    published: Published | None = None

    def plan(self, selected: Sequence[Statistical]) -> str:
        """What the next look would train, in one line.

        Raises:
            ArchiveError: The published trials are wanted and damaged.
            StoreError: From the store.
        """
        judged, study = self._judged(selected), self.study()
        with Store(self.options.store) as store:
            bar = self._bar(study)
            court = self._court(judged, store, bar, self._supplied(judged, store, bar, study))
            todo = court.next_batch()
            if not todo.trials:
                return wanted(todo, 0.0, unit=study.cost_unit)
            executor = self._executor(study)
            try:
                measured = measure(todo, study, store, executor)
                seconds = court.expected_seconds(todo, executor, measured=measured)
            finally:
                executor.close(cancel=True)
            return wanted(todo, seconds, unit=study.cost_unit)

    def hear(self, selected: Sequence[Statistical]) -> dict[str, Verdict]:
        """Gather and judge; a verdict for each selected claim by id.

        Raises:
            ArchiveError: The published trials are wanted and damaged.
            ClusterError: The cluster cannot be used, or is gone; every finished trial is stored.
            StoreError: From the store.
            KeyboardInterrupt: After Ctrl-C; every finished trial is stored.
        """
        scale = self.options.scale
        verdicts = {}
        for claim in selected:
            if scale.name not in claim.horizon:
                names = f"Its horizon names {', '.join(claim.horizon)} and not {scale.name}; give it one, or a why_not."
                reason = claim.why_not.get(scale.name, names)
                verdicts[claim.id] = Verdict(
                    claim=claim, outcome=Outcome.NOT_JUDGED, scale=scale.name, scope=scale.scope, reason=reason
                )
        if judged := self._judged(selected):
            verdicts |= self._sit(judged)
        return verdicts

    def verify(self, selected: Sequence[Statistical]) -> int:
        """Train some stored trials again, drawn from a generator of their number; how many came out otherwise, or failed.

        Raises:
            ClusterError: The cluster cannot be used, or is gone.
            StoreError: From the store.
        """
        study = self.study()
        with Store(self.options.store) as store, self.uncaptured():
            stored = self._court(self._judged(selected), store, self._bar(study), study).stored()
            some = sorted(stored, key=lambda trial: (trial.key, trial.horizon))
            chosen = random.Random(len(some)).sample(some, min(self.options.verify, len(some)))  # noqa: S311  # no secret
            executor = self._executor(study)
            try:
                wrong = again({trial: stored[trial] for trial in chosen}, executor, study, self.write)
            finally:
                executor.close(cancel=True)
        self.write(
            f"claims: {len(chosen)} of {len(some)} stored trials trained again, {len(chosen) - wrong} came out the same"
        )
        return wrong

    def _judged(self, selected: Sequence[Statistical]) -> list[Statistical]:
        return [claim for claim in selected if self.options.scale.name in claim.horizon]

    def _sit(self, claims: Sequence[Statistical]) -> dict[str, Verdict]:
        study = self.study()
        bar = self._bar(study)
        with Store(self.options.store) as store, self._locked(), self.uncaptured():
            court = self._court(claims, store, bar, self._supplied(claims, store, bar, study))
            self.gathered.problems = bar.warnings
            self.gathered.family = list(court.family.claims)
            self.gathered.manifest = self.docket.manifest.version if self.docket.manifest else 0
            try:
                verdicts = court.sit()
            finally:
                self.gathered.seconds = court.seconds_gathering
                self.gathered.trained = court.trained
                if court.trained:
                    self.write(trained(court.trained, court.seconds_gathering, court.peak_memory))
            self.gathered.used(court.everything(verdicts))
        return verdicts

    def _supplied(self, claims: Sequence[Statistical], store: Store, bar: Bar, study: Study) -> Study:
        """The study to judge under, after what is published for it has come into the store."""
        archive = self.published.archive() if self.published and not self.options.fresh else None
        if archive is None:
            return study

        def in_the_end(study: Study) -> Batch:
            return self._court(claims, store, bar, study).wanted(self.options.scale.looks[-1])

        supplied = supply(archive, store, study, wanted=in_the_end, train=self.options.train)
        if supplied.taken:
            self.write(f"claims: {supplied.taken} published trials taken into {self.options.store}")
            others = self._judged([claim for _, claim in self.docket.claims])
            # keeps the p-values of the whole family, without which a claim selected alone would be judged alone
            replace(self._court(others, store, bar, supplied.study), executor=None).sit()
        if supplied.problem:
            bar.warnings.append(supplied.problem)
            self.gathered.environment = dict(supplied.study.environment)
        return supplied.study

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time gathers into a store; the others then find everything there."""
        lock = FileLock(f"{self.options.store}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self.write(f"claims: another run gathers into {self.options.store}; waiting for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _bar(self, study: Study) -> Bar:
        return Bar(write=self.write, unit=study.cost_unit, show=self.bars and sys.stderr.isatty())

    def _court(self, claims: Sequence[Statistical], store: Store, bar: Bar, study: Study) -> Court:
        scale = self.options.scale
        context = {"version": study.version, "environment": dict(study.environment), "scale": scale.name}
        return Court(
            study=study,
            scale=scale,
            claims=claims,
            family=Family.of(self.docket.members(scale.name), context=context),
            store=store,
            executor=(lambda: self._executor(study)) if self.options.train else None,
            watch=bar,
            seeds_max=self.options.seeds_max,
        )

    def _executor(self, study: Study) -> Executor:
        if self.options.scheduler or self.options.scheduler_file:
            return Cluster(study, address=self.options.scheduler, file=self.options.scheduler_file)
        together, accelerated = self.options.together, self.options.device != "cpu"
        if study.grouped and (together or (together is None and accelerated)):
            return Together(study, study.grouped, together)
        if together:
            raise OptionError(f"--claims-together {together}: this study trains one trial at a time; leave it out")
        if self.options.workers == 0 or accelerated:
            return InProcess(study)
        return LocalProcesses(study, self.options.workers)
