"""Shell commands as callables. tests/pool/test_workflows.py tests them in jobs."""

from __future__ import annotations

import io
import pickle
import sys

import pytest

from condor_futures import ShellError, shell


def test_arguments_are_positional_parameters_and_need_no_quoting():
    done = shell('printf "%s\\n" "$@" | sort')("b c", 1, "$HOME; 'a'")
    assert done.stdout == "$HOME; 'a'\n1\nb c\n"
    assert done.args == 'printf "%s\\n" "$@" | sort'


def test_the_result_of_another_command_is_what_that_wrote():
    """The result is like the shell's ``$(...)``."""
    assert shell('printf "<%s>" "$1" "$2"')(shell("printf 'a\\n b\\n\\n'")(), 3).stdout == "<a\n b><3>"


def test_a_failure_has_status_streams_and_the_end_of_standard_error():
    with pytest.raises(
        ShellError, match=r"status 3\.\n--- the end of its standard error ---\nno such thing$"
    ) as caught:
        shell("echo begun; echo no such thing >&2; exit 3")()
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.returncode, error.stdout, error.stderr) == (3, "begun\n", "no such thing\n")
    assert str(error) == str(caught.value)


def test_a_pipeline_fails_with_any_of_its_parts():
    with pytest.raises(ShellError):
        shell("false | cat")()


def test_what_it_writes_is_on_the_callers_streams_too(capfd):
    shell("echo out; echo err >&2")()
    assert capfd.readouterr() == ("out\n", "err\n")


def test_output_that_is_no_text_does_not_stop_it():
    assert shell(r"printf 'a\xffb'")().stdout == "a\ufffdb"


def test_output_that_the_callers_streams_cannot_have_does_not_stop_it(monkeypatch):
    """The streams may have a locale that lacks a character."""
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", narrow)
    assert shell("printf 'a€b'")().stdout == "a€b"
    narrow.flush()
    assert narrow.buffer.getvalue() == b"a?b"


@pytest.mark.parametrize(
    ("command", "error"), [("", ValueError), ("  ", ValueError), ("a\0b", ValueError), (3, TypeError)]
)
def test_what_is_no_command_is_refused(command, error):
    with pytest.raises(error, match="a shell command"):
        shell(command)


def test_it_shows_what_it_is_and_can_be_pickled():
    command = pickle.loads(pickle.dumps(shell("true")))
    assert repr(command) == "shell('true')"
    assert command().returncode == 0
