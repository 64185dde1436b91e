"""HTCondor's events, as mappings, become ours; tests/unit/session/test_event_log.py has logs that HTCondor wrote."""

from __future__ import annotations

import pytest
from submit_language import htcondor2

from condor_futures.state_machine.log_events import translate
from condor_futures.state_machine.states import (
    Aborted,
    Evicted,
    Executing,
    Held,
    Note,
    Released,
    ShadowException,
    Submitted,
    Terminated,
)


@pytest.mark.parametrize("kind", htcondor2.JobEventType, ids=lambda kind: kind.name)
def test_every_kind_of_event_is_translated(kind):
    """Missing attributes of an event cause no error. Kinds without a meaning for us become notes."""
    event = translate(kind.name, "12.3", {})
    assert event.job_id == "12.3"
    meaningful = {
        "SUBMIT": Submitted,
        "EXECUTE": Executing,
        "JOB_EVICTED": Evicted,
        "JOB_RECONNECT_FAILED": Evicted,
        "JOB_TERMINATED": Terminated,
        "JOB_ABORTED": Aborted,
        "JOB_HELD": Held,
        "JOB_RELEASED": Released,
        "SHADOW_EXCEPTION": ShadowException,
    }
    assert type(event) is meaningful.get(kind.name, Note)
