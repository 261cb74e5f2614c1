"""The embedded MNIST: gzip-compressed idx files in the package, unpacked once into the user's cache.

Source of the format and of the data: LeCun, Cortes & Burges, the MNIST database of handwritten digits.
"""

import gzip
import hashlib
import math
import tempfile
import zlib
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs

from bnmodels.data.errors import DataError

Bytes = npt.NDArray[np.uint8]

FILES = {
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}
"""Name -> shape."""


def embedded_mnist(cache: Path | None = None, source: Path | None = None) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Training images and labels, test images and labels, each checked against its SHA-256.

    Args:
        cache: Where the unpacked files are kept; the user's cache directory, unless said otherwise.
        source: Where the packed files and their SHA256SUMS lie; in the package, unless said otherwise.

    Raises:
        DataError: A packed file is missing or damaged. A damaged or missing cache is just written again.
    """
    source = source or Path(str(files("bnmodels.data"))) / "mnist"
    cache = cache or Path(platformdirs.user_cache_dir("bnmodels")) / "mnist"
    sums = _checksums(source / "SHA256SUMS")
    first, second, third, fourth = (_array(name, sums[name], cache, source) for name in FILES)
    return first, second, third, fourth


def _checksums(path: Path) -> dict[str, str]:
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
        sums = {name: checksum for checksum, name in lines}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); install the package again") from error
    if missing := set(FILES) - set(sums):
        raise DataError(f"{path}: no checksum of {min(missing)}; install the package again")
    return sums


def _array(name: str, checksum: str, cache: Path, source: Path) -> Bytes:
    unpacked = cache / name
    content = unpacked.read_bytes() if unpacked.is_file() else b""
    if hashlib.sha256(content).hexdigest() != checksum:
        content = _unpack(source / f"{name}.gz", checksum)
        _write(unpacked, content)
    return _parse(content, FILES[name], unpacked)


def _unpack(path: Path, checksum: str) -> bytes:
    try:
        content = gzip.decompress(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing; install the package again") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged ({error}); install the package again") from error
    if (found := hashlib.sha256(content).hexdigest()) != checksum:
        raise DataError(f"{path}: SHA-256 is {found[:12]}..., must be {checksum[:12]}...; install the package again")
    return content


def _write(path: Path, content: bytes) -> None:
    """Put the file there whole or not at all; without a writable cache every process unpacks for itself."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        Path(file.name).replace(path)
    except OSError:
        return


def _parse(content: bytes, shape: tuple[int, ...], path: Path) -> Bytes:
    """Read idx: two zero bytes, type 8 (uint8), number of dimensions, each dimension in 4 bytes, then the values."""
    header = bytes([0, 0, 8, len(shape)]) + b"".join(side.to_bytes(4, "big") for side in shape)
    if not content.startswith(header) or len(content) != len(header) + math.prod(shape):
        raise DataError(f"{path}: not an idx file of shape {shape}; remove it and run again")
    return np.frombuffer(bytearray(content), dtype=np.uint8, offset=len(header)).reshape(shape)
