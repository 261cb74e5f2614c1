"""LeNet and BNLeNet: one definition, every choice a keyword."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bnmodels.dropout import Dropout
from bnmodels.norms import LAYERS, SHAPED
from bnmodels.seeding import generator

PLACES = 4
"""How many places of the network can hold a norm: behind each convolution and each hidden linear layer."""
WIDTHS = (6, 16, 120, 84)
"""Channels at the places."""
CLASSES = 10

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What a LeNet is made of. The defaults are the write-up's BNLeNet, with all biases.

    Attributes:
        norms: For each of the four places a name in `bnmodels.norms.LAYERS`, or None for no norm.
        padding: Of the first convolution, in pixels. The write-up's LeNet pads by 2, its BNLeNet does not.
        conv_bias: Whether the two convolutions have a bias.
        linear_bias: Whether the two hidden linear layers have a bias. The output layer always has one.
        affine: Whether the norms have gamma and beta.
        freeze_gamma: Keep every gamma at 1.
        freeze_beta: Keep every beta at 0.
        activation: `sigmoid` or `relu`, at all four places.
        eps: Added to the variance by the norms.
        momentum: Weight of the newest batch in the running statistics.
        group_size: For norms `ghost`: images whose statistics are taken together, in training.
    """

    norms: tuple[str | None, str | None, str | None, str | None] = ("batch", "batch", "batch", "batch")
    padding: Literal[0, 2] = 0
    conv_bias: bool = True
    linear_bias: bool = True
    affine: bool = True
    freeze_gamma: bool = False
    freeze_beta: bool = False
    activation: str = "sigmoid"
    eps: float = 1e-5
    momentum: float = 0.1
    group_size: int | None = None

    def __post_init__(self) -> None:
        if len(self.norms) != PLACES or any(norm is not None and norm not in LAYERS for norm in self.norms):
            raise ValueError(f"norms={self.norms}: give {PLACES} of {', '.join(sorted(LAYERS))} or None, one a place")
        if self.padding not in (0, 2):
            raise ValueError(f"padding={self.padding}: 0, or 2 as in the write-up's LeNet")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation={self.activation!r}: one of {', '.join(sorted(ACTIVATIONS))}")
        if not (math.isfinite(self.eps) and self.eps > 0):
            raise ValueError(f"eps={self.eps}: must be finite and above 0, or a constant channel divides by zero")
        if not 0 < self.momentum <= 1:
            raise ValueError(f"momentum={self.momentum}: the newest batch's weight lies in (0, 1]")
        if not self.affine and (self.freeze_gamma or self.freeze_beta):
            raise ValueError("affine=False leaves no gamma or beta to freeze: choose one of the two")
        if (self.group_size is not None) != ("ghost" in self.norms) or (
            self.group_size is not None and self.group_size < 2
        ):
            raise ValueError(
                f"group_size={self.group_size}: at least 2 images, with norms of `ghost` and with no other"
            )

    @property
    def normalised(self) -> bool:
        """Whether any place holds a norm."""
        return any(self.norms)


@dataclass(frozen=True, kw_only=True)
class Dropping(Architecture):
    """A LeNet with dropout.

    Attributes:
        dropped: For each of the four places the share of what leaves the activation that is dropped, 0 for none.
    """

    dropped: tuple[float, float, float, float] = (0.0, 0.0, 0.5, 0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.dropped) != PLACES or not all(0 <= share < 1 for share in self.dropped):
            raise ValueError(f"dropped={self.dropped}: {PLACES} shares in [0, 1), one a place")


class LeNet(nn.Module):
    """Two convolutions and three linear layers, with a norm and an activation at four places.

    Given images of shape `(batch, 1, 28, 28)` it returns logits of shape `(batch, 10)`: twice convolution (5 x 5; 6 and
    16 channels), norm, activation, average pooling 2 x 2; then linear 120 and linear 84, each with norm and activation;
    then linear 10.

    Source: LeCun et al. 1998, as modified in d2l.ai section 8.5 (average pooling, no Gaussian output).
    """

    def __init__(self, architecture: Architecture, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        a = architecture
        first = 28 + 2 * a.padding - 4
        self.sides = first, first // 2 - 4
        side = self.sides[1] // 2
        self.architecture = a
        self.conv1 = nn.Conv2d(1, WIDTHS[0], 5, padding=a.padding, bias=a.conv_bias, dtype=dtype)
        self.norm1 = self._norm(0, dtype)
        self.conv2 = nn.Conv2d(WIDTHS[0], WIDTHS[1], 5, bias=a.conv_bias, dtype=dtype)
        self.norm2 = self._norm(1, dtype)
        self.linear1 = nn.Linear(WIDTHS[1] * side * side, WIDTHS[2], bias=a.linear_bias, dtype=dtype)
        self.norm3 = self._norm(2, dtype)
        self.linear2 = nn.Linear(WIDTHS[2], WIDTHS[3], bias=a.linear_bias, dtype=dtype)
        self.norm4 = self._norm(3, dtype)
        self.linear3 = nn.Linear(WIDTHS[3], CLASSES, dtype=dtype)
        self.activation = ACTIVATIONS[a.activation]()
        self.pool = nn.AvgPool2d(2)
        shares = a.dropped if isinstance(a, Dropping) else (0.0,) * PLACES
        self.drop1, self.drop2, self.drop3, self.drop4 = (
            Dropout(share) if share else nn.Identity() for share in shares
        )

    def _norm(self, place: int, dtype: torch.dtype) -> nn.Module:
        a = self.architecture
        name = a.norms[place]
        if name is None:
            return nn.Identity()
        layer = LAYERS[name][1 if place < 2 else 0]
        more: dict[str, Any] = {"group_size": a.group_size} if name == "ghost" else {}
        if name in SHAPED:
            more["positions"] = (self.sides[place],) * 2 if place < 2 else ()
        norm = layer(WIDTHS[place], eps=a.eps, momentum=a.momentum, affine=a.affine, dtype=dtype, **more)
        for parameter, frozen in (("weight", a.freeze_gamma), ("bias", a.freeze_beta)):
            if frozen:
                getattr(norm, parameter).requires_grad_(False)
        return norm

    @property
    def norms(self) -> tuple[nn.Module, nn.Module, nn.Module, nn.Module]:
        """What stands at the four places, `nn.Identity` where there is no norm."""
        return self.norm1, self.norm2, self.norm3, self.norm4

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and activations."""
        return self.linear3.weight.dtype

    def forward(self, images: Float[Tensor, "batch 1 28 28"]) -> Float[Tensor, "batch 10"]:
        """Logits of a batch of images in [0, 1]."""
        return self.trace(images)[1]

    def trace(self, images: Float[Tensor, "batch 1 28 28"]) -> tuple[list[Tensor], Tensor]:
        """What enters the activation at each of the four places, and the logits.

        Shapes of the places: `(batch, 6, 24, 24)` (28 x 28 with padding), `(batch, 16, 8, 8)` (10 x 10),
        `(batch, 120)`, `(batch, 84)`.
        """
        x = images
        places = [self.norm1(self.conv1(x))]
        places.append(self.norm2(self.conv2(self.pool(self.drop1(self.activation(places[0]))))))
        places.append(self.norm3(self.linear1(self.pool(self.drop2(self.activation(places[1]))).flatten(1))))
        places.append(self.norm4(self.linear2(self.drop3(self.activation(places[2])))))
        return places, self.linear3(self.drop4(self.activation(places[3])))


def build(architecture: Architecture, *, seed: int, dtype: torch.dtype = torch.float32) -> LeNet:
    """A network with the initial values of a seed.

    Weights of convolutions and linear layers are Xavier uniform (Glorot & Bengio 2010, equation 16), their biases
    uniform in +-1/sqrt(fan in), torch's default; gamma is 1, beta 0. Each tensor is drawn in float32 from a generator
    of its own name, so that two architectures share the bits of every weight whose shape they share, and of every bias
    whose layer they share.
    """
    network = LeNet(architecture, dtype=dtype)
    for name, layer in network.named_modules():
        if hasattr(layer, "seed"):
            layer.seed = generator(seed, name).initial_seed()  # of what the layer draws while it trains
        if isinstance(layer, nn.Conv2d | nn.Linear):
            fan_in = layer.weight[0].numel()
            weight = torch.empty(layer.weight.shape)
            nn.init.xavier_uniform_(weight, generator=generator(seed, f"{name}.weight"))
            with torch.no_grad():
                layer.weight.copy_(weight)
            if layer.bias is not None:
                bound = 1 / math.sqrt(fan_in)
                bias = torch.empty(layer.bias.shape).uniform_(-bound, bound, generator=generator(seed, f"{name}.bias"))
                with torch.no_grad():
                    layer.bias.copy_(bias)
    return network
