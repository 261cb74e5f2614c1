"""The embedded data set is what it says, and damage is told in one line."""

import gzip
import hashlib
import shutil
from pathlib import Path

import pytest
import torch

from bnmodels import data
from bnmodels.data import idx

PACKED = Path(data.__file__).parent / "mnist"


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A copy of the packed files that a test may damage."""
    return Path(shutil.copytree(PACKED, tmp_path / "packed"))


def test_load_mnist_shapes_and_types() -> None:
    images = data.load("mnist")
    assert [tuple(part.shape) for part in images.parts] == [(60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,)]
    assert {part.dtype for part in images.parts} == {torch.uint8}
    # class counts of the training set, from the data set's own page
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(images.train_labels.long()).tolist() == counts


def test_load_mnist_pixel_moments() -> None:
    """Mean 0.1307 and standard deviation 0.3081 of the training images, as everybody quotes them."""
    pixels = data.load("mnist").train_images.double() / 255
    assert float(pixels.mean()) == pytest.approx(0.1307, abs=5e-5)
    assert float(pixels.std()) == pytest.approx(0.3081, abs=5e-5)


def test_load_is_shared() -> None:
    assert data.load("mnist") is data.load("mnist")


def test_checksum_covers_all_parts() -> None:
    digest = hashlib.sha256()
    for part in data.load("mnist").parts:
        digest.update(part.numpy().tobytes())
    assert data.checksum("mnist") == digest.hexdigest()


@pytest.mark.parametrize(
    ("name", "message"),
    [("minst", "unknown; one of mnist"), ("fashion-mnist", "--data-dir")],
)
def test_load_bad_name(name: str, message: str) -> None:
    with pytest.raises(data.DataError, match=message):
        data.load(name)


def test_load_missing_torchvision_files(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match=r"kmnist in .*--download"):
        data.load("kmnist", tmp_path)


def _write_torchvision(root: Path, folder: str, images: int) -> None:
    """Files in torchvision's layout, with values that can be told apart."""
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    for prefix, number in (("train", images), ("t10k", images // 2)):
        pixels = bytes(range(256)) * (number * 784 // 256 + 1)
        header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (number, 28, 28))
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(header + pixels[: number * 784])
        labels = bytes(n % 10 for n in range(number))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1]) + number.to_bytes(4, "big") + labels)


def test_load_from_torchvision(tmp_path: Path) -> None:
    _write_torchvision(tmp_path, "FashionMNIST", 20)
    images = data.load("fashion-mnist", tmp_path)
    assert [tuple(part.shape) for part in images.parts] == [(20, 28, 28), (20,), (10, 28, 28), (10,)]
    assert images.train_images.flatten()[:5].tolist() == [0, 1, 2, 3, 4]
    assert images.train_labels.tolist() == [n % 10 for n in range(20)]


def test_load_from_torchvision_truncated(tmp_path: Path) -> None:
    _write_torchvision(tmp_path, "FashionMNIST", 20)
    path = tmp_path / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(data.DataError, match="fashion-mnist"):
        data.load("fashion-mnist", tmp_path)


def test_embedded_mnist_cache_is_written_and_healed(tmp_path: Path, packed: Path) -> None:
    idx.embedded_mnist(tmp_path / "cache", packed)
    labels = tmp_path / "cache" / "t10k-labels-idx1-ubyte"
    good = labels.read_bytes()
    labels.write_bytes(good[:-1] + b"\xff")
    assert idx.embedded_mnist(tmp_path / "cache", packed)[3].tobytes() == good[8:]
    assert labels.read_bytes() == good
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(idx.FILES)


def test_embedded_mnist_cache_not_writable(tmp_path: Path, packed: Path) -> None:
    (tmp_path / "file").touch()
    assert idx.embedded_mnist(tmp_path / "file" / "cache", packed)[1].shape == (60_000,)


def test_embedded_mnist_missing_file(tmp_path: Path, packed: Path) -> None:
    (packed / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(data.DataError, match=r"train-images-idx3-ubyte\.gz: missing; install"):
        idx.embedded_mnist(tmp_path, packed)


@pytest.mark.parametrize("damage", ["cut", "no gzip", "flipped"])
def test_embedded_mnist_damaged_file(tmp_path: Path, packed: Path, damage: str) -> None:
    path = packed / "train-labels-idx1-ubyte.gz"
    content = path.read_bytes()
    unpacked = bytearray(gzip.decompress(content))
    unpacked[100] ^= 1
    path.write_bytes({"cut": content[:-20], "no gzip": b"hello", "flipped": gzip.compress(bytes(unpacked))}[damage])
    with pytest.raises(data.DataError, match=r"train-labels-idx1-ubyte\.gz: (damaged|SHA-256 is).*; install"):
        idx.embedded_mnist(tmp_path, packed)


def test_embedded_mnist_no_checksum(tmp_path: Path, packed: Path) -> None:
    (packed / "SHA256SUMS").write_text("")
    with pytest.raises(data.DataError, match="no checksum of t10k-images"):
        idx.embedded_mnist(tmp_path, packed)
