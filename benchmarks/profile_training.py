"""Where a training step's time goes, how far from this processor's roofline, and what torch's own means gain.

    python -m benchmarks.profile_training

One thread, batches of 128, BNLeNet. An operator's roofline is the longer of two times: its floating-point operations at the
rate of a large matrix product, and the bytes of its arguments and results at the bandwidth of a large addition; small
tensors that stay in the cache can beat it. Each variant is timed in turn with the loop as it is, and what counts is the
ratio of a round; above 1 the variant is faster. Allocation is of a process, so that those two are timed as processes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # its usual name
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from bnmodels.beginning import images_of, network_of
from bnmodels.recipe import Recipe
from pytest_claims.executors import WORKER_ENVIRONMENT

RECIPE = Recipe(train_images=6_400)
Step = Callable[[int], None]


def make(
    *, channels_last: bool = False, compiled: bool = False, autocast: bool = False, wait: bool = True, **options: Any
) -> Step:
    """One step of training as `bnmodels.training.train` makes it, by the number of the batch.

    Args:
        channels_last: Keep images and convolutions with channels last.
        compiled: The network through `torch.compile`.
        autocast: Convolutions and matrix products in bfloat16, which changes results.
        wait: Read each step's loss.
        options: Of the optimiser.
    """
    images, labels, bench = images_of(RECIPE, torch.device("cpu"), None)
    network = network_of(RECIPE, 0).train()
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=RECIPE.lr, **{"foreach": True} | options)
    trace: Any = torch.compile(network.trace) if compiled else network.trace
    batches = torch.split(torch.randperm(len(images), generator=torch.Generator().manual_seed(0)), RECIPE.batch_size)

    def step(number: int) -> None:
        chosen = batches[number % len(batches)]
        pixels = bench.scaled(images[chosen], torch.float32)
        if channels_last:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", enabled=autocast):
            _, logits = trace(pixels)
        loss = F.cross_entropy(logits.float(), labels[chosen])
        if wait:
            float(loss.detach())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    for number in range(10):
        step(number)
    return step


def seconds(step: Step, steps: int) -> float:
    """Of one step, the mean over so many."""
    start = time.perf_counter()
    for number in range(steps):
        step(number)
    return (time.perf_counter() - start) / steps


class Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Times each operator, and counts what it computes and moves."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self.flops: dict[str, float] = defaultdict(float)
        self.bytes: dict[str, float] = defaultdict(float)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        start = time.perf_counter()
        made = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        self.seconds[name] += time.perf_counter() - start
        self.calls[name] += 1
        if func.overloadpacket in flop_registry:
            self.flops[name] += flop_registry[func.overloadpacket](*args, **(kwargs or {}), out_val=made)
        tensors = {id(t): t for t in tree_leaves((args, kwargs, made)) if isinstance(t, Tensor)}
        moved = 0 if func.is_view else sum(tensor.nbytes for tensor in tensors.values())
        self.bytes[name] += moved
        return made


def peaks() -> tuple[float, float]:
    """Floating-point operations a second of a matrix product, and bytes a second of an addition, on one thread."""
    a, b = torch.rand(1536, 1536), torch.rand(1536, 1536)
    x, y = torch.rand(32_000_000), torch.rand(32_000_000)
    out = torch.empty_like(x)
    products = min(_time(lambda: torch.mm(a, b)) for _ in range(7))
    additions = min(_time(lambda: torch.add(x, y, out=out)) for _ in range(7))
    return 2 * 1536**3 / products, 3 * x.nbytes / additions


def _time(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def profile(steps: int) -> None:
    """Print the share of each operator and its roofline."""
    compute, bandwidth = peaks()
    print(f"peak {compute / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.1f} GB/s, on one thread")
    step = make()
    plain = seconds(step, steps)
    with Meter() as meter:
        metered = seconds(step, steps)
    inside = sum(meter.seconds.values()) / steps
    print(
        f"{plain * 1e3:.2f} ms a step; {metered * 1e3:.2f} ms under the meter, {inside * 1e3:.2f} of them in operators"
    )
    print(
        f"{'operator':32} {'calls':>6} {'ms':>7} {'share':>6} {'GFLOP/s':>8} {'GB/s':>6} {'roofline ms':>12} {'of it':>6}"
    )
    total = 0.0
    for name in sorted(meter.seconds, key=lambda name: -meter.seconds[name]):
        took, flops, moved = (found[name] / steps for found in (meter.seconds, meter.flops, meter.bytes))
        roof = max(flops / compute, moved / bandwidth)
        total += roof
        if took >= 0.01 * inside:
            print(
                f"{name:32} {meter.calls[name] / steps:6.1f} {took * 1e3:7.3f} {took / inside:6.1%} "
                f"{flops / took / 1e9:8.1f} {moved / took / 1e9:6.1f} {roof * 1e3:12.3f} {roof / took:6.0%}"
            )
    print(f"all operators at their rooflines: {total * 1e3:.2f} ms, {total / plain:.0%} of a step")


def variants(rounds: int, steps: int) -> None:
    """Print what each change of the loop gains."""
    base = make()
    made: dict[str, Callable[[], Step]] = {
        "optimiser fused": lambda: make(foreach=False, fused=True),
        "optimiser one parameter at a time": lambda: make(foreach=False),
        "channels last": lambda: make(channels_last=True),
        "loss not read": lambda: make(wait=False),
        "torch.compile": lambda: make(compiled=True),
        "bfloat16 (other results)": lambda: make(autocast=True),
    }
    for name, maker in made.items():
        step = maker()
        _print_ratios(name, [(seconds(base, steps), seconds(step, steps)) for _ in range(rounds)])
    without = make()
    with_, dropped = [], []
    for _ in range(rounds):
        with_.append(seconds(without, steps))
        torch.set_flush_denormal(True)
        dropped.append(seconds(without, steps))
        torch.set_flush_denormal(False)
    _print_ratios("denormal numbers flushed", list(zip(with_, dropped, strict=True)))


def allocation(rounds: int, steps: int) -> None:
    """Print what the workers' environment gains, process by process."""
    names = [name for name in WORKER_ENVIRONMENT if name.startswith("MALLOC")]
    plain = {name: value for name, value in os.environ.items() if name not in names}
    ours = plain | {name: WORKER_ENVIRONMENT[name] for name in names}

    def child(environment: dict[str, str]) -> float:
        command = [sys.executable, "-m", "benchmarks.profile_training", "--child", "--steps", str(steps)]
        return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)

    _print_ratios("allocation that keeps its memory", [(child(plain), child(ours)) for _ in range(rounds)])


def _print_ratios(name: str, pairs: list[tuple[float, float]]) -> None:
    ratios = [before / after for before, after in pairs]
    print(f"{name:36} {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.child:
        print(seconds(make(), given.steps))
        sys.exit()
    profile(given.steps)
    variants(given.rounds, given.steps)
    allocation(given.rounds, given.steps)
