"""Joins the two: names the training function, the data set and the scales that the claims run at."""

import platform
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from bnmodels import data
from bnmodels.environment import environment
from bnmodels.history import History
from bnmodels.recipe import Recipe
from bnmodels.together import at_once, form, train_together
from bnmodels.training import TRAINING_VERSION, cost, train
from pytest_claims import Grouped, Scale, Study
from pytest_claims.statistics import LOOKS

FIRST_LOOK = LOOKS[:1]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which images."""
    group = parser.getgroup("bnmodels")
    group.addoption("--dataset", default="mnist", help=f"{', '.join(data.NAMES)} (default: the embedded mnist)")
    group.addoption("--data-dir", metavar="DIR", default=None, help="where data sets lie that are not embedded")
    group.addoption("--download", action="store_true", help="let torchvision fetch the data set into --data-dir")


def pytest_configure(config: pytest.Config) -> None:
    """Check the data set's name, and choose how many examples property claims try."""
    if config.option.dataset not in data.NAMES:
        raise pytest.UsageError(f"--dataset {config.option.dataset}: unknown; one of {', '.join(data.NAMES)}")
    torch.set_num_threads(1)  # as in every worker: small tensors lose more than they gain by a second thread
    for scale in _scales(config).values():
        # Repeatable in the smoke run, new examples every time elsewhere; torch's first step exceeds any deadline.
        settings.register_profile(
            scale.name, max_examples=scale.examples, deadline=None, derandomize=scale.name == "smoke", print_blob=True
        )
    chosen = config.getoption("scale", None) or "standard"
    if chosen in _scales(config):  # the plugin refuses any other
        settings.load_profile(chosen)


def _scales(config: pytest.Config) -> dict[str, Scale]:
    protocol = partial(_prepare, config.option.dataset)
    scales = (
        Scale(
            name="smoke",
            looks=(2,),
            judged=False,
            scope="on 160 images",
            prepare=partial(protocol, train_images=160, test_images=200, precise_images=160),
            examples=25,
        ),
        Scale(
            name="standard",
            looks=FIRST_LOOK,
            judged=True,
            scope="on 16,000 images",
            prepare=partial(protocol, train_images=16_000, precise_images=10_000),
            examples=100,
        ),
        Scale(
            name="full",
            looks=LOOKS,
            judged=True,
            scope="on 60,000 images",
            prepare=protocol,
            examples=500,
        ),
        Scale(
            name="wide",
            looks=LOOKS,
            judged=True,
            scope="on 60,000 images",
            prepare=protocol,
            examples=500,
        ),
    )
    return {scale.name: scale for scale in scales}


def _prepare(dataset: str, recipe: Recipe, **most: int) -> Recipe:
    """The recipe on the chosen data set, unless it names one of its own, with no more images than these."""
    fewer = {name: min(images, getattr(recipe, name)) for name, images in most.items()}
    if fewer.get("train_images", recipe.train_images) < recipe.train_images:
        fewer["passes"] = 1
    return replace(recipe, dataset=dataset if recipe.dataset == "mnist" else recipe.dataset, **fewer)


def pytest_claims_scales(config: pytest.Config) -> Mapping[str, Scale]:
    """`smoke` shows that everything works, `standard` judges on reduced data, `full` is the write-up's protocol."""
    return _scales(config)


def pytest_claims_study(config: pytest.Config, device: str) -> Study:
    """LeNets on the chosen images.

    Raises:
        pytest.UsageError: The data cannot be used.
    """
    option = config.option
    data_dir = Path(option.data_dir) if option.data_dir else None
    try:
        data.load(option.dataset, data_dir, download=option.download)
        here = partial(environment, option.dataset, data_dir, device)
        found = here()
    except data.DataError as error:
        raise pytest.UsageError(str(error)) from None
    return Study(
        train=_training(data_dir),
        version=TRAINING_VERSION,
        decode=History.from_json,
        cost=cost,
        cost_unit="network-epochs",
        short=_short,
        device=device,
        environment=found,
        here=here,
        provenance={
            "dataset": option.dataset,
            "bnmodels": version("bnmodels"),
            "torchvision": version("torchvision"),
            "numpy": version("numpy"),
            "scipy": version("scipy"),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "processor": _processor(),
            "threads a worker": 1,
            "commit": _commit(Path(__file__)),
        },
        grouped=Grouped(train=partial(train_together, data_dir=data_dir), form=form, at_once=at_once),
        preload=("bnmodels.warmup",),
    )


def _short(recipe: Recipe) -> Recipe:
    """A few dozen steps of a recipe's form, with its share of probes."""
    images = max(6_400, 4 * recipe.batch_size)
    return replace(form(recipe), train_images=images, test_images=1_000, precise_images=2_000, held_out=False, passes=1)


def _training(data_dir: Path | None) -> Callable[..., History]:
    return partial(train, data_dir=data_dir)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit(file: Path) -> str:
    """The commit, marked where the tree differs from it; empty where no repository has this file, as in a wheel."""
    try:
        _git(file, "ls-files", "--error-unmatch", file.name)
        return _git(file, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(file: Path, *arguments: str) -> str:
    command = ["git", "-C", str(file.parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
