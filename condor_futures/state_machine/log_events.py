"""Translates events of HTCondor's job event log, given by name and as mappings, to those of the state table.

This module reads no log. :mod:`condor_futures.session.event_log` does, with HTCondor's own reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from condor_futures.state_machine import states

__all__ = ["translate"]

#: The prefix of the note that submit_event_user_notes adds to each SUBMIT event; see submit.description.describe.
_NOTE: Final = "bundle="


def _submitted(job: str, event: Mapping[str, Any]) -> states.Event:
    notes = str(event.get("UserNotes", ""))
    return states.Submitted(job, notes.removeprefix(_NOTE).strip() if notes.startswith(_NOTE) else "")


def _executing(job: str, event: Mapping[str, Any]) -> states.Event:
    # SlotName is slot1_2@host; ExecuteHost is an address.
    slot = str(event.get("SlotName", ""))
    return states.Executing(job, slot.rpartition("@")[2] or str(event.get("ExecuteHost", "")))


def _evicted(job: str, _event: Mapping[str, Any]) -> states.Event:
    return states.Evicted(job)


def _terminated(job: str, event: Mapping[str, Any]) -> states.Event:
    if event.get("TerminatedNormally", True):
        return states.Terminated(job, exit_status=int(event.get("ReturnValue", 0)))
    return states.Terminated(job, signal=int(event.get("TerminatedBySignal", 0)))


def _aborted(job: str, event: Mapping[str, Any]) -> states.Event:
    return states.Aborted(job, str(event.get("Reason", "")))


def _held(job: str, event: Mapping[str, Any]) -> states.Event:
    return states.Held(
        job,
        int(event.get("HoldReasonCode", 0)),
        int(event.get("HoldReasonSubCode", 0)),
        str(event.get("HoldReason", "")),
    )


def _released(job: str, _event: Mapping[str, Any]) -> states.Event:
    return states.Released(job)


def _shadow_exception(job: str, event: Mapping[str, Any]) -> states.Event:
    return states.ShadowException(job, str(event.get("Message", "")))


#: By the names of ``htcondor2.JobEventType``, which HTCondor's manual also uses.
_TRANSLATIONS: Final[Mapping[str, Callable[[str, Mapping[str, Any]], states.Event]]] = {
    "SUBMIT": _submitted,
    "EXECUTE": _executing,
    "JOB_EVICTED": _evicted,
    "JOB_RECONNECT_FAILED": _evicted,
    "JOB_TERMINATED": _terminated,
    "JOB_ABORTED": _aborted,
    "JOB_HELD": _held,
    "JOB_RELEASED": _released,
    "SHADOW_EXCEPTION": _shadow_exception,
}


def translate(kind: str, job_id: str, event: Mapping[str, Any]) -> states.Event:
    """Translate HTCondor's *event* of this *kind*. Events without a meaning in the state table become a Note.

    >>> translate("JOB_HELD", "7.0", {"HoldReasonCode": 1, "HoldReason": "via condor_hold"})
    Held(job_id='7.0', code=1, subcode=0, reason='via condor_hold')
    >>> translate("IMAGE_SIZE", "7.0", {"Size": 4096})
    Note(job_id='7.0')

    """
    translation = _TRANSLATIONS.get(kind)
    return translation(job_id, event) if translation else states.Note(job_id)
