"""A terminal in which commands run, and pictures of it as SVG files; for the scripts that draw the documentation.

pyte is the terminal. A picture that is animated has a frame for each screen that differs from the one before.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from html import escape
from itertools import groupby

import pyte

COLUMNS, ROWS = 84, 16
WIDTH, HEIGHT, MARGIN = 8.4, 18, 14  # of a character, and around them
#: Seconds: frames are at least and at most so far apart, and the last one stays so long.
SHORTEST, LONGEST, LAST = 0.1, 0.8, 5.0
TYPING = 0.06  # seconds for a character of the command

COLOURS = {
    "default": "#d8dee9",
    "black": "#4c566a",
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#e5c07b",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": "#eceff4",
}

Row = tuple[tuple[str, str, bool], ...]  # text, its colour, whether it is bold


def record(command: list[str], columns: int = COLUMNS, rows: int = ROWS) -> list[tuple[float, bytes]]:
    """Run the command in a terminal; return what it wrote, each with the seconds since the start."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(columns), LINES=str(rows))
        os.execvp(command[0], command)  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    began, chunks = time.monotonic(), []
    while True:
        select.select([terminal], [], [])
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the command has ended
            break
        if not data:
            break
        chunks.append((time.monotonic() - began, data))
    _, status = os.waitpid(pid, 0)
    if status:
        raise SystemExit(f"the command failed: {os.waitstatus_to_exitcode(status)}")
    return chunks


def rows_of(screen: pyte.Screen) -> tuple[Row, ...]:
    """Return what the screen shows, in pieces of one colour."""
    rows: list[Row] = []
    for number in range(screen.lines):
        line = screen.buffer[number]
        cells = [(line[column].data, line[column].fg, line[column].bold) for column in range(screen.columns)]
        pieces = ((("".join(c for c, *_ in same)), *kind) for kind, same in groupby(cells, lambda cell: cell[1:]))
        rows.append(tuple(pieces))
    return tuple(rows)


def frames_of(command: str, chunks: list[tuple[float, bytes]]) -> list[tuple[float, tuple[Row, ...]]]:
    """Return the frames, each with the seconds that it is shown. First the command is typed."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    frames: list[tuple[float, tuple[Row, ...]]] = []
    stream.feed(b"$ ")
    for character in command:
        frames.append((TYPING, rows_of(screen)))
        stream.feed(character.encode())
    frames.append((0.5, rows_of(screen)))
    stream.feed(b"\r\n")
    since = 0.0
    for (seconds, data), (after, _) in zip(chunks, [*chunks[1:], (chunks[-1][0] + LAST, b"")], strict=True):
        stream.feed(data)
        if after - since < SHORTEST:
            continue
        shown = rows_of(screen)
        pause = LAST if after > chunks[-1][0] else min(after - max(since, seconds), LONGEST)
        since = after
        if shown == frames[-1][1]:
            frames[-1] = (min(frames[-1][0] + pause, LONGEST), shown)
        else:
            frames.append((pause, shown))
    return frames


def still(command: str, chunks: list[tuple[float, bytes]], columns: int = COLUMNS) -> str:
    """Return a picture of what a command printed, below the command."""
    screen = pyte.Screen(columns, 200)
    pyte.ByteStream(screen).feed(f"$ {command}\r\n".encode() + b"".join(data for _, data in chunks))
    rows = list(rows_of(screen))
    while not any(text.strip() for text, *_ in rows[-1]):
        rows.pop()
    return draw([(1.0, tuple(rows))], columns)


def draw(frames: list[tuple[float, tuple[Row, ...]]], columns: int = COLUMNS) -> str:
    """Return the picture: the frames lie beside each other, and move past."""
    width, height = columns * WIDTH + 2 * MARGIN, len(frames[0][1]) * HEIGHT + 2 * MARGIN
    total = sum(pause for pause, _ in frames)
    names: dict[Row, str] = {}
    film, steps, at = [], [], 0.0
    for number, (pause, rows) in enumerate(frames):
        steps.append(f"{100 * at / total:.3f}%{{transform:translateX({-number * width:.1f}px)}}")
        at += pause
        shown = []
        for line, row in enumerate(rows):
            if any(text.strip() for text, *_ in row):
                name = names.setdefault(row, f"r{len(names)}")
                shown.append(f'<use href="#{name}" y="{MARGIN + (line + 0.75) * HEIGHT:.1f}"/>')
        film.append(f'<svg x="{number * width:.1f}" width="{width:.1f}" height="{height}">{"".join(shown)}</svg>')
    defined = []
    for row, name in names.items():
        column, pieces = 0, []
        for text, colour, bold in row:
            if text.strip():
                fill = COLOURS.get(colour, colour if colour in COLOURS else f"#{colour}")
                weight = ' font-weight="bold"' if bold else ""
                x, length = MARGIN + column * WIDTH, len(text) * WIDTH
                pieces.append(
                    f'<tspan x="{x:.1f}" textLength="{length:.1f}" fill="{fill}"{weight}>{escape(text)}</tspan>'
                )
            column += len(text)
        defined.append(f'<text id="{name}" xml:space="preserve">{"".join(pieces)}</text>')
    moves = f"#film{{animation:play {total:.1f}s step-end infinite}}@keyframes play{{{''.join(steps)}}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" font-size="14" '
        'font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace">\n'
        f"<style>{'' if len(frames) == 1 else moves}</style>\n"
        f'<defs>{"".join(defined)}</defs>\n<rect width="100%" height="100%" rx="8" fill="#22272e"/>\n'
        f'<g id="film">{"".join(film)}</g>\n</svg>\n'
    )
