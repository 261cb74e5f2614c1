"""What the first look of all claims costs beside the write-up's own way: `python -m benchmarks.writeup_way`.

The write-up's way: each experiment trains its own arms from each seed to the end, one after another, in the usual loop
(`DataLoader`, torch's default threads). Ours shares arms between claims, cuts shorter runs out of longer ones, ends runs that
have failed, and has two workers of one thread. Work is counted in network-epochs from the published trials; the ratio of the
loops is measured, in interleaved pairs.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import pytest

from pytest_claims.archive import Archive
from pytest_claims.claim import Statistical
from pytest_claims.plan import plan_seed
from pytest_claims.store import Store
from pytest_claims.trial import Run, Study, Trial

from .test_training_throughput import compare

PUBLISHED = Path(__file__).parents[1] / "reports" / "published" / "trials.jsonl.xz"
SEEDS = 8


class Collected:
    """Keeps the claims of a run of pytest, and leaves it no test."""

    def __init__(self) -> None:
        self.claims: list[Statistical] = []
        self.study: Study | None = None
        self.scale: Any = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take the claims that the scale judges."""
        harness: Any = session.config.pluginmanager.get_plugin("claims-harness")
        self.study, self.scale = harness.study(), harness.options.scale
        found = (harness.claims[item.nodeid] for item in session.items if item.nodeid in harness.claims)
        self.claims = [c for c in found if isinstance(c, Statistical) and self.scale.name in c.horizon]
        session.items.clear()


def work() -> dict[str, float]:
    """Network-epochs of the first look: as the write-up does it, and after each thing that is saved."""
    collected = Collected()
    options = [
        "claims",
        "--scale",
        "full",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
        "--claims-report",
        tempfile.mkdtemp(),
    ]
    pytest.main(options, plugins=[collected])
    study = collected.study
    assert study is not None
    archive = Archive.open(PUBLISHED)
    (environment,) = archive.environments
    study = Study(**{name: getattr(study, name) for name in study.__dataclass_fields__} | {"environment": environment})
    runs: dict[Trial, Run] = {}
    with tempfile.TemporaryDirectory() as directory, Store(Path(directory) / "store.sqlite") as store:
        store.add(archive.read())

        def known(trial: Trial) -> Run | None:
            if trial not in runs and (stored := store.get(trial)) is not None:
                runs[trial] = study.decode(stored.result).until(trial.horizon)
            return runs.get(trial)

        requested = [
            trial
            for claim in collected.claims
            for seed in range(SEEDS)
            for trial in plan_seed(claim, seed, known=known, study=study, scale=collected.scale).trials.values()
        ]
    distinct = {(trial.key, trial.horizon): trial for trial in requested}
    longest: dict[str, Trial] = {}
    for trial in sorted(distinct.values(), key=lambda trial: trial.horizon):
        longest[trial.key] = trial
    return {
        "each claim on its own": sum(study.cost(trial.recipe, trial.horizon) for trial in requested),
        "arms shared": sum(study.cost(trial.recipe, trial.horizon) for trial in distinct.values()),
        "prefixes of longer runs": sum(study.cost(trial.recipe, trial.horizon) for trial in longest.values()),
        "failed runs end": sum(_spent(study, trial, runs[trial]) for trial in longest.values()),
    }


def _spent(study: Study, trial: Trial, run: Any) -> float:
    """Cost up to the epoch in which the run ended."""
    made = next((steps for steps in (run.diverged_at, run.given_up_at) if steps is not None), None)
    epochs = trial.horizon if made is None else max(1, -(-made // run.steps_per_epoch))
    return study.cost(trial.recipe, epochs)


def main() -> None:
    """Measure and print."""
    costs = work()
    loop = compare()
    usual, ours = loop["usual loop, network-epochs a second"], loop["gather, network-epochs a second"]
    before = None
    for name, cost in costs.items():
        factor = f", {before / cost:.2f} times less" if before else ""
        print(f"{name:28} {cost:8.0f} network-epochs{factor}")
        before = cost
    first, *_, last = costs.values()
    print(
        f"{'the loop, two workers':28} {loop['ratio']:.2f} times the network-epochs a second, {ours:.3f} against {usual:.3f}"
    )
    print(f"in all                       {loop['ratio'] * first / last:.1f} times: {last / ours / 3600:.1f} hours for "
          f"{first / usual / 3600:.1f}")  # fmt: skip


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()
