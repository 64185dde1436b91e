"""Converts jobs, events and effects to JSON values, and back."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from condor_futures.state_machine import states

__all__ = ["plain", "value"]

#: The keys that identify the object that a dictionary represents. No attribute has one of these names.
_KIND, _STATE, _ERROR = "kind", "a state", "an exception"


def plain(value: Any) -> Any:
    """Return *value* as dictionaries, strings and numbers: an exception as its text, and a job without its story.

    >>> plain(states.Executing("7.0", "ep1"))
    {'kind': 'Executing', 'job_id': '7.0', 'host': 'ep1'}

    """
    if isinstance(value, states.State):
        return {_STATE: value.value}
    if isinstance(value, BaseException):
        return {_ERROR: f"{type(value).__name__}: {value}"}
    if is_dataclass(value):
        attributes = {field.name: plain(getattr(value, field.name)) for field in fields(value) if field.name != "story"}
        return {_KIND: type(value).__name__, **attributes}
    return value


def value(plain: Any) -> Any:
    """Return the object from which :func:`plain` made *plain*.

    >>> value({'kind': 'Executing', 'job_id': '7.0', 'host': 'ep1'})
    Executing(job_id='7.0', host='ep1')

    Raises:
        ValueError: *plain* does not name a class of the state table.

    """
    if not isinstance(plain, dict):
        return plain
    if _STATE in plain:
        return states.State(plain[_STATE])
    if _ERROR in plain:
        return Exception(plain[_ERROR])
    kind = vars(states).get(plain[_KIND]) if plain.get(_KIND) in states.__all__ else None
    if not is_dataclass(kind) or not isinstance(kind, type):
        raise ValueError(f"{plain.get(_KIND)!r} is not a class of the state table")
    return kind(**{name: value(part) for name, part in plain.items() if name != _KIND})
