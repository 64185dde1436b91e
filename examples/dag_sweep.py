"""A workflow with a category, retries and a picture; first tried here, then driven by DAGMan.

python examples/dag_sweep.py [--local]
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from condor_futures import DagExecutor


def simulate(seed: int) -> list[float]:
    """Some events."""
    generator = random.Random(seed)
    return [generator.gauss(91.2, 2.5) for _ in range(1000)]


def unreliable_fit(events: list[float]) -> float:
    """The mean; one attempt in five fails."""
    if random.random() < 0.2:
        raise OSError("the file server is busy")
    return sum(events) / len(events)


def combine(means: list[float]) -> str:
    """One number of all."""
    return f"{sum(means) / len(means):.1f} GeV"


def main(directory: Path, *, local: bool) -> None:
    """Make the DAG, and run it."""
    with DagExecutor("sweep", directory / "sweep", access_point="personal") as dag:
        dag.categories["fit"] = 3
        fits = dag.with_options(category="fit", retries=5)
        means = [fits.submit(unreliable_fit, events) for events in dag.map(simulate, range(6), chunksize=2).futures]
        mass = dag.submit(combine, means)
        dag.run(local=local)
        print("mass:", mass.result())
        print("states:", dict(dag.counts()))
    print("picture:", dag.draw(directory / "sweep.svg").stat().st_size > 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a sweep as a DAG")
    parser.add_argument("--local", action="store_true", help="without HTCondor")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary), local=options.local)
