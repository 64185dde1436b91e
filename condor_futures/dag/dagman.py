"""The DAGMan job itself: its state, and what its end means for the nodes that it did not run."""

from __future__ import annotations

import contextlib
import re

from condor_futures.calls.bundle import Bundle
from condor_futures.dag.files import DagFiles
from condor_futures.errors import CondorFuturesError, JobError, JobHeldError, JobLostError, JobRemovedError
from condor_futures.options.options import Options
from condor_futures.ownership import owned
from condor_futures.session.event_log import EventLog
from condor_futures.state_machine import states
from condor_futures.state_machine.states import State
from condor_futures.state_machine.transitions import advance

__all__ = ["Dagman", "submit_error"]

#: DAGMan may exit, and HTCondor restart it, this many times before it has run any node.
FALSE_STARTS_LIMIT = 5


@owned()
class Dagman:
    """The state of one DAGMan job, from its log. It belongs to the thread that follows the job."""

    def __init__(self, files: DagFiles, job_id: str | None = None) -> None:
        """Use the job *job_id*, or by default the last job in the log."""
        self._files = files
        self._wanted = job_id
        self._log: EventLog | None = None
        self._bundle = Bundle("dagman", files.directory, Options({}, spool=False), {}, self._new(job_id))
        self._false_starts = 0
        self.end: states.Event | None = None
        """The event that ended the job; None before."""

    @staticmethod
    def _new(job_id: str | None) -> states.Job:
        state = State.PENDING if job_id is None else State.IDLE
        return states.Job("dagman", spooled=False, state=state, job_id=job_id)

    @property
    def job_id(self) -> str | None:
        """The id of the job; None if the log has no job."""
        return self._bundle.job.job_id

    @property
    def bundle(self) -> Bundle:
        """A bundle without calls that stands for the DAGMan job among the jobs that the follower watches."""
        return self._bundle

    def read(self) -> bool:
        """Handle the new events in the log; return whether there were any."""
        if self._log is None and self._files.dagman_log.exists():
            self._log = EventLog(self._files.dagman_log)
        events = self._log.read() if self._log is not None else []
        for event in events:
            self.handle(event)
        return bool(events)

    def handle(self, event: states.Event) -> None:
        """Handle one event, from the log or from the queue."""
        if self._wanted not in (None, event.job_id):
            return  # the event is of an earlier run
        if isinstance(event, states.Submitted):
            # (A new pool assigns the same job ids again.)
            self._bundle.job, self.end, self._false_starts = self._new(event.job_id), None, 0
        elif isinstance(event, states.Released) and isinstance(self.end, states.Held):
            self._bundle.job, self.end = self._new(event.job_id), None
        elif event.job_id == self.job_id:
            self._bundle.job, effects = advance(self._bundle.job, event)
            for effect in effects:
                if isinstance(effect, states.Report):
                    self.end = effect.cause
            # HTCondor restarts DAGMan whenever it exits with a status above 2, for example because of a setting that
            # DAGMan cannot read (25.14). Each time, DAGMan runs for a moment.
            if isinstance(event, states.Evicted):
                self._false_starts += 1
                if self._false_starts >= FALSE_STARTS_LIMIT and not self._has_begun():
                    self.end = event

    def _has_begun(self) -> bool:
        """Return whether DAGMan has reached its nodes; the files of an earlier run were removed."""
        return self._files.status.exists() or self._files.nodes_log.exists()

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()

    def why(self, end: states.Event) -> CondorFuturesError:
        """Return the error of the nodes that DAGMan did not run before *end*."""
        job_id = end.job_id
        again = "call run() again to make the remaining calls"
        match end:
            case states.Aborted(_, reason):
                message = f"the DAGMan job {job_id} was removed: {reason or 'HTCondor gives no reason'}; {again}"
                return JobRemovedError(message, job_id=job_id, reason=reason)
            case states.Held(_, code, subcode, reason):
                message = (
                    f"the DAGMan job {job_id} was put on hold (code {code}, subcode {subcode}): {reason}; release it, "
                    "then attach to the DAG again"
                )
                return JobHeldError(message, job_id=job_id, code=code, subcode=subcode, reason=reason)
            case states.Terminated(_, exit_status, signal):
                message = f"DAGMan (job {job_id}) exited before it had run all nodes{self._errors()}; {again}"
                return JobError(message, job_id=job_id, exit_status=exit_status, signal=signal)
            case states.Evicted():
                message = (
                    f"DAGMan (job {job_id}) exited {self._false_starts} times before it had run any node"
                    f"{self._errors()}; fix this, then {again}"
                )
                return JobError(message, job_id=job_id)
            case _:
                return JobLostError(f"the DAGMan job {job_id} is no longer in the queue; {again}", job_id=job_id)

    def _errors(self) -> str:
        """Return the last error in DAGMan's own log, to which each run is appended, or else in its standard error."""
        lines = _this_run(self._files)
        errors = [index for index, line in enumerate(lines) if re.search(r"\bERROR[: ]", line)]
        # The line before "Warning is fatal error" names the cause. Both lines begin with date and time.
        told = [line.split(" ", 2)[-1] for line in lines[max(errors[-1] - 1, 0) : errors[-1] + 1]] if errors else []
        if not told:
            with contextlib.suppress(OSError):
                told = self._files.dagman_err.read_text(errors="replace").strip().splitlines()[-1:]
        return "".join(": " + line.removeprefix("ERROR: ") for line in told)


def submit_error(files: DagFiles, node: str) -> str:
    """Return why DAGMan last failed to submit the jobs of *node*; an empty text if its log has no reason."""
    reason, is_about_node = "", False
    for line in _this_run(files):
        if named := re.search(r"Submitting HTCondor Node (\S+) job", line):
            is_about_node = named[1] == node
        # Not every error has the second line. Where there is one, it follows the first and contains more.
        if is_about_node and (said := re.search(r"(?:ERROR: on Line \d+ of submit file|submit error): (.+)", line)):
            reason = said[1].strip()
    return reason


def _this_run(files: DagFiles) -> list[str]:
    """Return the lines of DAGMan's own log, to which each run is appended, since its last start."""
    try:
        text = files.dagman_out.read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition("(CONDOR_DAGMAN) STARTING UP")[2].splitlines()
