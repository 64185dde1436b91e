"""The access point that a command asks: the options that name it, and the connection to it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Annotated

import typer

from condor_futures.access_point.location import Location
from condor_futures.access_point.requests import AccessPoint
from condor_futures.cli.output import complain
from condor_futures.errors import CondorFuturesError, PersonalPoolError
from condor_futures.personal import PersonalPool
from condor_futures.session.record import constraint_of
from condor_futures.submit import attributes

__all__ = ["AccessPointName", "CollectorName", "connected", "constraint_for", "locate"]

AccessPointName = Annotated[
    str | None,
    typer.Option(
        help="`personal`, or name@host.", show_default="the personal pool if it runs, else the local HTCondor"
    ),
]
CollectorName = Annotated[str | None, typer.Option(help="The collector of a remote access point, host or host:port.")]


def constraint_for(job: str | None, session: str | None) -> str:
    """Return the ClassAd expression for a job, a cluster, the jobs of a session, or all jobs of condor_futures."""
    parts = [f"{attributes.SESSION} =!= undefined"]
    if session is not None:
        if not re.fullmatch(r"[\w.-]+", session, re.ASCII):
            raise CondorFuturesError(f"{session!r} is not a session id, such as 20261121-084209-d88b1a6b")
        parts = [constraint_of(session)]
    if job is not None:
        number = re.fullmatch(r"(\d+)(?:\.(\d+))?", job)
        if number is None:
            raise CondorFuturesError(f"{job!r} is not a job id of the form CLUSTER or CLUSTER.PROC")
        parts.append(f"ClusterId == {number[1]}")
        if number[2] is not None:
            parts.append(f"ProcId == {number[2]}")
    return " && ".join(parts)


def locate(access_point: str | None, pool: str | None) -> Location:
    """Return the access point to query; never start a pool."""
    if pool is not None:
        if access_point in (None, "personal"):
            raise CondorFuturesError("--pool needs the name of an access point: add --access-point NAME")
        return Location(pool, access_point)
    if access_point in (None, "personal"):
        personal = PersonalPool()
        if personal.is_running:
            return Location(environment=personal.environment())
        if access_point == "personal":
            complain(PersonalPoolError(f"no personal pool runs in {personal.directory}"))
            raise typer.Exit(3)
    return Location.parse(access_point)


@contextlib.contextmanager
def connected(location: Location) -> Iterator[AccessPoint]:
    """Connect to the access point, until the block ends."""
    helper = AccessPoint(location, patience=5.0)
    helper.connect(advice="`condor-futures pool start`, then --access-point personal")
    try:
        yield helper
    finally:
        helper.close()
