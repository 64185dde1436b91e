"""Programs of many shapes: their calls have in a job the values that they have in a process pool.

Hypothesis makes the programs of the definitions in ``tests/shapes/kinds.py``, in the places of
``tests/shapes/projects.py``. The process pool spawns its workers if the script has a guard, and forks them otherwise. A
call that a process pool cannot pickle has in a job the value that it has in the client.

The normal run makes the same few programs each time. To make other ones::

    CONDOR_FUTURES_SHAPES=300 python -m pytest tests/unit/calls/test_shapes.py --timeout 0

A failure prints the program's parts, and both outcomes of each call that differs.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

sys.path.insert(0, str(Path(__file__).parents[2] / "shapes"))
from projects import DIFFERENT, Part, Project, projects

MANY = os.environ.get("CONDOR_FUTURES_SHAPES")


def differences(project: Project, **environment: str) -> list[str]:
    """Run the program; return the calls whose outcome is neither that of a process pool nor a known difference."""
    with tempfile.TemporaryDirectory() as directory:
        found = project.run(Path(directory), **environment)
    assert len(found) == len(project.parts)
    return [
        f"{project.start}: {name}\n  process pool: {pool}\n  job:          {job}"
        for part, (name, pool, job) in zip(project.parts, found, strict=True)
        if job != pool and not DIFFERENT.get(part.kind, lambda *_: False)(part, project, job)
    ]


@pytest.mark.timeout(600)  # on a busy machine, a program takes some seconds
@settings(
    max_examples=int(MANY or 8),
    derandomize=MANY is None,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    phases=[Phase.explicit, Phase.generate],  # a failure names its call: no need to look for a smaller one
    print_blob=False,
)
@example(Project([Part("subclass hook", "guarded", "module", "plain")], "guard"))  # by value, before anything by name
# Unpickling the arguments calls a function that uses a class of the guarded block.
@example(Project([Part("copyreg", "guarded", "module", "in a container")], "guard"))
@given(projects)
def test_a_program_of_any_shape_has_the_values_of_a_process_pool(project):
    different = differences(project)
    assert not different, "\n".join([str(project), *different])
