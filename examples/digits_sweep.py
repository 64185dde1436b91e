"""Which support vector machine reads handwritten digits best? A sweep over two parameters, one HTCondor job per few
points.

1,797 images of digits, 8 x 8 pixels each, come with scikit-learn. For 48 pairs of C and gamma a classifier is trained
and tested by five-fold cross-validation; the calls run as jobs of a personal HTCondor pool, which this script starts
and stops.

Run it with `condor-futures demo`, or as `python examples/digits_sweep.py`.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from condor_futures import CondorExecutor

C = np.logspace(-1, 2.5, 8)
GAMMA = np.logspace(-5, -2, 6)


def accuracy(c: float, gamma: float) -> float:
    """The share of digits that are read right, in a five-fold cross-validation."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import cross_val_score
    from sklearn.svm import SVC

    images, digits = load_digits(return_X_y=True)
    return float(cross_val_score(SVC(C=c, gamma=gamma), images, digits, cv=5).mean())


def draw(accuracies: np.ndarray, c_values: np.ndarray, gamma_values: np.ndarray, path: Path) -> None:
    """A heat map of the share of digits that are read wrong, with the best point framed."""
    import matplotlib as mpl

    mpl.use("Agg")  # no display is needed
    import matplotlib.pyplot as plt
    from matplotlib.colors import LogNorm

    wrong = 100 * (1 - accuracies)
    figure, axes = plt.subplots(figsize=(8, 5.5), layout="constrained")
    image = axes.imshow(wrong, norm=LogNorm(), cmap="viridis_r", origin="lower", aspect="auto")
    best = np.unravel_index(np.argmin(wrong), wrong.shape)
    for (row, column), value in np.ndenumerate(wrong):
        weight = "bold" if (row, column) == best else "normal"
        shade = "white" if value > 10 else "black"  # legible on either end of the colours
        axes.text(column, row, f"{value:.1f}", ha="center", va="center", color=shade, weight=weight)
    axes.add_patch(plt.Rectangle((best[1] - 0.5, best[0] - 0.5), 1, 1, fill=False, edgecolor="red", linewidth=3))
    axes.set_xticks(range(len(gamma_values)), [f"{gamma:.2g}" for gamma in gamma_values])
    axes.set_yticks(range(len(c_values)), [f"{c:.3g}" for c in c_values])
    axes.set(
        xlabel="gamma",
        ylabel="C",
        title=f"Handwritten digits: {wrong.size} classifiers, the best misreads {wrong.min():.1f} %",
    )
    scale = figure.colorbar(
        image, label="misread (five-fold cross-validation)", ticks=[3, 5, 10, 20, 50], format="%g %%"
    )
    scale.minorticks_off()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> None:
    """Sweep, print the best points, draw the map."""
    from condor_futures.progress import progress  # here, because the jobs, which import this file, do not have it

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--access-point", default="personal", help="as CondorExecutor's access_point (default: personal)"
    )
    parser.add_argument("--picture", type=Path, default=Path("digits_sweep.png"), help="where the heat map goes")
    parser.add_argument("--coarse", action="store_true", help="every other value only: a quarter of the classifiers")
    options = parser.parse_args(arguments)
    console = Console()

    c_values, gamma_values = (C[1::2], GAMMA[1::2]) if options.coarse else (C, GAMMA)
    points = list(itertools.product(c_values, gamma_values))
    console.print(f"{len(points)} classifiers. Starting HTCondor ...")
    # One core a job: the linear algebra underneath would otherwise start as many threads as the machine has cores.
    with (
        CondorExecutor(
            access_point=options.access_point,
            request_memory="512MB",
            environment={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        ) as executor,
        progress(executor, "classifiers", console=console),
    ):
        accuracies = list(executor.map(accuracy, *zip(*points, strict=True), chunksize=3))
    ranking = sorted(zip(accuracies, points, strict=True), reverse=True)

    table = Table(title="The best of them")
    for column in ("accuracy", "C", "gamma"):
        table.add_column(column, justify="right")
    for share, (c, gamma) in ranking[:5]:
        table.add_row(f"{share:.2%}", f"{c:.3g}", f"{gamma:.2g}")
    console.print(table)
    draw(np.reshape(accuracies, (len(c_values), len(gamma_values))), c_values, gamma_values, options.picture)
    console.print(f"The whole map: {options.picture}")


if __name__ == "__main__":
    main()
