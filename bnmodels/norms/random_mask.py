r"""Batch norm of which random activations are kept."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from bnmodels.dropout import Dropout
from bnmodels.norms.standardised import Standardised


class RandomMask(Standardised):
    r"""Batch norm of which random activations are kept: the control for `TopK`, and dropout right behind batch norm.

    $$ y_{nc} = \gamma_c \, \hat x_{nc} \, b_{nc} / d + \beta_c, \qquad b_{nc} \sim \mathrm{Bernoulli}(d) $$

    Training: a mask a step, as `bnmodels.dropout.Dropout` draws it. Evaluation: nothing is dropped.

    Equivariances are batch norm's, in distribution. Cost: batch norm's, and a mask.

    Source: Srivastava et al. 2014, "Dropout", section 4, in its inverted form.

    Args:
        num_features: Channels.
        density: Share of activations that stay, d, in (0, 1].
        seed: Of the masks.
        options: As `Running` takes them.

    Raises:
        ValueError: A density that is no share; in training, fewer than two values per channel, or another number of channels.
    """

    def __init__(self, num_features: int, *, density: float = 0.5, seed: int = 0, **options: Any) -> None:
        if not 0 < density <= 1:
            raise ValueError(f"density={density}: a share, in (0, 1]")
        super().__init__(num_features, **options)
        self.density = density
        self.dropout = Dropout(1 - density, seed=seed)

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Normalise and mask; in training also move the running statistics."""
        return self.scaled_and_shifted(self.dropout(self.standardised(x)))
