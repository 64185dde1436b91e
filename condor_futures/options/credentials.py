"""The `credentials` of an executor: what the access point is to hand to the jobs, so that they can act as the user.

HTCondor's `condor_credd` keeps them and HTCondor brings them to each job's sandbox. What has to be stored there before
anything is submitted, which submit commands say that a job wants it, and when it has to be stored again follows from
the option alone; storing it is the business of :mod:`condor_futures.access_point.helper.credd`.

Example:
    >>> credentials = Credentials.parse(["kerberos", "oauth:box*public"])
    >>> credentials.kerberos, credentials.services
    (True, ('box*public',))

"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

__all__ = ["RETRY_AFTER", "Credentials", "check_stored", "commands_of", "expiry", "renew_after", "to_store"]

RENEW_EVERY: Final = 1800.0
"""Seconds after which credentials are stored again, at the latest. An access point deletes the credentials of a user
who had no jobs for an hour (SEC_CREDENTIAL_SWEEP_DELAY), and storing them again costs next to nothing."""

RENEW_SHORTEST: Final = 60.0
"""Seconds between two renewals, at least, however soon the ticket expires."""

RETRY_AFTER: Final = 300.0
"""Seconds until a renewal that failed is tried again."""

# What the credd takes (okay_for_oauth_filename in store_cred.cpp); a handle is part of a submit command's name too.
_SERVICE = re.compile(r"[\w.+=-]+(\*\w+)?", re.ASCII)
_OAUTH_COMMAND = re.compile(r"(?P<service>\w+)_oauth_(permissions|resource|options)(_\w+)?", re.ASCII | re.IGNORECASE)
_USE_SERVICES = "use_oauth_services"
_SEND_KERBEROS = "MY.SendCredential"
_SEND, _TRUE = re.compile(re.escape(_SEND_KERBEROS), re.IGNORECASE), ("true", "1")
_WANTED = "'kerberos', 'scitokens', 'oauth:SERVICE' or 'oauth:SERVICE*HANDLE', or a sequence of these"

# "11/21/26 11:12:58  11/21/26 21:12:58  krbtgt/REALM@REALM", as MIT's klist writes it in the C locale; some releases
# give the year four digits.
_TICKET = re.compile(r"^\s*\S+ \S+\s+(?P<day>\d+/\d+)/(?P<year>\d+) (?P<time>[\d:]+)\s+krbtgt/", re.MULTILINE)


@dataclass(frozen=True)
class Credentials:
    """Which credentials the jobs get.

    Attributes:
        kerberos: a Kerberos ticket, made by the site's SEC_CREDENTIAL_PRODUCER.
        services: OAuth services, as ``service`` or ``service*handle``, whose tokens they get.

    """

    kerberos: bool = False
    services: tuple[str, ...] = ()

    @classmethod
    def parse(cls, option: object) -> Credentials:
        """Understand the executor's *credentials* argument.

        Raises:
            TypeError: if it is neither None nor text nor a sequence of texts.
            ValueError: for a credential of another kind, or a service that cannot be named so.

        >>> Credentials.parse("scitokens") == Credentials.parse("oauth:scitokens")
        True
        >>> Credentials.parse("krb5")
        Traceback (most recent call last):
        ...
        ValueError: credentials must be 'kerberos', 'scitokens', 'oauth:SERVICE' or 'oauth:SERVICE*HANDLE', or a \
sequence of these, not 'krb5'

        """
        if option is None:
            return cls()
        names = [option] if isinstance(option, str) else option
        if not isinstance(names, Sequence) or isinstance(names, bytes) or not all(isinstance(n, str) for n in names):
            raise TypeError(f"credentials must be {_WANTED}, not {option!r}")
        services = []
        for name in names:
            kind, _, service = name.partition(":")
            if kind == "oauth" and _SERVICE.fullmatch(service):
                services.append(service)
            elif name == "scitokens":
                services.append(name)
            elif name != "kerberos":
                raise ValueError(f"credentials must be {_WANTED}, not {name!r}")
        return cls("kerberos" in names, tuple(dict.fromkeys(services)))

    def commands(self, given: Mapping[str, str]) -> dict[str, str]:
        """The submit commands by which a job asks for them, in addition to those that were *given*.

        Raises:
            TypeError: if the services are given a second time, as the submit command.

        >>> Credentials.parse(["kerberos", "oauth:box*public"]).commands({})
        {'MY.SendCredential': 'true', 'use_oauth_services': 'box', 'box_oauth_permissions_public': ' '}

        """
        commands = {_SEND_KERBEROS: "true"} if self.kerberos else {}
        if not self.services:
            return commands
        if _USE_SERVICES in given:
            raise TypeError(
                f"name the OAuth services in credentials or in the submit command {_USE_SERVICES}, not in both"
            )
        commands[_USE_SERVICES] = ", ".join(dict.fromkeys(service.partition("*")[0] for service in self.services))
        for service, _, handle in (service.partition("*") for service in self.services):
            # A handle exists by being part of such a command's name; blank is what the site has as the default.
            of_handle = [f"{service}_oauth_{what}_{handle}" for what in ("permissions", "resource", "options")]
            if handle and not any(command.lower() in given for command in of_handle):
                commands[of_handle[0]] = " "
        return commands


def to_store(commands: Mapping[str, str]) -> dict[str, Any] | None:
    """What the helper is asked to store, where the jobs' submit commands are *commands*; None for nothing.

    Whether *credentials* made these commands, or the user gave them, or a submit file.

    >>> to_store({"use_oauth_services": "scitokens", "request_cpus": "1"})
    {'kerberos': False, 'services': {'use_oauth_services': 'scitokens'}}

    """
    kerberos = any(_SEND.fullmatch(name) and text.strip().lower() in _TRUE for name, text in commands.items())
    names = [name for name in commands if name == _USE_SERVICES or _OAUTH_COMMAND.fullmatch(name)]
    services = {name: commands[name] for name in names} if commands.get(_USE_SERVICES, "").strip() else {}
    return {"kerberos": kerberos, "services": services} if kerberos or services else None


def commands_of(stored: Mapping[str, Any]) -> dict[str, str]:
    """The submit commands by which jobs ask for what was *stored*.

    >>> commands_of(to_store({"MY.SendCredential": "true", "use_oauth_services": "box"}))
    {'MY.SendCredential': 'true', 'use_oauth_services': 'box'}

    """
    return {**({_SEND_KERBEROS: "true"} if stored["kerberos"] else {}), **stored["services"]}


def check_services(commands: Mapping[str, str]) -> None:
    """Refuse what is said of a service's tokens where no token of that service is asked for: it would have no effect.

    Raises:
        ValueError: if there is such a command.

    >>> check_services({"use_oauth_services": "box", "bxo_oauth_permissions": "read"})
    Traceback (most recent call last):
    ValueError: bxo_oauth_permissions: no token of the service 'bxo' is asked for; only of box

    """
    services = [service.lower() for service in re.split(r"[\s,]+", commands.get(_USE_SERVICES, "")) if service]
    for name in commands:
        about = _OAUTH_COMMAND.fullmatch(name)
        if about is not None and about["service"].lower() not in services:
            asked = f"only of {', '.join(services)}" if services else "credentials='oauth:SERVICE' asks for one"
            raise ValueError(f"{name}: no token of the service {about['service']!r} is asked for; {asked}")


def check_stored(wanted: Mapping[str, str], stored: Mapping[str, str]) -> None:
    """Refuse submit commands for credentials that those with which they were stored did not ask for.

    Raises:
        TypeError: if there are such commands.

    >>> check_stored({"use_oauth_services": "box"}, {"use_oauth_services": "box, scitokens"})

    """
    if more := _asked_for(wanted) - _asked_for(stored):
        raise TypeError(
            f"credentials are stored when the executor is made, and not those for {min(more)} now: give them to "
            "CondorExecutor()"
        )


def _asked_for(commands: Mapping[str, str]) -> set[str]:
    asked = to_store(commands)
    if asked is None:
        return set()
    services = re.split(r"[\s,]+", asked["services"].pop(_USE_SERVICES, ""))
    return {
        *([_SEND_KERBEROS] if asked["kerberos"] else []),
        *(f"{_USE_SERVICES}={service}" for service in services if service),
        *(f"{name}={text}" for name, text in asked["services"].items()),
    }


def expiry(listing: str) -> float | None:
    """When the ticket-granting ticket in klist's *listing* expires, in seconds since the epoch; None if unknown.

    >>> expiry("no such thing") is None
    True

    """
    ends = []
    for ticket in _TICKET.finditer(listing):
        year = int(ticket["year"]) % 100
        ends.append(datetime.strptime(f"{ticket['day']}/{year:02} {ticket['time']}", "%m/%d/%y %H:%M:%S").timestamp())  # noqa: DTZ007 - klist speaks local time
    return max(ends, default=None)


def renew_after(listing: str, now: float) -> float:
    """Seconds until the credentials are to be stored again: half of what is left of the ticket, within bounds.

    Args:
        listing: what klist says about the ticket; empty where there is none, or no klist.
        now: seconds since the epoch.

    >>> renew_after("", 0.0)
    1800.0

    """
    end = expiry(listing)
    left = RENEW_EVERY if end is None else max(RENEW_SHORTEST, (end - now) / 2)
    return min(RENEW_EVERY, left)
