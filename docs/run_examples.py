"""Run the Python examples of the documentation, page by page, on a real pool.

The ``python`` blocks of a page run from top to bottom in one namespace, each page in a process and a directory of its
own. A block that raises fails the page. A block below ``<!-- not run: reason -->`` is skipped.

    python docs/run_examples.py [--access-point personal|local] [PAGE ...]
"""

from __future__ import annotations

import argparse
import contextlib
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from condor_futures.personal import PersonalPool

SLOTS = 32
DOCS = Path(__file__).parent
_BLOCK = re.compile(r"(?P<skip><!-- not run: [^>]+-->\s*\n)?^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(page: Path) -> list[tuple[int, str]]:
    """The blocks of *page* that are to be run, each with the number of its first line."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start("code")) + 1, m["code"]) for m in _BLOCK.finditer(text) if not m["skip"]]


def run_page(page: Path, access_point: str) -> None:
    """Run the blocks of *page* in this process, as its main module."""
    sys.path.insert(0, "")  # as in a notebook
    namespace = {"__name__": "__main__"}
    for line, code in examples(page):
        where = 'access_point="personal"' if access_point == "personal" else "access_point=None"
        # Blank lines in front, so that a traceback names the page's own line.
        source = "\n" * (line - 1) + code.replace('access_point="personal"', where)
        exec(compile(source, str(page), "exec"), namespace)  # noqa: S102


def main() -> int:
    """Run the pages that are asked for, or all; the exit status is the number of those that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--access-point", choices=["personal", "local"], default="personal")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for each page")
    parser.add_argument("--jobs", type=int, default=4, help="pages at a time")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process:
        run_page(options.pages[0], options.access_point)
        return 0
    pages = [page.absolute() for page in options.pages] or sorted(DOCS.rglob("*.md"))
    pages = [page for page in pages if not {"_build", "_generated"} & set(page.parts) and examples(page)]

    def try_out(page: Path) -> bool:
        began = time.monotonic()
        well, output = run(page, options.access_point, options.timeout)
        name = page.relative_to(DOCS) if page.is_relative_to(DOCS) else page
        print(
            f"{'ok    ' if well else 'FAILED'} {name} ({time.monotonic() - began:.1f} s)\n{output}", end="", flush=True
        )
        return well

    # Some at a time, on one pool: they wait for HTCondor more than for a processor. With as many cores as this machine
    # has, they would wait for each other's claims too.
    pool = PersonalPool(slots=SLOTS) if options.access_point == "personal" else contextlib.nullcontext()
    with pool, ThreadPoolExecutor(options.jobs) as threads:
        return list(threads.map(try_out, pages)).count(False)


def run(page: Path, access_point: str, timeout: float) -> tuple[bool, str]:
    """Run a page in a process and a directory of its own; whether it ran well, and otherwise what it printed."""
    here = str(Path(__file__).absolute())
    command = [sys.executable, here, "--in-this-process", "--access-point", access_point, str(page)]
    with tempfile.TemporaryDirectory() as directory:
        try:
            done = subprocess.run(
                command, cwd=directory, timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            return False, f"{error.stdout!r}\nit took longer than {timeout:g} s\n"
    return done.returncode == 0, done.stdout if done.returncode else ""


if __name__ == "__main__":
    sys.exit(main())
