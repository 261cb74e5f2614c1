"""Whether giving up a failed run changes what is concluded from it: trains both ways, `python -m benchmarks.give_up`.

Finished trials are kept in the store of the claims, so that it can be interrupted, and what the claims trained serves here.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import conftest
from bnmodels.history import History
from bnmodels.recipe import Recipe
from claims.arms import bn_lenet, lenet
from claims.measures import fate, final_p
from pytest_claims.executors import LocalProcesses
from pytest_claims.store import Store
from pytest_claims.trial import Study, Trial

ROOT = Path(__file__).parents[1]
EPOCHS = 10
RECIPES = {
    **{f"BN, rate {rate:g}": bn_lenet(lr=rate) for rate in (64.0, 128.0)},
    **{f"none, rate {rate:g}": lenet(lr=rate) for rate in (32.0, 64.0)},
}


def study() -> Study:
    """The project's study, on the embedded data."""
    option = SimpleNamespace(dataset="mnist", data_dir=None, download=False)
    config: Any = SimpleNamespace(option=option, rootpath=ROOT)
    return conftest.pytest_claims_study(config, "cpu")


def trials(subject: Study, seeds: int) -> Iterator[tuple[str, int, bool, Trial]]:
    """Name, seed, whether a failed run is given up, and the trial."""
    for name, recipe in RECIPES.items():
        for seed in range(seeds):
            for give_up in (True, False):
                changed: Recipe = replace(recipe, give_up=give_up)
                yield name, seed, give_up, subject.trial(changed, seed=seed, horizon=EPOCHS)


def train(subject: Study, store: Store, missing: list[Trial], workers: int) -> None:
    """Train what is not stored."""
    executor = LocalProcesses(subject, workers)
    running = {executor.submit(trial): trial for trial in missing}
    for future in as_completed(running):
        trial, done = running[future], future.result()
        cost = subject.cost(trial.recipe, trial.horizon)
        provenance = dict(subject.provenance) | done.worker
        store.put(trial, done.result, diverged=done.diverged, seconds=done.seconds, cost=cost, provenance=provenance)
    executor.close()


def main() -> None:
    """Train, compare and print a row a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--store", type=Path, default=ROOT / ".claims/store.sqlite")
    options = parser.parse_args()
    subject = study()
    with Store(options.store) as store:
        wanted = list(trials(subject, options.seeds))
        train(subject, store, [t for *_, t in wanted if store.get(t) is None], options.workers)
        runs: dict[tuple[str, int, bool], History] = {}
        for name, seed, give_up, trial in wanted:
            stored = store.get(trial)
            assert stored is not None
            runs[name, seed, give_up] = History.from_json(stored.result)
    print("run | seed | given up after | fate | fate of the whole run | P | P of the whole run")
    for name, seed, give_up in runs:
        if give_up:
            early, whole = runs[name, seed, True], runs[name, seed, False]
            steps = f"{early.given_up_at} steps" if early.given_up_at else "never"
            print(f"{name} | {seed} | {steps} | {fate(early)} | {fate(whole)} | {final_p(early)} | {final_p(whole)}")


if __name__ == "__main__":
    main()
