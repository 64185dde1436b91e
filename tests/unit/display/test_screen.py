"""Lines below the prints of a program, on a real pseudo-terminal: prints are whole, and stay where they belong."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import threading

import pytest
from support import until
from terminal import Terminal, seen

from condor_futures.display.screen import Screen, is_terminal


@pytest.fixture
def screen(terminal):
    screen = Screen()
    yield screen
    screen.forget()


def show(screen, token="a", text="line"):
    screen.show(token, lambda columns: f"{text} in {columns}", sys.stderr)
    screen.draw()


def test_prints_come_above_the_line(screen, terminal):
    show(screen)
    print("first")
    screen.draw()
    print("second", file=sys.stderr)
    screen.draw()
    assert terminal.rows() == ["first", "second", "line in 79"]
    screen.end("a", "the end")
    print("third")
    assert terminal.rows() == ["first", "second", "the end", "third", ""]


def test_a_part_of_a_line_is_left_alone(screen, terminal):
    """A prompt, or a bar that somebody else draws, stays until its line is complete."""
    show(screen)
    print("name? ", end="", flush=True)
    screen.draw()
    screen.draw()
    assert terminal.rows() == ["name? "]
    print("Ada")
    screen.draw()
    assert terminal.rows() == ["name? Ada", "line in 79"]
    print("half", end="")
    screen.end("a", "the end")
    assert terminal.rows() == ["name? Ada", "half", "the end", ""]


QUESTION = """
import sys, threading, time
from pathlib import Path
from condor_futures.display.screen import screen

screen.show("a", lambda columns: "line", sys.stderr)
screen.draw()

def draw():
    while not Path("asked").exists():
        time.sleep(0.01)
    screen.draw()
    Path("drawn").touch()

threading.Thread(target=draw).start()
name = input("name? ")
print("hello,", name)
screen.draw()
screen.end("a", "the end")
"""


def test_a_question_stays_while_it_is_answered(tmp_path):
    """input() does not print its prompt to sys.stdout in a terminal."""
    terminal = Terminal()
    program = subprocess.Popen(
        [sys.executable, "-c", QUESTION],
        stdin=terminal.stream,
        stdout=terminal.stream,
        stderr=terminal.stream,
        env={**os.environ, "TERM": "xterm"},
        cwd=tmp_path,
    )
    try:
        until(lambda: "name? " in terminal.read())
        (tmp_path / "asked").touch()
        until((tmp_path / "drawn").exists)
        terminal.type("Ada\n")
        until(lambda: program.poll() is not None)
    finally:
        program.kill()
        program.wait()
    rows = terminal.rows()
    terminal.close()
    assert rows == ["name? Ada", "hello, Ada", "the end", ""]


def test_long_prints_are_not_wrapped(screen, terminal):
    """Rich's Live would insert line breaks."""
    show(screen)
    print("word " * 100)
    screen.end("a", "")
    assert "word " * 100 in terminal.rows()


def test_several_lines(screen, terminal):
    """Each executor has one. They end in any order."""
    for token in "abc":
        show(screen, token, token)
    print("printed")
    screen.draw()
    assert terminal.rows() == ["printed", "a in 79", "b in 79", "c in 79"]
    screen.end("b", "b is over")
    assert [row for row in terminal.rows() if row] == ["printed", "b is over", "a in 79", "c in 79"]
    screen.end("a", "")
    screen.end("c", "")
    assert [row for row in terminal.rows() if row] == ["printed", "b is over"]
    screen.end("c", "again")
    assert "again" not in terminal.read()


def test_the_streams_are_those_of_before_afterwards(screen, terminal):
    show(screen)
    assert sys.stdout is not terminal.stream
    assert (sys.stdout.fileno(), sys.stdout.encoding, sys.stdout.isatty()) == (terminal.stream.fileno(), "utf-8", True)
    kept = sys.stdout
    screen.end("a", "")
    assert (sys.stdout, sys.stderr) == (terminal.stream, terminal.stream)
    kept.write("later\n")
    kept.buffer.write(b"bytes\n")
    kept.buffer.flush()
    assert terminal.rows()[-3:] == ["later", "bytes", ""]


def test_a_stream_that_somebody_has_replaced_stays(screen, terminal):
    show(screen)
    with contextlib.redirect_stdout(io.StringIO()) as other:
        screen.end("a", "")
        assert sys.stdout is other
        print("into the other")
    assert other.getvalue() == "into the other\n"
    print("after")
    assert terminal.rows()[-2:] == ["after", ""]


def test_output_that_goes_to_a_file_goes_there(screen, terminal, monkeypatch):
    """Only the line is in the terminal."""
    file = io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    show(screen)
    print("printed")
    assert file.getvalue() == "printed\n"
    assert terminal.rows() == ["line in 79"]


def test_prints_of_many_threads(screen, terminal):
    """None is lost or torn."""
    show(screen)

    def prints(thread):
        for number in range(50):
            sys.stdout.write(f"{thread} {number}\n")
            screen.draw()

    threads = [threading.Thread(target=prints, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    reader = threading.Event()
    while any(thread.is_alive() for thread in threads):
        terminal.read()  # otherwise the terminal would be full
        reader.wait(0.001)
    screen.end("a", "")
    rows = [row for row in terminal.rows() if row]
    assert sorted(rows) == sorted(f"{name} {number}" for name in "abcd" for number in range(50))


def test_a_forked_child_prints_without_lines(screen, terminal):
    """Those of its parent make way for its first print."""
    show(screen)
    child = os.fork()
    if child == 0:
        screen.forget_parent()
        screen.draw()
        print("from", flush=True)
        print("the child", flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert terminal.rows() == ["from", "the child", ""]


def test_a_terminal_that_is_gone_is_no_error(screen, terminal):
    show(screen)
    terminal.stream.close()
    screen.draw()
    screen.end("a", "the end")


def test_terminals(terminal, monkeypatch):
    assert is_terminal(terminal.stream)
    assert not is_terminal(io.StringIO())
    assert not is_terminal(None)
    monkeypatch.setenv("TERM", "dumb")
    assert not is_terminal(terminal.stream)
    closed = Terminal()
    closed.close()
    assert not is_terminal(closed.stream)


def test_the_width_is_that_of_the_terminal(screen, monkeypatch):
    narrow = Terminal(columns=40)
    screen.show("a", lambda columns: "x" * columns, narrow.stream)
    screen.draw()
    assert narrow.rows() == ["x" * 39]
    screen.end("a", "")
    narrow.close()


def test_the_emulator():
    assert seen("ab\rc\n\x1b[31mde\x1b[0m\r\x1b[2Kf\n\r\x1b[2K\x1b[1A\r\x1b[2Kg") == ["cb", "g", ""]
