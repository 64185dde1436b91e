"""Hyper-parameters: train with many settings, take results as they come, and stop the settings that are behind.

python examples/early_stopping.py [--access-point personal] [--settings 24] [--picture early_stopping.png]

Each setting is trained in rounds. After each round, a setting goes on only if it is among the better half of those that
have come as far (asynchronous successive halving, https://arxiv.org/abs/1810.05934). Needs numpy and matplotlib.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from condor_futures import CondorExecutor, CondorFuture, as_completed

ROUNDS = 5
Weights = tuple[np.ndarray, np.ndarray]


def spiral(seed: int, points: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return points of two spirals, and to which of them each point belongs."""
    draw = np.random.default_rng(seed)
    kind = draw.integers(2, size=points)
    radius = np.sqrt(draw.random(points)) * 3
    angle = 2.8 * radius + np.pi * kind
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1) + draw.normal(0, 0.12, (points, 2)), kind


def train(rate: float, width: int, weights: Weights | None, epochs: int = 100) -> tuple[float, Weights]:
    """Go on training a network with one hidden layer; return its accuracy on new points, and its weights."""
    draw = np.random.default_rng(width)
    hidden, out = weights or (draw.normal(0, 2, (3, width)), draw.normal(0, 1 / np.sqrt(width), width + 1))
    points, kind = spiral(seed=0)
    for _ in range(epochs):
        ones = np.ones((len(points), 1))
        inputs = np.hstack([points, ones])
        layer = np.hstack([np.tanh(inputs @ hidden), ones])
        error = 1 / (1 + np.exp(-layer @ out)) - kind
        back = error[:, None] * out[:-1] * (1 - layer[:, :-1] ** 2)
        out = out - rate * layer.T @ error / len(points)
        hidden = hidden - rate * inputs.T @ back / len(points)
    points, kind = spiral(seed=1)
    layer = np.tanh(np.hstack([points, np.ones((len(points), 1))]) @ hidden)
    return float(np.mean((layer @ out[:-1] + out[-1] > 0) == kind)), (hidden, out)


@dataclass(eq=False)
class Setting:
    """A setting, and how well it did after each round."""

    rate: float
    width: int
    scores: list[float] = field(default_factory=list)


def search(executor: CondorExecutor, settings: list[Setting]) -> int:
    """Train the settings; return the number of rounds that were made."""

    def begin(setting: Setting, weights: Weights | None) -> CondorFuture[tuple[float, Weights]]:
        future = executor.submit(train, setting.rate, setting.width, weights)
        running[future] = setting
        return future

    running: dict[CondorFuture[tuple[float, Weights]], Setting] = {}
    waiting = [begin(setting, None) for setting in settings]
    made = 0
    while waiting:
        future = next(as_completed(waiting))
        waiting.remove(future)
        setting = running.pop(future)
        score, weights = future.result()
        setting.scores.append(score)
        made += 1
        rivals = sorted(
            one.scores[: len(setting.scores)][-1] for one in settings if len(one.scores) >= len(setting.scores)
        )
        if len(setting.scores) < ROUNDS and score >= rivals[len(rivals) // 2]:
            waiting.append(begin(setting, weights))
    return made


def draw(settings: list[Setting], picture: Path) -> None:
    """Draw the accuracy of each setting against the rounds that it was trained for."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    best = max(settings, key=lambda setting: setting.scores[-1])
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for setting in settings:
        colour = "tab:orange" if setting is best else "tab:blue" if len(setting.scores) == ROUNDS else "lightgray"
        label = f"rate {setting.rate:.3g}, {setting.width} neurons" if setting is best else None
        order = 3 if setting is best else 2
        axes.plot(range(1, len(setting.scores) + 1), setting.scores, "o-", color=colour, label=label, zorder=order)
    axes.set(xlabel="round", ylabel="accuracy on new points", xticks=range(1, ROUNDS + 1))
    axes.legend()
    figure.savefig(picture, dpi=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a search for hyper-parameters with early stopping")
    parser.add_argument("--access-point", default="personal")
    parser.add_argument("--settings", type=int, default=24)
    parser.add_argument("--picture", type=Path, default=Path("early_stopping.png"))
    options = parser.parse_args()
    chosen = np.random.default_rng(7)
    settings = [Setting(10 ** chosen.uniform(-2.5, 0.3), int(chosen.integers(4, 80))) for _ in range(options.settings)]
    with CondorExecutor(access_point=options.access_point) as executor:
        made = search(executor, settings)
    best = max(settings, key=lambda setting: setting.scores[-1])
    print(f"{made} rounds instead of {ROUNDS * len(settings)}")
    print(f"best: rate {best.rate:.3g}, {best.width} neurons: {best.scores[-1]:.1%} of the new points are right")
    draw(settings, options.picture)
