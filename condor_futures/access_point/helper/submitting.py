"""The submission of jobs and of DAGMan, and the storage of the credentials that they need to act as the user."""

from __future__ import annotations

import contextlib
import io
import json
import re
import warnings
from typing import Any

from condor_futures.access_point.helper.jobs_in_queue import JobsInQueue
from condor_futures.access_point.helper.retrieving import is_full
from condor_futures.access_point.helper.words import NEVER_RAN, LimitReached, NoRoom, Stored, Submitted, SubmittedDag
from condor_futures.state_machine.hold_codes import SPOOLING_INPUT, JobStatus

__all__ = ["Submitting"]

#: The limits for which NewProc() refuses a job, by its return value (condor_qmgr.h, 25.14).
_LIMITS = {-2: "MAX_JOBS_SUBMITTED", -3: "MAX_JOBS_PER_OWNER", -4: "MAX_JOBS_PER_SUBMISSION"}


class Submitting(JobsInQueue):
    """The operations that add jobs to the queue."""

    def submit(
        self, description: dict[str, str], items: list[dict[str, str]], spool: bool, batch: str, again: bool = False
    ) -> Submitted | LimitReached | NoRoom:
        """Submit one cluster with a job per item, and spool its files. A submission that fails leaves no jobs behind.

        A request that is made *again*, because the answer to the first one was lost, uses the constraint *batch* to
        find the jobs that the first one submitted.

        If the schedd has reached a limit, or has no room for the files, nothing is submitted. The answer then contains
        the number of jobs that there was room for, or the number to try.
        """
        if again:
            cluster = self._submitted_before(batch)
            if cluster is not None:
                return {"cluster": cluster, "first": 0, "warnings": []}
        submit = self._htcondor.Submit(description)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = self._add(submit, items, spool=spool)
            except self._htcondor.HTCondorException as error:
                refusal = self._refusal(str(error))
                if refusal is None:
                    raise
                return refusal
        if spool:
            try:
                self._schedd.spool(result)
            except BaseException as error:
                self.remove(batch, NEVER_RAN)
                if not is_full(error):
                    raise
                # The files of other jobs may fill it, and these jobs leave the queue sooner or later.
                others = f"({batch}) =!= true && StageInStart =!= undefined"
                return {
                    "refused": "its spool directory is full",
                    "room": len(items) // 2,
                    "error": str(error),
                    "others": bool(self._schedd.query(others, ["ClusterId"], limit=1)),
                }
            # As condor_submit does. Without it, the first jobs of a personal pool that had just started waited for
            # another second (25.14.1): the schedd had asked for a negotiation before the files were there.
            with contextlib.suppress(self._htcondor.HTCondorException):
                self._schedd.reschedule()
        return {
            "cluster": result.cluster(),
            "first": result.first_proc(),
            "warnings": [str(warning.message) for warning in caught],
        }

    def _add(self, submit: Any, items: list[dict[str, str]] | None = None, *, spool: bool = False) -> Any:
        """Submit one cluster with a job per item, or one job."""

        def add() -> Any:
            of = {} if items is None else {"itemdata": iter(items)}
            return self._schedd.submit(submit, spool=spool, **of)

        with contextlib.redirect_stdout(io.StringIO()):  # bindings 24.0 print the description
            try:
                return add()
            except IndexError:
                # Bindings 24.0 fail if the description has no queue statement, although they need none.
                submit.setQArgs("1 in (x)")
                return add()

    def _refusal(self, error: str) -> LimitReached | None:
        """Return the schedd's limit that made a submission fail, or None if none did (error messages of 25.14)."""
        if match := re.search(r"expected next ProcId to be (\d+), but Schedd says (-\d)", error):
            room, limit = int(match[1]), _LIMITS.get(int(match[2]))
        elif _LIMITS[-2] in error:  # the limit does not even allow the cluster
            room, limit = 0, _LIMITS[-2]
        else:
            return None
        if limit is None:
            return None
        most = room if limit == "MAX_JOBS_PER_SUBMISSION" else None
        with contextlib.suppress(Exception):  # the schedd may refuse to tell this user
            most = int(self._htcondor.RemoteParam(self._ad)[limit])
        return {"refused": limit, "room": room, "limit": most}

    def _submitted_before(self, batch: str) -> int | None:
        """Return the cluster of an earlier attempt that finished; remove the jobs of an attempt that did not.

        The schedd adds a cluster to the queue as a whole or not at all, and receives all its files or none (25.14). So
        if one job of the cluster is known, all jobs are or were in the queue. The event log tells what happened to the
        others.
        """
        # Only jobs that still wait for their files; the schedd needs a second to record that the files have arrived.
        waiting = f"JobStatus == {JobStatus.HELD:d} && HoldReasonCode == {SPOOLING_INPUT}"
        self.remove(f"({batch}) && {waiting}", NEVER_RAN)
        ads = self._schedd.query(f"({batch}) && JobStatus != {JobStatus.REMOVED:d}", ["ClusterId"], limit=1)
        if not ads:
            # Jobs that are not spooled leave the queue when they end, which may have been before this query.
            counts = f'({batch}) && !regexp({json.dumps(NEVER_RAN)}, RemoveReason ?: "")'
            with contextlib.suppress(self._htcondor.HTCondorException):  # not every site allows reading the history
                ads = self._schedd.history(counts, ["ClusterId"], match=1)
        return next((int(ad["ClusterId"]) for ad in ads), None)

    def submit_dag(
        self, dag: str, options: dict[str, Any], commands: dict[str, str], batch: str, again: bool = False
    ) -> SubmittedDag:
        """Submit DAGMan for the file *dag*, with condor_submit_dag's *options* and more submit *commands*.

        A request that is made *again* uses the constraint *batch* to find the job that the first one submitted.

        Raises:
            CredentialError: if jobs at this site get the user's Kerberos ticket, and there is no ticket.

        """
        if again and (earlier := self._schedd.query(batch, ["ClusterId"])):
            return {"cluster": earlier[0]["ClusterId"]}
        submit = self._htcondor.Submit.from_dag(dag, options)
        for name, value in commands.items():
            submit[name] = value
        # condor_submit does this, and the bindings do not (25.14). DAGMan runs the producer for each of its nodes, and
        # needs a ticket to do so.
        if self._htcondor.param.get("SEC_CREDENTIAL_PRODUCER"):
            self.store_credentials(kerberos=True, services={})
            submit["MY.SendCredential"] = "True"
        return {"cluster": self._add(submit).cluster()}

    def store_credentials(self, kerberos: bool, services: dict[str, str]) -> Stored:
        """Store the credentials that jobs need to act as the user in the access point's condor_credd.

        Args:
            kerberos: store a Kerberos ticket, as the site's SEC_CREDENTIAL_PRODUCER makes it. The ticket stays in this
                process.
            services: the submit commands that select the OAuth tokens of a job; empty for none.

        Returns:
            The output of klist for the ticket, and the URL, if any, where the user must allow a token.

        Raises:
            CredentialError: if a credential cannot be stored; the message says what to do.

        """
        # Imported only here, because credd's imports take longer than htcondor2's, and few helpers need them.
        from condor_futures.access_point.helper import credd

        address = credd.find((None, None) if self._here else self._where, self._name)
        listing = credd.store_kerberos(address) if kerberos else ""
        return {"ticket": listing, "url": credd.request_tokens(address, services) if services else None}
