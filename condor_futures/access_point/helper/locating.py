"""The search for the schedd, and the check that it answers and accepts jobs from this user."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Mapping
from typing import Any

from condor_futures.access_point.helper.words import TRANSFERS_COMMON_INPUT, Operations

__all__ = ["AwayError", "Located", "bindings_version", "why_no_collector"]

#: The first version of HTCondor whose schedd transfers common input files.
COMMON_INPUT = (25, 14)
_TRUE = frozenset({"true", "t", "yes", "1"})
#: The largest number of schedds that a message lists.
_NAMES = 10


#: The error of bindings that expect another name of the directory for FS authentication.
_OTHER_DIRECTORY = "Directory name doesn't match server's network address"


class AwayError(Exception):
    """The schedd is unreachable at present: it does not answer, or does not (or no longer) authorize the user."""


class Located(Operations):
    """The schedd at its last known location, and the operations that concern the location and the pool."""

    def __init__(self) -> None:
        try:
            import htcondor2
        except ImportError as error:
            raise ImportError(
                f"HTCondor's Python bindings are not installed; `pip install htcondor` installs them: {error}"
            ) from None

        # A site may set this to true. The schedd would then spool no files and add the jobs to the queue one by one.
        htcondor2.param["SUBMIT_FACTORY_JOBS_BY_DEFAULT"] = "false"
        self._htcondor = htcondor2
        self._schedd: Any = None
        self._ad: Any = None
        self._where: tuple[str | None, str | None] = (None, None)
        self._local = self._here = False
        self._name = self._address = ""

    def connect(self, pool: str | None, name: str | None, local: bool = False) -> dict[str, str]:
        """Locate the schedd, and make sure that it answers and accepts jobs from this user.

        Args:
            pool: the collector in which to look up *name*; None is the configured one.
            name: the name of the schedd; None is the one that is configured on this machine.
            local: do not look up the schedd if it is the one that is configured on this machine.

        """
        self._where, self._local = (pool, name), local
        ad = self._locate()
        self._check_permission()
        about = {key: str(ad.get(key, "")) for key in ("Name", "Machine", "MyAddress", "CondorVersion")}
        about[TRANSFERS_COMMON_INPUT] = "yes" if self._transfers_common_input(about) else ""
        return {**about, "Pool": pool or self._htcondor.param.get("COLLECTOR_HOST") or ""}

    def _transfers_common_input(self, about: dict[str, str]) -> bool:
        """Return whether the schedd transfers common input files, and sees the files of this machine.

        Schedds and bindings before 25.14 ignore the submit command transfer_common_input. With GUIDANCE_KEEP_CALM_AND,
        shadows of 25.14 do not prepare the files: the job that should receive them makes its calls without them, and
        the other jobs of the cluster never start.
        """
        param = self._htcondor.param
        versions = (re.search(r"(\d+)\.(\d+)\.", text) for text in (about["CondorVersion"], self._htcondor.version()))
        knows = all(version and tuple(map(int, version.groups())) >= COMMON_INPUT for version in versions)
        here = about["Machine"] == param.get("FULL_HOSTNAME")
        set_otherwise = ("GUIDANCE_KEEP_CALM_AND", "FORBID_COMMON_FILE_TRANSFER")
        return knows and here and not any(str(param.get(name)).lower() in _TRUE for name in set_otherwise)

    def _reach(self) -> None:
        """Find the schedd, and make sure that it answers and authorizes the user.

        Raises:
            AwayError: if it does not, for whatever reason.

        """
        try:
            self._locate()
            self._check_permission()
        except Exception as error:
            raise AwayError(str(error)) from error

    def _check_permission(self) -> Mapping[str, Any]:
        """Make sure that the schedd accepts jobs from this user; often every user may query the queue.

        Returns:
            The attributes of the connection; empty for bindings 24.0, which cannot ask.

        """
        if not hasattr(self._htcondor, "ping"):
            return {}  # a submission tells
        try:
            permission: Mapping[str, Any] = self._htcondor.ping(self._ad, "WRITE")
        except self._htcondor.HTCondorException as error:
            raise PermissionError(
                f"it answers, but does not accept jobs from you: authentication failed: {error}"
            ) from None
        if not permission.get("AuthorizationSucceeded", True):
            user = permission.get("MyRemoteUserName", "an unknown user")
            raise PermissionError(f"it answers, but does not accept jobs from you; to the schedd, you are {user}")
        return permission

    def _locate(self) -> Any:
        """Find the schedd, and send it a query, so that a schedd that does not answer is noticed now."""
        pool, name = self._where
        htcondor = self._htcondor
        if name is None:
            ad = self._locate_here()
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
            older = _older(error, str(ad.get("CondorVersion", "")), str(htcondor.version()))
            raise htcondor.HTCondorException(older or f"it does not accept how you authenticate: {error}") from None
        self._schedd, self._ad = schedd, ad
        self._name, self._address = str(ad.get("Name", "")), str(ad.get("MyAddress", ""))
        return ad

    def _configured(self, name: str) -> Any:
        """Return the ad of this machine's configured schedd if its name is *name*, otherwise None."""
        with contextlib.suppress(self._htcondor.HTCondorException):
            ad = self._locate_here()
            return ad if ad is not None and ad.get("Name") == name else None
        return None

    def _locate_here(self) -> Any:
        """Return the ad of this machine's configured schedd.

        The bindings read its address from a file. A schedd that starts on a full disk leaves the file empty, and does
        not write it again. The bindings then ask the collector for a schedd that has the name of the machine, but the
        name of a schedd that does not run as root or condor has its user, too (daemon.cpp, seen with 25.14.1).
        """
        htcondor, kind = self._htcondor, self._htcondor.DaemonType.Schedd
        collector = htcondor.Collector()
        try:
            return collector.locate(kind)
        except htcondor.HTCondorException:
            machine = htcondor.param.get("FULL_HOSTNAME")
            ads = [ad for ad in collector.locateAll(kind) if ad.get("Machine") == machine]
            if len(ads) != 1:
                raise
            return ads[0]

    def _look_up(self, pool: str | None, name: str) -> Any:
        """Return the ad of the schedd *name* from the collector."""
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
            raise htcondor.HTCondorException(why_no_collector(collector_host, error, str(htcondor.version()))) from None
        from difflib import get_close_matches  # imported only here, because most helpers never need it

        near = [other for other in known if name in other.split("@")] or get_close_matches(name, known, n=1)
        some = ", ".join(sorted(known)[:_NAMES]) + (", ..." if len(known) > _NAMES else "")
        raise LookupError(
            f"the collector {collector_host} knows no schedd of that name"
            + (f"; did you mean {near[0]}?" if near else "")
            + f" (it knows {len(known)}: {some or 'none'})"
        )

    def cores(self) -> int:
        """Return the number of cores in the pool. A partitionable slot counts the cores of its dynamic slots too."""
        htcondor = self._htcondor
        collector = htcondor.Collector(*filter(None, self._where[:1]))
        ads = collector.query(htcondor.AdType.Startd, 'SlotType =!= "Dynamic"', ["TotalSlotCpus", "Cpus"])
        return sum(int(ad.get("TotalSlotCpus") or ad.get("Cpus") or 0) for ad in ads)


def _older(error: Exception, theirs: str, ours: str) -> str | None:
    """Return why *error* happens if the daemon is older than the bindings; None for other errors.

    An older server names the directory of FS authentication in another way than the bindings expect (seen with 23.9.6;
    condor_auth_fs.cpp).

    >>> error = OSError("FS:1004:Directory name doesn't match server's network address")
    >>> _older(error, "$CondorVersion: 23.9.6 2024-08-08 $", "$CondorVersion: 25.14.1 2026-08-21 $")
    'it runs HTCondor 23.9.6, and your HTCondor bindings 25.14.1 refuse its FS authentication; use bindings ...'

    """
    if _OTHER_DIRECTORY not in str(error):
        return None
    their, our = _number(theirs), _number(ours)
    return (
        f"it runs HTCondor {their}, and your HTCondor bindings {our} refuse its FS authentication; use bindings of its "
        "version, or set _condor_SEC_FS_ENFORCE_CHANNEL_BINDING=false in the environment of your program"
    )


def _number(version: str) -> str:
    """Return the number in a text such as "$CondorVersion: 23.9.6 2024-08-08 BuildID: ... $"."""
    return next((word for word in version.split() if word[:1].isdigit()), "of an earlier version")


def bindings_version(htcondor: Any) -> str:
    """Return the version of HTCondor's Python bindings."""
    return _number(str(htcondor.version()))


def why_no_collector(where: str, error: Exception, ours: str) -> str:
    """Return why the collector failed; the bindings' error is the same if it is unreachable or rejects the user."""
    host, _, port = where.partition(",")[0].strip().rpartition(":")
    if not port.isdigit():
        host, port = f"{host}:{port}".strip(":"), "9618"
    if port != "0":  # of a personal pool's collector, which wrote its port to a file
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        except OSError as reason:
            return f"the collector {where} does not answer: {reason.strerror or reason}"
    if older := _older(error, "", ours):
        return f"the collector {where} does not accept how you authenticate: {older}"
    return f"the collector {where} runs but does not accept how you authenticate: {error}"
