"""Monte Carlo: the magnetization of a two-dimensional magnet (Ising model) at many temperatures.

python examples/ising.py [--access-point personal] [--temperatures 24] [--sweeps 400] [--picture ising.png]

Needs numpy and matplotlib.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from condor_futures import CondorExecutor, report

CRITICAL = 2 / np.log(1 + np.sqrt(2))  # the temperature at which an infinite magnet loses its magnetization (Onsager)


def simulate(temperature: float, seed: int, sweeps: int, size: int = 64) -> tuple[float, np.ndarray]:
    """Return the mean magnetization per spin in the second half of the simulation, and the last spins."""
    draw = np.random.default_rng(seed)
    spins = np.ones((size, size), dtype=np.int8)
    rows, columns = np.indices(spins.shape)
    magnetization = []
    for sweep in range(sweeps):
        for colour in (0, 1):  # spins of one colour of a chessboard do not touch each other
            neighbours = sum(np.roll(spins, step, axis) for step in (1, -1) for axis in (0, 1))
            # The Metropolis algorithm: a flip that costs energy happens with the probability of Boltzmann's factor.
            flips = draw.random(spins.shape) < np.exp(-2.0 * spins * neighbours / temperature)
            spins[flips & ((rows + columns) % 2 == colour)] *= -1
        if sweep >= sweeps // 2:
            magnetization.append(abs(spins.mean()))
        report(sweep / sweeps, f"T = {temperature:.2f}")
    return float(np.mean(magnetization)), spins


def draw_results(temperatures: np.ndarray, results: list[tuple[float, np.ndarray]], picture: Path) -> None:
    """Draw the magnetization against the temperature, and some of the magnets."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(12, 3.3), layout="constrained", width_ratios=[1.6, 1, 1, 1])
    axes[0].plot(temperatures, [magnetization for magnetization, _ in results], "o-", markersize=4)
    axes[0].axvline(CRITICAL, color="black", linestyle="--", label="Onsager")
    axes[0].set(xlabel="temperature (J/k)", ylabel="magnetization")
    axes[0].legend()
    for axis, wanted in zip(axes[1:], (1.8, CRITICAL, 3.2), strict=True):
        index = int(np.argmin(abs(temperatures - wanted)))
        axis.imshow(results[index][1], cmap="gray")
        axis.set(title=f"T = {temperatures[index]:.2f}", xticks=[], yticks=[])
    figure.savefig(picture, dpi=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a sweep of temperatures of the Ising model")
    parser.add_argument("--access-point", default="personal")
    parser.add_argument("--temperatures", type=int, default=24)
    parser.add_argument("--sweeps", type=int, default=400)
    parser.add_argument("--picture", type=Path, default=Path("ising.png"))
    options = parser.parse_args()
    temperatures = np.linspace(1.5, 3.5, options.temperatures)
    with CondorExecutor(access_point=options.access_point, progress=True) as executor:
        # Each call makes its own generator, from a seed that is an argument.
        jobs = executor.with_options(name="T={0:.2f}")
        results = list(jobs.map(simulate, temperatures, range(len(temperatures)), [options.sweeps] * len(temperatures)))
    for temperature, (magnetization, _) in zip(temperatures, results, strict=True):
        print(f"T = {temperature:.2f}: magnetization {magnetization:.3f}")
    draw_results(temperatures, results, options.picture)
