"""Throughput of the gather phase against the usual loop, in network-epochs per second on the full 60,000 images.

The usual loop: `torchvision.datasets.MNIST`, `ToTensor`, `DataLoader`, eager, torch's default number of threads, evaluated
with the running statistics after each epoch and with re-estimated ones, as the gather phase is. Both take the same seeds
in turn, so that load on the machine meets both; what counts is the ratio.

    python -m benchmarks.test_training_throughput
"""

import copy
import statistics
import tempfile
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

from bnmodels.data import idx
from bnmodels.history import History
from bnmodels.lenet import Architecture, LeNet, build
from bnmodels.recipe import Recipe
from bnmodels.training import TRAINING_VERSION, cost, train
from pytest_claims.executors import LocalProcesses
from pytest_claims.trial import Study

PAIRS = 3
WORKERS = 2
Batches = Iterable[tuple[Tensor, Tensor]]


def unpacked(root: Path) -> None:
    """MNIST where torchvision looks for it."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    source = Path(idx.__file__).parent / "mnist"
    cache = root / "cache"
    idx.embedded_mnist(cache, source)
    for name in idx.FILES:
        (cache / name).rename(raw / name)


def evaluate(network: LeNet, test: Batches) -> float:
    """Accuracy in eval mode."""
    network.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in test:
            right += int((network(images).argmax(1) == labels).sum())
            total += len(labels)
    return right / total


def usual_loop(recipe: Recipe, root: Path, seed: int) -> tuple[float, float]:
    """One epoch as a notebook writes it; accuracy in eval mode and with re-estimated statistics."""
    torch.manual_seed(seed)
    train_set = datasets.MNIST(root, train=True, transform=transforms.ToTensor())
    test_set = datasets.MNIST(root, train=False, transform=transforms.ToTensor())
    test = DataLoader(test_set, batch_size=recipe.batch_size)
    assert isinstance(recipe.architecture, Architecture)
    network = build(recipe.architecture, seed=seed)
    optimizer = torch.optim.SGD(network.parameters(), lr=recipe.lr)
    network.train()
    for images, labels in DataLoader(train_set, batch_size=recipe.batch_size, shuffle=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    as_trained = evaluate(network, test)
    twin = copy.deepcopy(network).train()
    for norm in twin.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.reset_running_stats()
            norm.momentum = None
    with torch.no_grad():
        for images, _ in DataLoader(Subset(train_set, range(recipe.precise_images)), batch_size=1000):
            twin(images)
    return as_trained, evaluate(twin, test)


def study() -> Study:
    """The study that `conftest.py` gives, without pytest."""
    return Study(
        train=partial(train, data_dir=None),
        version=TRAINING_VERSION,
        decode=History.from_json,
        cost=cost,
        cost_unit="network-epochs",
        device="cpu",
        environment={},
        provenance={},
        preload=("bnmodels.warmup",),
    )


def compare() -> dict[str, float]:
    """Network-epochs per second both ways and their ratio, medians over interleaved pairs."""
    recipe = Recipe(precise_images=10_000, precise_epochs=(1,))
    gather, usual = [], []
    with tempfile.TemporaryDirectory() as folder:
        unpacked(Path(folder))
        subject = study()
        executor = LocalProcesses(subject, WORKERS)
        try:
            warm = [executor.submit(subject.trial(recipe, seed=9, horizon=1)) for _ in range(WORKERS)]
            memory = max(future.result().worker["peak_memory"] for future in warm)
            for pair in range(PAIRS):
                start = time.perf_counter()
                trials = [subject.trial(recipe, seed=pair * WORKERS + i, horizon=1) for i in range(WORKERS)]
                for future in [executor.submit(trial) for trial in trials]:
                    future.result()
                gather.append(WORKERS / (time.perf_counter() - start))
                start = time.perf_counter()
                usual_loop(recipe, Path(folder), seed=pair)
                usual.append(1 / (time.perf_counter() - start))
        finally:
            executor.close()
    ratios = [fast / slow for fast, slow in zip(gather, usual, strict=True)]
    return {
        "gather, network-epochs a second": statistics.median(gather),
        "usual loop, network-epochs a second": statistics.median(usual),
        "ratio": statistics.median(ratios),
        "peak memory of a worker, MB": memory / 1e6,
    }


def test_training_throughput(benchmark: BenchmarkFixture) -> None:
    """At least twice the usual loop, and at most 1.5 GB a worker."""
    measured = benchmark.pedantic(compare, rounds=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info |= measured
    assert measured["ratio"] >= 2
    assert measured["peak memory of a worker, MB"] <= 1500


if __name__ == "__main__":
    for name, value in compare().items():
        print(f"{name:40} {value:8.3f}")
