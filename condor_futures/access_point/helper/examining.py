"""The examination of an access point: what works, and HTCondor's error for what does not."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from condor_futures.access_point.helper.examined import Examined, Offer
from condor_futures.access_point.helper.locating import Located, bindings_version, why_no_collector

__all__ = ["Examining"]

_SLOT = [
    "Cpus",
    "GPUs_DeviceName",
    "HasContainer",
    "HasDocker",
    "HasSingularity",
    "Machine",
    "Memory",
    "OpSysAndVer",
    "Arch",
    "TotalSlotCpus",
    "TotalSlotGPUs",
    "TotalSlotMemory",
]
_CONTAINERS = ("HasContainer", "HasSingularity", "HasDocker")


class Examining(Located):
    """The operations that find out what works. They submit nothing, and store nothing."""

    def examine(self, pool: str | None, name: str | None) -> Examined:
        """Find out what works between this user and the access point; an error is a part of the result.

        Each check needs the one before. The first error is the cause of the others, so the checks end there.
        """
        self._where = (pool, name)
        param = self._htcondor.param
        found: Examined = {
            "bindings": bindings_version(self._htcondor),
            "configuration": os.environ.get("CONDOR_CONFIG", ""),
            "methods": str(
                param.get("SEC_CLIENT_AUTHENTICATION_METHODS") or param.get("SEC_DEFAULT_AUTHENTICATION_METHODS") or ""
            ),
            "tokens": _tokens(param),
            "collector": pool or str(param.get("COLLECTOR_HOST") or ""),
            "no_collector": "",
            "schedd": {},
            "no_schedd": "",
            "here": False,
            "user": "",
            "method": "",
            "encrypted": False,
            "no_permission": "",
            "producer": str(param.get("SEC_CREDENTIAL_PRODUCER") or ""),
            "ticket": "",
            "no_ticket": "",
            "credd": "",
            "no_credd": "",
        }
        self._examine_ticket(found)
        if found["collector"]:
            found["no_collector"] = self._error(lambda: self._ask_collector(found))
        if found["no_collector"] and name is not None:
            found["no_schedd"] = "its address is not known, because the collector does not answer"
        else:
            found["no_schedd"] = self._error(self._locate)
        if found["no_schedd"]:
            return found
        ad = self._ad
        found["schedd"] = {key: str(ad.get(key, "")) for key in ("Name", "Machine", "MyAddress", "CondorVersion")}
        found["here"] = self._here
        connection: Mapping[str, Any] = {}

        def ping() -> None:
            nonlocal connection
            connection = self._check_permission()

        found["no_permission"] = self._error(ping)
        found["user"] = str(connection.get("MyRemoteUserName", ""))
        found["method"] = str(connection.get("AuthMethods", ""))
        found["encrypted"] = str(connection.get("Encryption", "")).upper() == "YES"
        if found["producer"] and not found["no_permission"]:
            self._examine_credd(found)
        return found

    def offers(self) -> list[Offer]:
        """Return the kinds of slots in the pool, the most frequent first."""
        htcondor = self._htcondor
        collector = htcondor.Collector(*filter(None, self._where[:1]))
        kinds: dict[tuple[Any, ...], list[str]] = defaultdict(list)
        for ad in collector.query(htcondor.AdType.Startd, 'SlotType =!= "Dynamic"', _SLOT):
            kind = (
                _number(ad, "TotalSlotCpus", "Cpus"),
                _number(ad, "TotalSlotMemory", "Memory"),
                _number(ad, "TotalSlotGPUs"),
                str(ad.get("GPUs_DeviceName") or ""),
                f"{ad.get('OpSysAndVer') or ''} {ad.get('Arch') or ''}".strip(),
                any(ad.get(name) is True for name in _CONTAINERS),
            )
            kinds[kind].append(str(ad.get("Machine", "")))
        return [
            {
                "slots": len(machines),
                "machines": len(set(machines)),
                "cores": cores,
                "memory": memory,
                "gpus": gpus,
                "gpu": gpu,
                "system": system,
                "containers": containers,
            }
            for (cores, memory, gpus, gpu, system, containers), machines in sorted(
                kinds.items(), key=lambda item: (-len(item[1]), item[0])
            )
        ]

    def _error(self, check: Callable[[], object]) -> str:
        """Make a check; return the text of its error, or an empty string."""
        try:
            check()
        except (self._htcondor.HTCondorException, LookupError, OSError) as error:
            return " ".join((str(error) or type(error).__name__).split()).rstrip(".")
        return ""

    def _ask_collector(self, found: Examined) -> None:
        """Make sure that the collector answers. The port of a personal pool's collector is not in its configuration."""
        htcondor, pool = self._htcondor, self._where[0]
        try:
            collector = htcondor.Collector(pool) if pool else htcondor.Collector()
            ads = collector.query(htcondor.AdType.Collector, "true", ["MyAddress"])
        except htcondor.HTCondorException as error:
            host = pool or str(htcondor.param.get("COLLECTOR_HOST"))
            raise htcondor.HTCondorException(why_no_collector(host, error, str(htcondor.version()))) from None
        address = re.match(r"<([^?>]+)", str(ads[0].get("MyAddress", ""))) if ads else None
        if address and found["collector"].endswith(":0"):
            found["collector"] = address[1]

    def _examine_ticket(self, found: Examined) -> None:
        """Look at the user's Kerberos ticket, if this site has a use for one."""
        if not (found["producer"] or "KERBEROS" in found["methods"].upper()):
            return
        from condor_futures.access_point.helper import credd

        found["ticket"], found["no_ticket"] = credd.check_ticket()

    def _examine_credd(self, found: Examined) -> None:
        """Find the condor_credd, to which the jobs' credentials go."""
        from condor_futures.access_point.helper import credd
        from condor_futures.errors import CredentialError

        try:
            found["credd"] = credd.find((None, None) if self._here else self._where, self._name)
        except CredentialError as error:
            found["no_credd"] = str(error)


def _tokens(param: Mapping[str, Any]) -> int:
    """Return the number of files in the directory of the user's tokens, which may or may not suit the access point."""
    directory = param.get("SEC_TOKEN_DIRECTORY") or (
        (param.get("SEC_TOKEN_SYSTEM_DIRECTORY") or "/etc/condor/tokens.d")
        if os.geteuid() == 0
        else Path.home() / ".condor" / "tokens.d"
    )
    try:
        return len(list(Path(directory).iterdir()))
    except OSError:
        return 0


def _number(ad: Mapping[str, Any], *names: str) -> int:
    """Return the first of these attributes that is a number, as a whole number; 0 if none is."""
    values = (ad.get(name) for name in names)
    return next((int(value) for value in values if isinstance(value, (int, float)) and value), 0)
