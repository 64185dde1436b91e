"""The names of submit commands: their first names, the attributes that they set, and what a misspelled one may mean.

Example:
    >>> canonical_name("prio"), canonical_name("+Group")
    ('priority', 'MY.Group')

"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Final, NoReturn

from condor_futures.submit.commands import ALIASES, ELSEWHERE, KNOWN, OPTIONS, OWNED, OWNED_ATTRIBUTES, PATTERNS

__all__ = ["attribute_of", "canonical_name", "sets_the_same", "suggestions"]

_COMMAND_PATTERN: Final = re.compile("|".join(f"(?:{pattern})" for pattern in PATTERNS), re.ASCII)
_CUSTOM_ATTRIBUTE: Final = re.compile(r"(?:\+|my\.)([a-z_]\w*)", re.ASCII | re.IGNORECASE)
#: Job attributes that submit commands set under another name -> the command.
_OTHER_ATTRIBUTES: Final = {
    "acctgroup": "accounting_group",
    "acctgroupuser": "accounting_group_user",
    "dontappend": "erase_output_and_error_on_restart",
    "jobdescription": "description",
    "periodicvacate": "periodic_vacate",
}


def canonical_name(given: str) -> str:
    """Return the first name of a submit command, or `MY.<attribute>`.

    Raises:
        TypeError: condor_submit does not know the command, or the executor owns it.

    Example:
        >>> canonical_name("RequestMemory"), canonical_name("request_fpgas"), canonical_name("+Flavour")
        ('request_memory', 'request_fpgas', 'MY.Flavour')

    """
    if custom := _CUSTOM_ATTRIBUTE.fullmatch(given):
        attribute = custom[1]
        if attribute.lower().startswith("condorfutures"):
            _refuse(given, "the executor finds its own jobs by attributes with this prefix; choose another name")
        if owner := OWNED_ATTRIBUTES.get(attribute.lower()):
            _refuse(
                given, OWNED.get(owner, f"the executor sets it; use {owner}, to which the executor adds its own files")
            )
        return f"MY.{attribute}"
    if given.lower() == "job_flavour":
        return "MY.JobFlavour"
    name = ALIASES.get(given.lower(), given.lower())
    if name in OWNED:
        _refuse(given, OWNED[name])
    if name in KNOWN:
        return name
    if name in OPTIONS:
        raise TypeError(f"{given!r} is not a submit command but a keyword of {OPTIONS[name]}")
    meant = suggestions(name)
    # Every misspelled request_memory matches the pattern of custom resources, so a similar name is an error.
    if _COMMAND_PATTERN.fullmatch(name) and not (meant and name.startswith("request_")):
        return name
    advice = (
        f"did you mean {' or '.join(map(repr, meant))}?"
        if meant
        else "the manual of condor_submit lists all commands; use 'MY.<attribute>' for a custom attribute, such as one "
        "that a site's own command sets"
    )
    raise TypeError(f"there is no submit command {given!r}; {advice}")


def suggestions(name: str) -> Sequence[str]:
    """Return the commands that an unknown *name*, in lower case, may mean.

    Example:
        >>> suggestions("request_memry"), suggestions("x509")
        (['request_memory'], [])

    """
    near = _nearest(name)
    return ELSEWHERE.get(name, [near] if near else [])


def _refuse(given: str, reason: str) -> NoReturn:
    raise TypeError(f"an executor does not take the submit command {given!r}: {reason}")


def _nearest(name: str) -> str | None:
    """Return the known command that `name` most likely means; None if there is none."""
    if f"request_{name}" in KNOWN:
        return f"request_{name}"
    if name.startswith("request_"):
        # The comparison leaves out the prefix, because it makes all names similar. At 0.8 "memry" is a misspelling, but
        # "tpus" and "fpgas" are other resources. Abbreviations ("mem") are too short for a ratio.
        resource = name.removeprefix("request_")
        resources = ["cpus", "disk", "gpus", "memory"]
        near = [known for known in resources if len(resource) > 1 and known.startswith(resource)]
        near = near or difflib.get_close_matches(resource, resources, n=1, cutoff=0.8)
        return f"request_{near[0]}" if near else None
    matches = difflib.get_close_matches(name, sorted(KNOWN | OPTIONS.keys()), n=1, cutoff=0.75)
    return ALIASES.get(matches[0], matches[0]) if matches else None


def sets_the_same(name: str, other: str) -> bool:
    """Return whether the command or attribute *name* replaces *other*, because both set the same job attribute.

    Args:
        name: a submit command by its first name, or `MY.<attribute>`.
        other: the same.

    Example:
        >>> sets_the_same("request_memory", "MY.RequestMemory"), sets_the_same("priority", "MY.JobPrio")
        (True, True)
        >>> sets_the_same("request_memory", "MY.RequestDisk"), sets_the_same("rank", "Rank")
        (False, True)

    """
    return attribute_of(name) == attribute_of(other)


def attribute_of(name: str) -> str:
    """Return the command that sets the same attribute as *name*, without "_", or the attribute's name in lower case."""
    attribute = name.lower().removeprefix("my.")
    attribute = _OTHER_ATTRIBUTES.get(attribute, ALIASES.get(attribute, attribute))
    return attribute.replace("_", "")
