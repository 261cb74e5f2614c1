"""The pytest plugin: options, fixtures and hooks. Translates; the other modules decide."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_claims import table
from pytest_claims.archive import ArchiveError
from pytest_claims.claim import Claim, Outcome, Statistical
from pytest_claims.cluster import ClusterError
from pytest_claims.family import MANIFEST, ManifestError
from pytest_claims.hearing import Docket, Hearing
from pytest_claims.options import DEFAULT_REPORT, DEFAULT_SCALES, DEFAULT_STORE, OptionError, Options
from pytest_claims.properties import property_verdict
from pytest_claims.published import Published
from pytest_claims.record import Gathered, Record
from pytest_claims.report import EvidenceError
from pytest_claims.store import StoreError
from pytest_claims.tally import Tally
from pytest_claims.trial import Json, Scale, Study
from pytest_claims.verdict import Verdict

if TYPE_CHECKING:
    import torch

HARNESS = "claims-harness"
"""Name of the harness among pytest's plugins."""


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


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Load a conftest with a study from a package that `--pyargs` names; pytest does so too late for its options."""
    given, plugins = early_config.known_args_namespace, early_config.pluginmanager
    if not given.pyargs or given.noconftest:
        return
    for argument in given.file_or_dir:
        spec = _conftest_of(argument.partition("::")[0])
        if spec is None or plugins.has_plugin(str(spec.origin)):
            continue
        conftest = import_module(spec.name)
        if hasattr(conftest, "pytest_claims_study"):  # any other is none of our business
            plugins.register(conftest, str(spec.origin))  # under the name that pytest looks for when it collects


def _conftest_of(name: str) -> ModuleSpec | None:
    """Of a package, or of the package that a module is in; None where the name is of neither, or of a path."""
    try:
        spec = find_spec(name)
        return find_spec(f"{spec.parent}.conftest") if spec and spec.parent else None
    except (AttributeError, ImportError, ValueError):
        return None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the harness."""
    group = parser.getgroup("claims", "claims: evidence and verdicts")
    add = group.addoption
    add("--device", default="cpu", help="where to train and check: cpu (default), cuda, cuda:1, mps, or auto")
    add("--scale", default=None, help="how much of the protocol to follow, as the project's conftest names it")
    add(
        "--fail-inconclusive",
        action="store_true",
        help="a claim that stays INCONCLUSIVE fails instead of being skipped",
    )
    add("--claims-store", metavar="FILE", default=DEFAULT_STORE, help="finished trials (default: %(default)s)")
    add("--claims-report", metavar="DIR", default=DEFAULT_REPORT, help="where the report goes (default: %(default)s)")
    add(
        "--claims-workers", metavar="N", default="auto", help="worker processes; auto: one a core; 0: train in this one"
    )
    add(
        "--claims-together",
        metavar="N",
        default="auto",
        help="train N trials of one form at once, in this process; auto: as many as an accelerator holds; 0: one by one",
    )
    add("--claims-scheduler", metavar="ADDRESS", default="", help="train on a dask cluster: tcp://host:port")
    add("--claims-scheduler-file", metavar="FILE", default="", help="the same, named by its scheduler file")
    add("--claims-seeds-max", metavar="N", type=int, default=None, help="make no look at more than N seeds")
    add("--claims-plan", action="store_true", help="say what the next look would train and how long it takes, and stop")
    add(
        "--claims-verify",
        metavar="N",
        type=int,
        default=0,
        help="train N of the stored trials again, compare them with what is stored, and stop",
    )
    add("--claims-fresh", action="store_true", help="train everything again, into a new store beside the usual one")
    add("--claims-no-train", action="store_true", help="judge what is stored and train nothing")
    add(
        "--claims-write-manifest",
        action="store_true",
        help="write a new version of the manifest from the code, and stop",
    )
    parser.addini(
        "claims_manifest",
        f"the committed manifest of statistical claims, relative to the root directory; if not given, the {MANIFEST} "
        "beside the claims, if there is one",
    )
    parser.addini("claims_published", "directory of published evidence, relative to the root directory")


def pytest_configure(config: pytest.Config) -> None:
    """Check the options and start the harness."""
    config.addinivalue_line("markers", "claim(claim): the claim that this test judges")
    config.addinivalue_line("markers", "property: claims checked on many inputs; set by the claim's kind")
    config.addinivalue_line("markers", "statistical: claims judged over training seeds; set by the claim's kind")
    scales = config.hook.pytest_claims_scales(config=config) or DEFAULT_SCALES
    try:
        options = Options.of(config.option, scales=scales, root=config.rootpath, distributed=_distributed(config))
    except OptionError as error:
        raise pytest.UsageError(str(error)) from None
    if (worker := getattr(config, "workerinput", None)) is not None:
        options = replace(options, store=Path(worker["claims_store"]))
    config.pluginmanager.register(Harness(config, options), HARNESS)


def _distributed(config: pytest.Config) -> bool:
    """Whether this is the process that hands tests to pytest-xdist's workers (which have `dist` set to `no`)."""
    return bool(config.getoption("dist", "no") != "no")


class Harness:
    """One run: collects claims, has them heard before the first test, and reports at the end."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self.config = config
        self.options = options
        self.tally = Tally()
        self.claims: dict[str, Claim] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.record = Record()
        published = config.getini("claims_published")
        self.published = Published(config.rootpath / published) if published else None
        self._published_verdicts: dict[str, Json] = {}
        self._docket = Docket((), None)
        self._study: Study | None = None
        self._written: Path | None = None
        self._refusal = ""

    # Collection.

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Register every claim before anything is deselected."""
        with self._refusing():
            self._docket = self._register(items)

    def _register(self, items: list[pytest.Item]) -> Docket:
        statistical: list[tuple[str, Statistical]] = []
        ids: set[str] = set()
        for item in items:
            claim = _claim_of(item)
            if claim is None:
                continue
            if claim.id in ids:
                raise pytest.UsageError(f"{item.nodeid}: claim {claim.id} is declared twice; ids are unique")
            ids.add(claim.id)
            self.claims[item.nodeid] = claim
            item.extra_keyword_matches.add(claim.id)  # so that -k Q2.3 finds it
            item.add_marker("statistical" if isinstance(claim, Statistical) else "property")
            if isinstance(claim, Statistical):
                if "verdict" not in getattr(item, "fixturenames", ()):
                    raise pytest.UsageError(f"{item.nodeid}: judges {claim.id} and does not take the fixture verdict")
                statistical.append((item.path.stem, claim))
        docket = Docket.of(statistical, manifest=self._manifest(items))
        whole_modules = not any("::" in argument for argument in self.config.args)
        if self.options.write_manifest:
            if docket.manifest is None:
                raise pytest.UsageError("--claims-write-manifest: set claims_manifest in the ini file to say where")
            if not whole_modules:
                raise pytest.UsageError("--claims-write-manifest: give whole modules; single tests would drop the rest")
            pytest.exit(docket.manifest.write(statistical), returncode=0)
        docket.check(whole_modules=whole_modules)
        return docket

    def _manifest(self, items: Sequence[pytest.Item]) -> Path | None:
        """The one that the ini file names, or else the one beside the claims, which an installed package brings."""
        if name := str(self.config.getini("claims_manifest")):
            return self.config.rootpath / name
        folders = {item.path.parent for item in items if isinstance(self.claims.get(item.nodeid), Statistical)}
        found = sorted(path for folder in folders if (path := folder / MANIFEST).exists())
        if len(found) > 1:
            raise pytest.UsageError(
                f"{found[0]} and {found[1]}: one run has one manifest; run the two apart, or name "
                "one as claims_manifest in the ini file"
            )
        return found[0] if found else None

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Make a usage error of what cannot be used; a worker ends with it, and says it to whoever started it."""
        try:
            yield
        except (
            ArchiveError,
            ClusterError,
            EvidenceError,
            ManifestError,
            OptionError,
            StoreError,
            pytest.UsageError,
        ) as error:
            self._refusal = str(error)
            if self._works:
                pytest.exit(self._refusal, returncode=pytest.ExitCode.USAGE_ERROR)
            raise pytest.UsageError(self._refusal) from None

    # Before the first test.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Have the selected claims heard; with `--claims-plan` only say what that would take."""
        option = self.config.option
        stops = session.testsfailed and not option.continue_on_collection_errors
        if option.collectonly or stops or _distributed(self.config):
            return None
        selected = [self.claims[item.nodeid] for item in session.items if item.nodeid in self.claims]
        statistical = [claim for claim in selected if isinstance(claim, Statistical)]
        if selected and self.published and not self.options.plan:
            with self._refusing():  # before anything is trained
                self._published_verdicts = self.published.verdicts()
        if not statistical:
            return True if self.options.plan or self.options.verify else None
        hearing = Hearing(
            options=self.options,
            docket=self._docket,
            study=self.study,
            write=self._write,
            bars=self._terminal is not None,
            uncaptured=self._uncaptured,
            gathered=self.record.gathered,
            published=self.published,
        )
        with self._refusing():
            if self.options.plan:
                self._write(hearing.plan(statistical))
                return True
            if self.options.verify:
                session.testsfailed = hearing.verify(statistical)
                return True
            self.verdicts = hearing.hear(statistical)
        return None

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
            if report.when == "call" and report.failed and not verdict.as_expected:
                report.longrepr = str(verdict)  # pytest would cut it short
        else:
            verdict = self._property_verdict(claim, report, call)
            if report.when == "call" and verdict.outcome is not Outcome.NOT_JUDGED:
                report.outcome = "passed" if verdict.as_expected else "failed"
                if report.passed:
                    report.longrepr = None
                elif report.longrepr is None:
                    report.longrepr = str(verdict)
        properties = [("claim", claim.id), ("verdict", str(verdict.outcome)), ("figures", verdict.figures)]
        item.user_properties += properties
        report.user_properties += properties
        published = self._published_verdicts.get(claim.id)
        beside = {"published": published} if published else {}
        report.claim_verdict = verdict.to_json() | beside  # type: ignore[attr-defined]  # extra attributes travel with a report
        return report

    def _property_verdict(self, claim: Claim, report: pytest.TestReport, call: pytest.CallInfo[None]) -> Verdict:
        return property_verdict(
            claim,
            self.options.scale,
            worst=self.tally.claims.get(claim.id, {}),
            error=call.excinfo.value if call.excinfo else None,
            skipped=report.skipped,
            checked=report.when == "call",
        )

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
            self.record.verdicts[verdict["id"]] = verdict

    # Workers of pytest-xdist.

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """All workers use one store."""
        node.workerinput["claims_store"] = str(self.options.store)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Keep what the worker that gathered said; end with it if it refused to."""
        output = getattr(node, "workeroutput", {})
        if output.get("claims_refusal"):
            raise pytest.UsageError(output["claims_refusal"])
        gathered = Gathered(**output.get("claims", {}))
        if gathered.family and gathered.trained >= self.record.gathered.trained:
            self.record.gathered = gathered

    # The end.

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write the report."""
        output = getattr(self.config, "workeroutput", None)
        if output is not None:
            output |= {"claims": vars(self.record.gathered), "claims_refusal": self._refusal}
            return
        if self.options.plan or self.config.option.collectonly:
            return
        statistical = any(verdict["kind"] != "property" for verdict in self.record.claims)
        self._written = self.record.write(
            self.options,
            study=self.study() if statistical else None,
            command=" ".join(["pytest", *map(str, self.config.invocation_params.args)]),
            interrupted=exitstatus == pytest.ExitCode.INTERRUPTED and bool(self.claims),
        )

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the verdict table."""
        claims = self.record.claims
        if not claims:
            return
        terminalreporter.section("claims")
        for line, colour in table.summary(claims, self.record.gathered):
            terminalreporter.line(line, **({colour: True} if colour else {}))
        if self._written:
            terminalreporter.line(f"report: {self._written / 'index.html'}")

    def pytest_report_header(self) -> str:
        """Name the scale, the device and the store."""
        o = self.options
        return f"claims: scale {o.scale.name} ({o.scale.scope}), device {o.device}, store {o.store}"

    # Talking.

    @property
    def _works(self) -> bool:
        """Whether this is one of pytest-xdist's workers."""
        return hasattr(self.config, "workerinput")

    @property
    def _terminal(self) -> Any:
        if self._works:
            return None
        return self.config.pluginmanager.get_plugin("terminalreporter")

    def _write(self, line: str) -> None:
        if self._terminal is not None:
            with self._uncaptured():
                self._terminal.ensure_newline()
                self._terminal.write_line(line)

    def _uncaptured(self) -> AbstractContextManager[None]:
        capture: Any = self.config.pluginmanager.get_plugin("capturemanager")
        return capture.global_and_fixture_disabled() if capture else nullcontext()


def _harness(config: pytest.Config) -> Harness:
    harness = config.pluginmanager.get_plugin(HARNESS)
    assert isinstance(harness, Harness)
    return harness


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> "torch.device":
    """The device of the run, as `--device` names it."""
    import torch  # noqa: PLC0415  # most projects' other tests need it not

    return torch.device(_harness(pytestconfig).options.device)


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Tally:
    """Where property claims record errors against their bounds."""
    return _harness(pytestconfig).tally


@pytest.fixture
def verdict(request: pytest.FixtureRequest) -> Verdict:
    """What the claim of this test came to. Skips what was not decided, and errs where the evidence failed."""
    harness = _harness(request.config)
    claim = harness.claims.get(request.node.nodeid)
    found = harness.verdicts.get(claim.id) if claim else None
    if found is None:
        pytest.fail(
            f"{request.node.nodeid}: no verdict; mark the test with claim(...) of a statistical kind", pytrace=False
        )
    if found.outcome is Outcome.ERROR:
        pytest.fail(f"{found.claim.id} ERROR: {found.reason}", pytrace=False)
    undecided = found.outcome is Outcome.INCONCLUSIVE and not harness.options.fail_inconclusive
    if undecided or found.outcome is Outcome.NOT_JUDGED:
        pytest.skip(f"{found.claim.id} {found.outcome}: {found.reason}")
    return found


def _claim_of(item: pytest.Item) -> Claim | None:
    mark = item.get_closest_marker("claim")
    if mark is None:
        return None
    if mark.kwargs or len(mark.args) != 1 or not isinstance(mark.args[0], Claim):
        given = ", ".join([*map(repr, mark.args), *mark.kwargs])
        raise pytest.UsageError(
            f"{item.nodeid}: claim({given[:80]}): takes one claim, such as Superiority(...), and no more"
        )
    claim: Claim = mark.args[0]
    callspec = getattr(item, "callspec", None)
    if callspec is None or mark in callspec.marks:
        return claim
    stem, bracket, variant = claim.id.partition("[")
    variants = [variant.rstrip("]")] * bool(bracket) + [callspec.id]
    return replace(claim, id=f"{stem}[{', '.join(variants)}]")
