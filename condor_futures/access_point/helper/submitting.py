"""Jobs, and DAGMan, are submitted; what they need to act as the user is stored before."""

from __future__ import annotations

import contextlib
import json
import re
import warnings
from typing import Any

from condor_futures.access_point.helper.jobs_in_queue import JobsInQueue
from condor_futures.access_point.helper.retrieving import is_full
from condor_futures.access_point.helper.words import NEVER_RAN, LimitReached, NoRoom, Stored, Submitted, SubmittedDag
from condor_futures.state_machine.hold_codes import SPOOLING_INPUT, JobStatus

__all__ = ["Submitting"]

#: The limits that NewProc() refuses for, by its answers (condor_qmgr.h, 25.14).
_LIMITS = {-2: "MAX_JOBS_SUBMITTED", -3: "MAX_JOBS_PER_OWNER", -4: "MAX_JOBS_PER_SUBMISSION"}


class Submitting(JobsInQueue):
    """The operations that bring jobs into the queue."""

    def submit(
        self, description: dict[str, str], items: list[dict[str, str]], spool: bool, batch: str, again: bool = False
    ) -> Submitted | LimitReached | NoRoom:
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
                self.remove(batch, NEVER_RAN)
                if not is_full(error):
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

    def _refusal(self, error: str) -> LimitReached | None:
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
        waiting = f"JobStatus == {JobStatus.HELD:d} && HoldReasonCode == {SPOOLING_INPUT}"
        self.remove(f"({batch}) && {waiting}", NEVER_RAN)
        ads = self._schedd.query(f"({batch}) && JobStatus != {JobStatus.REMOVED:d}", ["ClusterId"], limit=1)
        if not ads:
            # Jobs that are not spooled leave the queue when they end, which may have been before we ask.
            counts = f'({batch}) && !regexp({json.dumps(NEVER_RAN)}, RemoveReason ?: "")'
            with contextlib.suppress(self._htcondor.HTCondorException):  # not every site lets it be read
                ads = self._schedd.history(counts, ["ClusterId"], match=1)
        return next((int(ad["ClusterId"]) for ad in ads), None)

    def submit_dag(
        self, dag: str, options: dict[str, Any], commands: dict[str, str], batch: str, again: bool = False
    ) -> SubmittedDag:
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

    def store_credentials(self, kerberos: bool, services: dict[str, str]) -> Stored:
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
