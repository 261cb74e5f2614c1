"""How far versions of torch are from exact, and from each other.

    python -m benchmarks.versions record
    python -m benchmarks.versions table reports/versions/*.json --to docs/versions.md

The first writes for the running torch, on this processor, the largest errors of batch norm on the fixed inputs of the claims
V1 to V3, in units in the last place, and the losses of the first steps of training, one thread. ATEN_CPU_CAPABILITY=avx2,
ONEDNN_MAX_CPU_ISA=AVX2 and MKL_ENABLE_INSTRUCTIONS=AVX2 in the environment make it compute as an older processor would. The
second compares such records.
"""

import argparse
import hashlib
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its usual name

from benchmarks.versions_table import Record, RecordError, document, load
from bnmodels.beginning import images_of, network_of, order_of
from bnmodels.lenet import Architecture
from bnmodels.recipe import DTYPES, Recipe
from claims.fixed_inputs import CASES, FAMILIES, OUTPUT, computed, fingerprint, reference
from conftest import _processor as processor
from pytest_claims.writing import replace_file

TYPES = ("float32", "float64")
RECIPES = {
    "BNLeNet, sigmoid": Recipe(),
    "BNLeNet, ReLU": Recipe(architecture=Architecture(activation="relu")),
}
SEED = 0
STEPS = 200
LIMITS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS")
"""Variables that keep libraries from instructions that the processor has."""


def units(error: Tensor, exact: Tensor, dtype: torch.dtype) -> Tensor:
    """Errors in units in the last place of a type, of the shape of `error`.

    The unit is the distance of neighbouring numbers of the type at the size of the exact value, or at the root mean square
    of all exact values where that is larger: what is nearly 0 is a difference of numbers of the usual size, and no kernel
    can know more of it than of them.
    """
    size = torch.maximum(exact.abs(), exact.square().mean().sqrt())
    bits = round(-np.log2(torch.finfo(dtype).eps))
    return error / torch.ldexp(torch.ones_like(size), torch.frexp(size).exponent - 1 - bits)


def errors(dtype: torch.dtype, device: torch.device) -> dict[str, dict[str, float]]:
    """By family of inputs and quantity the largest error in units in the last place."""
    largest: dict[str, dict[str, float]] = {family: {} for family in FAMILIES}
    for case in CASES:
        for training in (True, False):
            exact = reference(case, training=training)
            for name, values in computed(case, dtype, device, training=training).items():
                if name == OUTPUT or training:  # gradients by running statistics are products, and those sums
                    found = float(units(exact[name].error(values), exact[name].high.reshape(values.shape), dtype).max())
                    what = name if training else f"{name}, eval"
                    largest[case.family][what] = max(found, largest[case.family].get(what, 0.0))
    return largest


def checksum(network: nn.Module) -> str:
    """Of parameters and running statistics."""
    found = hashlib.sha256()
    for values in network.state_dict().values():
        found.update(values.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def first_steps(recipe: Recipe, steps: int, device: torch.device) -> dict[str, list[str]]:
    """The loss of each step, as hexadecimal floats, and a checksum of the weights before each and after the last."""
    images, labels, bench = images_of(recipe, device, None)
    network = network_of(recipe, SEED).to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=recipe.lr, foreach=True)
    losses, weights = [], [checksum(network)]
    for chosen in order_of(recipe, SEED, 1, device)[:steps]:
        loss = F.cross_entropy(network(bench.scaled(images[chosen], DTYPES[recipe.dtype])), labels[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()).hex())
        weights.append(checksum(network))
    return {"losses": losses, "weights": weights}


def record(device: torch.device, steps: int = STEPS) -> Record:
    """Everything about the running torch that `table` compares."""
    torch.set_num_threads(1)
    return Record(
        torch=torch.__version__.partition("+")[0],
        device=device.type,
        capability=torch.backends.cpu.get_cpu_capability(),
        limits={name: os.environ[name] for name in LIMITS if name in os.environ},
        processor=processor(),
        python=platform.python_version(),
        numpy=np.__version__,
        inputs=fingerprint(),
        recipes={name: json.loads(json.dumps(asdict(recipe))) for name, recipe in RECIPES.items()},
        seed=SEED,
        errors={name: errors(DTYPES[name], device) for name in TYPES if (device.type, name) != ("mps", "float64")},
        runs={name: first_steps(recipe, steps, device) for name, recipe in RECIPES.items()},
    )


def main(arguments: list[str] | None = None) -> None:
    """Record, or print a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="measure the running torch")
    recording.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    recording.add_argument("--to", metavar="DIR", type=Path, default=Path("reports/versions"))
    table = commands.add_parser("table", help="compare records")
    table.add_argument("records", metavar="FILE", type=Path, nargs="+")
    table.add_argument("--to", metavar="FILE", type=Path, help="write there instead of printing")
    given: Any = parser.parse_args(arguments)
    if given.command == "record":
        found = record(given.device)
        path = given.to / f"{found.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, (json.dumps(asdict(found), indent=1) + "\n").encode())
        print(path)
        return
    try:
        text = document([load(path) for path in given.records])
    except RecordError as error:
        parser.error(str(error))
    if given.to is None:
        print(text, end="")
    else:
        replace_file(given.to, text.encode())


if __name__ == "__main__":
    main()
