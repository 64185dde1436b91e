"""Converts the executor's keyword arguments to a submit description, without an installed HTCondor.

Every submit command is a keyword of the executor, in HTCondor's own language. This module lets
`command_names` check the names, `values` write the values and `expressions` check them, and adds the commands that
the executor owns: the runner, the bundle's files, the session's event log.

Example:
    >>> commands = check_submit_commands({"request_memory": "4GB", "request_cpus": 2})
    >>> merge(commands, {"request_cpus": None, "Prio": 5})
    {'request_memory': '4GB', 'priority': '5'}

"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from condor_futures.submit import attributes
from condor_futures.submit.automatic import is_automatic
from condor_futures.submit.command_names import attribute_of, canonical_name, sets_the_same
from condor_futures.submit.commands import NEWER
from condor_futures.submit.expressions import check_expression
from condor_futures.submit.values import Sourced, quote_file, quote_value

# When a claim is kept for 20 s, the next call of the same kind starts without a negotiation cycle. Nobody with 10,000
# calls wants a mail for each job.
_DEFAULTS: Final[Mapping[str, str]] = {"keep_claim_idle": "20", "notification": "never"}
#: As attribute_of() returns them.
_RETRYING: Final = frozenset({"maxretries", "onexitremove", "retryuntil", "successexitcode"})

_FLAVOURS: Final = {
    "espresso": 20 * 60,
    "microcentury": 60 * 60,
    "longlunch": 2 * 60 * 60,
    "workday": 8 * 60 * 60,
    "tomorrow": 24 * 60 * 60,
    "testmatch": 3 * 24 * 60 * 60,
    "nextweek": 7 * 24 * 60 * 60,
}
"""CERN's job flavours and their maximum run times in seconds (batchdocs.web.cern.ch, "Submit file", job flavours)."""

_REMOVABLE_DEFAULTS: Final = _DEFAULTS.keys() | {"batch_name"}


def check_submit_commands(options: Mapping[str, object]) -> dict[str, str]:
    """Convert keyword arguments of the executor to submit commands.

    Args:
        options: submit command -> value. Names are case-insensitive; `MY.Attr` and `+Attr` are custom
            attributes of the job. Values may be

            - `str`: passed on unchanged, in submit language. The value of a custom attribute is a ClassAd
              expression, so a string in it needs its own double quotes: `**{"MY.JobFlavour": '"tomorrow"'}`.
            - `bool`, `int`, `float` (finite): in HTCondor's units, see `values`.
            - `pathlib.Path`: made absolute.
            - `list` or `tuple` of `str` and paths, if the command takes a list of files. Relative input files
              are in the current directory; URLs stay unchanged. If the command takes another list
              (`concurrency_limits`, `getenv`, ...) or arguments (`java_vm_args`), a list of `str` and numbers.
            - a mapping of names to values, for `environment`.
            - a list or a mapping of these, for a custom attribute: a ClassAd list or a nested ClassAd, in
              which a `str` is a string.
            - `None`: the command is not given. If the executor has a default for it, the default is removed.

    Returns:
        The commands with their values as text, under their first names (`prio` becomes `priority`).

    Raises:
        TypeError: a command is unknown (the message has the nearest one), is owned by the executor, or is given twice
            under two names; or a value has a wrong type.
        ValueError: a value cannot be written in a submit description (it has a line break or a NUL, ends with a
            backslash, is a nan or an infinity, or has a comma in a file name); HTCondor cannot read a size, a time or
            an expression (see `expressions`); or `job_flavour` is unknown. At CERN, this flavour (attribute
            JobFlavour) is the name of a maximum run time.

    Example:
        >>> check_submit_commands({"max_retries": 3, "+Group": '"top"', "environment": {"THREADS": 1}})
        {'max_retries': '3', 'MY.Group': '"top"', 'environment': '"THREADS=1"'}
        >>> check_submit_commands({"prioritty": 4})
        Traceback (most recent call last):
        ...
        TypeError: there is no submit command 'prioritty'; did you mean 'priority'?

    """
    return merge({}, options)


def merge(base: Mapping[str, str], changes: Mapping[str, object]) -> dict[str, str]:
    """Return submit commands with changes, as `with_options` does.

    A change replaces the whole value: `environment` and lists of files are not joined with the old value.

    Args:
        base: commands that `check_submit_commands` or `merge` returned.
        changes: as for `check_submit_commands`; `None` removes the old value.

    Raises:
        TypeError, ValueError: for the same reasons as `check_submit_commands`.

    Example:
        >>> merge({"request_cpus": "1", "MY.Flavour": '"long"'}, {"request_cpus": 4, "my.flavour": None})
        {'request_cpus': '4'}

    """
    merged = dict(base)
    given_as: dict[str, str] = {}
    for given, value in changes.items():
        name = canonical_name(given)
        other = given_as.setdefault(name.lower(), given)
        if other != given:
            raise TypeError(f"the submit command {name!r} is given twice, as {other!r} and as {given!r}")
        # The case of attribute names is kept, although MY.Flavour and my.flavour are the same attribute.
        # HTCondor prefers an attribute to its command, so a new command replaces an inherited attribute.
        command = not name.startswith("MY.")
        for inherited in [key for key in merged if key.lower() == name.lower()]:
            del merged[inherited]
        for inherited in [key for key in base if command and key in merged and sets_the_same(name, key)]:
            del merged[inherited]
        if value is not None:
            _check_bindings(name)
            text = quote_value(name, _flavour(value) if given.lower() == "job_flavour" else value)
            merged[name] = Sourced.copy(text, value)
        elif name in _REMOVABLE_DEFAULTS:
            merged[name] = ""  # tells describe() to omit the default too
    for name in map(canonical_name, changes):
        check_expression(name, merged.get(name, ""), merged)
    return merged


def _check_bindings(name: str) -> None:
    """Raise ValueError for a command that HTCondor's Python bindings, which make the job from it, would ignore."""
    if name in NEWER:
        import htcondor2

        version = re.search(r"(\d+)\.(\d+)\.\d+", htcondor2.version())
        if version is not None and (int(version[1]), int(version[2])) < NEWER[name]:
            raise ValueError(
                f"HTCondor's Python bindings {version[0]} ignore the submit command {name!r}; install newer ones with "
                "`pip install --upgrade htcondor`"
            )


def _flavour(value: object) -> str:
    if not isinstance(value, str) or value not in _FLAVOURS:
        near = difflib.get_close_matches(str(value), _FLAVOURS, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"the flavours are {', '.join(_FLAVOURS)}"
        raise ValueError(
            f"there is no job_flavour {value!r}; {advice} (for another site's flavour, use **{{'MY.JobFlavour': ...}})"
        )
    return f'"{value}"'


def describe(
    commands: Mapping[str, str],
    *,
    session_id: str,
    runner: Path,
    directory: Path,
    event_log: Path | None,
    shipped: Sequence[Path] = (),
    inputs_variable: str | None = None,
    objects: Sequence[str] = (),
    common: Sequence[Path] = (),
    should_transfer_files: Literal["YES", "IF_NEEDED"] = "YES",
    own_log: bool = False,
    environment: str | None = None,
    lines: Path | None = None,
    warm: bool = True,
    spool: bool = True,
) -> dict[str, str]:
    """Return the submit description of one batch: one cluster, with one job for each bundle.

    Each item of the cluster's itemdata has three variables. `bundle` is a bundle's key, which determines all file names
    of the bundle (input `<key>.calls`, output `<key>.outcomes`). `directory` is the name of the directory of these
    files. Both consist of letters, digits, ".", "_" and "-". `calls` is the number of the bundle's calls.

    Args:
        commands: commands that `check_submit_commands` or `merge` returned. They take precedence over defaults, but
            not over the commands that the executor owns. Their files are transferred after ours.
        session_id: letters, digits, ".", "_" and "-"; marks the jobs and is part of the default `batch_name`.
        runner: the runner's file on the client.
        directory: the directory that contains the directories with the bundles' files.
        event_log: the session's event log; None if DAGMan submits the jobs, because DAGMan has its own log and names
            the batch.
        shipped: files and directories from which the jobs import.
        inputs_variable: the name of a variable that has more input files of each job, separated by commas.
        common: files that all jobs of the batch get, which are transferred once to each machine.
        objects: files of shared objects as the description names them, perhaps relative to the directories with the
            bundles' files.
        should_transfer_files: `IF_NEEDED` only if execution points share the access point's file system.
        lines: for jobs with a line, the directory that contains a directory for each job: the only one that it may use.
        warm: whether these are warm jobs.
        spool: whether these jobs are spooled; others take their files from these directories.
        own_log: whether each job also has its own log, `<key>.log`.
        environment: the name of the archive whose Python makes the calls; letters, digits and ".".

    Raises:
        ValueError: a path is relative or cannot be written, or the session id has other characters.

    Example:
        >>> at = Path("/s/1")
        >>> description = describe({"transfer_input_files": "/data/a.root"}, session_id="1",
        ...     runner=at / "runner.py", directory=at / "bundles", event_log=at / "log")
        >>> description["transfer_input_files"], description["dagman_log"]
        ('$(bundle).calls, /data/a.root', '/s/1/log')

    """
    if not re.fullmatch(r"[\w.-]+", session_id, re.ASCII):
        raise ValueError(f"a session id must consist of letters, digits, '.', '_' and '-', unlike {session_id!r}")
    paths = {"executable": runner, "initialdir": directory}
    if event_log is not None:
        paths["dagman_log"] = event_log
    for name, path in paths.items():
        if not path.is_absolute():
            raise ValueError(f"the executor's {name} must be an absolute path, not {str(path)!r}")
    files = {name: quote_value(name, path) for name, path in paths.items()}
    key = "$(bundle)"
    code = (quote_file("transfer_input_files", path) for path in shipped)
    # The outcomes of an attempt are transferred to the next attempt, which makes only the remaining calls. So the file
    # must exist before the first attempt.
    reported = f"{key}.outcomes" if retried(commands) and not inputs_variable else None
    more = f"$({inputs_variable})" if inputs_variable else None
    inputs = [f"{key}.calls", more, reported, *objects, *code, commands.get("transfer_input_files")]
    outputs = [f"{key}.outcomes", commands.get("transfer_output_files")]
    brings_back = should_transfer_files == "YES" and not ((lines and warm) or commands.get("transfer_output_files"))
    ours = {
        **files,
        "initialdir": f"{files['initialdir']}/$(directory)",
        # An image in `commands` alone makes this a container job (SetUniverse in submit_utils.cpp).
        "universe": "vanilla",
        # This is explicit because otherwise, at sites with SUBMIT_CONTAINER_NEVER_XFER_ABSOLUTE_CMD, HTCondor looks for
        # an absolute path inside the container (SetExecutable). So container and docker jobs run our runner like all
        # other jobs; the image needs a Python.
        "transfer_executable": "true",
        "arguments": f"{key} {environment}" if environment else key,
        "transfer_input_files": ", ".join(filter(None, inputs)),
        "transfer_output_files": ", ".join(filter(None, outputs)),
        "output": f"{key}.stdout",
        "error": f"{key}.stderr",
        "should_transfer_files": should_transfer_files,
        # A job that HTCondor stops brings back its outcomes, and in the same file its checkpoint files, for its next
        # start. If a file of the user's were not there yet, HTCondor would bring back nothing (25.14).
        "when_to_transfer_output": "ON_EXIT_OR_EVICT" if brings_back else "ON_EXIT",
        # The session's log is not the jobs' own `log`: spooling moves the `log` into the spool directory (and returns
        # it with the outputs), but not the dagman_log. submit_event_user_notes become the UserNotes of the SUBMIT
        # event. HTCondor overwrites the LogNotes, which come from submit_event_notes, if there is a batch_name (seen
        # with 25.14).
        "submit_event_user_notes": f"bundle={key}",
        f"MY.{attributes.SESSION}": f'"{session_id}"',
        f"MY.{attributes.BUNDLE}": f'"{key}"',
        f"MY.{attributes.CALLS}": "$(calls)",
        "log": f"{key}.log" if own_log else "",
    }
    if common:
        files_of_all = (quote_file("transfer_common_input", path) for path in common)
        ours["transfer_common_input"] = ", ".join(filter(None, [*files_of_all, commands.get("transfer_common_input")]))
    if lines is not None:
        # LimitDirectoryAccess confines the shadow to these files, whatever the job asks of it through Chirp
        # (limit_directory_access.cpp; seen with 23.9 and 25.14), though not with every operation: see security.md.
        # HTCondor adds the spool directory. A job that changes its attributes could lift that for its next start (seen
        # with 25.14), so the starter is told to refuse this to the calls.
        allowed = [f"{lines}/{key}"]
        if not spool:
            # The job could change the runner, too, so it has one of its own.
            allowed.append(f"{directory}/$(directory)/{key}.*")
            ours["executable"] = f"{quote_value('executable', lines)}/{key}/{runner.name}"
        ours |= {
            f"MY.{attributes.WARM}": "true" if warm else "",
            "want_io_proxy": "true",
            "MY.WantRemoteUpdates": "false",
            "MY.LimitDirectoryAccess": f'"{",".join(allowed)}"',
        }
    # There are no defaults for request_cpus, request_memory and request_disk: without a value from the user,
    # condor_submit takes the site's JOB_DEFAULT_REQUESTCPUS, ...MEMORY and ...DISK (if unset: 1 CPU, 128 MiB, and the
    # input's size but at least 1 GiB).
    defaults = {**_DEFAULTS, "batch_name": f"condor_futures {session_id}" if event_log is not None else ""}
    # As in HTCondor, an empty value is no value. merge() leaves an empty value if the user removed a default. What is
    # not learned yet is the site's default, too.
    described = {**defaults, **commands, **ours}
    return {name: text for name, text in described.items() if text and not is_automatic(name, text)}


def retried(commands: Mapping[str, str]) -> bool:
    """Return whether HTCondor may run a job again after it ended, because of its exit status.

    Example:
        >>> retried({"max_retries": "3"}), retried({"request_cpus": "2"})
        (True, False)

    """
    return not _RETRYING.isdisjoint(map(attribute_of, commands))


def description_key(commands: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return a hashable key, equal for equal commands in any order: calls with one key share a cluster.

    Example:
        >>> description_key({"b": "1", "a": "2"}) == description_key({"a": "2", "b": "1"})
        True

    """
    return tuple(sorted(commands.items()))
