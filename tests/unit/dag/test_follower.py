"""The files that a DAG writes, and the reading of DAGMan's files, without HTCondor."""

from __future__ import annotations

from condor_futures import CondorFuturesError, DagExecutor, JobHeldError
from condor_futures.dag import follower
from condor_futures.dag.dagman import Dagman
from condor_futures.state_machine import states
from condor_futures.state_machine.transitions import IllegalTransition
from condor_futures.watching import live_jobs

SUBMITTED = (
    "000 ({job}) 2026-11-21 08:35:20.377 Job submitted from host: <192.0.2.1:43217>\n    of a DAG\n    {note}\n...\n"
)
STARTED = "001 ({job}) 2026-11-21 08:35:20.500 Job executing on host: <192.0.2.1:43217>\n\tSlotName: slot1_1@ep\n...\n"
NOTED = "008 ({job}) 2026-11-21 08:35:21.505 Something.\n...\n"
HELD = "012 ({job}) 2026-11-21 08:35:21.505 Job was held.\n\tjust so\n\tCode 1 Subcode 0\n...\n"
SHADOW_DIED = "007 ({job}) 2026-11-21 08:35:21.506 Shadow exception!\n\tit was told to\n...\n"
ABORTED = "009 ({job}) 2026-11-21 08:35:21.510 Job was aborted.\n\tby PeriodicRemove\n...\n"
ENDED = (
    "005 ({job}) 2026-11-21 08:35:22.000 Job terminated.\n\t(1) Normal termination (return value {status})\n"
    "\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Remote Usage\n"
    "\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Local Usage\n"
    "\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Total Remote Usage\n"
    "\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Total Local Usage\n...\n"
)


def events(job, bundle, *texts, **values):
    return "".join(
        text.format(job=f"{job:03d}.000.000", note=f"bundle={bundle}", **values) for text in (SUBMITTED, *texts)
    )


def verdict(node, status, details=""):
    return f'[ Type = "NodeStatus"; Node = "{node}"; NodeStatus = {status}; StatusDetails = "{details}"; ]\n'


def written(dag, nodes_log, status):
    """*dag*, in the state after a run."""
    dag.write()
    files = dag._driver.graph.files
    files.dagman_log.write_text(events(1, "", STARTED, ENDED, status=1))
    files.nodes_log.write_text(nodes_log)
    files.status.write_text(status)
    return dag.directory


def test_a_hold_is_remembered_until_the_release(new_dag):
    """Events between the hold and the removal change nothing."""
    dag = new_dag()
    dag.submit(abs, -1)
    log = events(2, "b000000", STARTED, HELD, NOTED, SHADOW_DIED, ABORTED)
    with DagExecutor.attach(written(dag, log, verdict("b000000", 6, "removed"))) as attached:
        error = attached.futures[0].exception(10)
    assert isinstance(error, JobHeldError)
    assert error.reason == "just so"


def test_an_event_without_a_meaning_costs_only_its_node(new_dag, monkeypatch):
    dag = new_dag()
    dag.map(abs, [-1, -2])

    def advance(job, event):
        if job.bundle == "b000000" and isinstance(event, states.Executing):
            raise IllegalTransition(job, event)
        return real(job, event)

    real = live_jobs.advance
    monkeypatch.setattr(live_jobs, "advance", advance)
    log = events(2, "b000000", STARTED, HELD, ABORTED) + events(3, "b000001", STARTED, HELD, ABORTED)
    with DagExecutor.attach(written(dag, log, verdict("b000000", 6) + verdict("b000001", 6))) as attached:
        first, second = (future.exception(10) for future in attached.futures)
    assert type(first) is CondorFuturesError
    assert "a bug in condor_futures: Executing" in str(first)
    assert isinstance(second, JobHeldError)


def test_dagmans_last_words_are_of_its_last_run(new_dag):
    """Words of earlier runs are in the same file, and names of states are no errors."""
    files = new_dag()._driver.graph.files
    start = "11/21/26 08:00:00 ** condor_scheduniv_exec.{}.0 (CONDOR_DAGMAN) STARTING UP\n"
    earlier = start.format(1) + "11/21/26 08:00:01 a line\n11/21/26 08:00:01 ERROR: of the first run\n"
    later = start.format(2) + "11/21/26 08:00:02 ... but status is STATUS_ERROR\n"
    dagman = Dagman(files, "2.0")
    files.dagman_out.write_text(earlier + later)
    assert str(dagman.why(states.Terminated("2.0", 1))).startswith(
        "DAGMan (job 2.0) exited before it had run all nodes; "
    )
    files.dagman_out.write_text(earlier + later + "11/21/26 08:00:03 why\n11/21/26 08:00:03 ERROR: of the second\n")
    message = str(dagman.why(states.Terminated("2.0", 1)))
    assert message.startswith("DAGMan (job 2.0) exited before it had run all nodes: why: of the second;")


def test_the_node_is_named_without_which_others_are_not_run(new_dag):
    """The error names the ancestor that failed, not the one that DAGMan did not run."""
    dag = new_dag()
    child = dag.submit(str, dag.submit(abs, -1))
    dag.submit(str, child)
    first, second, third = dag._driver.graph.nodes
    verdicts = {
        first.key: {"NodeStatus": 6, "StatusDetails": "Job submit failed"},
        second.key: {"NodeStatus": 7},
    }
    assert follower._failed_ancestor(third, verdicts) == "its ancestor b000000 failed: Job submit failed"
