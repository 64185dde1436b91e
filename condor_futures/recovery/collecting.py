"""Collects the evidence about a session: its files, its event log, the job queue and the schedd's history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from condor_futures.access_point.helper.words import NEVER_RAN, either
from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.recovery.evidence import PROJECTION, Evidence, LoggedJob, LoggedJobs, find_bundles, unused_numbers
from condor_futures.recovery.history import LAST_REQUESTS, jobs_of_history, told_by_history
from condor_futures.recovery.verdicts import judge
from condor_futures.session.event_log import EventLog
from condor_futures.session.session import Session
from condor_futures.state_machine.hold_codes import SPOOLING_INPUT, JobStatus

__all__ = ["collect"]


def collect(session: Session, helper: AccessPoint, event_log: EventLog) -> Evidence:
    """Return all evidence about the calls of a session whose client left.

    This also removes the jobs that do not count: jobs whose input files never arrived, and copies.

    Args:
        session: the session, which this process must hold.
        helper: the access point, connected.
        event_log: the session's event log at its start; the watcher continues to read where this function stops.

    Raises:
        AccessPointError: the access point does not respond.

    """
    schedd = Schedd(helper)
    query = schedd.query(session.constraint, PROJECTION)
    queue = query.wait(LAST_REQUESTS)
    half = judge((), queue, {}).half
    if half:
        # The schedd takes a second to register that the files have arrived (25.14), so the constraint selects only jobs
        # that still wait for them.
        waiting = f"JobStatus == {JobStatus.HELD:d} && HoldReasonCode == {SPOOLING_INPUT}"
        schedd.remove(f"{waiting} && ({either(half)})", NEVER_RAN).wait(LAST_REQUESTS)
        queue = query.wait(LAST_REQUESTS)
    # Read the log and the files after querying the queue. They then have the end of every job that left the queue
    # before the query, and all that a warm job wrote.
    log = LoggedJobs(event_log.read_all())
    bundles = find_bundles(session)
    found = [bundle for bundle in bundles if bundle.counts]
    unused = unused_numbers(bundles, log, queue)
    logged: Mapping[str, Sequence[LoggedJob]] = log.of_bundle
    verdicts = judge(found, queue, logged, removed=half)
    if verdicts.pending and not log.bundles:  # the access point does not write the log, or the log was lost
        logged = jobs_of_history(helper, session)
        verdicts = judge(found, queue, logged, removed=half)
    schedd.remove(verdicts.stray + verdicts.half, NEVER_RAN).wait(LAST_REQUESTS)
    told = told_by_history(helper, session, verdicts.gone)
    return Evidence(bundles, queue, log, logged, unused, removed=tuple(half), told=told)
