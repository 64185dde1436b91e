"""A notebook in a kernel of its own: its definitions travel to the job, and come back unchanged."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import nbclient
import nbformat
import pytest

pytestmark = pytest.mark.pool

CELLS = [
    """
    import dataclasses, enum, functools, json
    import numpy as np
    from condor_futures import CondorExecutor
    from condor_futures.progress import progress

    executor = CondorExecutor(access_point="personal", spool=False)
    checks = {}
    """,
    """
    offset = 10

    def shifted(x):
        return helper(x) + offset

    def helper(x):
        return x ** 2

    with progress(executor):
        checks["function"] = list(executor.map(shifted, range(4))) == [10, 11, 14, 19]
    """,
    """
    offset = 20  # the cell is run again with another value

    checks["changed global"] = executor.submit(shifted, 1).result() == 21
    """,
    """
    class Colour(enum.Enum):
        RED = 1
        BLUE = 2

        def other(self):
            return Colour.BLUE if self is Colour.RED else Colour.RED

    @dataclasses.dataclass(frozen=True)
    class Point:
        x: float
        colour: Colour = Colour.RED

        def moved(self, by, *, colour=None):
            return dataclasses.replace(self, x=self.x + by, colour=colour or self.colour)

    class Failure(Exception):
        pass

    def fail(point):
        raise Failure(point)

    point = Point(1.0)
    calls = {
        "enum's method": executor.submit(Colour.RED.other),
        "enum": executor.submit(lambda c: c is Colour.RED, Colour.RED),
        "bound method": executor.submit(point.moved, 2.0),
        "unbound method": executor.submit(Point.moved, point, 2.0, colour=Colour.BLUE),
        "partial": executor.submit(functools.partial(point.moved, colour=Colour.BLUE), 1.0),
        "class": executor.submit(Point, 5.0),
        "array": executor.submit(np.outer, np.arange(3), np.arange(4.0)),
        "array in a dataclass": executor.submit(lambda p: p.moved(np.ones(2)), Point(np.zeros(2))),
        "exception": executor.submit(fail, point),
    }
    """,
    """
    result = {name: call.result() for name, call in calls.items() if name != "exception"}
    checks["enum's method"] = result["enum's method"] is Colour.BLUE
    checks["enum"] = result["enum"]
    checks["bound method"] = result["bound method"] == Point(3.0)
    checks["unbound method"] = result["unbound method"] == Point(3.0, Colour.BLUE)
    checks["partial"] = result["partial"] == Point(2.0, Colour.BLUE)
    checks["class"] = type(result["class"]) is Point
    checks["array"] = bool((result["array"] == np.outer(np.arange(3), np.arange(4.0))).all())
    checks["array in a dataclass"] = list(result["array in a dataclass"].x) == [1.0, 1.0]
    try:
        calls["exception"].result()
    except Failure as error:
        checks["exception"] = error.args == (point,)
    """,
    """
    import asyncio

    checks["await"] = await asyncio.wrap_future(executor.submit(pow, 2, 5)) == 32
    """,
    """
    executor.shutdown()
    print(json.dumps(checks))
    """,
]


#: For nbclient, which waits so long for the kernel, and for each cell.
SLOW = pytest.mark.load_dependent("nbclient waits a minute for the kernel, and a minute for each cell")


@pytest.fixture
def execute(pool, tmp_path, monkeypatch):
    """Return a function that runs a notebook."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))  # the test leaves nothing in the home directory
    return lambda notebook: nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute(cwd=tmp_path)


@SLOW
def test_what_a_notebook_defines_travels(execute):
    """Functions, classes, enums, methods and exceptions of its cells travel. Results are of the notebook's classes.

    The progress of the calls is an output of the cell.
    """
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in CELLS])
    execute(notebook)
    (line,) = notebook.cells[1].outputs
    assert '<progress value="4" max="4"></progress><span>calls: 4/4 done</span>' in line.data["text/html"]
    (output,) = notebook.cells[-1].outputs
    checks = json.loads(output.text)
    assert len(checks) == 12
    assert [name for name, well in checks.items() if not well] == []


@SLOW
def test_the_notebook_of_the_documentation(execute):
    """Its cells run, and give outputs of the same kinds as those that it was stored with."""

    def kinds():
        return [[output.output_type for output in cell.outputs][-1:] for cell in notebook.cells if "outputs" in cell]

    notebook = nbformat.read(Path(__file__).parents[2] / "docs/tutorial/notebook.ipynb", 4)
    stored = kinds()
    execute(notebook)
    assert kinds() == stored
