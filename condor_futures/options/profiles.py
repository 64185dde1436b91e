"""Profiles: named sets of arguments for an executor's constructor, such as those that a site needs.

A profile is a table of a TOML file. Its keys are keywords of :class:`~condor_futures.CondorExecutor`. There are three
files: the user's, the site's, and the package's own. The first file that has a profile defines the whole profile,
unless the profile ``inherits`` another one.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import platformdirs

from condor_futures.errors import CondorFuturesError
from condor_futures.submit.command_names import canonical_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Profile", "load_profile", "profile_files", "read_profiles"]

_INHERITS = "inherits"


@dataclass(frozen=True)
class Profile:
    """One profile of a file.

    Attributes:
        name: the name of the table.
        path: the file.
        keywords: the keywords for the constructor, without the inherited ones.
        inherits: the name of another profile, which supplies the keywords that this one does not have.

    """

    name: str
    path: Path
    keywords: Mapping[str, Any]
    inherits: str | None = None


def profile_files() -> dict[str, Path]:
    """Return the files with profiles in the order in which they are read: the user's, the site's, the package's."""
    return {
        "user": platformdirs.user_config_path("condor_futures") / "profiles.toml",
        "site": platformdirs.site_config_path("condor_futures") / "profiles.toml",
        "package": Path(__file__).parents[1] / "profiles.toml",
    }


def read_profiles() -> list[Profile]:
    """Return all profiles, those of the user first; the first profile of a name takes precedence.

    Raises:
        CondorFuturesError: a file cannot be read or is invalid.

    """
    return [profile for path in profile_files().values() for profile in _read(path)]


def load_profile(name: str, options: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """Return the keywords of a profile, with the inherited ones; *options* take precedence over them.

    Raises:
        CondorFuturesError: there is no such profile, it inherits in a cycle, or a file is invalid.
        TypeError: *name* is not a str.

    >>> load_profile("cern")["spool"]
    True

    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a profile must be a str, not {type(name).__name__}")
    profiles = read_profiles()
    keywords = dict(options)
    passed: list[Profile] = []
    wanted: str | None = name
    while wanted is not None:
        # A profile may inherit a profile with the same name in a later file: the user's "cern" inherits the package's.
        left = profiles[profiles.index(passed[-1]) + 1 :] if passed and passed[-1].name == wanted else profiles
        profile = next((each for each in left if each.name == wanted), None)
        if profile is None:
            raise CondorFuturesError(_unknown(wanted, profiles, passed))
        if profile in passed:
            cycle = " -> ".join([*(each.name for each in passed), wanted])
            raise CondorFuturesError(f"the profile {name!r} inherits in a cycle: {cycle}")
        keywords = _over(profile.keywords, keywords)
        passed.append(profile)
        wanted = profile.inherits
    return keywords


def _over(base: Mapping[str, Any], wins: Mapping[str, Any]) -> dict[str, Any]:
    """Return both mappings merged; *wins* takes precedence, also if it uses another name for a submit command.

    >>> _over({"job_flavour": "workday", "spool": True}, {"MY.JobFlavour": '"mine"'})
    {'spool': True, 'MY.JobFlavour': '"mine"'}

    """
    given = set(map(_first_name, wins))
    return {**{name: value for name, value in base.items() if _first_name(name) not in given}, **wins}


def _first_name(option: str) -> str:
    try:
        return canonical_name(option).lower()
    except TypeError:  # not a submit command; the executor checks it
        return option


def _read(path: Path) -> list[Profile]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise CondorFuturesError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CondorFuturesError(f"{path} is not valid TOML: {error}") from error
    return [_profile(name, table, path) for name, table in tables.items()]


def _profile(name: str, table: Any, path: Path) -> Profile:
    if not isinstance(table, dict):
        raise CondorFuturesError(f"{path} has {name!r} outside a profile; a profile is a table, [name]")
    inherits = table.pop(_INHERITS, None)
    if inherits is not None and not isinstance(inherits, str):
        raise CondorFuturesError(
            f"{path}: {_INHERITS} of the profile {name!r} must be the name of another profile, in quotes"
        )
    return Profile(name, path, table, inherits)


def _unknown(name: str, profiles: list[Profile], passed: list[Profile]) -> str:
    if passed and passed[-1].name == name:
        return f"the profile {name!r} in {passed[-1].path} inherits {name!r}, but no later file has that profile"
    names = list(dict.fromkeys(profile.name for profile in profiles))
    near = difflib.get_close_matches(name, names, n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"the profiles are {', '.join(map(repr, names))}."
    by = f" (inherited by {passed[-1].name!r} in {passed[-1].path})" if passed else ""
    files = ", ".join(f"{path}{'' if path.exists() else ' (missing)'}" for path in profile_files().values())
    return f"there is no profile {name!r}{by}; {advice} Profiles are read from {files}"
