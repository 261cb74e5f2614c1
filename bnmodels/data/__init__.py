"""Images as uint8 tensors in memory: the embedded MNIST, and what torchvision can load."""

from bnmodels.data.datasets import CLASSES, NAMES, Images, checksum, load
from bnmodels.data.errors import DataError

__all__ = ["CLASSES", "NAMES", "DataError", "Images", "checksum", "load"]
