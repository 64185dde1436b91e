"""``procid``, the number of a call in its cluster, as an argument."""

from __future__ import annotations

from typing import Any

from condor_futures.execution_point.unpickling import number_in_cluster

__all__ = ["ProcId", "procid"]


class ProcId:
    """Among the arguments of :meth:`~condor_futures.CondorExecutor.submit_cluster`, at any depth: the number of the
    call in its cluster, counted from 0, as HTCondor's ``$(Process)`` in a submit description.
    """

    def __repr__(self) -> str:
        return "condor_futures.procid"

    def __str__(self) -> str:
        raise TypeError("procid has no text before the job runs; pass it as an argument, and make the text in the call")

    def __format__(self, _: str) -> str:
        return str(self)  # f"out{procid}.txt" would name the same file in all calls

    def __copy__(self) -> ProcId:
        return self  # (by __reduce__ it would be the number, which is none here)

    def __deepcopy__(self, memo: object) -> ProcId:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return number_in_cluster, ()


procid = ProcId()
