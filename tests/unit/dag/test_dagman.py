"""The state of the DAGMan job, according to its files."""

from __future__ import annotations

import pytest

from condor_futures.dag.dagman import Dagman, submit_error
from condor_futures.dag.files import DagFiles
from condor_futures.state_machine import states


def test_a_dagman_that_leaves_again_and_again_is_over_when_it_leaves(tmp_path):
    """The exit counts, even if the log already has the next start. A DAGMan that has reached its nodes is not over."""
    files = DagFiles(tmp_path, "work")
    dagman = Dagman(files, "7.0")
    once = [states.Executing("7.0", "ap1"), states.Evicted("7.0")]
    for event in [*once * 4, once[0]]:
        dagman.handle(event)
    assert dagman.end is None
    for event in (once[1], once[0]):
        dagman.handle(event)
    assert dagman.end == states.Evicted("7.0")
    assert "exited 5 times before it had run any node" in str(dagman.why(dagman.end))
    files.status.touch()
    again = Dagman(files, "7.0")
    for event in once * 9:
        again.handle(event)
    assert again.end is None


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["ERROR: on Line 20 of submit file: Failed to produce job credentials"], "Failed to produce job credentials"),
        (
            ["ERROR: on Line 20 of submit file: failed to create job classad", "submit error: no such group"],
            "no such group",
        ),
        (["ERROR: at another time"], ""),
    ],
)
def test_why_a_node_could_not_be_submitted_is_the_last_word_on_it(new_dag, lines, reason):
    """DAGMan's log has the message on one line or on two."""
    files = new_dag()._driver.graph.files
    about = ["Submitting HTCondor Node b000000 job(s)...", *lines, "Submitting HTCondor Node b000001 job(s)..."]
    files.dagman_out.write_text("".join(f"11/21/26 08:00:00 {line}\n" for line in about))
    assert submit_error(files, "b000000") == reason
    assert submit_error(files, "b000001") == ""
