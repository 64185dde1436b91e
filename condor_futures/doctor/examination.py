"""The examination: the checks one after the other, each of which needs those before."""

from __future__ import annotations

import contextlib
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import condor_futures
from condor_futures.access_point.helper.examined import Examined
from condor_futures.access_point.location import Location
from condor_futures.access_point.requests import AccessPoint, missing_configuration
from condor_futures.access_point.schedd import Schedd
from condor_futures.doctor.findings import Finding, Level, plural
from condor_futures.doctor.judgements import (
    judge_client,
    judge_collector,
    judge_credentials,
    judge_directory,
    judge_htcondor,
    judge_permission,
    judge_schedd,
    judge_slots,
    judge_versions,
)
from condor_futures.doctor.probe import probe
from condor_futures.doctor.probe_judgements import judge_probe, judge_sessions
from condor_futures.errors import AccessPointError, CondorFuturesError, PersonalPoolError
from condor_futures.personal import PersonalPool, find_htcondor
from condor_futures.session.finding import sessions_directory
from condor_futures.session.session import Session
from condor_futures.sessions import sessions
from condor_futures.submit.description import check_submit_commands

__all__ = ["examine"]

_PATIENCE = 5.0  # s to retry while a schedd does not answer at all
_TIMEOUT = 120.0  # s for the helper; HTCondor's own timeouts are 20 s, and there are a few in a row


def examine(
    access_point: str | tuple[str, str] | None = None,
    *,
    warm: bool | None = None,
    timeout: float = 60.0,
    tell: Callable[[str], None] = lambda _: None,
    **submit_commands: Any,
) -> Iterator[Finding]:
    """Yield what works between you, an access point and its pool, and what to do about the rest.

    The checks take a second; then a probe job runs. The checks end at the first one that makes the next ones
    impossible. Nothing remains in the queue.

    Args:
        access_point: as in :class:`~condor_futures.CondorExecutor`: None for the schedd of the local HTCondor
            configuration; ``"personal"`` for the personal pool, which is started for the examination if it does not
            run; ``"name@host"``, or a pair ``(pool, name)``.
        warm: whether the probe job is a warm one, so that calls in it are measured. None tries one in a personal pool
            only, because a warm job can reach your files at the access point.
        timeout: seconds after which a probe job that does not run is given up. It is given up earlier if no slot of the
            pool suits it.
        tell: is called with what is being done, for a progress display.
        submit_commands: any submit commands, for a probe job like your jobs: ``request_memory="4GB"``.

    Raises:
        TypeError, ValueError: a submit command is unknown or has an invalid value, or *access_point* is neither.

    Example:
        >>> from condor_futures.doctor import examine
        >>> {finding.name: finding.level.value for finding in examine("personal")}["probe job"]
        'ok'

    """
    check_submit_commands(submit_commands)
    location = Location() if access_point == "personal" else Location.parse(access_point)
    return _examine(access_point, location, warm, timeout, tell, submit_commands)


def _examine(
    access_point: str | tuple[str, str] | None,
    location: Location,
    warm: bool | None,
    timeout: float,
    tell: Callable[[str], None],
    commands: Mapping[str, Any],
) -> Iterator[Finding]:
    yield judge_client(condor_futures.__version__, platform.python_version(), sys.executable)
    with contextlib.ExitStack() as afterwards:
        if access_point == "personal":
            tell("The personal pool")
            pool = PersonalPool()
            finding = _start(pool, afterwards)
            yield finding
            if finding.level is Level.FAILED:
                return
            location = Location(environment=pool.environment())
        tell("The access point")
        helper = AccessPoint(location, patience=_PATIENCE)
        try:
            helper.start()
            afterwards.callback(helper.close)
            found = Schedd(helper).examine(location.pool, location.name).wait(_TIMEOUT)
        except AccessPointError as error:
            yield Finding("HTCondor", Level.FAILED, str(error), {"error": str(error)})
            return
        about_schedd = list(_access_point(found, location))
        yield from about_schedd
        usable = all(finding.level is not Level.FAILED for finding in about_schedd)
        if usable:
            yield _slots(helper)
        directory = _directory()
        yield directory
        if usable and directory.level is not Level.FAILED:
            tell("The probe job")
            try_warm = access_point == "personal" if warm is None else warm
            kerberos = bool(found["producer"]) and "MY.SendCredential" not in commands
            probed = probe(
                access_point, location, commands, warm=try_warm, kerberos=kerberos, timeout=timeout, tell=tell
            )
            yield from judge_probe(probed, location, ".".join(platform.python_version_tuple()[:2]))
        else:
            yield Finding("probe job", Level.NOTE, "not submitted, because of the failure above")
    yield judge_sessions(sessions())


def _start(pool: PersonalPool, afterwards: contextlib.ExitStack) -> Finding:
    """Use the personal pool until *afterwards*, as an executor does; start it if it does not run."""
    running = pool.is_running
    try:
        pool.start()
        afterwards.callback(pool.close)
        status = pool.status()
    except (PersonalPoolError, OSError) as error:
        fix = "restart pool" if running else "start pool"
        return Finding("personal pool", Level.FAILED, str(error), {"directory": str(pool.directory)}, fix)
    how = "runs" if running else "was started for this examination, as CondorExecutor(access_point='personal') does"
    cores = plural(status.slots or 0, "core")
    sentence = f"HTCondor {status.version} with {cores} in {status.directory} {how}"
    details = {"directory": str(status.directory), "version": status.version, "cores": status.slots, "ran": running}
    return Finding("personal pool", Level.OK, sentence, details)


def _access_point(found: Examined, location: Location) -> Iterator[Finding]:
    release = find_htcondor()
    tool = shutil.which("condor_q")
    programs = f"{release.version} in {release.prefix}" if release else tool or ""
    yield judge_htcondor(found, programs, missing_configuration())
    if found["collector"]:
        yield judge_collector(found)
    yield judge_schedd(found, location)
    if not found["no_schedd"]:
        yield judge_versions(found)
        yield judge_permission(found)
        if not found["no_permission"]:
            yield judge_credentials(found)


def _slots(helper: AccessPoint) -> Finding:
    try:
        return judge_slots(Schedd(helper).offers().wait(_TIMEOUT))
    except AccessPointError as error:
        sentence = f"the collector does not say what the pool offers: {error}"
        return Finding("slots", Level.WARNING, sentence, {"error": str(error)})


def _directory() -> Finding:
    """Make a session where executors make theirs, and remove it."""
    directory = sessions_directory()
    try:
        Session.create().remove()
        return judge_directory(str(directory), shutil.disk_usage(directory).free, "")
    except CondorFuturesError as error:
        return judge_directory(str(directory), 0, str(error))
