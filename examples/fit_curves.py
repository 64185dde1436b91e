"""Fit: the half-life of a source, with its uncertainty, from a fit to each of many resampled measurements (bootstrap).

python examples/fit_curves.py [--access-point personal] [--fits 200] [--picture fit_curves.png]

Needs numpy and matplotlib.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from condor_futures import CondorExecutor

TRUE_HALF_LIFE = 2.6  # years, about that of sodium-22


def measure(seed: int, points: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return times in years, and the decays that a detector counts then."""
    times = np.linspace(0, 10, points)
    return times, np.random.default_rng(seed).poisson(400 * 0.5 ** (times / TRUE_HALF_LIFE) + 12)


def fit(times: np.ndarray, counts: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Draw the measured points again with replacement; return the best initial rate, half-life and background."""
    chosen = np.random.default_rng(seed).integers(len(times), size=len(times))
    times, counts = times[chosen], counts[chosen]
    best = (np.inf, 0.0, 0.0, 0.0)
    for half_life in np.linspace(1, 5, 401):
        # For a given half-life, the rate and the background are a linear fit, weighted with the errors of the counts.
        model = np.stack([0.5 ** (times / half_life), np.ones_like(times)], axis=1)
        weights = 1 / np.sqrt(np.maximum(counts, 1))
        (rate, background), *_ = np.linalg.lstsq(model * weights[:, None], counts * weights, rcond=None)
        chi_square = float(np.sum(((model @ [rate, background] - counts) * weights) ** 2))
        best = min(best, (chi_square, float(rate), float(half_life), float(background)))
    return best[1:]


def draw(times: np.ndarray, counts: np.ndarray, fits: np.ndarray, picture: Path) -> None:
    """Draw the measurement with all fitted curves, and the distribution of the half-lives."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    fine = np.linspace(0, 10, 300)
    for rate, half_life, background in fits:
        left.plot(fine, rate * 0.5 ** (fine / half_life) + background, color="tab:orange", alpha=0.05)
    left.errorbar(times, counts, np.sqrt(counts), fmt=".", color="black", label="measured")
    left.set(xlabel="time (years)", ylabel="counts", title=f"{len(fits)} fits")
    left.legend()
    right.hist(fits[:, 1], bins=25, color="tab:orange")
    right.axvline(TRUE_HALF_LIFE, color="black", linestyle="--", label="true half-life")
    right.set(xlabel="half-life (years)", ylabel="fits")
    right.legend()
    figure.savefig(picture, dpi=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a bootstrap of a fit")
    parser.add_argument("--access-point", default="personal")
    parser.add_argument("--fits", type=int, default=200)
    parser.add_argument("--picture", type=Path, default=Path("fit_curves.png"))
    options = parser.parse_args()
    times, counts = measure(seed=1)
    with CondorExecutor(access_point=options.access_point, progress=True) as executor:
        one = executor.map(fit, [times] * options.fits, [counts] * options.fits, range(options.fits))
        fits = np.array(list(one))
    mean, error = fits[:, 1].mean(), fits[:, 1].std()
    print(f"half-life: {mean:.2f} +- {error:.2f} years, from {options.fits} fits")
    draw(times, counts, fits, options.picture)
