"""``procid``: an argument that stands for the number of the call in its cluster."""

from __future__ import annotations

from typing import Any

from condor_futures.execution_point.unpickling import number_in_cluster

__all__ = ["ProcId", "procid"]


class ProcId:
    """Stands for the number of a call in its cluster, among the arguments of
    :meth:`~condor_futures.CondorExecutor.submit_cluster`, at any depth. Numbers start at 0, like HTCondor's
    ``$(Process)`` in a submit description.
    """

    def __repr__(self) -> str:
        return "condor_futures.procid"

    def __str__(self) -> str:
        raise TypeError("procid has no text before the job runs; pass it as an argument, and format it in the function")

    def __format__(self, _: str) -> str:
        return str(self)  # f"out{procid}.txt" would name the same file in all calls

    def __copy__(self) -> ProcId:
        return self  # copying by __reduce__ would return the number, which does not exist here

    def __deepcopy__(self, memo: object) -> ProcId:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return number_in_cluster, ()


procid = ProcId()
