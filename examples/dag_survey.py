"""A DAG: simulate runs, reconstruct each, calibrate from all of them, correct each, and make one spectrum.

python examples/dag_survey.py [--access-point local] [--runs 6] [--local] [--picture dag_survey.png] [DIRECTORY]

DAGMan runs the DAG, even while this program does not run. With --local, no HTCondor is needed. Needs numpy and
matplotlib; Graphviz or networkx draws the graph.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from condor_futures import DagExecutor

LINES = (511.0, 1274.5)  # keV: the energies of sodium-22


def simulate(run: int, events: int = 4000) -> np.ndarray:
    """Return the signals of a detector whose gain drifts from run to run."""
    draw = np.random.default_rng(run)
    energies = np.concatenate([draw.normal(line, 18, events) for line in LINES] + [draw.exponential(500, 2 * events)])
    return energies * (1 + 0.04 * np.sin(run))


def reconstruct(signals: np.ndarray) -> float:
    """Return where the first line is in the spectrum of one run."""
    counts, edges = np.histogram(signals, bins=np.arange(400, 620, 4))
    return float(edges[np.argmax(counts)] + 2)


def calibrate(peaks: list[float]) -> list[float]:
    """Return the factor that corrects each run."""
    return [LINES[0] / peak for peak in peaks]


def correct(signals: np.ndarray, factors: list[float], run: int) -> np.ndarray:
    """Return the spectrum of one run, as it was measured and with the correction."""
    return np.stack([np.histogram(signals * factor, bins=np.arange(0, 1600, 8))[0] for factor in (1, factors[run])])


def main(directory: Path, runs: int, access_point: str | None, picture: Path, *, local: bool) -> None:
    """Make the DAG, run it, and draw the graph and the spectrum."""
    with DagExecutor("survey", directory, access_point=access_point) as dag:
        signals = [dag.submit(simulate, run) for run in range(runs)]
        peaks = [dag.with_options(retries=2).submit(reconstruct, one) for one in signals]
        factors = dag.submit(calibrate, peaks)
        spectra = [dag.submit(correct, one, factors, run) for run, one in enumerate(signals)]
        total = dag.submit(sum, spectra)
        dag.run(local=local)
        measured, corrected = total.result()
        graph = dag.draw(directory / "graph.png")
        print("states:", dict(dag.counts()))
        print("factors:", *(f"{factor:.3f}" for factor in factors.result()))
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained", width_ratios=[1.3, 1])
    left.imshow(plt.imread(graph))
    left.axis("off")
    energies = np.arange(4, 1592, 8)
    right.plot(energies, measured, color="lightgray", label="as measured")
    right.plot(energies, corrected, color="tab:orange", label="corrected")
    right.set(xlabel="energy (keV)", ylabel="events")
    right.legend()
    figure.savefig(picture, dpi=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a DAG of an analysis")
    parser.add_argument("directory", type=Path, nargs="?", help="of the DAG; it must not exist")
    # DAGMan runs on the machine of the access point, so another machine's is not a choice.
    parser.add_argument("--access-point", choices=["personal", "local"], default="personal")
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--local", action="store_true", help="run the calls here, without HTCondor")
    parser.add_argument("--picture", type=Path, default=Path("dag_survey.png"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.directory or Path(temporary) / "survey"
        access_point = None if options.access_point == "local" else options.access_point
        main(directory, options.runs, access_point, options.picture, local=options.local)
