"""The judgements about this machine and its access point: pure functions from what was found out to findings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from condor_futures.access_point.helper.examined import Examined, Offer
from condor_futures.access_point.location import Location
from condor_futures.doctor.findings import Finding, Level, plural, size
from condor_futures.options.credentials import expiry

__all__ = [
    "judge_client",
    "judge_collector",
    "judge_credentials",
    "judge_directory",
    "judge_htcondor",
    "judge_permission",
    "judge_schedd",
    "judge_slots",
    "judge_versions",
]

#: The oldest HTCondor that docs/reference/versions.md lists.
_OLDEST = (23, 9)
#: A session directory with fewer free bytes than this is worth a warning.
_LITTLE = 100 * 2**20
#: The most kinds of slots in a sentence.
_KINDS = 3
#: A part of the error of bindings that refuse an older schedd.
_BINDING = "SEC_FS_ENFORCE_CHANNEL_BINDING"
#: Parts of the errors of daemons that do not know the user.
_REFUSED = ("does not accept how you authenticate", "authentication failed", "unauthenticated@")


def judge_client(version: str, python: str, executable: str) -> Finding:
    """Judge the client: it has only to run.

    >>> judge_client("0.1.0", "3.11.7", "/usr/bin/python3").sentence
    'condor_futures 0.1.0 in Python 3.11.7 (/usr/bin/python3); the jobs need a Python 3.11'

    """
    minor = ".".join(python.split(".")[:2])
    sentence = f"condor_futures {version} in Python {python} ({executable}); the jobs need a Python {minor}"
    return Finding("client", Level.OK, sentence, {"version": version, "python": python, "executable": executable})


def judge_htcondor(found: Examined, programs: str, missing_configuration: str) -> Finding:
    """Judge HTCondor on this machine.

    Args:
        found: what the helper process found out.
        programs: the version and the place of HTCondor's programs; empty if there are none.
        missing_configuration: what is wrong with CONDOR_CONFIG, as the end of a message; empty if nothing is.

    """
    details = {"bindings": found["bindings"], "programs": programs, "configuration": found["configuration"]}
    bindings = f"Python bindings {found['bindings']}"
    if missing_configuration:
        sentence = f"{bindings}{missing_configuration}; correct the variable, or unset it"
        return Finding("HTCondor", Level.FAILED, sentence, details)
    if not programs:
        sentence = (
            f"{bindings}, but no programs such as condor_q, which explains why a job is idle; "
            "`condor-futures pool install` installs them"
        )
        return Finding("HTCondor", Level.WARNING, sentence, details)
    return Finding("HTCondor", Level.OK, f"{bindings}, and the programs of {programs}", details)


def judge_collector(found: Examined) -> Finding:
    """Judge the collector, which knows the slots and the schedds of the pool."""
    details = {"collector": found["collector"], "error": found["no_collector"]}
    if not found["collector"]:
        sentence = "HTCondor's configuration on this machine names no pool (COLLECTOR_HOST)"
        return Finding("collector", Level.FAILED, sentence, details)
    if _BINDING in found["no_schedd"] and "authenticate" in found["no_collector"]:
        # The bindings' error about a collector does not have the cause.
        sentence = f"{found['collector']} runs, but the bindings do not suit it: see below"
        return Finding("collector", Level.NOTE, sentence, details)
    if found["no_collector"]:
        error = found["no_collector"]
        advice = _how_to_authenticate(found) if "authenticate" in error else "; check its name, and ask the site"
        return Finding("collector", Level.FAILED, error + advice, details)
    return Finding("collector", Level.OK, f"{found['collector']} answers", details)


def judge_schedd(found: Examined, location: Location) -> Finding:
    """Judge whether there is a schedd that answers queries."""
    schedd, error = found["schedd"], found["no_schedd"]
    if not error:
        where = "on this machine" if found["here"] else f"on {schedd['Machine']}"
        sentence = f"{schedd['Name']} answers, {where}"
        return Finding("schedd", Level.OK, sentence, {**schedd, "here": found["here"]})
    details = {"error": error}
    if _BINDING in error:
        return Finding("versions", Level.FAILED, f"the bindings do not suit {location}: {error}", details)
    sentence, fix = f"{location} cannot be used: {error}", ""
    if _is_refusal(error):
        sentence += _how_to_authenticate(found)
    elif "did not respond" in error:
        sentence += "; try again later, or ask who runs it"
    elif "no pool is configured" in error:
        sentence += "; on the command line, add --pool HOST"
    elif location.name is None and location.environment is None:
        sentence += (
            ". If HTCondor should run on this machine, start it; for a schedd elsewhere, add --access-point NAME, and "
            "perhaps --pool HOST; for a personal pool, use `condor-futures pool start` (or --fix)"
        )
        fix = "start pool"
    return Finding("schedd", Level.FAILED, sentence, details, fix)


def judge_versions(found: Examined) -> Finding:
    """Judge whether the bindings suit a schedd that answers."""
    theirs = re.search(r"(\d+)\.(\d+)\.\d+", found["schedd"]["CondorVersion"])
    details = {"schedd": theirs[0] if theirs else "", "bindings": found["bindings"]}
    if theirs is None or (int(theirs[1]), int(theirs[2])) < _OLDEST:
        sentence = (
            f"the schedd runs HTCondor {details['schedd'] or 'of an unknown version'}; condor_futures is tested with "
            f"{_OLDEST[0]}.{_OLDEST[1]} and later, so look at the probe job below"
        )
        return Finding("versions", Level.WARNING, sentence, details)
    sentence = f"the schedd runs HTCondor {theirs[0]}, which the bindings {found['bindings']} suit"
    return Finding("versions", Level.OK, sentence, details)


def judge_permission(found: Examined) -> Finding:
    """Judge whether the user may submit to a schedd that answers."""
    details = {name: found[name] for name in ("user", "method", "encrypted", "methods", "tokens")}
    if found["no_permission"]:
        error = found["no_permission"]
        sentence = f"the schedd {error.removeprefix('it ')}"
        if _is_refusal(error):
            sentence += _how_to_authenticate(found)
        else:
            sentence += "; ask the administrators of the access point to let you submit (ALLOW_WRITE)"
        return Finding("permission", Level.FAILED, sentence, {**details, "error": error})
    if not found["user"]:
        sentence = f"the bindings {found['bindings']} cannot ask whether you may submit; the probe job tells"
        return Finding("permission", Level.NOTE, sentence, details)
    how = "encrypted" if found["encrypted"] else "not encrypted"
    sentence = f"you may submit, as {found['user']}, authenticated by {found['method'] or 'nothing'} ({how})"
    return Finding("permission", Level.OK, sentence, details)


def _is_refusal(error: str) -> bool:
    return any(words in error for words in _REFUSED)


def _how_to_authenticate(found: Examined) -> str:
    """Return what the user may do to be recognized, as the end of a sentence."""
    methods = found["methods"].upper()
    if "KERBEROS" in methods and found["no_ticket"]:
        return f"; {found['no_ticket']}"
    offered = f"; your configuration offers {found['methods']}" if methods else ""
    if "TOKEN" in methods or not methods:
        tokens = "you have no token" if not found["tokens"] else "your tokens may have expired, or be for other pools"
        return (
            f"{offered}; {tokens}: `condor_token_fetch` makes one where you are let in, and it belongs into "
            "~/.condor/tokens.d (for root, /etc/condor/tokens.d)"
        )
    return f"{offered}; ask the administrators of the access point which method it takes"


def judge_credentials(found: Examined) -> Finding:
    """Judge the credential that jobs need to act as the user, where the site wants one."""
    if not found["producer"]:
        sentence = "none wanted: HTCondor's configuration here has no SEC_CREDENTIAL_PRODUCER"
        return Finding("credentials", Level.NOTE, sentence)
    owner = re.search(r"Default principal: (\S+)", found["ticket"])
    end = expiry(found["ticket"])
    until = datetime.fromtimestamp(end).astimezone() if end is not None else None
    details: dict[str, Any] = {
        "producer": found["producer"],
        "principal": owner[1] if owner else "",
        "until": until.isoformat() if until else "",
        "credd": found["credd"],
    }
    trouble = found["no_ticket"] or found["no_credd"]
    if trouble:
        sentence = f"jobs at this site get your Kerberos ticket: {trouble}"
        return Finding("credentials", Level.FAILED, sentence, {**details, "error": trouble})
    ticket = f"a ticket of {owner[1]}" if owner else "no klist here to look at your ticket"
    valid = f", until {until:%Y-%m-%d %H:%M}" if until else ""
    return Finding(
        "credentials", Level.OK, f"{ticket}{valid}, which goes to the condor_credd {found['credd']}", details
    )


def judge_slots(offers: Sequence[Offer]) -> Finding:
    """Judge what the pool offers."""
    details = {"kinds": list(offers)}
    if not offers:
        sentence = "the pool has no slots, so no job can run; start the startd, or ask the site"
        return Finding("slots", Level.FAILED, sentence, details)
    slots = sum(offer["slots"] for offer in offers)
    cores = sum(offer["slots"] * offer["cores"] for offer in offers)
    gpus = sum(offer["slots"] * offer["gpus"] for offer in offers)
    if len(offers) == 1:
        sentence = f"{plural(slots, 'slot')} of {_kind(offers[0])}"
    else:
        kinds = "; ".join(f"{offer['slots']} of {_kind(offer)}" for offer in offers[:_KINDS])
        more = f", and {plural(len(offers) - _KINDS, 'other kind')}" if len(offers) > _KINDS else ""
        have = f"{plural(slots, 'slot')} with {plural(cores, 'core')}" + (f" and {plural(gpus, 'GPU')}" if gpus else "")
        most = size(max(offer["memory"] for offer in offers) * 2**20)
        sentence = f"{have}, at most {most} of memory in one: {kinds}{more}"
    return Finding("slots", Level.OK, sentence, {**details, "slots": slots, "cores": cores, "gpus": gpus})


def _kind(offer: Offer) -> str:
    parts = [plural(offer["cores"], "core"), size(offer["memory"] * 2**20)]
    if offer["gpus"]:
        parts.append(f"{plural(offer['gpus'], 'GPU')}{' ' * bool(offer['gpu'])}{offer['gpu']}")
    system = " ".join(filter(None, [offer["system"], "with containers" if offer["containers"] else ""]))
    return ", ".join(parts) + (f" ({system})" if system else "")


def judge_directory(directory: str, free: int, error: str) -> Finding:
    """Judge the directory in which sessions are made, with its *free* bytes, or the *error* of making one there."""
    details = {"directory": directory, "free": free}
    if error:
        sentence = f"{error}; set XDG_STATE_HOME to a directory of yours with room, or pass session=DIRECTORY"
        return Finding("session directory", Level.FAILED, sentence, {**details, "error": error})
    if free < _LITTLE:
        sentence = (
            f"{directory} has only {size(free)} free; remove sessions, or set XDG_STATE_HOME to another directory"
        )
        return Finding("session directory", Level.WARNING, sentence, details)
    return Finding("session directory", Level.OK, f"{directory}, with {size(free)} free", details)
