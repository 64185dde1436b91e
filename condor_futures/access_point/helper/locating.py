"""Where the schedd is, and whether it answers and takes jobs from this user."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from condor_futures.access_point.helper.words import Operations

__all__ = ["AwayError", "Located"]

#: So many names of schedds are listed in a message.
_NAMES = 10


class AwayError(Exception):
    """Nobody speaks with the schedd at present: it does not answer, or does not know the user (any more)."""


class Located(Operations):
    """The schedd, where it was found last; and the operations that are about where it is."""

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
        from difflib import get_close_matches  # only now: most helpers need it never

        near = [other for other in known if name in other.split("@")] or get_close_matches(name, known, n=1)
        some = ", ".join(sorted(known)[:_NAMES]) + (", ..." if len(known) > _NAMES else "")
        raise LookupError(
            f"the collector {collector_host} knows no schedd of that name"
            + (f"; do you mean {near[0]}?" if near else "")
            + f" (it knows {len(known)}: {some or 'none'})"
        )

    def cores(self) -> int:
        """How many cores the pool has, as its collector tells; dynamic slots have theirs of partitionable ones."""
        htcondor = self._htcondor
        collector = htcondor.Collector(*filter(None, self._where[:1]))
        ads = collector.query(htcondor.AdType.Startd, 'SlotType =!= "Dynamic"', ["TotalSlotCpus", "Cpus"])
        return sum(int(ad.get("TotalSlotCpus") or ad.get("Cpus") or 0) for ad in ads)


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
