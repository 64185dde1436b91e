"""Shell commands as calls.

This module is sent to the execution point with the runner. It needs only Python.
"""

import subprocess
import sys
from typing import Any

__all__ = ["Shell", "ShellError", "shell"]

_TAIL = 2000  # characters of standard error in a message


class ShellError(subprocess.CalledProcessError):
    """A shell command exited with a non-zero status, or was killed by a signal.

    Attributes:
        returncode: the exit status, or the negative number of the signal.
        cmd: the command.
        stdout, stderr: the complete output of the command, as text.

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
        """Describe the failure, followed by the end of the command's standard error, if any."""
        message = super().__str__()
        if self.stderr and self.stderr.strip():
            message += "\n--- the end of its standard error ---\n" + self.stderr[-_TAIL:].rstrip()
        return message


class Shell:
    """A callable that runs a shell command; see :func:`shell`."""

    def __init__(self, command: str) -> None:
        if not isinstance(command, str):
            raise TypeError(f"a shell command must be a str, not {type(command).__name__}")
        if not command.strip() or "\0" in command:
            raise ValueError(f"a shell command must not be empty or contain a NUL character: {command!r}")
        self.command = command
        self.__name__ = command  # for progress bars and the like

    def __repr__(self) -> str:
        return f"shell({self.command!r})"

    def __call__(self, *args: Any) -> "subprocess.CompletedProcess[str]":
        """Run the command. *args* are its positional parameters, ``"$1"`` and so on."""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", self.command, "bash", *map(_word, args)],  # noqa: S607 - the job's own bash
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        # Copy the output to the job's own streams, so that future.stdout() and future.stderr() return it as usual.
        for stream, text in ((sys.stdout, done.stdout), (sys.stderr, done.stderr)):
            encoding = stream.encoding or "utf-8"  # another locale's encoding may lack some of the characters
            stream.write(text.encode(encoding, "replace").decode(encoding))
        done.args = self.command
        if done.returncode:
            raise ShellError(done.returncode, self.command, done.stdout, done.stderr)
        return done


def _word(arg: Any) -> str:
    if isinstance(arg, subprocess.CompletedProcess) and isinstance(arg.stdout, str):
        return arg.stdout.rstrip("\n")  # like $(...)
    return str(arg)


def shell(command: str) -> Shell:
    r"""Return a callable that runs a shell command, for ``submit`` and ``map``.

    The command runs under bash in the job's sandbox, with ``pipefail``: a pipeline fails if any part of it fails. The
    arguments of the call are the command's positional parameters, so a parameter sweep needs no quoting. If an argument
    is the result of another command, the parameter is this command's output without trailing newlines, as in
    ``"$(...)"``.

    Args:
        command: one or more bash commands.

    Returns:
        A callable. It returns a :class:`subprocess.CompletedProcess` with ``stdout`` and ``stderr`` as text.

    Raises:
        TypeError: *command* is not a str.
        ValueError: *command* is empty, or contains a NUL character.

    The callable raises :class:`ShellError`, a :class:`subprocess.CalledProcessError`, if the command's exit status is
    not 0. It raises FileNotFoundError if the execution point has no bash.

    Example:
        >>> from condor_futures import shell
        >>> count = shell('echo "ape bee ape" | grep -o "$1" | wc -l')
        >>> [done.stdout for done in executor.map(count, ["ape", "bee"])]
        ['2\n', '1\n']

    """
    return Shell(command)
