"""Makes the bundles of a fleet, and their files: open ones for warm jobs, and closed ones for jobs that are not."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import replace

from condor_futures.calls.bundle import Bundle
from condor_futures.errors import SharedObjectError
from condor_futures.session.session import Session
from condor_futures.state_machine.states import Job
from condor_futures.watching.waiting import GivenCall, Storage

__all__ = ["chunk_size", "closed_bundle", "open_bundle"]


def open_bundle(session: Session, storage: Storage, number: int) -> Bundle:
    """Make the open bundle *number*, whose job makes calls like those of *storage*.

    Raises:
        OSError: a file cannot be written.

    """
    options = replace(storage.bundle.options, open=True)
    key = Session.bundle_key(number)
    directory = session.line_directory(key)
    bundle = Bundle(
        key,
        session.bundle_directory(number),
        options,
        {},
        Job(key, options.spool, policy=options.on_hold.policy),
        line=directory,
        usages=storage.bundle.usages,
    )
    line = {"directory": str(directory), "warm": options.warm, "lifetime": options.warm_lifetime}
    try:
        if not options.spool:
            session.copy_runner(directory, options.code)
        for name in storage.calls.shared(()):
            with contextlib.suppress(SharedObjectError):  # the job says so of each call
                session.shared.lend(name, directory)
        with session.create_file(bundle.path("calls")) as file:
            storage.calls.write_open(file, key, options.record(), line)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return bundle


def closed_bundle(session: Session, storage: Storage, calls: Sequence[GivenCall], number: int) -> Bundle:
    """Make the bundle *number* of some *calls* of *storage*, for a job of their own.

    Raises:
        OSError: the file cannot be written.
        ValueError: the file of *storage* is damaged.

    """
    key = Session.bundle_key(number)
    directory = session.bundle_directory(number)
    with session.create_file(directory / f"{key}.calls") as file:
        storage.calls.write_part(file, key, [call.key for call in calls])
    futures = {call.key: call.future for call in calls}
    job, shared = replace(storage.bundle.job, bundle=key), storage.calls.shared(futures)
    return Bundle(key, directory, storage.bundle.options, futures, job, shared=shared, usages=storage.bundle.usages)


def chunk_size(storage: Storage, calls: Sequence[GivenCall]) -> int:
    """Return how many calls of *storage* one job makes, if they have jobs of their own."""
    return storage.calls.head.get("chunk", 0) or max(len(calls), 1)
