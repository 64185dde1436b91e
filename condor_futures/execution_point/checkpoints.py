"""``condor_futures.checkpoint_file``: files of a call that outlive its job's stay on a machine.

This module travels to the execution point. Jobs whose calls have no checkpoint files do not import it.

- A job that runs in the directory of its outcomes, which HTCondor keeps, has its files there, in
  ``BUNDLE.checkpoints/CALL``.
- A job with a scratch directory has them in the same place. HTCondor removes this directory, but transfers
  ``BUNDLE.outcomes`` when it stops a job. So the supervisor appends the files to it, as *checkpoint* frames, and the
  next attempt of the job writes them again.
- A warm job that sees the session directory has them there: ``checkpoints/CALL``. Another job may make the call again.
"""

import os
import sys

from .frames import write_frame

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    from pathlib import Path

    from .bundle import Bundle
    from .frames import Header, Segments

__all__ = ["checkpoint_file"]

_PIECE = 4 << 20
"""Bytes of a file in one frame. A file can be larger than the memory."""


class _Outside:
    """The directory for files of calls that no job makes."""

    root, pid = "", 0


def checkpoint_file(name: str) -> "Path":
    """Return the path of a file of the running call that survives if HTCondor stops the job and runs it again.

    Read the file if it exists, and write it now and then. If HTCondor evicts or holds the job, the next attempt of the
    call finds the file at the path that the function returns there. When the call returns or raises, its files are
    removed. Each call has files of its own, so calls can use the same names. You can make a directory at the path
    instead of a file.

    Outside of a job nothing restarts a call: the path is then in a new temporary directory each time, which is removed
    when the process exits.

    Args:
        name: the name of the file, without a directory.

    Returns:
        The absolute path. Its directory exists.

    Raises:
        TypeError: *name* is not a str.
        ValueError: *name* is empty, ``"."`` or ``".."``, or has a slash or a NUL character.
        RuntimeError: no file would survive, because the executor has ``transfer_output_files``, or because the job is
            warm and does not see the session directory; or no call is running, as in an initializer.

    Example:
        >>> from condor_futures import checkpoint_file
        >>> def count(limit):
        ...     saved = checkpoint_file("count")
        ...     n = int(saved.read_text()) if saved.exists() else 0
        ...     while n < limit:
        ...         n += 1
        ...         new = saved.with_name("new")
        ...         new.write_text(str(n))
        ...         new.replace(saved)  # an interrupted call leaves the old file or the new one
        ...     return n
        >>> executor.submit(count, 10).result()
        10

    """
    if not isinstance(name, str):
        raise TypeError("the name of a checkpoint file must be a str, not %s" % type(name).__name__)
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError("the name of a checkpoint file must be that of a file in a directory, not %r" % name)
    from pathlib import Path

    # The job's own module has the state, also if a package that is installed there has taken the place of in_jobs.
    runner = sys.modules.get("condor_futures_execution_point.unpickling")
    call = None if runner is None else runner.current_call
    if call is None or call.bundle is None:
        return Path(_outside(), name)
    if call.key is None:
        raise RuntimeError("checkpoint_file() is for calls, and no call is running in this process")
    if call.checkpoints is None:
        call.checkpoints = _directory(call.bundle, call.key)
        os.makedirs(call.checkpoints, 0o700, exist_ok=True)
    return Path(call.checkpoints, name)


def _outside() -> str:
    import tempfile

    if _Outside.pid != os.getpid():
        _Outside.root, _Outside.pid = tempfile.mkdtemp(prefix="condor_futures-checkpoints-"), os.getpid()
        util = sys.modules.get("multiprocessing.util")
        if util is not None:  # a worker process of multiprocessing skips atexit before Python 3.13
            util.Finalize(None, remove, (_Outside.root,), exitpriority=0)
        else:
            import atexit

            atexit.register(remove, _Outside.root)
    return tempfile.mkdtemp(dir=_Outside.root)


def remove(directory: str) -> None:
    """Remove a directory of checkpoint files, as far as it can be removed."""
    import shutil

    shutil.rmtree(directory, ignore_errors=True)


def _directory(bundle: "Bundle", call: str) -> str:
    """Return the directory for the files of *call*. Raises RuntimeError if nothing there would survive."""
    line = bundle.head.get("line")
    if line is None:
        if is_transferred(bundle) and _of_job_ad("WhenToTransferOutput", '"ON_EXIT_OR_EVICT"') != '"ON_EXIT_OR_EVICT"':
            raise RuntimeError(
                "checkpoint_file() cannot be used with transfer_output_files: HTCondor would try to transfer these "
                "files, too, whenever it stops the job; use an executor without it, or save to shared storage"
            )
        return os.path.join(bundle.checkpoints, call)
    # The name of the attempt is random: where its file is, the directory is the client's, and not another of that name.
    session = os.path.dirname(os.path.dirname(line["directory"]))
    if not (os.path.exists(bundle.attempt + ".outcomes") and os.access(session, os.W_OK)):
        raise RuntimeError(
            "checkpoint_file() cannot be used in this warm job, which does not see the directory of the session; use "
            "with_options(warm=0) for calls with checkpoint files"
        )
    return os.path.join(session, "checkpoints", call)


def is_transferred(bundle: "Bundle") -> bool:
    """Whether HTCondor transfers the outcomes, because the job runs in a scratch directory, which does not remain."""
    return os.path.samefile(os.path.dirname(bundle.outcomes), bundle.scratch)


def _of_job_ad(attribute: str, default: str) -> str:
    """Return the value of an attribute of the job, in the ClassAd language."""
    import re

    try:
        with open(os.environ["_CONDOR_JOB_AD"], errors="replace") as file:
            found = re.search(r"(?im)^%s\s*=\s*(.*?)\s*$" % attribute, file.read())
    except (KeyError, OSError):
        return default
    return found.group(1) if found else default


def leave(bundle: "Bundle", *, well: bool) -> None:
    """Keep the files for the next attempt if the job exits and HTCondor retries it; else remove them."""
    if well or _of_job_ad("OnExitRemove", "true").lower() == "true":
        remove(bundle.checkpoints)
    else:
        pack(bundle)


def pack(bundle: "Bundle") -> None:
    """Append the files to the outcomes, if these are transferred and the files are not; the calls' process has ended.

    A file that cannot be read, or for which the disk has no room, is left out.
    """
    if not is_transferred(bundle):
        return
    bundle.cut_torn()
    for folder, _, names in os.walk(bundle.checkpoints):
        for name in sorted(names):
            path = os.path.join(folder, name)
            end = os.path.getsize(bundle.outcomes)
            try:
                if os.path.isfile(path) and not os.path.islink(path):
                    _pack_file(bundle, path)
            except OSError as error:
                os.truncate(bundle.outcomes, end)
                sys.stderr.write("condor_futures: the checkpoint file %s is lost: %s\n" % (path, error))
                sys.stderr.flush()


def _pack_file(bundle: "Bundle", path: str) -> None:
    call, _, name = os.path.relpath(path, bundle.checkpoints).partition("/")
    header = {"kind": "checkpoint", "session": bundle.session, "call": call, "name": name}
    with open(path, "rb") as source, open(bundle.outcomes, "ab") as file:
        size = os.fstat(source.fileno()).st_size
        for at in range(0, max(size, 1), _PIECE):
            write_frame(file, bundle.secret, dict(header, at=at), [source.read(min(_PIECE, size - at))])


class Unpacking:
    """Writes the files of an earlier attempt again."""

    def __init__(self, bundle: "Bundle") -> None:
        self.bundle = bundle
        self.failed = set()  # type: set[str]

    def add(self, header: "Header", segments: "Segments") -> None:
        """Write a piece of a file. If the disk has no room for it, the call gets none of its files."""
        call = header["call"]
        if call in self.failed:
            return
        path = os.path.join(self.bundle.checkpoints, call, header["name"])
        try:
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            with open(path, "r+b" if header["at"] else "wb") as file:
                file.seek(header["at"])
                file.write(segments[0])
        except OSError as error:
            self.failed.add(call)
            remove(os.path.join(self.bundle.checkpoints, call))
            sys.stderr.write("condor_futures: the checkpoint files of a call are lost: %s\n" % error)
            sys.stderr.flush()
