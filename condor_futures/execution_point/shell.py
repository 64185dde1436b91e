"""Shell commands as calls.

This module travels to the execution point beside the runner: it needs nothing but Python.
"""

import subprocess
import sys
from typing import Any

__all__ = ["Shell", "ShellError", "shell"]

_TAIL = 2000  # characters of standard error in a message


class ShellError(subprocess.CalledProcessError):
    """A shell command ended with a status other than 0, or was killed by a signal.

    Attributes:
        returncode: its exit status; the negative number of a signal.
        cmd: the command.
        stdout, stderr: all that it wrote, as text.

    Example:
        >>> from condor_futures import shell
        >>> error = executor.submit(shell("cat events-$1.txt"), 7).exception()
        >>> error.returncode, error.cmd
        (1, 'cat events-$1.txt')
        >>> print(error)
        Command 'cat events-$1.txt' returned non-zero exit status 1.
        --- the end of its standard error ---
        cat: events-7.txt: No such file or directory

    """

    def __str__(self) -> str:
        """What happened, and under it the end of the command's standard error, where there is any."""
        message = super().__str__()
        if self.stderr and self.stderr.strip():
            message += "\n--- the end of its standard error ---\n" + self.stderr[-_TAIL:].rstrip()
        return message


class Shell:
    """A callable that runs a shell command; see :func:`shell`."""

    def __init__(self, command: str) -> None:
        if not isinstance(command, str):
            raise TypeError(f"a shell command is a str, not {type(command).__name__}")
        if not command.strip() or "\0" in command:
            raise ValueError(f"a shell command must not be empty, nor have a NUL in it: {command!r}")
        self.command = command
        self.__name__ = command  # progress bars and the like ask for it

    def __repr__(self) -> str:
        return f"shell({self.command!r})"

    def __call__(self, *args: Any) -> "subprocess.CompletedProcess[str]":
        """Run it; *args* are its positional parameters, ``"$1"`` and so on."""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", self.command, "bash", *map(_word, args)],  # noqa: S607 - the job's own bash
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        # The job's own streams have it too, so that future.stdout() and future.stderr() are what they always are.
        for stream, text in ((sys.stdout, done.stdout), (sys.stderr, done.stderr)):
            encoding = stream.encoding or "utf-8"  # which may lack a character of it, where the locale is another
            stream.write(text.encode(encoding, "replace").decode(encoding))
        done.args = self.command
        if done.returncode:
            raise ShellError(done.returncode, self.command, done.stdout, done.stderr)
        return done


def _word(arg: Any) -> str:
    if isinstance(arg, subprocess.CompletedProcess) and isinstance(arg.stdout, str):
        return arg.stdout.rstrip("\n")  # as of $(...)
    return str(arg)


def shell(command: str) -> Shell:
    r"""A shell command as a callable, for ``submit`` and ``map``.

    It runs under bash, in the job's sandbox, with ``pipefail``: a pipeline fails if any part of it does. Arguments of
    the call are the command's positional parameters, so that a sweep needs no quoting. Where one is the result of
    another command, the parameter is what that wrote, without newlines at its end, as in ``"$(...)"``.

    Args:
        command: one or more commands, in bash's language.

    Returns:
        A callable. It returns a :class:`subprocess.CompletedProcess` with ``stdout`` and ``stderr`` as text.

    Raises:
        TypeError: if *command* is not a str.
        ValueError: if it is empty.

    The callable raises :class:`ShellError`, a :class:`subprocess.CalledProcessError`, when the command's exit status is
    not 0, and FileNotFoundError where the execution point has no bash.

    Example:
        >>> from condor_futures import shell
        >>> count = shell('echo "ape bee ape" | grep -o "$1" | wc -l')
        >>> [done.stdout for done in executor.map(count, ["ape", "bee"])]
        ['2\n', '1\n']

    """
    return Shell(command)
