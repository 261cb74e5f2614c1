"""What whitening does with few images for its channels: `python -m benchmarks.few_images`.

Batches of N independent Gaussian images of 120 channels without positions, as many as LeNet's third place has, whitened by
ZCA. Nothing is to be whitened, so that a good layer gives fresh images a variance of 1 a channel in eval mode.

Columns: the variance that fresh images get, mean over batches, with the lowest and highest batch; what theory says of it
without shrinkage, (N - 1) / (N - 1 - C - 1) with the mean of the inverse of a Wishart matrix; and how far the Gram matrix
of the batch itself is from N (I - 11'/N), over its norm: 0 means that nothing of the images is left.
"""

import argparse
import statistics

import torch

from bnmodels.norms import ZCA
from bnmodels.norms.covariance import Shrinkage
from bnmodels.seeding import generator

CHANNELS = 120
IMAGES = (64, 121, 128, 160, 240, 480, 1920)
SHRINKAGES: tuple[Shrinkage, ...] = (0.0, 0.01, 0.1, 0.5, "auto")
FRESH = 2_000


def drawn(seed: int, name: str, images: int) -> torch.Tensor:
    """Standard normal images, in float64."""
    return torch.randn(images, CHANNELS, generator=generator(seed, name), dtype=torch.float64)


def measured(images: int, shrinkage: Shrinkage, seed: int) -> tuple[float, float]:
    """Variance of fresh images, and how far the batch's Gram matrix is from the one that all batches share."""
    layer = ZCA(CHANNELS, shrinkage=shrinkage, momentum=1.0, affine=False, dtype=torch.float64)
    with torch.no_grad():
        y = layer(drawn(seed, "batch", images))
        fresh = layer.eval()(drawn(seed, "fresh", FRESH))
    shared = images * torch.eye(images, dtype=torch.float64) - 1
    return float(fresh.square().mean()), float(torch.linalg.norm(y @ y.mT - shared) / torch.linalg.norm(shared))


def main(batches: int) -> None:
    """Measure and print, as Markdown."""
    print("| images | shrinkage | variance of fresh images | theory | distance of the Gram matrix |")
    print("|---|---|---|---|---|")
    for images in IMAGES:
        for shrinkage in SHRINKAGES:
            found = [measured(images, shrinkage, seed) for seed in range(batches)]
            variances, distances = ([row[i] for row in found] for i in (0, 1))
            freedom = images - 1 - CHANNELS - 1
            theory = f"{(images - 1) / freedom:.2f}" if shrinkage == 0 and freedom > 0 else ""
            print(
                f"| {images} | {shrinkage} | {statistics.mean(variances):.3g} ({min(variances):.3g} to {max(variances):.3g})"
                f" | {theory} | {statistics.mean(distances):.2f} |"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=50)
    main(parser.parse_args().batches)
