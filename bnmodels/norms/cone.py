r"""Batch norm, then the nearest point of a convex cone."""

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from bnmodels.norms.top_k import _Sparse
