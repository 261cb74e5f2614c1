"""What is meant to change results besides the recipe: trials of different environments have different keys."""

from importlib.metadata import version
from pathlib import Path

from bnmodels import data


def environment(dataset: str, data_dir: Path | None, device: str) -> dict[str, str]:
    """Of the machine on which it is called.

    Args:
        dataset: One of `bnmodels.data.NAMES`.
        data_dir: Where data sets lie that are not embedded.
        device: Such as `cpu` or `cuda:1`; its type counts.

    Raises:
        bnmodels.data.DataError: The data cannot be used.
    """
    return {
        "torch": version("torch"),
        "device type": device.partition(":")[0],
        "precision": "float32",
        "data": data.checksum(dataset, data_dir),
    }
