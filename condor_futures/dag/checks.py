"""Checks that refuse what DAGMan or its files cannot take, before anything is written."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import classad2
import htcondor2

from condor_futures.session.finding import check_session_directory

__all__ = [
    "Script",
    "check_access_point",
    "check_directory",
    "check_name",
    "check_settings",
    "command_line",
    "warn_of_old_dagman",
]

logger = logging.getLogger(__name__)

Script = str | Path | Sequence[str | Path | int]
"""A program, or a program with its arguments."""

#: The first version whose DAGMan can leave the other jobs of a cluster alone when one job fails.
_LENIENT: Final = (25, 14)

#: DAGMan appends suffixes as long as ".dag.dagman.out", and a file name has at most 255 bytes.
_LONGEST_NAME: Final = 200

#: The macros that DAGMan replaces in a script's arguments (BackgroundRun in script.cpp, 25.14); case does not matter.
_MACROS: Final = frozenset(
    {
        *("$NODE", "$JOB", "$RETRY", "$MAX_RETRIES", "$DAG_STATUS", "$DAGID"),
        *("$FAILED_COUNT", "$FUTILE_COUNT", "$DONE_COUNT", "$QUEUED_COUNT", "$NODE_COUNT"),
    }
)
#: The further macros in the arguments of a script that runs after the jobs.
_MACROS_AFTER: Final = frozenset(
    {
        *("$RETURN", "$SUCCESS", "$JOBID", "$CLUSTERID", "$JOB_COUNT", "$JOB_ABORT_COUNT", "$PRE_SCRIPT_RETURN"),
        *("$EXIT_CODES", "$EXIT_CODE_COUNTS", "$EXIT_CODE_LIST"),
    }
)


def warn_of_old_dagman(version: str) -> None:
    """Warn about a DAGMan without DAGMAN_REMOVE_JOB_LIST_ON_FAILURE; for a DAG that has clusters.

    Args:
        version: the CondorVersion of its schedd.

    """
    found = re.search(r"(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) < _LENIENT:
        logger.warning(
            "the access point has HTCondor %s: when a job of a cluster fails, its DAGMan removes the others; "
            "from %d.%d on it leaves them alone",
            found[0],
            *_LENIENT,
        )


def check_directory(directory: Path) -> None:
    """Raise ValueError if a DAG file cannot contain the name of *directory* (tested with 25.14)."""
    path = str(directory.absolute())
    if wrong := re.search(r"\s|['\"|]|@\(|\$\(|\$\$|\\(?=/|$)", path):
        raise ValueError(
            f"DAGMan's files cannot name the directory {path!r}, because of {wrong[0]!r} in it; choose another one"
        )
    check_session_directory(directory.absolute())


def check_name(what: str, name: object) -> None:
    """Raise TypeError or ValueError if a DAG file could not contain *name*, the name of *what*, without ambiguity."""
    if not isinstance(name, str):
        raise TypeError(f"the name of {what} is a str, not {type(name).__name__}")
    if not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
        raise ValueError(f"the name of {what} has only letters, digits, '.', '_' and '-', unlike {name!r}")
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"the name of {what} has at most {_LONGEST_NAME} characters, not {len(name)}")


def check_settings(settings: Mapping[str, object]) -> dict[str, object]:
    """Return the *settings* of DAGMan without those that are None.

    Raises:
        TypeError: a value is neither a number, nor a bool, nor a str.
        ValueError: a setting cannot be a line of a configuration file; or it is not a number, but DAGMan requires one.
            DAGMan would exit at its start, and HTCondor would restart it again and again (25.14).

    >>> check_settings({"DAGMAN_MAX_JOBS_IDLE": 100, "DAGMAN_USE_STRICT": None})
    {'DAGMAN_MAX_JOBS_IDLE': 100}
    >>> check_settings({"DAGMAN_MAX_JOBS_IDLE": "many"})
    Traceback (most recent call last):
    ValueError: the setting DAGMAN_MAX_JOBS_IDLE is a whole number, not 'many'

    """
    kept = {name: value for name, value in settings.items() if value is not None}
    for name, value in kept.items():
        if not re.fullmatch(r"[A-Za-z_][\w.]*", str(name), re.ASCII):
            raise ValueError(f"a setting of DAGMan has a name such as 'DAGMAN_MAX_JOBS_IDLE', not {name!r}")
        if not isinstance(value, (int, float, str)):
            raise TypeError(f"the setting {name} is a number, a bool or a str, not {type(value).__name__}")
        if "\n" in str(value) or str(value).endswith("\\"):
            raise ValueError(f"the setting {name} must fit on one line, unlike {value!r}")
        default = htcondor2.param.get(name)
        literal = name.upper().startswith("DAGMAN_") and "$(" not in str(value)
        if literal and isinstance(default, int) and not _is_whole(value):
            kind = "True or False" if isinstance(default, bool) else "a whole number"
            raise ValueError(f"the setting {name} is {kind}, not {value!r}")
    return kept


def _is_whole(value: object) -> bool:
    """Return whether HTCondor reads *value* as a whole number; a bool is one, and an expression may be one."""
    try:
        number = classad2.ExprTree(str(value)).eval()
        return isinstance(number, int) and not isinstance(number, classad2.Value)  # such as undefined
    except classad2.ClassAdException:
        return False


def check_access_point(access_point: object) -> None:
    """Raise TypeError if *access_point* is not on this machine."""
    if access_point not in (None, "personal"):
        raise TypeError(
            "DAGMan runs beside its schedd, so access_point must be None (the local HTCondor) or 'personal', not "
            f"{access_point!r}; for another one, write() the DAG there and submit it with condor_submit_dag"
        )


def command_line(script: Script, when: Literal["before", "after"]) -> tuple[str, ...]:
    """Return the words of a script, with the absolute path of its program.

    Args:
        script: the program, or the program with its arguments.
        when: the script runs before or after the jobs of its node.

    Raises:
        ValueError: the program does not exist or cannot be executed, or DAGMan cannot take an argument.

    """
    words = [str(word) for word in ([script] if isinstance(script, (str, Path)) else script)]
    if not words:
        return ()
    program = Path(words[0])
    if not program.exists():
        raise ValueError(f"there is no script {words[0]!r}; pass its arguments as further items of a list")
    if not os.access(program, os.X_OK):
        raise ValueError(f"the script {words[0]!r} cannot be executed; chmod +x makes it executable")
    words[0] = str(program.absolute())
    for word in words:
        if not word or re.search(r"[\s\"]", word):
            raise ValueError(f"DAGMan cannot pass {word!r} to a script: blanks and quotation marks separate its words")
    known = _MACROS if when == "before" else _MACROS | _MACROS_AFTER
    for word in words:
        if word.startswith("$") and word.upper() not in known:
            raise ValueError(
                f"DAGMan has no macro {word!r} for the arguments of a script that runs {when} the job, and by default "
                f"it would abort the DAG; its macros are {', '.join(sorted(known))}"
            )
    if words[-1].endswith("\\"):
        raise ValueError(f"the last argument of a script cannot end in a backslash, unlike {words[-1]!r}")
    return tuple(words)
