"""The pytest plugin: options, fixtures and hooks. Translates; the other modules decide."""

import os
import re
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock, Timeout

from pytest_claims import report as reporting
from pytest_claims import table
from pytest_claims.claim import Claim, Outcome, Statistical
from pytest_claims.court import Court
from pytest_claims.executors import Executor, InProcess, LocalProcesses
from pytest_claims.family import Family, Manifest, ManifestError
from pytest_claims.progress import Bar, duration, wanted
from pytest_claims.statistics import LOOKS
from pytest_claims.store import Store, StoreError
from pytest_claims.tally import Tally
from pytest_claims.trial import Json, Scale, Study
from pytest_claims.verdict import Verdict

if TYPE_CHECKING:
    import torch

DEFAULT_SCALES = {
    "full": Scale(
        name="full", looks=LOOKS, judged=True, scope="as declared", prepare=lambda recipe: recipe, examples=100
    )
}
"""For projects whose conftest declares none."""


class Hooks:
    """What a project's conftest implements."""

    @pytest.hookspec(firstresult=True)
    def pytest_claims_scales(self, config: pytest.Config) -> Mapping[str, Scale]:  # type: ignore[empty-body]
        """The scales that `--scale` takes, by name."""

    @pytest.hookspec(firstresult=True)
    def pytest_claims_study(self, config: pytest.Config, device: str) -> Study:  # type: ignore[empty-body]
        """How a trial is run and read back."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make the two hooks known."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the harness."""
    group = parser.getgroup("claims", "claims: evidence and verdicts")
    add = group.addoption
    add("--device", default="cpu", help="where to train and check: cpu (default), cuda, cuda:1, mps, or auto")
    add("--scale", default=None, help="how much of the protocol to follow, as the project's conftest names it")
    add("--fail-inconclusive", action="store_true", help="a claim that stays INCONCLUSIVE fails instead of being skipped")
    add("--claims-store", metavar="FILE", default=".claims/store.sqlite", help="finished trials (default: %(default)s)")
    add("--claims-report", metavar="DIR", default="reports/latest", help="where the report goes (default: %(default)s)")
    add("--claims-workers", metavar="N", default="auto", help="worker processes; auto: one a core; 0: train in this one")
    add("--claims-seeds-max", metavar="N", type=int, default=None, help="make no look at more than N seeds")
    add("--claims-plan", action="store_true", help="say what the next look would train and how long it takes, and stop")
    add("--claims-fresh", action="store_true", help="train everything again, into a new store beside the usual one")
    add("--claims-no-train", action="store_true", help="judge what is stored and train nothing")
    add("--claims-write-manifest", action="store_true", help="write a new version of the manifest from the code, and stop")
    parser.addini("claims_manifest", "the committed manifest of statistical claims, relative to the root directory")


def pytest_configure(config: pytest.Config) -> None:
    """Check the options and start the harness."""
    config.addinivalue_line("markers", "claim(claim): the claim that this test judges")
    config.addinivalue_line("markers", "property: claims checked on many inputs; set by the claim's kind")
    config.addinivalue_line("markers", "statistical: claims judged over training seeds; set by the claim's kind")
    config.pluginmanager.register(Harness(config), "claims-harness")


@dataclass(frozen=True)
class Options:
    """The options of a run, checked."""

    device: str
    scale: Scale
    fail_inconclusive: bool
    store: Path
    report: Path
    workers: int
    seeds_max: int | None

    @classmethod
    def of(cls, config: pytest.Config) -> "Options":
        """Read and check them.

        Raises:
            pytest.UsageError: With the value, the rule and the way out.
        """
        option = config.option
        scales: Mapping[str, Scale] = config.hook.pytest_claims_scales(config=config) or DEFAULT_SCALES
        name = option.scale or ("standard" if "standard" in scales else next(iter(scales)))
        if name not in scales:
            raise pytest.UsageError(f"--scale {name}: unknown; one of {', '.join(scales)}")
        if scales[name].judged and (wrong := set(scales[name].looks) - set(LOOKS)):
            raise pytest.UsageError(f"scale {name}: looks at {sorted(wrong)} seeds; the design looks at {LOOKS}")
        if option.claims_seeds_max is not None and option.claims_seeds_max < 1:
            raise pytest.UsageError(f"--claims-seeds-max {option.claims_seeds_max}: at least 1")
        if option.claims_plan and option.claims_no_train:
            raise pytest.UsageError("--claims-plan with --claims-no-train: nothing would be planned; give one of them")
        if option.claims_fresh and option.claims_no_train:
            raise pytest.UsageError("--claims-fresh with --claims-no-train: nothing would be stored; give one of them")
        if (option.claims_plan or option.claims_write_manifest) and _distributed(config):
            raise pytest.UsageError("--claims-plan and --claims-write-manifest need no workers; run them without -n")
        root = config.rootpath
        return cls(
            device=_device(option.device),
            scale=scales[name],
            fail_inconclusive=option.fail_inconclusive,
            store=_store_path(config),
            report=root / option.claims_report,
            workers=_workers(option.claims_workers),
            seeds_max=option.claims_seeds_max,
        )


def _device(name: str) -> str:
    if name == "cpu":  # always there: no need to import torch
        return name
    from pytest_claims import devices  # noqa: PLC0415

    try:
        return str(devices.resolve(name))
    except devices.DeviceError as error:
        raise pytest.UsageError(str(error)) from None


def _workers(text: str) -> int:
    if text == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not re.fullmatch(r"\d{1,4}", text):
        raise pytest.UsageError(f"--claims-workers {text}: a number from 0, or auto for one a core")
    return int(text)


def _store_path(config: pytest.Config) -> Path:
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        return Path(worker["claims_store"])
    path: Path = config.rootpath / config.option.claims_store
    if config.option.claims_fresh:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        path = path.with_name(f"{path.stem}-fresh-{stamp}{path.suffix}")
    return path


def _distributed(config: pytest.Config) -> bool:
    """Whether this is the process that hands tests to pytest-xdist's workers."""
    return config.pluginmanager.hasplugin("dsession")


@dataclass
class Gathered:
    """What a process that gathered has to say, as plain values for the road to the controller."""

    seconds: float = 0.0
    trained: int = 0
    requested: int = 0
    distinct: int = 0
    requested_cost: float = 0.0
    distinct_cost: float = 0.0
    problems: list[str] = field(default_factory=list)


class Harness:
    """One run: collects claims, gathers and judges before the first test, and reports at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.options = Options.of(config)
        self.tally = Tally()
        self.claims: dict[str, Claim] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.evidence: dict[str, Json] = {}
        self.gathered = Gathered()
        self.family: tuple[str, ...] = ()
        self.started = datetime.now(UTC)
        self._clock = time.perf_counter()
        self._study: Study | None = None
        self._manifest: Manifest | None = None
        self._written: Path | None = None

    # Collection.

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Register every claim before anything is deselected."""
        modules: list[tuple[str, Statistical]] = []
        for item in items:
            claim = _claim_of(item)
            if claim is None:
                continue
            if claim.id in {c.id for c in self.claims.values()}:
                raise pytest.UsageError(f"{item.nodeid}: claim {claim.id} is declared twice; ids are unique")
            self.claims[item.nodeid] = claim
            if isinstance(claim, Statistical):
                if "verdict" not in getattr(item, "fixturenames", ()):
                    raise pytest.UsageError(f"{item.nodeid}: judges {claim.id} and does not take the fixture verdict")
                item.add_marker("statistical")
                modules.append((Path(str(item.path)).stem, claim))
            else:
                item.add_marker("property")
        if modules:
            self._check_manifest(modules)

    def _check_manifest(self, claims: Sequence[tuple[str, Statistical]]) -> None:
        name = self.config.getini("claims_manifest")
        try:
            if name:
                self._manifest = Manifest(self.config.rootpath / name)
                if self.config.option.claims_write_manifest:
                    changed = self._manifest.write(claims)
                    state = "written" if changed else "is up to date, at"
                    pytest.exit(f"{self._manifest.path} {state} version {self._manifest.version}", returncode=0)
                selected = any("::" in argument for argument in self.config.args)
                self._manifest.check(claims, whole_modules=not selected)
        except ManifestError as error:
            raise pytest.UsageError(str(error)) from None
        scale = self.options.scale.name
        members = self._manifest.members(scale) if self._manifest else None
        if members is None:
            members = {i: c for i, c in Manifest.describe(claims).items() if scale in c["horizon"]}
        self.family = tuple(members)
        self._members = members

    # Before the first test.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Gather and judge; with `--claims-plan` only say what that would take."""
        if self.config.option.collectonly or session.testsfailed or _distributed(self.config):
            return None
        claims = [self.claims[item.nodeid] for item in session.items if item.nodeid in self.claims]
        statistical = [claim for claim in claims if isinstance(claim, Statistical)]
        scale = self.options.scale.name
        judged = [claim for claim in statistical if scale in claim.horizon]
        for claim in statistical:
            if scale not in claim.horizon:
                reason = claim.why_not.get(scale, f"Its protocol is too long for scale {scale}.")
                self.verdicts[claim.id] = Verdict(
                    claim=claim, outcome=Outcome.NOT_JUDGED, scale=scale, scope=self.options.scale.scope, reason=reason
                )
        if not judged:
            return True if self.config.option.claims_plan else None
        try:
            with Store(self.options.store) as store:
                court, bar = self._court(judged, store)
                if self.config.option.claims_plan:
                    self._write(self._plan(court))
                    return True
                self._sit(court, bar)
        except StoreError as error:
            raise pytest.UsageError(str(error)) from None
        return None

    def _court(self, claims: Sequence[Statistical], store: Store) -> tuple[Court, Bar]:
        study, options = self.study, self.options
        bar = Bar(write=self._write, unit=study.cost_unit, show=self._terminal is not None and sys.stderr.isatty())
        context = {"version": study.version, "environment": dict(study.environment), "scale": options.scale.name}
        court = Court(
            study=study,
            scale=options.scale,
            claims=claims,
            family=Family.of(self._members, context=context),
            store=store,
            executor=None if self.config.option.claims_no_train else self._executor,
            watch=bar,
            seeds_max=options.seeds_max,
        )
        return court, bar

    def _executor(self) -> Executor:
        if self.options.workers == 0 or self.options.device != "cpu":
            return InProcess(self.study)
        return LocalProcesses(self.study, self.options.workers)

    def _sit(self, court: Court, bar: Bar) -> None:
        lock = FileLock(f"{self.options.store}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self._write(f"claims: another run holds {self.options.store}; waiting for it")
            lock.acquire()
        with lock, self._uncaptured():
            try:
                self.verdicts |= court.sit()
            finally:
                lock.release()
                first = bar.first
                self.gathered = Gathered(seconds=court.seconds_gathering, trained=bar.trained, problems=bar.warnings)
                todo = first or court.next_batch()
                self.gathered.requested, self.gathered.distinct = todo.requested, todo.distinct
                self.gathered.requested_cost, self.gathered.distinct_cost = todo.requested_cost, todo.distinct_cost

    def _plan(self, court: Court) -> str:
        todo = court.next_batch()
        workers = self.options.workers if self.options.device == "cpu" else 1
        return wanted(todo, court.expected_seconds(todo, workers), unit=self.study.cost_unit)

    @property
    def study(self) -> Study:
        """The project's study.

        Raises:
            pytest.UsageError: No conftest gives one.
        """
        if self._study is None:
            self._study = self.config.hook.pytest_claims_study(config=self.config, device=self.options.device)
        if self._study is None:
            raise pytest.UsageError("statistical claims need a study: implement pytest_claims_study in conftest.py")
        return self._study

    # While tests run.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Say whose errors the tally records."""
        if item.nodeid in self.claims:
            self.tally.claim = self.claims[item.nodeid].id

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the verdict to the test's report, which carries it to whoever writes the report of the run."""
        report = yield
        claim = self.claims.get(item.nodeid)
        if claim is None or not (report.when == "call" or (report.when == "setup" and not report.passed)):
            return report
        if isinstance(claim, Statistical):
            verdict = self.verdicts.get(claim.id) or self._errored(claim, call)
        else:
            verdict = self._property_verdict(claim, report, call)
            if report.when == "call" and verdict.outcome in (Outcome.SUPPORTED, Outcome.REFUTED):
                report.outcome = "passed" if verdict.as_expected else "failed"
                if report.passed:
                    report.longrepr = None
                elif report.longrepr is None:
                    report.longrepr = str(verdict)
        properties = [("claim", claim.id), ("verdict", str(verdict.outcome)), ("figures", verdict.figures)]
        item.user_properties += properties
        report.user_properties += properties
        report.claim_verdict = verdict.to_json()  # type: ignore[attr-defined]  # extra attributes travel with a report
        return report

    def _property_verdict(self, claim: Claim, report: pytest.TestReport, call: pytest.CallInfo[None]) -> Verdict:
        scale = self.options.scale
        verdict = Verdict(
            claim=claim,
            outcome=Outcome.SUPPORTED,
            scale=scale.name,
            scope=f"{scale.examples} examples",
            reason="No example broke its bound.",
            worst=self.tally.claims.get(claim.id, {}),
        )
        if report.skipped:
            return replace(verdict, outcome=Outcome.NOT_JUDGED, reason=str(call.excinfo.value if call.excinfo else ""))
        if call.excinfo is None:
            return verdict
        reason = f"{call.excinfo.typename}: {call.excinfo.value}".splitlines()[0]
        outcome = Outcome.REFUTED if report.when == "call" and _asserts(call.excinfo.value) else Outcome.ERROR
        return replace(verdict, outcome=outcome, reason=reason)

    def _errored(self, claim: Statistical, call: pytest.CallInfo[None]) -> Verdict:
        reason = str(call.excinfo.value) if call.excinfo else "It was not judged."
        scale = self.options.scale
        return Verdict(claim=claim, outcome=Outcome.ERROR, scale=scale.name, scope=scale.scope, reason=reason)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Categories of their own for what was not decided."""
        outcome = getattr(report, "claim_verdict", {}).get("outcome")
        if report.skipped and outcome == Outcome.INCONCLUSIVE:
            return "inconclusive", "i", "INCONCLUSIVE"
        if report.skipped and outcome == Outcome.NOT_JUDGED:
            return "not judged", "n", "NOT JUDGED"
        return None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect verdicts, from this process or from workers."""
        if (verdict := getattr(report, "claim_verdict", None)) is not None:
            self.evidence[verdict["id"]] = verdict

    # Workers of pytest-xdist.

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """All workers use one store."""
        node.workerinput["claims_store"] = str(self.options.store)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Keep what the worker that gathered said."""
        output = getattr(node, "workeroutput", {}).get("claims")
        if output is None:
            return
        gathered = Gathered(**output["gathered"])
        if gathered.trained >= self.gathered.trained:
            self.gathered = gathered
        self.family = tuple(output["family"])

    # The end.

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the report."""
        output = getattr(self.config, "workeroutput", None)
        if output is not None:
            output["claims"] = {"gathered": vars(self.gathered), "family": list(self.family)}
            return
        if self.config.option.collectonly or self.config.option.claims_plan:
            return
        interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
        if not self.evidence and not (interrupted and self.claims):
            return
        evidence = self._evidence(interrupted=interrupted)
        try:
            reporting.write(evidence, self.options.report)
            self._written = self.options.report
        except OSError as error:
            self.gathered.problems.append(f"{self.options.report}: report not written: {error.strerror or error}")

    def _evidence(self, *, interrupted: bool) -> Json:
        claims = [self.evidence[id_] for id_ in sorted(self.evidence, key=_natural)]
        problems = list(self.gathered.problems)
        outcomes = {claim["outcome"] for claim in claims}
        status = "complete"
        if outcomes <= {Outcome.NOT_JUDGED}:
            status = "nothing judged"
        if Outcome.ERROR in outcomes:
            status = "errors"
            problems += [f"{c['id']}: {c['reason']}" for c in claims if c["outcome"] == Outcome.ERROR]
        if interrupted:
            status = "interrupted"
            problems.insert(0, "The run was interrupted; claims it did not reach are missing here.")
        scale = self.options.scale
        keys = {key for claim in claims for arm in claim["trials"].values() for key in arm}
        statistical = any(claim["kind"] != "property" for claim in claims)
        study = self.study if statistical else None
        gathered = self.gathered
        return {
            "schema": reporting.EVIDENCE_SCHEMA,
            "title": "Does the write-up hold?",
            "status": status,
            "problems": problems,
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - self._clock, 1),
            "seconds_gathering": round(gathered.seconds, 1),
            "scale": {"name": scale.name, "scope": scale.scope, "looks": list(scale.looks), "judged": scale.judged},
            "manifest": {"version": self._manifest.version if self._manifest else 0, "family": list(self.family)},
            "gathering": {
                "requested": gathered.requested,
                "distinct": gathered.distinct,
                "trained": gathered.trained,
                "reused": gathered.distinct - gathered.trained if gathered.distinct > gathered.trained else 0,
                "cost_unit": study.cost_unit if study else "",
                "requested_cost": round(gathered.requested_cost, 3),
                "distinct_cost": round(gathered.distinct_cost, 3),
            },
            "claims": claims,
            "trials": self._trials(claims, study) if study and keys else {},
            "provenance": self._provenance(study),
        }

    def _trials(self, claims: Sequence[Json], study: Study) -> dict[str, Json]:
        """Every trial that a claim used, with its curves."""
        trials: dict[str, Json] = {}
        try:
            with Store(self.options.store) as store:
                for key in sorted({key for c in claims for keys in c["trials"].values() for key in keys}):
                    stored = store.longest(key)
                    if stored is not None:
                        curves = study.decode(stored.result).curves()
                        trials[key] = {
                            "seed": stored.seed,
                            "horizon": stored.horizon,
                            "recipe": stored.recipe,
                            "diverged": stored.diverged,
                            "seconds": round(stored.seconds, 2),
                            "curves": {name: list(values) for name, values in curves.items()},
                        }
        except StoreError as error:
            self.gathered.problems.append(str(error))
        return trials

    def _provenance(self, study: Study | None) -> Json:
        provenance: Json = {"device": self.options.device, "command": " ".join(["pytest", *self.config.invocation_params.args])}
        if study is not None:
            provenance |= dict(study.environment) | dict(study.provenance)
        return provenance

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the verdict table."""
        if not self.evidence:
            return
        claims = [self.evidence[id_] for id_ in sorted(self.evidence, key=_natural)]
        terminalreporter.section("claims")
        for line, colour in table.lines(claims, width=terminalreporter._tw.fullwidth):
            terminalreporter.line(line, **({colour: True} if colour else {}))
        terminalreporter.line(table.headline(claims))
        gathered = self.gathered
        if gathered.requested:
            terminalreporter.line(
                f"evidence: {gathered.distinct} distinct trials for {gathered.requested} requested, {gathered.trained} "
                f"trained in {duration(gathered.seconds)}"
            )
        for problem in gathered.problems:
            terminalreporter.line(f"problem: {problem}", yellow=True)
        if self._written:
            terminalreporter.line(f"report: {self._written / 'index.html'}")

    def pytest_report_header(self) -> str:
        """Name the scale, the device and the store."""
        o = self.options
        return f"claims: scale {o.scale.name} ({o.scale.scope}), device {o.device}, store {o.store}"

    # Talking.

    @property
    def _terminal(self) -> Any:
        if hasattr(self.config, "workerinput"):
            return None
        return self.config.pluginmanager.get_plugin("terminalreporter")

    def _write(self, line: str) -> None:
        if self._terminal is not None:
            with self._uncaptured():
                self._terminal.ensure_newline()
                self._terminal.write_line(line)

    def _uncaptured(self) -> Any:
        from contextlib import nullcontext  # noqa: PLC0415

        capture = self.config.pluginmanager.get_plugin("capturemanager")
        return capture.global_and_fixture_disabled() if capture else nullcontext()


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> "torch.device":
    """The device of the run, as `--device` names it."""
    import torch  # noqa: PLC0415  # projects without property claims need it not

    harness: Harness = pytestconfig.pluginmanager.get_plugin("claims-harness")
    return torch.device(harness.options.device)


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Iterator[Tally]:
    """Where property claims record errors against their bounds."""
    harness: Harness = pytestconfig.pluginmanager.get_plugin("claims-harness")
    yield harness.tally


@pytest.fixture
def verdict(request: pytest.FixtureRequest) -> Verdict:
    """What the claim of this test came to. Skips what was not decided, and errs where the evidence failed."""
    harness: Harness = request.config.pluginmanager.get_plugin("claims-harness")
    claim = harness.claims.get(request.node.nodeid)
    if claim is None or claim.id not in harness.verdicts:
        pytest.fail(f"{request.node.nodeid}: no verdict; mark the test with claim(...) of a statistical kind", pytrace=False)
    found = harness.verdicts[claim.id]
    if found.outcome is Outcome.ERROR:
        pytest.fail(f"{claim.id} ERROR: {found.reason}", pytrace=False)
    if found.outcome is Outcome.NOT_JUDGED:
        pytest.skip(f"{claim.id} NOT JUDGED: {found.reason}")
    if found.outcome is Outcome.INCONCLUSIVE and not harness.options.fail_inconclusive:
        pytest.skip(f"{claim.id} INCONCLUSIVE: {found.reason}")
    return found


def _claim_of(item: pytest.Item) -> Claim | None:
    mark = item.get_closest_marker("claim")
    if mark is None:
        return None
    if mark.kwargs or len(mark.args) != 1 or not isinstance(mark.args[0], Claim):
        given = ", ".join([*map(repr, mark.args), *mark.kwargs])
        raise pytest.UsageError(f"{item.nodeid}: claim({given[:80]}): takes one claim, such as Superiority(...), and no more")
    claim: Claim = mark.args[0]
    callspec = getattr(item, "callspec", None)
    if callspec is None or mark in callspec.marks:
        return claim
    stem, bracket, variant = claim.id.partition("[")
    variants = [variant.rstrip("]")] * bool(bracket) + [callspec.id]
    return replace(claim, id=f"{stem}[{', '.join(variants)}]")


def _asserts(error: BaseException) -> bool:
    """Whether a claim failed by its own assertions and by nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return all(_asserts(inner) for inner in error.exceptions)
    return isinstance(error, AssertionError)


def _natural(id_: str) -> list[tuple[int, int | str]]:
    """Sorts Q2.10 behind Q2.9."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", id_)]
