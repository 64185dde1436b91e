"""Make ``tutorial/notebook.ipynb``: run its cells in a kernel on the personal pool, and keep their outputs.

    python docs/make_notebook.py

The notebook is kept in git, because a run needs a pool. Run this after a change of a cell, and look at the outputs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbclient
import nbformat

from condor_futures.personal import PersonalPool
from condor_futures.session.finding import sessions_directory

NOTEBOOK = Path(__file__).parent / "tutorial" / "notebook.ipynb"

#: Text and code by turns.
CELLS = [
    """
    # A sweep in a notebook

    This notebook simulates light in fog, on a personal HTCondor pool. You need the package with its extra `demo`,
    and Jupyter: `pip install '.[demo]' jupyterlab` in a checkout. For your institute's pool, omit
    `access_point="personal"`; the execution points then need numpy.

    An executor makes the calls. With `progress=True`, a bar below the next cell shows how many calls have ended.
    """,
    """
    from condor_futures import CondorExecutor, as_completed

    executor = CondorExecutor(access_point="personal", progress=True)
    executor
    """,
    """
    ## One call

    A photon in fog flies a random distance, hits a droplet, and flies on in another direction or is absorbed. The
    function counts the photons that leave a slab of fog on the other side. The function is defined in the notebook,
    and the executor sends it to the job.
    """,
    """
    import numpy as np

    def transmission(thickness, absorbed=0.05, photons=20_000, seed=0):
        "Share of the photons that pass through the fog, whose thickness is in mean free paths."
        draw = np.random.default_rng(seed)
        depth, cosine = np.zeros(photons), np.ones(photons)
        passed = 0
        while len(depth):
            depth = depth + cosine * draw.exponential(size=len(depth))
            passed += np.count_nonzero(depth > thickness)
            inside = (depth > 0) & (depth < thickness) & (draw.random(len(depth)) > absorbed)
            depth = depth[inside]
            cosine = draw.uniform(-1, 1, len(depth))
        return float(passed / photons)

    future = executor.submit(transmission, 2.0)
    future.result()
    """,
    """
    The future also shows the job and the machine. `future.usage` contains the time and memory that the call used.
    """,
    """
    future
    """,
    """
    ## A sweep

    `map` makes a call for each thickness. As in `concurrent.futures`, it takes one iterable for each argument of the
    function. In a personal pool, jobs are warm: a job makes one call after another.
    """,
    """
    thicknesses = np.linspace(0.2, 8, 40)
    photons = [20_000] * 40
    clear = list(executor.map(transmission, thicknesses, [0.0] * 40, photons, range(40)))
    foggy = list(executor.map(transmission, thicknesses, [0.2] * 40, photons, range(40)))
    """,
    """
    A plot of the results:
    """,
    """
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.5))
    axes.semilogy(thicknesses, clear, "o-", markersize=3, label="nothing absorbed")
    axes.semilogy(thicknesses, foggy, "o-", markersize=3, label="20 % absorbed at each droplet")
    axes.set(xlabel="thickness (mean free paths)", ylabel="transmission")
    axes.legend();
    """,
    """
    ## Results as they come

    `as_completed` yields the futures in the order in which the calls end. If a call raises an exception, only the
    future of this call has the exception.
    """,
    """
    def checked(thickness):
        if thickness < 0:
            raise ValueError(f"there is no fog of thickness {thickness}")
        print("simulating", thickness)
        return transmission(thickness, photons=5_000)

    futures = {executor.submit(checked, thickness): thickness for thickness in (1, -1, 4)}
    for future in as_completed(futures):
        print(futures[future], "->", future.exception() or future.result())
    """,
    """
    The exception also contains the traceback from the job. `stdout()` returns what the call printed.
    """,
    """
    for future in futures:
        print(repr(future.stdout()))
    """,
    """
    ## What the calls used

    `usage()` returns a row for each call. If you have pandas, `pandas.DataFrame(executor.usage())` makes a table.
    """,
    """
    rows = executor.usage()
    print(len(rows), "calls,", f"{sum(row['cpu'] or 0 for row in rows):.1f}", "seconds of CPU time")
    """,
    """
    ## The end

    `shutdown` waits for the calls, and ends the jobs. [Your first sweep](first-sweep.md) is a longer tutorial, with
    a script.
    """,
    """
    executor.shutdown()
    """,
]


def cell(number: int, source: str) -> nbformat.NotebookNode:
    """Return a cell of text, or of code if its number is odd."""
    lines = [line.removeprefix("    ") for line in source.strip("\n").splitlines()]
    make = nbformat.v4.new_code_cell if number % 2 else nbformat.v4.new_markdown_cell
    made = make("\n".join(lines).rstrip())
    made["id"] = f"cell-{number}"  # otherwise each run has others
    return made


if __name__ == "__main__":
    notebook = nbformat.v4.new_notebook(cells=[cell(number, source) for number, source in enumerate(CELLS)])
    with PersonalPool(), tempfile.TemporaryDirectory() as directory:
        nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=directory)
    for one in notebook.cells:
        one.metadata = {}  # the times of the run
    notebook.metadata.language_info.pop("version", None)
    home = str(sessions_directory().parents[1])
    NOTEBOOK.write_text(nbformat.writes(notebook).replace(home, "/home/ada/.local/state") + "\n")
