"""The contents of a job's sandbox, in HTCondor's language."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from condor_futures import procid, wait
from condor_futures.dag.sandbox import Sandbox
from condor_futures.options.options import Options


def test_environment_is_that_of_the_job(new_dag):
    """The environment includes HTCondor's own variables."""
    dag = new_dag(environment={"PRICE": "$5 $(x)", "WORDS": 'it\'s "so"'})
    future = dag.submit(lambda: (os.environ["PRICE"], os.environ["WORDS"]))
    dag.run(local=True)
    assert future.result(60) == ("$5 $(x)", 'it\'s "so"')


def test_macros_are_replaced_as_condor_submit_does(new_dag, tmp_path, monkeypatch):
    """Each job of a cluster has its own values. A macro that only HTCondor can expand fails the node."""
    monkeypatch.setenv("SITE", "north")
    dag = new_dag(environment='"WHERE=$ENV(SITE) BUNDLE=$(bundle)"')

    def make(number):
        Path("out.txt").write_text(f"{number} {os.environ['WHERE']} {os.environ['BUNDLE']}")

    remaps = {"out.txt": f"{tmp_path}/$(Process).txt"}
    outputs = dag.with_options(transfer_output_files=["out.txt"], transfer_output_remaps=remaps)
    cluster = outputs.submit_cluster(make, procid, count=2)
    unknown = dag.with_options(environment='"WHERE=$$(Machine)"').submit(make, 0)
    dag.run(local=True)
    wait(cluster, 60)
    assert [(tmp_path / f"{n}.txt").read_text() for n in range(2)] == ["0 north b000000", "1 north b000001"]
    assert "cannot replace the macro $$(Machine); only HTCondor can" in str(unknown.exception(60))


def test_macros_of_a_job_are_those_that_dagman_gives_it(new_dag):
    """The cluster is the number of the node, and each retry is counted."""
    dag = new_dag(environment='"A=$(job) B=$(BUNDLE) C=$(cluster).$(procid) D=$(retry) E=$(directory) F=$(DOLLAR)(x)"')
    dag.submit(abs, 1)
    dag.submit_cluster(abs, procid, count=2)
    node = dag._driver.graph.nodes[1]
    assert Sandbox.of_job(node, 1, 2).variables() == {
        "A": "b000001",
        "B": "b000002",
        "C": "1.1",
        "D": "2",
        "E": node.bundles[0].directory.name,
        "F": "$(x)",
    }


def test_names_of_files_are_lists_of_htcondors():
    """Blanks and empty names mean nothing."""
    commands = {"transfer_input_files": "/a, ,/b/ ", "transfer_output_files": "c,d", "environment": "A=1;B=2"}
    sandbox = Sandbox.of(Options(commands, spool=False))
    assert (sandbox.files, sandbox.targets()) == (["/a", "/b/"], {"c": "", "d": ""})
    assert sandbox.variables() == {"A": "1", "B": "2"}


@pytest.mark.parametrize("macro", ["$$(Machine)", "$(unknown)", "$RANDOM_CHOICE(1,2)", "$ENV(NO_SUCH_VARIABLE)"])
def test_what_only_htcondor_can_replace_is_told(macro):
    with pytest.raises(ValueError, match=re.escape(f"{macro.lstrip('$')}; only HTCondor can")):
        Sandbox(environment=f"A={macro}").expanded({})


def test_a_macro_may_have_a_default():
    """The default may be a macro itself."""
    sandbox = Sandbox(outputs=["$(seed:$(process)).root"]).expanded({"process": 3})
    assert sandbox.outputs == ["3.root"]
