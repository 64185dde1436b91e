"""The reason why a job is idle, in a sentence: a summary of HTCondor's analysis, ``condor_q -better-analyze``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from condor_futures.access_point.location import Location
from condor_futures.errors import AccessPointError

__all__ = ["Analysis", "analyse", "explain", "why_idle"]

_TIMEOUT = 120.0  # s; condor_q queries the ads of all slots in the pool


def why_idle(location: Location, job_id: str) -> str:
    """Return the reason why a job does not run, in a sentence. HTCondor's ``condor_q`` makes the analysis.

    Raises:
        AccessPointError: if there is no ``condor_q``, or ``condor_q`` fails.

    """
    return explain(_ask(location, job_id))


def analyse(location: Location, job_id: str) -> Analysis | None:
    """Return HTCondor's analysis of an idle job; None if there is none, for example because the job is not idle.

    Raises:
        AccessPointError: as :func:`why_idle`.

    """
    return Analysis.parse(_ask(location, job_id))


def _ask(location: Location, job_id: str) -> str:
    """Return the output of ``condor_q -better-analyze``."""
    environment = {**os.environ, **(location.environment or {})}
    program = shutil.which("condor_q", path=environment.get("PATH", os.defpath))
    if program is None:
        from condor_futures.personal import find_htcondor

        release = find_htcondor()
        if release is None:
            raise AccessPointError(
                "the analysis of an idle job needs condor_q, and there is none on PATH; "
                "`condor-futures pool install` installs it"
            )
        program = str(release.tool("condor_q"))
    where = ["-name", location.name] if location.name else []
    if location.pool:
        where += ["-pool", re.split(r"[\s,]+", location.pool)[0]]  # condor_q accepts only one of several collectors
    command = [program, *where, "-better-analyze", job_id]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise AccessPointError(f"condor_q could not analyse the job {job_id} within {_TIMEOUT:g} s") from None
    except OSError as error:
        raise AccessPointError(f"{program} cannot be run: {error.strerror}") from error
    if done.returncode:
        raise AccessPointError(
            f"condor_q could not analyse the job {job_id}: {done.stderr.strip() or done.stdout.strip()}"
        )
    return done.stdout


@dataclass
class Analysis:
    """The content of an analysis: numbers of slots, and the conditions of the job's requirements."""

    slots: int
    refused: int  # by the job's requirements
    refusing: int  # by the slots' own requirements
    offline: int
    willing: int
    attributes: Mapping[str, str]
    unmet: list[str]  # the conditions that no slot meets
    rejection: str  # the negotiator's last reason

    @property
    def hopeless(self) -> bool:
        """Whether the job will never run in the pool as it is, because no slot suits it even when it is free."""
        return not self.slots or (self.slots == self.refused and bool(self.unmet))

    @property
    def sentence(self) -> str:
        """The analysis as one sentence."""
        met = self.slots - self.refused
        if self.rejection not in ("", "no match found") and met > self.refusing:
            return f"the negotiator says: {self.rejection}"
        if not self.slots:
            return "the pool has no slots"
        return _some(self, met) if met else _requirements(self)

    @classmethod
    def parse(cls, text: str) -> Analysis | None:
        """Return the content of the output of ``condor_q -better-analyze``; None if it has no analysis."""
        total = re.search(r"Of (\d+) slots on \d+ machines", text)
        if total is None:
            return None

        def count(pattern: str) -> int:
            found = re.search(rf"^ *(\d+) slots {pattern}", text, re.MULTILINE)
            return int(found[1]) if found else 0

        # [7]           0         0  TARGET.Memory >= RequestMemory; the second number only if slots are in use.
        drained = r" +(\d+)" if re.search(r"^Step +Matched +Drained", text, re.MULTILINE) else "()"
        steps = re.findall(rf"^\[\d+\] +(\d+){drained}  (.+)$", text, re.MULTILINE)
        defined = re.search(r"^Job \S+ defines the following attributes:\n\n((?: .*\n)*)", text, re.MULTILINE)
        rejection = re.search(r"^(?:\tReason|Reason for last match failure): (.+)$", text, re.MULTILINE)
        return cls(
            slots=int(total[1]),
            refused=count("are rejected by your job's requirements"),
            refusing=count("reject your job because of their own requirements"),
            offline=count("match but are currently offline"),
            willing=count("match and are willing to run your job"),
            attributes=dict(re.findall(r"^ +(\w+) = (.*)$", defined[1] if defined else "", re.MULTILINE)),
            unmet=[condition.strip() for now, empty, condition in steps if int(now) == 0 and int(empty or 0) == 0],
            rejection=rejection[1].strip() if rejection else "",
        )


def explain(text: str) -> str:
    """Summarize the output of ``condor_q -better-analyze`` for one job in a sentence.

    >>> explain('''
    ...     RequestMemory = 524288 (mb)
    ... Step   Matched  Condition
    ... [7]           0  TARGET.Memory >= RequestMemory
    ... 001.000:  Run analysis summary ignoring user priority.  Of 8 slots on 1 machines,
    ...       8 slots are rejected by your job's requirements
    ... ''')
    "none of the pool's 8 slots meets TARGET.Memory >= RequestMemory"

    """
    found = Analysis.parse(text)
    if found is None:
        return "HTCondor has no analysis of the job"
    return found.sentence


def _some(found: Analysis, met: int) -> str:
    """Explain why a job is idle although *met* slots meet its requirements."""
    if found.willing:
        return f"{_slots(found.willing)} of the pool would take it: its turn has not come yet"
    if found.slots == 1:
        some, each = "the pool's only slot meets the job's requirements", "it"
    elif met == 1:
        some, each = f"1 of the pool's {found.slots} slots meets the job's requirements", "that one"
    else:
        some, each = f"{met} of the pool's {found.slots} slots meet the job's requirements", "all of these"
    if found.refusing >= met:
        their = "their" if met > 1 else "its"
        why = "the job requests more than is available (disk, GPUs), or other users or jobs come first"
        return f"{some}, but {their} own requirements refuse the job: {why}"
    if found.offline:
        return f"{some}, but {found.offline} of them are offline, and the others are in use"
    return f"{some}, but {each} {'are' if met > 1 else 'is'} in use"


def _requirements(found: Analysis) -> str:
    """Explain why a job is idle whose requirements no slot meets."""
    none, has, meets = f"none of the pool's {found.slots} slots", "has", "meets"
    if found.slots == 1:
        none, has, meets = "the pool's only slot", "does not have", "does not meet"
    conditions = " and ".join(found.unmet)
    if not conditions:
        return f"{none} {meets} all requirements of the job, but each requirement is met by some slot"
    lacks = [_lack(condition, found.attributes) for condition in found.unmet]
    if None in lacks:
        return f"{none} {meets} {conditions}"
    return f"{none} {has} {' and '.join(map(str, lacks))} ({conditions})"


_RESOURCES = {"RequestMemory": ("memory", 2**20), "RequestDisk": ("disk", 2**10)}


def _lack(condition: str, attributes: Mapping[str, str]) -> str | None:
    """Return the resource that a slot must have, or None unless *condition* is about a fixed amount of a resource."""
    resource = re.fullmatch(r"TARGET\.(\w+) >= (Request\w+)", condition)
    amount = re.fullmatch(r"(\d+)(?: \(\w+\))?", attributes.get(resource[2], "")) if resource else None
    if resource is None or amount is None:
        return None
    if resource[2] in _RESOURCES:
        name, unit = _RESOURCES[resource[2]]
        return f"{_size(int(amount[1]) * unit)} of {name}"
    name = "cores" if resource[1] == "Cpus" else resource[1]
    return f"{amount[1]} {name if amount[1] != '1' else name.removesuffix('s')}"


def _size(number: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:  # noqa: PLR2004
            return f"{number:g} {unit}"
        number = round(number / 1024, 1)
    return f"{number:g} TiB"


def _slots(number: int) -> str:
    return f"{number} slot" + "s" * (number != 1)
