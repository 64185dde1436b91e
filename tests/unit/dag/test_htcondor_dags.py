"""HTCondor's module that writes DAGs is found in all bindings that have it."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from condor_futures.dag import htcondor_dags


def test_the_bindings_of_the_tests_have_it():
    assert htcondor_dags.dags.DAG
    assert htcondor_dags.writer.DAGWriter


def test_bindings_24_have_it_under_another_name(monkeypatch):
    older = ModuleType("htcondor.dags")
    monkeypatch.setitem(sys.modules, "htcondor2.dags", None)  # as if it did not exist
    monkeypatch.setitem(sys.modules, "htcondor", ModuleType("htcondor"))
    monkeypatch.setitem(sys.modules, "htcondor.dags", older)
    assert htcondor_dags._module("dags") is older


def test_bindings_without_it_are_told(monkeypatch):
    for name in ("htcondor2.dags", "htcondor", "htcondor.dags"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"these have none: .*; install newer ones"):
        htcondor_dags._module("dags")
