"""The DAGMan job itself: how it stands, and what its end means for the nodes that it did not run."""

from __future__ import annotations

import contextlib
import re

from condor_futures.calls.bundle import Bundle
from condor_futures.dag.files import DagFiles
from condor_futures.errors import CondorFuturesError, JobError, JobHeldError, JobLostError, JobRemovedError
from condor_futures.options.options import Options
from condor_futures.session.event_log import EventLog
from condor_futures.state_machine import states
from condor_futures.state_machine.states import State
from condor_futures.state_machine.transitions import advance

__all__ = ["Dagman", "submit_error"]

#: So often DAGMan may leave, and HTCondor start it again, before it has run anything at all.
FALSE_STARTS_LIMIT = 5


class Dagman:
    """One DAGMan job, as its log tells it."""

    def __init__(self, files: DagFiles, job_id: str | None = None) -> None:
        """Take the job *job_id*, or the last one in the log."""
        self._files = files
        self._wanted = job_id
        self._log: EventLog | None = None
        self._bundle = Bundle("dagman", files.directory, Options({}, spool=False), {}, self._new(job_id))
        self._false_starts = 0
        self.end: states.Event | None = None
        """How it ended, once it has."""

    @staticmethod
    def _new(job_id: str | None) -> states.Job:
        state = State.PENDING if job_id is None else State.IDLE
        return states.Job("dagman", spooled=False, state=state, job_id=job_id)

    @property
    def job_id(self) -> str | None:
        """Its id; None if there never was one."""
        return self._bundle.job.job_id

    @property
    def bundle(self) -> Bundle:
        """It, in the guise of a bundle without calls, for whoever looks after jobs."""
        return self._bundle

    def read(self) -> bool:
        """Take in what is new in its log; True if there was something."""
        if self._log is None and self._files.dagman_log.exists():
            self._log = EventLog(self._files.dagman_log)
        events = self._log.read() if self._log is not None else []
        for event in events:
            self.handle(event)
        return bool(events)

    def handle(self, event: states.Event) -> None:
        """Take in one event, from the log or from elsewhere."""
        if self._wanted not in (None, event.job_id):
            return  # of an earlier run
        if isinstance(event, states.Submitted):
            # (A pool that was made anew gives out the same ids again.)
            self._bundle.job, self.end, self._false_starts = self._new(event.job_id), None, 0
        elif isinstance(event, states.Released) and isinstance(self.end, states.Held):
            self._bundle.job, self.end = self._new(event.job_id), None
        elif event.job_id == self.job_id:
            self._bundle.job, effects = advance(self._bundle.job, event)
            for effect in effects:
                if isinstance(effect, states.Report):
                    self.end = effect.cause
            # HTCondor starts it again whenever it leaves with a status above 2, as it does for a setting that it cannot
            # read (25.14); and each time it runs, for a moment.
            if isinstance(event, states.Evicted):
                self._false_starts += 1
                if self._false_starts >= FALSE_STARTS_LIMIT and not self._has_begun():
                    self.end = event

    def _has_begun(self) -> bool:
        """It has come as far as its nodes; what an earlier run left of these files was removed."""
        return self._files.status.exists() or self._files.nodes_log.exists()

    def close(self) -> None:
        """Close its log."""
        if self._log is not None:
            self._log.close()

    def why(self, end: states.Event) -> CondorFuturesError:
        """What a node fails of that DAGMan left behind."""
        job_id = end.job_id
        again = "run() again makes the calls that are left"
        match end:
            case states.Aborted(_, reason):
                message = f"the DAGMan job {job_id} was removed: {reason or 'HTCondor gives no reason'}; {again}"
                return JobRemovedError(message, job_id=job_id, reason=reason)
            case states.Held(_, code, subcode, reason):
                message = (
                    f"the DAGMan job {job_id} was put on hold (code {code}, subcode {subcode}): {reason}; release it, "
                    "and attach to the DAG again"
                )
                return JobHeldError(message, job_id=job_id, code=code, subcode=subcode, reason=reason)
            case states.Terminated(_, exit_status, signal):
                message = f"DAGMan (job {job_id}) ended before it had run all nodes{self._last_words()}; {again}"
                return JobError(message, job_id=job_id, exit_status=exit_status, signal=signal)
            case states.Evicted():
                message = (
                    f"DAGMan (job {job_id}) left {self._false_starts} times before it had run anything"
                    f"{self._last_words()}; mend that, and {again}"
                )
                return JobError(message, job_id=job_id)
            case _:
                return JobLostError(f"the DAGMan job {job_id} is in no queue any more; {again}", job_id=job_id)

    def _last_words(self) -> str:
        """What it says of its trouble in its own log, to which each run is appended; or else where its errors go."""
        lines = _this_run(self._files)
        errors = [index for index, line in enumerate(lines) if re.search(r"\bERROR[: ]", line)]
        # The line before it says what "Warning is fatal error" is about. Both begin with date and time.
        told = [line.split(" ", 2)[-1] for line in lines[max(errors[-1] - 1, 0) : errors[-1] + 1]] if errors else []
        if not told:
            with contextlib.suppress(OSError):
                told = self._files.dagman_err.read_text(errors="replace").strip().splitlines()[-1:]
        return "".join(": " + line.removeprefix("ERROR: ") for line in told)


def submit_error(files: DagFiles, node: str) -> str:
    """Why DAGMan could not submit the jobs of *node*, the last time that it could not; empty if it does not say."""
    reason, of_it = "", False
    for line in _this_run(files):
        if named := re.search(r"Submitting HTCondor Node (\S+) job", line):
            of_it = named[1] == node
        # The second is not there for every error; where it is, it comes later and says more.
        if of_it and (said := re.search(r"(?:ERROR: on Line \d+ of submit file|submit error): (.+)", line)):
            reason = said[1].strip()
    return reason


def _this_run(files: DagFiles) -> list[str]:
    """The lines of DAGMan's own log, to which each run is appended, since it started last."""
    try:
        text = files.dagman_out.read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition("(CONDOR_DAGMAN) STARTING UP")[2].splitlines()
