"""The value "auto" of request_memory and request_disk: the executor learns from ended jobs what to request."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["ATTRIBUTES", "automatic", "check_automatic", "is_automatic"]

ATTRIBUTES: Final[Mapping[str, str]] = MappingProxyType(
    {"request_memory": "RequestMemory", "request_disk": "RequestDisk"}
)
"""The submit commands that can be "auto" -> the job attributes that they set, in MiB and in KiB."""

_AUTO: Final = "auto"
_RETRYING: Final = {
    "request_memory": ("retry_request_memory", "retry_request_memory_increase", "retry_request_memory_max"),
    "request_disk": ("retry_request_disk",),
}


def is_automatic(command: str, value: str) -> bool:
    """Return whether the *value* of a submit command is learned.

    >>> is_automatic("request_memory", "Auto"), is_automatic("request_memory", "4GB"), is_automatic("rank", "auto")
    (True, False, False)

    """
    return command in ATTRIBUTES and value.strip().lower() == _AUTO


def automatic(commands: Mapping[str, str]) -> tuple[str, ...]:
    """Return the submit commands whose values are learned.

    >>> automatic({"request_memory": "auto", "request_disk": "1GB"})
    ('request_memory',)

    """
    return tuple(name for name in ATTRIBUTES if is_automatic(name, commands.get(name, "")))


def check_automatic(commands: Mapping[str, str], *, dag: bool = False) -> None:
    """Raise an error if a value cannot be learned.

    Args:
        commands: all submit commands of a job, by first name, as `check_submit_commands` or `merge` returned them.
        dag: the jobs are those of a DagExecutor.

    Raises:
        ValueError: another command than request_memory and request_disk is "auto"; HTCondor is to change the same
            request; or DAGMan submits the jobs, so that there is nobody to learn.

    Example:
        >>> check_automatic({"request_memory": "auto", "request_cpus": "2"})
        >>> check_automatic({"request_memory": "auto", "retry_request_memory": "8GB"})
        Traceback (most recent call last):
        ValueError: request_memory='auto' and retry_request_memory both change the request of a job; omit ...

    """
    for name, value in commands.items():
        if name.startswith("request_") and name not in ATTRIBUTES and value.strip().lower() == _AUTO:
            raise ValueError(f"{name} cannot be 'auto', as only request_memory and request_disk can; pass a number")
    for name in automatic(commands):
        size = "a size such as '2GB'"
        if dag:
            raise ValueError(
                f"{name}='auto' needs a CondorExecutor, which follows its jobs; DAGMan submits those of a DagExecutor, "
                f"so pass {size}"
            )
        if other := next((other for other in _RETRYING[name] if commands.get(other)), None):
            raise ValueError(
                f"{name}='auto' and {other} both change the request of a job; omit {other}, or pass {size} as {name}"
            )
