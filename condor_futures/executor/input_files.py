"""Finds files of this machine that HTCondor could not transfer, before anything is submitted."""

from __future__ import annotations

import errno

from condor_futures.options.options import Options
from condor_futures.submit.files_here import lost_output, missing_file, unlistable
from condor_futures.submit.values import said_in

__all__ = ["trouble_with_files"]


def trouble_with_files(options: Options, *, dependent: bool) -> Exception | None:
    """Return why HTCondor cannot transfer a file of calls with these *options*; None if it can, as far as is known.

    Unspooled files are read at the access point. Calls that are *dependent* may need files that others create.

    >>> trouble_with_files(Options({"transfer_input_files": "/no/such/file"}, spool=True), dependent=False)
    FileNotFoundError(2, 'transfer_input_files names a file that does not exist')

    """
    commands = options.commands
    if options.spool and not dependent:
        if (missing := missing_file(commands)) is not None:
            command = said_in(missing[0], commands)
            return FileNotFoundError(errno.ENOENT, f"{command} names a file that does not exist", missing[1])
        if (file := unlistable(commands)) is not None:
            return ValueError(f"HTCondor cannot transfer {file!r}: its name has a line break")
    if options.environment is not None and (trouble := options.environment.trouble()) is not None:
        return trouble
    if (link := lost_output(commands)) is not None:
        return FileNotFoundError(
            errno.ENOENT, "transfer_output_remaps names a link to a file that does not exist", link
        )
    return None
