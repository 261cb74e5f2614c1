"""Data sets by name. Each is four tensors; nothing is scaled here."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from bnmodels.data import idx
from bnmodels.data.errors import DataError

CLASSES = 10
TORCHVISION: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "fashion-mnist": ("FashionMNIST", {}),
    "kmnist": ("KMNIST", {}),
    "emnist-digits": ("EMNIST", {"split": "digits"}),
    "qmnist": ("QMNIST", {"compat": True}),
}
"""Name -> torchvision's class and its arguments."""
NAMES = ("mnist", *TORCHVISION)


@dataclass(frozen=True, eq=False)
class Images:
    """A data set, unscaled.

    Attributes:
        train_images: Shape `(train, 28, 28)`, uint8, 0 is the background.
        train_labels: Shape `(train,)`, uint8, 0 to 9.
        test_images: Shape `(test, 28, 28)`, uint8.
        test_labels: Shape `(test,)`, uint8.
    """

    name: str
    train_images: UInt8[Tensor, "train 28 28"]
    train_labels: UInt8[Tensor, " train"]
    test_images: UInt8[Tensor, "test 28 28"]
    test_labels: UInt8[Tensor, " test"]

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The four tensors, in the order of the attributes."""
        return self.train_images, self.train_labels, self.test_images, self.test_labels


@cache
def load(name: str, data_dir: Path | None = None, *, download: bool = False) -> Images:
    """A data set, once a process.

    Args:
        name: One of `NAMES`.
        data_dir: Where torchvision's data sets lie, or go. The embedded MNIST needs none.
        download: Let torchvision fetch what is missing.

    Raises:
        DataError: Unknown name, missing file, wrong checksum or shape: what is wrong and the way out.
    """
    if name == "mnist":
        return Images("mnist", *(torch.from_numpy(array) for array in idx.embedded_mnist()))
    if name not in TORCHVISION:
        raise DataError(f"data set {name!r}: unknown; one of {', '.join(NAMES)}")
    if data_dir is None:
        raise DataError(f"data set {name}: not embedded; say where it lies with --data-dir, and --download to fetch it")
    return _from_torchvision(name, data_dir, download=download)


def _from_torchvision(name: str, data_dir: Path, *, download: bool) -> Images:
    from torchvision import datasets  # noqa: PLC0415  # 2 s to import, and most runs need it not

    class_name, arguments = TORCHVISION[name]
    splits: list[Any] = []
    for train in (True, False):
        try:
            splits.append(getattr(datasets, class_name)(data_dir, train=train, download=download, **arguments))
        except Exception as error:  # torchvision raises RuntimeError, OSError, ValueError and more for damaged files
            way = (
                "check the network, or fetch it elsewhere" if download else "add --download, or name another --data-dir"
            )
            raise DataError(f"data set {name} in {data_dir}: {error}; {way}") from error
    tensors = []
    for split in splits:
        images, labels = split.data, split.targets
        labels = labels[:, 0] if labels.ndim == 2 else labels  # QMNIST gives eight columns of labels
        if name.startswith("emnist"):
            images = images.transpose(1, 2).contiguous()  # EMNIST's files hold every image transposed
        if images.dtype != torch.uint8 or images.shape[1:] != (28, 28) or len(images) != len(labels):
            raise DataError(
                f"data set {name} in {data_dir}: images of shape {tuple(images.shape)}; expected (n, 28, 28)"
            )
        if not 0 <= int(labels.min()) <= int(labels.max()) < CLASSES:
            raise DataError(f"data set {name} in {data_dir}: labels outside 0 to {CLASSES - 1}; the files are damaged")
        tensors += [images, labels.to(torch.uint8)]
    return Images(name, *tensors)


@cache
def checksum(name: str, data_dir: Path | None = None) -> str:
    """SHA-256 over the four tensors of a loaded data set, in hexadecimal; part of every trial's key."""
    digest = hashlib.sha256()
    for part in load(name, data_dir).parts:
        digest.update(part.numpy().tobytes())
    return digest.hexdigest()
