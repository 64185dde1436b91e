"""The options ``on_hold`` and ``memory_max``, which say what happens to jobs that are put on hold."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

from condor_futures.state_machine.states import HoldPolicy, Job

__all__ = ["HeldJob", "OnHold", "OnHoldOption", "mebibytes"]

_ACTIONS: Final = ("fail", "release", "wait")
_CHOICE: Final = (
    'on_hold must be "fail", "release", ("release", TIMES), "wait", or a function that returns one of these words'
)
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d+)?)\s*([kmgtp]?)i?b?", re.IGNORECASE)
_EXPONENTS: Final = {"k": -1, "": 0, "m": 0, "g": 1, "t": 2, "p": 3}


@dataclass(frozen=True)
class HeldJob:
    """A job on hold: the argument of an *on_hold* function.

    Attributes:
        job_id: the job's id, as ``cluster.proc``.
        code: HTCondor's hold reason code.
        subcode: HTCondor's hold reason subcode.
        reason: HTCondor's hold reason.
        holds: the number of times that the job has been put on hold, including this one.
        host: the host where the job ran last; None if it has not run.

    Example:
        >>> def patient(job):
        ...     return "release" if job.holds < 3 else "fail"
        >>> persistent = executor.with_options(on_hold=patient)

    """

    job_id: str
    code: int
    subcode: int
    reason: str
    holds: int
    host: str | None


OnHoldOption = (
    Literal["fail", "release", "wait"]
    | tuple[Literal["release"], int]
    | Callable[[HeldJob], Literal["fail", "release", "wait"]]
)


@dataclass(frozen=True)
class OnHold:
    """What happens to jobs on hold: the *policy*, and the function to *ask* if the policy's action is "ask"."""

    policy: HoldPolicy = field(default_factory=HoldPolicy)
    ask: Callable[[HeldJob], object] | None = None

    def changed(self, on_hold: object = None, memory_max: object = None) -> OnHold:
        """Return a copy with new values of these options; None keeps the old value, False removes *memory_max*.

        Raises:
            TypeError, ValueError: an option is invalid.

        >>> OnHold().changed(("release", 5), "16GB").policy
        HoldPolicy(action='release', releases=5, memory_max=16384)
        >>> OnHold().changed("relese")
        Traceback (most recent call last):
        ValueError: on_hold must be "fail", "release", ("release", TIMES), "wait", or a function that returns one of \
these words, not 'relese'

        """
        policy, ask = self.policy, self.ask
        if on_hold is not None:
            policy, ask = _parse(on_hold, policy.memory_max)
        if memory_max is not None:
            policy = replace(policy, memory_max=None if memory_max is False else mebibytes("memory_max", memory_max))
        return OnHold(policy, ask)

    def decide(self, job: Job) -> Literal["fail", "release", "wait"]:
        """Return the action that the user's function chooses for a job on hold.

        Raises:
            ValueError: the function returned something else.
            BaseException: the function raised this exception.

        """
        hold = job.hold
        assert hold is not None
        assert self.ask is not None
        held = HeldJob(hold.job_id, hold.code, hold.subcode, hold.reason, job.holds, job.host or None)
        answer = self.ask(held)
        for action in _ACTIONS:
            if isinstance(answer, str) and answer == action:
                return action
        raise ValueError(f'on_hold({held.job_id}) returned {answer!r}, not "fail", "release" or "wait"')

    def record(self) -> dict[str, Any]:
        """Return the policy for a JSON file; a function cannot be recorded, so the recorded action is then "fail"."""
        return asdict(self.policy if self.ask is None else replace(self.policy, action="fail"))

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> OnHold:
        """Return the policy from a *record* that :meth:`record` returned."""
        return cls(HoldPolicy(**record))


def _parse(on_hold: object, memory_max: int | None) -> tuple[HoldPolicy, Callable[[HeldJob], object] | None]:
    if callable(on_hold):
        return HoldPolicy("ask", memory_max=memory_max), on_hold
    times = HoldPolicy().releases
    if isinstance(on_hold, (tuple, list)):  # a profile has a list
        if len(on_hold) != 2 or on_hold[0] != "release":  # noqa: PLR2004 - a pair
            raise ValueError(f"{_CHOICE}, not {on_hold!r}")
        on_hold, times = on_hold
        if not isinstance(times, int) or isinstance(times, bool):
            raise TypeError(f'in on_hold=("release", TIMES), TIMES must be an int, not {type(times).__name__}')
        if times < 1:
            raise ValueError(f'in on_hold=("release", TIMES), TIMES must be at least 1, not {times}')
    if not isinstance(on_hold, str):
        raise TypeError(f"{_CHOICE}, not {type(on_hold).__name__}")
    for action in _ACTIONS:
        if on_hold == action:
            return HoldPolicy(action, times, memory_max), None
    raise ValueError(f"{_CHOICE}, not {on_hold!r}")


def mebibytes(option: str, size: object) -> int:
    """Return an amount of memory in MiB from an int (MiB), or a str with the unit KB, MB, GB, TB, PB or none (MiB).

    Raises:
        TypeError, ValueError: *size* is invalid; the message names *option*.

    >>> mebibytes("memory_max", "1.5 GB"), mebibytes("memory_max", 512), mebibytes("memory_max", "100K")
    (1536, 512, 1)

    """
    if isinstance(size, int) and not isinstance(size, bool):
        amount = size
    elif isinstance(size, str):
        parts = _SIZE.fullmatch(size.strip())
        if parts is None:
            raise ValueError(f'{option} must be a size such as "16GB", or a number of MiB, not {size[:40]!r}')
        amount = math.ceil(float(parts[1]) * 1024.0 ** _EXPONENTS[parts[2].lower()])
    else:
        raise TypeError(f'{option} must be a size such as "16GB", or a number of MiB, not {type(size).__name__}')
    if amount < 1:
        raise ValueError(f"{option} must be at least 1 MiB, not {size!r}")
    return amount
