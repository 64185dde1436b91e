"""The process that speaks with the daemons; nothing else imports Schedd, Collector or Credd.

The bindings hold the GIL from the start of a call to its end (25.14): a schedd that was stopped for six seconds froze
every thread of the client for as long. So they are called here, in a process of their own that
:mod:`condor_futures.access_point` starts and, if need be, kills.

It is run as a file, not as a module of the package: it needs only ``htcondor2`` (and
:mod:`condor_futures.access_point.helper.credd`, where jobs get credentials). It reads requests from standard input
and writes answers to standard output, one JSON object per line, and leaves when its input ends or is ``null``::

    {"id": 7, "operation": "retrieve", "arguments": {"jobs": ["12.0", "12.1"]}, "patience": 60}
    {"id": 7, "result": {"failed": {}}}
    {"id": 8, "error": "Failed to connect to schedd", "type": "HTCondorException"}
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import json
import os
import re
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from condor_futures.access_point.helper.words import NEVER_RAN, either

# JobStatus and HoldReasonCode, as HTCondor numbers them.
_REMOVED, _COMPLETED, _HELD, _SPOOLING_INPUT = 3, 4, 5, 16
#: So many jobs at a time are looked for in the history, and so many names are listed in a message.
_HISTORY, _NAMES = 200, 10
#: What is wrong with a disk that has no room, for now.
_FULL = (errno.ENOSPC, errno.EDQUOT)
#: The limits that NewProc() refuses for, by its answers (condor_qmgr.h, 25.14).
_LIMITS = {-2: "MAX_JOBS_SUBMITTED", -3: "MAX_JOBS_PER_OWNER", -4: "MAX_JOBS_PER_SUBMISSION"}
_ACTIONS = {"remove": "Remove", "hold": "Hold", "release": "Release", "vacate": "Vacate"}

# What says how much memory a job asks for (it may be an expression of the others), and for which hold that was raised:
# by its time, as NumHolds counts a hold by the shadow twice (25.14).
_RAISED, _SINCE = "CondorFuturesMemoryRaised", "EnteredCurrentStatus"
_MEMORY = ["ClusterId", "ProcId", _SINCE, _RAISED, "RequestMemory", "MemoryUsage", "ResidentSetSize", "ImageSize"]


class AwayError(Exception):
    """Nobody speaks with the schedd at present: it does not answer, or does not know the user (any more)."""


class Operations:
    """One public method per operation; each takes and returns what JSON can hold."""

    def __init__(self) -> None:
        try:
            import htcondor2
        except ImportError as error:
            raise ImportError(
                f"HTCondor's Python bindings are not here, `pip install htcondor` gets them: {error}"
            ) from None

        # A site may have it otherwise; but then nothing is spooled, and jobs come into the queue one by one.
        htcondor2.param["SUBMIT_FACTORY_JOBS_BY_DEFAULT"] = "false"
        self._htcondor = htcondor2
        self._schedd: Any = None
        self._ad: Any = None
        self._where: tuple[str | None, str | None] = (None, None)
        self._local = self._here = False
        self._name = self._address = ""

    def perform(self, operation: str, arguments: dict[str, Any], patience: float) -> Any:
        """Carry out a request; while the schedd does not answer at all, try again for *patience* seconds.

        The bindings raise the same exception with other words for a schedd that is away and for one that refuses, so
        it is asked something harmless to tell the two apart. One that does not let the user in is away too: a ticket
        or token has expired, and may be renewed. A request that fails although the schedd answers gets one
        more try: at more than a thousand jobs a call fails now and then. A failure while the schedd
        was away uses up no try: with a full disk it may be restarted several times.

        Raises:
            AwayError: if it was away to the last.

        """
        deadline = time.monotonic() + patience
        pause, chances = 0.5, 2
        while True:
            try:
                if self._schedd is None and operation != "connect":
                    self._reach()  # this helper was started while the schedd was away
                return getattr(self, operation)(**arguments)
            except (self._htcondor.HTCondorException, AwayError) as error:
                if operation == "connect":
                    raise
                failure: Exception = error
                try:
                    before = self._address
                    self._reach()
                    # A schedd that was restarted has another address.
                    pause, chances = 0.5, chances - 1 if self._address == before else 2
                except AwayError as away:
                    pause, chances, failure = min(2 * pause, 10.0), 2, away
                if not chances or time.monotonic() > deadline:
                    raise failure from None
                time.sleep(pause)
                if operation.startswith("submit"):
                    arguments = {**arguments, "again": True}

    def connect(self, pool: str | None, name: str | None, local: bool = False) -> dict[str, str]:
        """Locate the schedd, and make sure that it answers and takes jobs from this user.

        Args:
            pool: the collector to look *name* up in; None is the configured one.
            name: of the schedd; None is the one that is configured here.
            local: it is not looked up if it is the one that is configured here.

        """
        self._where, self._local = (pool, name), local
        ad = self._locate()
        self._check_permission()
        about = {key: str(ad.get(key, "")) for key in ("Name", "Machine", "MyAddress", "CondorVersion")}
        return {**about, "Pool": pool or self._htcondor.param.get("COLLECTOR_HOST") or ""}

    def _reach(self) -> None:
        """Find the schedd, and make sure that requests have a chance.

        Raises:
            AwayError: if they have none, whatever the reason.

        """
        try:
            self._locate()
            self._check_permission()
        except Exception as error:
            raise AwayError(str(error)) from error

    def _check_permission(self) -> None:
        """Make sure that it takes jobs from this user: to look at the queue is often allowed to everybody."""
        try:
            permission = self._htcondor.ping(self._ad, "WRITE")
        except self._htcondor.HTCondorException as error:
            raise PermissionError(f"it answers, but takes no jobs from you: authentication failed: {error}") from None
        if not permission.get("AuthorizationSucceeded", True):
            user = permission.get("MyRemoteUserName", "nobody it knows")
            raise PermissionError(f"it answers, but takes no jobs from {user}, which is you")

    def _locate(self) -> Any:
        """Find the schedd, and ask it something, so that a dead one is known now."""
        pool, name = self._where
        htcondor = self._htcondor
        kind = htcondor.DaemonType.Schedd
        if name is None:
            ad = htcondor.Collector().locate(kind)
            self._here = True
        else:
            ad = self._configured(name) if self._local else None
            self._here = ad is not None
            ad = ad or self._look_up(pool, name)
        schedd = htcondor.Schedd(ad)
        try:
            schedd.query("false", ["ClusterId"], limit=1)
        except htcondor.HTCondorException as error:
            if "AUTHENTICATE" not in str(error):
                raise
            raise htcondor.HTCondorException(f"it does not accept how you authenticate: {error}") from None
        self._schedd, self._ad = schedd, ad
        self._name, self._address = str(ad.get("Name", "")), str(ad.get("MyAddress", ""))
        return ad

    def _configured(self, name: str) -> Any:
        """The ad of the schedd that the configuration names here, if that is it; or else None."""
        with contextlib.suppress(self._htcondor.HTCondorException):
            ad = self._htcondor.Collector().locate(self._htcondor.DaemonType.Schedd)
            return ad if ad is not None and ad.get("Name") == name else None
        return None

    def _look_up(self, pool: str | None, name: str) -> Any:
        """The ad of a schedd by its name, from the collector."""
        htcondor = self._htcondor
        collector_host = pool or htcondor.param.get("COLLECTOR_HOST") or ""
        if not collector_host:
            raise LookupError("no pool is configured here to look it up in; pass a pair, (pool, name)")
        try:
            collector = htcondor.Collector(collector_host)
            ad = collector.locate(htcondor.DaemonType.Schedd, name)
            if ad is not None:
                return ad
            known = [str(ad["Name"]) for ad in collector.locateAll(htcondor.DaemonType.Schedd)]
        except htcondor.HTCondorException as error:
            raise htcondor.HTCondorException(_why_no_collector(collector_host, error)) from None
        near = [other for other in known if name in other.split("@")] or difflib.get_close_matches(name, known, n=1)
        some = ", ".join(sorted(known)[:_NAMES]) + (", ..." if len(known) > _NAMES else "")
        raise LookupError(
            f"the collector {collector_host} knows no schedd of that name"
            + (f"; do you mean {near[0]}?" if near else "")
            + f" (it knows {len(known)}: {some or 'none'})"
        )

    def submit(
        self, description: dict[str, str], items: list[dict[str, str]], spool: bool, batch: str, again: bool = False
    ) -> dict[str, Any]:
        """Submit one cluster with a proc per item, and spool it; nothing half-done is left behind.

        A request that is made *again*, because the answer to it was lost, finds what it submitted before by
        *batch*, a constraint.

        Where the schedd has reached a limit of its own, or has no room for the files, nothing is submitted, and the
        answer says how many jobs there was room for, or how many to try.
        """
        if again:
            cluster = self._submitted_before(batch)
            if cluster is not None:
                return {"cluster": cluster, "first": 0, "warnings": []}
        submit = self._htcondor.Submit(description)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = self._schedd.submit(submit, spool=spool, itemdata=iter(items))
            except self._htcondor.HTCondorException as error:
                refusal = self._refusal(str(error))
                if refusal is None:
                    raise
                return refusal
        if spool:
            try:
                self._schedd.spool(result)
            except BaseException as error:
                self.act("remove", batch, NEVER_RAN)
                if not _is_full(error):
                    raise
                # It may be full of what belongs to other jobs, which leave.
                others = f"({batch}) =!= true && StageInStart =!= undefined"
                return {
                    "refused": "its spool directory is full",
                    "room": len(items) // 2,
                    "error": str(error),
                    "others": bool(self._schedd.query(others, ["ClusterId"], limit=1)),
                }
        return {
            "cluster": result.cluster(),
            "first": result.first_proc(),
            "warnings": [str(warning.message) for warning in caught],
        }

    def _refusal(self, error: str) -> dict[str, Any] | None:
        """What limit of the schedd's an error in submitting is about; None if it is about none (words of 25.14)."""
        if match := re.search(r"expected next ProcId to be (\d+), but Schedd says (-\d)", error):
            room, limit = int(match[1]), _LIMITS.get(int(match[2]))
        elif _LIMITS[-2] in error:  # there is not even room for the cluster
            room, limit = 0, _LIMITS[-2]
        else:
            return None
        if limit is None:
            return None
        most = room if limit == "MAX_JOBS_PER_SUBMISSION" else None
        with contextlib.suppress(Exception):  # the schedd need not tell everybody
            most = int(self._htcondor.RemoteParam(self._ad)[limit])
        return {"refused": limit, "room": room, "limit": most}

    def _submitted_before(self, batch: str) -> int | None:
        """The cluster of an earlier attempt, if that came to its end; what it left half-done is removed.

        A cluster gets into the queue as a whole or not at all, and its files have all come or none (25.14). So if one
        of its jobs is known, all are or were there, and what became of the others is for the event log to say.
        """
        # Only those that still wait for their files: after these have come it takes the schedd a second to say so.
        waiting = f"JobStatus == {_HELD} && HoldReasonCode == {_SPOOLING_INPUT}"
        self.act("remove", f"({batch}) && {waiting}", NEVER_RAN)
        ads = self._schedd.query(f"({batch}) && JobStatus != {_REMOVED}", ["ClusterId"], limit=1)
        if not ads:
            # Jobs that are not spooled leave the queue when they end, which may have been before we ask.
            counts = f'({batch}) && !regexp({json.dumps(NEVER_RAN)}, RemoveReason ?: "")'
            with contextlib.suppress(self._htcondor.HTCondorException):  # not every site lets it be read
                ads = self._schedd.history(counts, ["ClusterId"], match=1)
        return next((int(ad["ClusterId"]) for ad in ads), None)

    def cores(self) -> int:
        """How many cores the pool has, as its collector tells; dynamic slots have theirs of partitionable ones."""
        htcondor = self._htcondor
        collector = htcondor.Collector(*filter(None, self._where[:1]))
        ads = collector.query(htcondor.AdType.Startd, 'SlotType =!= "Dynamic"', ["TotalSlotCpus", "Cpus"])
        return sum(int(ad.get("TotalSlotCpus") or ad.get("Cpus") or 0) for ad in ads)

    def submit_dag(
        self, dag: str, options: dict[str, Any], commands: dict[str, str], batch: str, again: bool = False
    ) -> dict[str, Any]:
        """Submit DAGMan for the file *dag*, with condor_submit_dag's *options* and more submit *commands*.

        A request that is made *again* finds what it submitted before by *batch*, a constraint.

        Raises:
            CredentialError: the site's jobs have the user's Kerberos ticket, and there is none.

        """
        if again and (earlier := self._schedd.query(batch, ["ClusterId"])):
            return {"cluster": earlier[0]["ClusterId"]}
        submit = self._htcondor.Submit.from_dag(dag, options)
        for name, value in commands.items():
            submit[name] = value
        # As condor_submit does, and the bindings do not (25.14). DAGMan runs the producer for each of its nodes, and
        # needs a ticket for that.
        if self._htcondor.param.get("SEC_CREDENTIAL_PRODUCER"):
            self.store_credentials(kerberos=True, services={})
            submit["MY.SendCredential"] = "True"
        return {"cluster": self._schedd.submit(submit).cluster()}

    def retrieve(self, jobs: list[str]) -> dict[str, Any]:
        """Fetch the outputs of spooled jobs, and let these leave the queue as completed.

        A retrieved job leaves by itself only if the schedd had it as completed when the retrieval began (schedd.cpp,
        25.14), but the event that says it has ended is written before; schedds before 25 keep it for days. So
        we say that it may leave: by a constraint, because one that has left already would be an error for all others.

        Gives why jobs *failed*, and of those for whose outputs there is *no room* here, at present, HTCondor's words.
        """
        failed: dict[str, str] = {}
        no_room: dict[str, str] = {}
        try:
            self._schedd.retrieve(jobs)
        except self._htcondor.HTCondorException:
            # Between the event and the schedd's knowing of it, files may not be where it looks for them (error 7003).
            self._wait_until_completed(jobs)
            self._isolate(jobs, failed, no_room)
        done = [job for job in jobs if job not in failed and job not in no_room]
        if done:
            with contextlib.suppress(self._htcondor.HTCondorException):  # none of them is there any more
                self._schedd.edit(either(done), "LeaveJobInQueue", "false")
        return {"failed": failed, "no_room": no_room}

    def _wait_until_completed(self, jobs: Sequence[str], timeout: float = 10.0) -> None:
        deadline = time.monotonic() + timeout
        clusters = " || ".join(f"ClusterId == {cluster}" for cluster in {job.split(".")[0] for job in jobs})
        while time.monotonic() < deadline:
            ads = self._schedd.query(f"JobStatus != {_COMPLETED} && ({clusters})", ["ClusterId", "ProcId"])
            if not {f"{ad['ClusterId']}.{ad['ProcId']}" for ad in ads}.intersection(jobs):
                return
            time.sleep(0.05)

    def _isolate(self, jobs: Sequence[str], failed: dict[str, str], no_room: dict[str, str]) -> None:
        """Retrieve what can be: one job that cannot fails a call as a whole, so halve until it is alone.

        What of a file did not fit is removed by HTCondor itself (25.14), so that the next one finds that room.
        """
        try:
            self._schedd.retrieve(list(jobs))
        except self._htcondor.HTCondorException as error:
            if len(jobs) == 1 and _is_full(error):
                no_room[jobs[0]] = str(error)  # the outcome is safe, and is asked for later
                return
            if len(jobs) == 1:
                self._reach()  # raises where it is the schedd that is away: that is not the job's fault
                try:
                    self._schedd.retrieve(list(jobs))
                except self._htcondor.HTCondorException:
                    failed[jobs[0]] = str(error)
                return
            middle = len(jobs) // 2
            self._isolate(jobs[:middle], failed, no_room)
            self._isolate(jobs[middle:], failed, no_room)

    def act(self, action: str, jobs: list[str] | str, reason: str = "condor_futures") -> int:
        """Remove, hold, release or vacate jobs, by id or by a constraint; gives the number of jobs that changed."""
        if not jobs:
            return 0
        # The bindings take no account of a reason without a code (25.14).
        answer = self._schedd.act(getattr(self._htcondor.JobAction, _ACTIONS[action]), jobs, (reason, 0))
        return int(answer["TotalSuccess"]) if answer is not None else 0

    def release(self, jobs: list[str], memory_max: int | None) -> dict[str, Any]:
        """Release those of *jobs* that are on hold; with *memory_max*, in MiB, once they ask for twice the memory.

        Gives which were released, and for those that ask for so much already, why they were not. What is in neither is
        not on hold: not yet, because the event comes first, or not any more.
        """
        these = either(jobs)
        held = f"JobStatus == {_HELD} && HoldReasonCode != {_SPOOLING_INPUT} && ({these})"
        released, refused = [], {}
        for ad in self._schedd.query(held, _MEMORY):
            job = f"{ad['ClusterId']}.{ad['ProcId']}"
            asked_for = None if memory_max is None else self._raise_memory(job, ad, memory_max)
            if asked_for is None:
                released.append(job)
            else:
                refused[job] = f"it asked for {asked_for} MiB, and memory_max is {memory_max} MiB"
        self.act("release", released)
        return {"released": released, "refused": refused}

    def _raise_memory(self, job: str, ad: Any, memory_max: int) -> int | None:
        """Have a held job ask for twice the memory, once for each hold; give what it asks for if that is the most."""
        if ad.get(_RAISED) == ad[_SINCE]:
            return None  # by a request whose answer was lost
        asked_for = ad.eval("RequestMemory")
        if not isinstance(asked_for, (int, float)):
            asked_for = memory_max / 2  # an expression of things that only a slot has
        if asked_for >= memory_max:
            return int(asked_for)
        self._schedd.edit([job], "RequestMemory", str(min(int(2 * asked_for), memory_max)))
        self._schedd.edit([job], _RAISED, str(ad[_SINCE]))
        return None

    def query(self, constraint: str, projection: list[str], mine: bool = False) -> list[dict[str, Any]]:
        """The ads of the jobs that match, as plain values; only *mine*, as far as the schedd knows who asks.

        Where everybody may look, it knows since :meth:`connect` has asked whether it takes jobs.
        """
        which = self._htcondor.QueryOpts.DefaultMyJobsOnly if mine else self._htcondor.QueryOpts.Default
        return _plain(self._schedd.query(constraint, projection, opts=which))

    def look(self, constraint: str, projection: list[str], jobs: list[str]) -> dict[str, Any]:
        """The ads of the jobs that match, and of those of *jobs* that have left the queue their ads in the history.

        Also the seconds that this took the schedd.
        """
        began = time.monotonic()
        ads = _plain(self._schedd.query(constraint, projection))
        there = {f"{ad['ClusterId']}.{ad['ProcId']}" for ad in ads}
        left = [job for job in jobs if job not in there]
        for some in (left[n : n + _HISTORY] for n in range(0, len(left), _HISTORY)):
            try:
                # The newest come first, and when there are enough of them, the rest is not read.
                ads += _plain(self._schedd.history(f"{constraint} && ({either(some)})", projection, match=len(some)))
            except self._htcondor.HTCondorException:
                break  # not every site lets it be read from elsewhere, and then nothing says what became of them
        return {"ads": ads, "seconds": time.monotonic() - began}

    def past(self, constraint: str, projection: list[str]) -> list[dict[str, Any]]:
        """The ads of the jobs that match and have left the queue, the newest first."""
        return _plain(self._schedd.history(constraint, projection))

    def store_credentials(self, kerberos: bool, services: dict[str, str]) -> dict[str, str | None]:
        """Have the access point's condor_credd keep what the jobs need to act as the user.

        Args:
            kerberos: a Kerberos ticket, as the site's SEC_CREDENTIAL_PRODUCER makes it. It stays in this process.
            services: the submit commands that say which OAuth tokens a job wants; empty for none.

        Returns:
            What klist says about the ticket, and the address that the user has to visit to allow a token, if any.

        Raises:
            CredentialError: if that is not possible, with what to do about it.

        """
        # The package is not imported for every executor's helper: it takes longer than htcondor2.
        from condor_futures.access_point.helper import credd

        address = credd.find((None, None) if self._here else self._where, self._name)
        listing = credd.store_kerberos(address) if kerberos else ""
        return {"ticket": listing, "url": credd.request_tokens(address, services) if services else None}


def _is_full(error: BaseException) -> bool:
    """Whether files could not be transferred because there is no room for them; the words are those of 25.14."""
    return "writing to file" in str(error) and any(os.strerror(full) in str(error) for full in _FULL)


def _plain(ads: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {key: value if isinstance(value, (str, int, float, bool)) else str(value) for key, value in ad.items()}
        for ad in ads
    ]


def _why_no_collector(where: str, error: Exception) -> str:
    """The bindings say the same of a collector that is not there and of one that does not let the user in."""
    host, _, port = where.partition(",")[0].strip().rpartition(":")
    if not port.isdigit():
        host, port = f"{host}:{port}".strip(":"), "9618"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as reason:
        return f"the collector {where} does not answer: {reason.strerror or reason}"
    return f"the collector {where} runs but does not accept how you authenticate: {error}"


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
            # HTCondor's words may have several lines, and tabs.
            answer["error"] = " ".join((str(error) or type(error).__name__).split()).rstrip(".")
            answer["type"] = type(error).__name__
        try:
            answers.write(json.dumps(answer) + "\n")
        except BrokenPipeError:
            os._exit(1)  # the client is gone; what is left of the answer would be an error again at exit
