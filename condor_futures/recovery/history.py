"""Queries the schedd's history for jobs that have left the queue."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.errors import AccessPointError
from condor_futures.recovery.evidence import (
    BY_US,
    PROJECTION,
    Found,
    LoggedJob,
)
from condor_futures.session.session import Session
from condor_futures.state_machine import queue_events, states
from condor_futures.state_machine.states import Job, State
from condor_futures.submit import attributes

logger = logging.getLogger(__name__)

__all__ = ["jobs_of_history", "told_by_history"]


LAST_REQUESTS = 60.0
"""Seconds for the helper process of a killed client to complete its last requests, and for a query."""


def jobs_of_history(helper: AccessPoint, session: Session) -> Mapping[str, Sequence[LoggedJob]]:
    """Return, by bundle, the jobs in the access point's history.

    Jobs that we removed are left out: they did not count, or their calls were cancelled.
    """
    by_us = f'regexp("^{BY_US}", RemoveReason ?: "")'
    try:
        ads = Schedd(helper).past(f"{session.constraint} && !{by_us}", PROJECTION).wait(LAST_REQUESTS)
    except AccessPointError as error:
        logger.warning("cannot query the access point's history for earlier jobs: %s", error)
        return {}
    jobs: dict[str, list[LoggedJob]] = {}
    for ad in reversed(ads):  # the newest come first
        job_id, key = f"{ad['ClusterId']}.{ad['ProcId']}", str(ad.get(attributes.BUNDLE, ""))
        jobs.setdefault(key, []).append(LoggedJob(job_id, key, [states.Submitted(job_id, key)]))
    return jobs


def told_by_history(
    helper: AccessPoint, session: Session, gone: Sequence[tuple[Found, LoggedJob]]
) -> dict[str, tuple[states.Event, ...]]:
    """Return, by bundle, the events in the access point's history for jobs that have left the queue."""
    ads: list[dict[str, Any]] = []
    if gone:
        try:
            request = Schedd(helper).look(
                session.constraint,
                [*queue_events.PROJECTION, attributes.BUNDLE],
                [job.job_id for _, job in gone],
            )
            ads = request.wait(LAST_REQUESTS)["ads"]
        except AccessPointError as error:
            logger.warning("cannot query the access point's history: %s", error)
    told = {}
    for bundle, job in gone:
        # Another job of the session may have the same id by now.
        own = [ad for ad in ads if ad.get(attributes.BUNDLE) == bundle.key]
        as_last_known = Job(bundle.key, spooled=True, state=State.RUNNING, job_id=job.job_id)
        told[bundle.key] = queue_events.queue_events({job.job_id: as_last_known}, own)[job.job_id]
    return told
