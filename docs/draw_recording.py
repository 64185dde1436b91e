"""Draw ``images/demo.svg``: an animated picture of a terminal in which a command runs.

    python docs/draw_recording.py [./run demo]

The command runs in a pseudo-terminal; pyte is the terminal. Each screen that differs from the one before is a frame
of the picture. The picture is kept in git, because a run needs a pool. Run this after a change of the output, and
look at it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
from html import escape
from itertools import groupby
from pathlib import Path

import pyte

IMAGE = Path(__file__).parent / "images" / "demo.svg"
COLUMNS, ROWS = 84, 22
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


def record(command: list[str]) -> list[tuple[float, bytes]]:
    """Run the command in a terminal; return what it wrote, each with the seconds since the start."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), LINES=str(ROWS))
        os.execvp(command[0], command)  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
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
    for number in range(ROWS):
        line = screen.buffer[number]
        cells = [(line[column].data, line[column].fg, line[column].bold) for column in range(COLUMNS)]
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


def draw(frames: list[tuple[float, tuple[Row, ...]]]) -> str:
    """Return the picture: the frames lie beside each other, and move past."""
    width, height = COLUMNS * WIDTH + 2 * MARGIN, ROWS * HEIGHT + 2 * MARGIN
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
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" font-size="14" '
        'font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace">\n'
        f"<style>#film{{animation:play {total:.1f}s step-end infinite}}@keyframes play{{{''.join(steps)}}}</style>\n"
        f'<defs>{"".join(defined)}</defs>\n<rect width="100%" height="100%" rx="8" fill="#22272e"/>\n'
        f'<g id="film">{"".join(film)}</g>\n</svg>\n'
    )


if __name__ == "__main__":
    words = sys.argv[1:] or ["./run", "demo"]
    IMAGE.write_text(draw(frames_of(" ".join(words), record(words))))
    print(f"{IMAGE.stat().st_size} bytes")
