"""The DAGMan job itself: how it stands, and what its end means for the nodes that it did not run."""

from __future__ import annotations

import re

from condor_futures import states
from condor_futures.bundle import Bundle, Options
from condor_futures.dag.graph import DagFiles
from condor_futures.errors import CondorFuturesError, JobError, JobHeldError, JobLostError, JobRemovedError
from condor_futures.event_log import EventLog
from condor_futures.states import State
from condor_futures.transitions import advance

__all__ = ["Dagman"]


class Dagman:
    """One DAGMan job, as its log tells it."""

    def __init__(self, files: DagFiles, job_id: str | None = None) -> None:
        """Take the job *job_id*, or the last one in the log."""
        self._files = files
        self._wanted = job_id
        self._log: EventLog | None = None
        self._bundle = Bundle("dagman", files.directory, Options({}, spool=False), {}, self._new(job_id))
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
            self._bundle.job, self.end = self._new(event.job_id), None
        elif isinstance(event, states.Released) and isinstance(self.end, states.Held):
            self._bundle.job, self.end = self._new(event.job_id), None
        elif event.job_id == self.job_id:
            self._bundle.job, effects = advance(self._bundle.job, event)
            for effect in effects:
                if isinstance(effect, states.Report):
                    self.end = effect.cause

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
            case _:
                return JobLostError(f"the DAGMan job {job_id} is in no queue any more; {again}", job_id=job_id)

    def _last_words(self) -> str:
        """What it says of its trouble in its own log, to which each run is appended."""
        try:
            text = self._files.dagman_out.read_text(errors="replace")
        except OSError:
            return ""
        lines = text.rpartition("(CONDOR_DAGMAN) STARTING UP")[2].splitlines()
        errors = [index for index, line in enumerate(lines) if re.search(r"\bERROR: ", line)]
        # The line before it says what "Warning is fatal error" is about. Both begin with date and time.
        told = lines[max(errors[-1] - 1, 0) : errors[-1] + 1] if errors else []
        return "".join(": " + line.split(" ", 2)[-1].removeprefix("ERROR: ") for line in told)
