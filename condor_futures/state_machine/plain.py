"""Jobs, events and effects as what JSON has, and back."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from condor_futures.state_machine import states

__all__ = ["plain", "value"]

#: The keys under which a dictionary says what it stands for. No attribute has one of them for a name.
_KIND, _STATE, _ERROR = "kind", "a state", "an exception"


def plain(value: Any) -> Any:
    """Return *value* as dictionaries, texts and numbers; of an exception, only what it says. A job's story is left out.

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
    """Return what :func:`plain` was given.

    >>> value({'kind': 'Executing', 'job_id': '7.0', 'host': 'ep1'})
    Executing(job_id='7.0', host='ep1')

    Raises:
        ValueError: if it is none of the state table's words.

    """
    if not isinstance(plain, dict):
        return plain
    if _STATE in plain:
        return states.State(plain[_STATE])
    if _ERROR in plain:
        return Exception(plain[_ERROR])
    kind = vars(states).get(plain[_KIND]) if plain.get(_KIND) in states.__all__ else None
    if not is_dataclass(kind) or not isinstance(kind, type):
        raise ValueError(f"{plain.get(_KIND)!r} is no word of the state table")
    return kind(**{name: value(part) for name, part in plain.items() if name != _KIND})
