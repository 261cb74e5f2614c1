"""What workers find when they start."""

import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from bnmodels import data


def shared_by_others() -> tuple[int, int]:
    """Bytes of the training images that this process shares with others, and all of them."""
    images = data.load("mnist").train_images
    images.sum()  # each page is read
    start, shared = images.data_ptr(), 0
    here = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split()[0]:
            first, last = (int(end, 16) for end in line.split()[0].split("-"))
            here = first < start + images.nbytes and start < last
        elif here and line.startswith(("Shared_Clean", "Shared_Dirty")):
            shared += int(line.split()[1]) * 1024
    return shared, images.nbytes


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_share_the_images() -> None:
    """Forked from a process that has them, they hold no copy; in a process of its own, as a fork server starts but once."""
    command = [sys.executable, "-m", "tests.bnmodels.test_warmup"]
    shared, whole = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert whole == 47_040_000
    assert shared >= 0.95 * whole


if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bnmodels.warmup"])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        print(*pool.submit(shared_by_others).result())
