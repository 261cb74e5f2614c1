"""A linear student learns from a noisy linear teacher by gradient descent, as in Krogh & Hertz 1991."""

from dataclasses import dataclass

import numpy as np

from pytest_claims import Scale, Study


@dataclass(frozen=True)
class Recipe:
    decay: float


class History(dict[str, list[float]]):
    diverged = False  # gradient descent on a quadratic cannot, at this rate
    curves = to_json = dict.copy

    def until(self, horizon: int) -> "History":
        return History({name: values[:horizon] for name, values in self.items()})


def train(recipe: Recipe, *, seed: int, horizon: int, device: str) -> History:
    rng, student, errors = np.random.default_rng(seed), np.zeros(20), []
    teacher, inputs, noise = (rng.standard_normal(shape) for shape in (20, (30, 20), 30))
    for _ in range(horizon):
        gradient = inputs.T @ (inputs @ (student - teacher) - 2 * noise) / 30
        student = student - 0.1 * (gradient + recipe.decay * student)
        errors.append(float(np.square(student - teacher).sum()))  # on new inputs, which are standard normal
    return History(error=errors)


def pytest_claims_scales() -> dict[str, Scale]:
    return {"full": Scale(name="full", looks=(8,), judged=True, scope="on 30 pairs", prepare=lambda r: r, examples=100)}


def pytest_claims_study(device: str) -> Study:
    return Study(
        train=train, version=1, decode=History, cost=lambda recipe, epochs: epochs, cost_unit="epochs",
        device=device, environment={"numpy": np.__version__}, provenance={},
    )  # fmt: skip
