"""The names of all files in a session's directory; no other module defines one.

::

    SESSION/                     0700
        session.json             0600  who and where; the secret that outcomes are authenticated with (record)
        lock                     0600  held by the process that uses the session (files.process_lock)
        event_log                the job event log of all jobs of the session
        runner                   the executable of jobs: a zip file with a shell's first lines (see packing)
        runner-0123456789abcdef  the same, with modules of the client (see calls.code)
        bundles/000/             initialdir of the jobs of the first 1,000 bundles, and so on
            b000017.calls        0600  sent to the execution point
            b000017.outcomes     sent back by the job
            b000017.cancelled    replaces .calls: the bundle was cancelled, and its outcomes are ignored
            b000017.stdout, b000017.stderr
            b000017.checkpoints/ 0700  checkpoint files, in a personal pool without spooling
        objects/                 0700
            0123...cdef          0400  a shared object; its name is the hash of its contents (shared_objects)
        environments/            0700
            0123456789abcdef.tar a link to an archive of python_environment, or the packed directory (environments)
        checkpoints/c000021/     0700  checkpoint files of a call of a warm job
        given                    0600  which calls the client gave to which warm jobs, and which were cancelled
        failed                   0600  the outcomes of calls that warm jobs took along (calls.failed_calls)
        names                    0600  the names of calls, if the user gave some (session.call_names)
        links/                   0700  links to files whose names HTCondor would misread (session.links)
        streams/b000019/         the outcomes of a closed bundle as they come (execution_point.streaming)
        lines/b000018/           what the client and the warm job of an open bundle exchange (execution_point.warm)
            0123456789abcdef.outcomes, .calls, .stdout, .stderr    of one attempt of the job
            0123...cdef          a link to a shared object that the job needs
"""

from __future__ import annotations

from pathlib import Path

from condor_futures.options.ship import Code
from condor_futures.session.record import RECORD

__all__ = ["BUNDLES_PER_DIRECTORY", "SessionNames"]

BUNDLES_PER_DIRECTORY = 1000
"""The maximum number of bundles in a directory: file systems, AFS above all, are slow with more."""


class SessionNames:
    """The paths of the files of the session in *directory*, and the keys of bundles, calls and clusters."""

    directory: Path

    @property
    def record_file(self) -> Path:
        """Who and where: see :mod:`condor_futures.session.record`."""
        return self.directory / RECORD

    @property
    def lock_file(self) -> Path:
        """The lock file, which the process that uses the session holds."""
        return self.directory / "lock"

    @property
    def event_log(self) -> Path:
        """The job event log, which the schedd and the shadows write (submit command ``dagman_log``)."""
        return self.directory / "event_log"

    @property
    def runner(self) -> Path:
        """The executable of the jobs that have no modules of the client."""
        return self.directory / "runner"

    def runner_with(self, code: Code | None) -> Path:
        """The executable of the jobs that have the modules *code*."""
        return self.directory / f"runner-{code.key}" if code is not None else self.runner

    @property
    def bundles(self) -> Path:
        """The directory that contains the directories with the bundles' files."""
        return self.directory / "bundles"

    @property
    def objects(self) -> Path:
        """The directory of the shared objects."""
        return self.directory / "objects"

    @staticmethod
    def object_from_bundle(name: str) -> str:
        """The path of the shared object *name*, relative to the directory of any bundle.

        >>> SessionNames.object_from_bundle("0123")
        '../../objects/0123'
        """
        return f"../../objects/{name}"

    @property
    def environments(self) -> Path:
        """The directory of the Python environments that jobs unpack."""
        return self.directory / "environments"

    @staticmethod
    def environment_from_bundle(name: str) -> str:
        """The path of the environment *name*, relative to the directory of any bundle.

        >>> SessionNames.environment_from_bundle("0123.tar")
        '../../environments/0123.tar'
        """
        return f"../../environments/{name}"

    @property
    def failed(self) -> Path:
        """The outcomes of calls of warm jobs that failed because of what became of their job."""
        return self.directory / "failed"

    @property
    def given(self) -> Path:
        """Lines about calls for warm jobs: the key of the bundle whose job was given calls, and the keys of the calls.

        Calls that were cancelled have ``cancelled:`` and the key of the bundle that stored them instead.
        """
        return self.directory / "given"

    @property
    def links(self) -> Path:
        """The directory for links to files whose names HTCondor would misread (:mod:`condor_futures.session.links`)."""
        return self.directory / "links"

    @property
    def streams(self) -> Path:
        """The directory of what the jobs of closed bundles write as their calls end."""
        return self.directory / "streams"

    @property
    def lines(self) -> Path:
        """The directory that contains a directory for each warm job."""
        return self.directory / "lines"

    @staticmethod
    def bundle_key(number: int) -> str:
        """The key of bundle *number*, which names its files and its job.

        >>> SessionNames.bundle_key(17)
        'b000017'
        """
        return f"b{number:06d}"

    @staticmethod
    def call_key(number: int) -> str:
        """The key of call *number*, counted in the order of submission.

        >>> SessionNames.call_key(17)
        'c000017'
        """
        return f"c{number:06d}"

    @staticmethod
    def cluster_key(number: int) -> str:
        """The key of cluster *number*, counting only the clusters that were requested as such.

        >>> SessionNames.cluster_key(17)
        'k000017'
        """
        return f"k{number:06d}"

    def directory_of_bundle(self, number: int) -> Path:
        """The directory of bundle *number*: ``initialdir`` of its job."""
        return self.bundles / f"{number // BUNDLES_PER_DIRECTORY:03d}"
