"""The executor's option `credentials`: the credentials with which the jobs can act as the user.

HTCondor's `condor_credd` stores the credentials, and HTCondor transfers them to each job's sandbox. This module derives
from the option what must be stored before anything is submitted, which submit commands request the credentials for a
job, and when they must be stored again. :mod:`condor_futures.access_point.helper.credd` stores them.

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
"""The maximum time in seconds between two renewals, which store the credentials again. An access point deletes the
credentials of a user who had no jobs for an hour (SEC_CREDENTIAL_SWEEP_DELAY). A renewal costs next to nothing."""

RENEW_SHORTEST: Final = 60.0
"""The minimum time in seconds between two renewals, however soon the ticket expires."""

RETRY_AFTER: Final = 300.0
"""The time in seconds after which a failed renewal is retried."""

# The names that the credd accepts (okay_for_oauth_filename in store_cred.cpp). A handle is also part of the name of a
# submit command.
_SERVICE = re.compile(r"[\w.+=-]+(\*\w+)?", re.ASCII)
_OAUTH_COMMAND = re.compile(r"(?P<service>\w+)_oauth_(permissions|resource|options)(_\w+)?", re.ASCII | re.IGNORECASE)
_USE_SERVICES = "use_oauth_services"
_SEND_KERBEROS = "MY.SendCredential"
_SEND, _TRUE = re.compile(re.escape(_SEND_KERBEROS), re.IGNORECASE), ("true", "1")
_WANTED = "'kerberos', 'scitokens', 'oauth:SERVICE' or 'oauth:SERVICE*HANDLE', or a sequence of these"

# "11/21/26 11:12:58  11/21/26 21:12:58  krbtgt/REALM@REALM", as MIT's klist prints it in the C locale. Some releases
# print the year with four digits.
_TICKET = re.compile(r"^\s*\S+ \S+\s+(?P<day>\d+/\d+)/(?P<year>\d+) (?P<time>[\d:]+)\s+krbtgt/", re.MULTILINE)


@dataclass(frozen=True)
class Credentials:
    """The credentials that the jobs get.

    Attributes:
        kerberos: whether they get a Kerberos ticket, which the site's SEC_CREDENTIAL_PRODUCER makes.
        services: the OAuth services whose tokens they get, as ``service`` or ``service*handle``.

    """

    kerberos: bool = False
    services: tuple[str, ...] = ()

    @classmethod
    def parse(cls, option: object) -> Credentials:
        """Return the credentials for the executor's *credentials* argument.

        Raises:
            TypeError: *option* is not None, a str or a sequence of str.
            ValueError: *option* names an unknown kind of credential, or the name of a service is invalid.

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
        """Return the submit commands that request the credentials for a job, in addition to the *given* commands.

        Raises:
            TypeError: the *given* commands name the services a second time.

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
            # A service has a handle if such a command's name contains it. A blank value is the site's default.
            of_handle = [f"{service}_oauth_{what}_{handle}" for what in ("permissions", "resource", "options")]
            if handle and not any(command.lower() in given for command in of_handle):
                commands[of_handle[0]] = " "
        return commands


def to_store(commands: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what the helper must store for jobs with the submit commands *commands*; None for nothing.

    The commands may come from *credentials*, from the user's keywords or from a submit file.

    >>> to_store({"use_oauth_services": "scitokens", "request_cpus": "1"})
    {'kerberos': False, 'services': {'use_oauth_services': 'scitokens'}}

    """
    kerberos = any(_SEND.fullmatch(name) and text.strip().lower() in _TRUE for name, text in commands.items())
    names = [name for name in commands if name == _USE_SERVICES or _OAUTH_COMMAND.fullmatch(name)]
    services = {name: commands[name] for name in names} if commands.get(_USE_SERVICES, "").strip() else {}
    return {"kerberos": kerberos, "services": services} if kerberos or services else None


def commands_of(stored: Mapping[str, Any]) -> dict[str, str]:
    """Return the submit commands that request the *stored* credentials for jobs.

    >>> commands_of(to_store({"MY.SendCredential": "true", "use_oauth_services": "box"}))
    {'MY.SendCredential': 'true', 'use_oauth_services': 'box'}

    """
    return {**({_SEND_KERBEROS: "true"} if stored["kerberos"] else {}), **stored["services"]}


def check_services(commands: Mapping[str, str]) -> None:
    """Raise an error for a submit command about the tokens of a service that the jobs do not use.

    The command would have no effect.

    Raises:
        ValueError: there is such a command.

    >>> check_services({"use_oauth_services": "box", "bxo_oauth_permissions": "read"})
    Traceback (most recent call last):
    ValueError: bxo_oauth_permissions: the jobs request no token of the service 'bxo', only of box

    """
    services = [service.lower() for service in re.split(r"[\s,]+", commands.get(_USE_SERVICES, "")) if service]
    for name in commands:
        about = _OAUTH_COMMAND.fullmatch(name)
        if about is not None and about["service"].lower() not in services:
            asked = f", only of {', '.join(services)}" if services else "; credentials='oauth:SERVICE' requests one"
            raise ValueError(f"{name}: the jobs request no token of the service {about['service']!r}{asked}")


def check_stored(wanted: Mapping[str, str], stored: Mapping[str, str]) -> None:
    """Raise an error if the commands *wanted* request credentials that the commands *stored* did not request.

    Raises:
        TypeError: there is such a credential.

    >>> check_stored({"use_oauth_services": "box"}, {"use_oauth_services": "box, scitokens"})

    """
    if more := _asked_for(wanted) - _asked_for(stored):
        raise TypeError(
            f"credentials are stored when the executor is created, so with_options() cannot add those for {min(more)}; "
            "pass them to CondorExecutor()"
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
    """Return when the ticket-granting ticket in klist's *listing* expires, in seconds since the epoch; None if unknown.

    >>> expiry("no such thing") is None
    True

    """
    ends = []
    for ticket in _TICKET.finditer(listing):
        year = int(ticket["year"]) % 100
        ends.append(datetime.strptime(f"{ticket['day']}/{year:02} {ticket['time']}", "%m/%d/%y %H:%M:%S").timestamp())  # noqa: DTZ007 - klist prints local time
    return max(ends, default=None)


def renew_after(listing: str, now: float) -> float:
    """Return the seconds until the next renewal: half of the ticket's remaining lifetime, within bounds.

    Args:
        listing: the output of klist; empty if there is no ticket or no klist.
        now: the time in seconds since the epoch.

    >>> renew_after("", 0.0)
    1800.0

    """
    end = expiry(listing)
    left = RENEW_EVERY if end is None else max(RENEW_SHORTEST, (end - now) / 2)
    return min(RENEW_EVERY, left)
