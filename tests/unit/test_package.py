"""The package itself: the names that users import, and those whose modules are imported late."""

from __future__ import annotations

import subprocess
import sys

import pytest

import condor_futures
import condor_futures.dag


def test_every_public_name_is_there() -> None:
    assert [name for name in condor_futures.__all__ if not hasattr(condor_futures, name)] == []
    assert set(condor_futures.__all__) <= set(dir(condor_futures))


def test_the_modules_of_dags_are_imported_at_the_first_use() -> None:
    code = """if True:
        import sys, condor_futures
        unused = ("condor_futures.dag.executor", "condor_futures.personal")
        assert not any(name.startswith(unused) for name in sys.modules)
        from condor_futures import DagExecutor
        assert DagExecutor is sys.modules["condor_futures.dag.executor"].DagExecutor is condor_futures.dag.DagExecutor
    """
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("module", [condor_futures, condor_futures.dag])
def test_an_unknown_name_is_an_attribute_error(module: object) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'DagExecuter'"):
        _ = module.DagExecuter  # type: ignore[attr-defined]
