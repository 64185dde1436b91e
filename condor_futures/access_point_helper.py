"""The process that speaks with the daemons; nothing else imports Schedd, Collector or Credd.

The bindings hold the GIL from the start of a call to its end (25.14): a schedd that was stopped for six seconds froze
every thread of the client for as long. So they are called here, in a process of their own that
:mod:`condor_futures.access_point` starts and, if need be, kills.

It is run as a file, not as a module of the package: it needs only ``htcondor2``. It reads requests from standard input
and writes answers to standard output, one JSON object per line, and leaves when its input ends or is ``null``::

    {"id": 7, "operation": "retrieve", "arguments": {"jobs": ["12.0", "12.1"]}, "patience": 60}
    {"id": 7, "result": {"failed": {}}}
    {"id": 8, "error": "Failed to connect to schedd", "type": "HTCondorException"}
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

# JobStatus and HoldReasonCode, as HTCondor numbers them.
_COMPLETED, _HELD, _SPOOLING_INPUT = 4, 5, 16
_ACTIONS = {"remove": "Remove", "hold": "Hold", "release": "Release", "vacate": "Vacate"}


class Operations:
    """One public method per operation; each takes and returns what JSON can hold."""

    def __init__(self) -> None:
        import htcondor2

        self._htcondor = htcondor2
        self._schedd: Any = None
        self._where: tuple[str | None, str | None] = (None, None)

    def perform(self, operation: str, arguments: dict[str, Any], patience: float) -> Any:
        """Carry out a request; while the schedd does not answer at all, try again for *patience* seconds.

        The bindings raise the same exception with other words for a schedd that is away and for one that refuses, so
        it is asked something harmless to tell the two apart. A request that fails although the schedd answers gets one
        more try: at more than a thousand jobs a call fails now and then.
        """
        deadline = time.monotonic() + patience
        pause, chances = 0.5, 2
        while True:
            try:
                return getattr(self, operation)(**arguments)
            except self._htcondor.HTCondorException:
                if operation == "connect":
                    raise
                try:
                    self.connect(*self._where)  # a schedd that was restarted has another address
                    chances -= 1
                except Exception:  # noqa: BLE001 - whatever it is, the schedd does not answer
                    pause = min(2 * pause, 10.0)
                if not chances or time.monotonic() > deadline:
                    raise
                time.sleep(pause)
                if operation == "submit":
                    arguments = {**arguments, "again": True}

    def connect(self, pool: str | None, name: str | None) -> dict[str, str]:
        """Locate the schedd, and ask it something, so that a dead one is known now."""
        self._where = (pool, name)
        htcondor = self._htcondor
        collector = htcondor.Collector(pool) if pool else htcondor.Collector()
        kind = htcondor.DaemonType.Schedd
        ad = collector.locate(kind, name) if name else collector.locate(kind)
        if ad is None:
            raise LookupError("the collector knows no schedd" + (f" of the name {name!r}" if name else ""))
        self._schedd = htcondor.Schedd(ad)
        self._schedd.query("false", ["ClusterId"], limit=1)
        return {key: str(ad.get(key, "")) for key in ("Name", "Machine", "MyAddress", "CondorVersion")}

    def submit(
        self, description: dict[str, str], items: list[dict[str, str]], spool: bool, batch: str, again: bool = False
    ) -> dict[str, Any]:
        """Submit one cluster with a proc per item, and spool it; nothing half-done is left behind.

        A request that is made *again*, because the answer to it was lost, finds what it submitted before by
        *batch*, a constraint.
        """
        projection = ["ClusterId", "ProcId", "JobStatus", "HoldReasonCode"]
        earlier = self._schedd.query(batch, projection) if again else []
        if earlier:
            spooling = any(
                ad.get("JobStatus") == _HELD and ad.get("HoldReasonCode") == _SPOOLING_INPUT for ad in earlier
            )
            if len(earlier) == len(items) and not spooling:
                return {"cluster": earlier[0]["ClusterId"], "first": 0, "warnings": []}
            self._schedd.act(self._htcondor.JobAction.Remove, batch)
        submit = self._htcondor.Submit(description)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = self._schedd.submit(submit, spool=spool, itemdata=iter(items))
        if spool:
            try:
                self._schedd.spool(result)
            except BaseException:
                self._schedd.act(self._htcondor.JobAction.Remove, batch)
                raise
        return {
            "cluster": result.cluster(),
            "first": result.first_proc(),
            "warnings": [str(warning.message) for warning in caught],
        }

    def retrieve(self, jobs: list[str]) -> dict[str, Any]:
        """Fetch the outputs of spooled jobs, and let these leave the queue as completed.

        A retrieved job leaves by itself only if the schedd had it as completed when the retrieval began (schedd.cpp,
        25.14), but the event that says it has ended is written before; schedds before 25 keep it for days. So
        we say that it may leave.
        """
        failed: dict[str, str] = {}
        try:
            self._schedd.retrieve(jobs)
        except self._htcondor.HTCondorException:
            # Between the event and the schedd's knowing of it, files may not be where it looks for them (error 7003).
            self._wait_until_completed(jobs)
            self._isolate(jobs, failed)
        done = [job for job in jobs if job not in failed]
        if done:
            self._schedd.edit(done, "LeaveJobInQueue", "false")
        return {"failed": failed}

    def _wait_until_completed(self, jobs: Sequence[str], timeout: float = 10.0) -> None:
        deadline = time.monotonic() + timeout
        clusters = " || ".join(f"ClusterId == {cluster}" for cluster in {job.split(".")[0] for job in jobs})
        while time.monotonic() < deadline:
            ads = self._schedd.query(f"JobStatus != {_COMPLETED} && ({clusters})", ["ClusterId", "ProcId"])
            if not {f"{ad['ClusterId']}.{ad['ProcId']}" for ad in ads}.intersection(jobs):
                return
            time.sleep(0.05)

    def _isolate(self, jobs: Sequence[str], failed: dict[str, str]) -> None:
        """Retrieve what can be: one job that cannot fails a call as a whole, so halve until it is alone."""
        try:
            self._schedd.retrieve(list(jobs))
        except self._htcondor.HTCondorException as error:
            if len(jobs) == 1:
                failed[jobs[0]] = str(error)
                return
            middle = len(jobs) // 2
            self._isolate(jobs[:middle], failed)
            self._isolate(jobs[middle:], failed)

    def act(self, action: str, jobs: list[str] | str) -> int:
        """Remove, hold, release or vacate jobs, by id or by a constraint; gives the number of jobs that changed."""
        if not jobs:
            return 0
        answer = self._schedd.act(getattr(self._htcondor.JobAction, _ACTIONS[action]), jobs)
        return int(answer["TotalSuccess"]) if answer is not None else 0

    def query(self, constraint: str, projection: list[str]) -> list[dict[str, Any]]:
        """The ads of the jobs that match, as plain values."""
        return [
            {key: value if isinstance(value, (str, int, float, bool)) else str(value) for key, value in ad.items()}
            for ad in self._schedd.query(constraint, projection)
        ]


def serve(operations: Callable[[], Operations] = Operations) -> None:
    """Answer requests until the input ends."""
    # The bindings may print; what they print must not get among the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    # Ctrl-C in a terminal reaches the whole process group; the client decides what becomes of its jobs.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    performer: Operations | None = None
    for line in sys.stdin:
        request = json.loads(line)
        if request is None:
            return
        answer: dict[str, Any] = {"id": request["id"]}
        try:
            if performer is None:
                performer = operations()
            answer["result"] = performer.perform(request["operation"], request["arguments"], request["patience"])
        except Exception as error:  # noqa: BLE001 - it is the client's to judge
            answer["error"] = (str(error) or type(error).__name__).strip().rstrip(".")
            answer["type"] = type(error).__name__
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    # The client's own search path, so that the helper finds the htcondor2 that the client has.
    sys.path[:] = json.loads(sys.stdin.readline())
    serve()
