"""Shell commands as calls: a sweep, an order without data between the calls, and a command that fails.

python examples/shell_pipeline.py [--access-point personal]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from condor_futures import CondorExecutor, ShellError, shell

TEXTS = ["the cat sat on the mat", "the dog ate the homework", "a rose is a rose is a rose"]
COUNT = shell("""echo "$1" | tr ' ' '\\n' | sort | uniq -c | sort -rn | head -n 1""")


def most(lines: Iterable[str]) -> str:
    """The word that is most frequent in any of the texts."""
    return max(lines, key=lambda line: int(line.split()[0])).split()[1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="shell commands as calls")
    parser.add_argument("--access-point", default="personal")
    with CondorExecutor(access_point=parser.parse_args().access_point) as executor:
        counted = [executor.submit(COUNT, text) for text in TEXTS]
        for text, future in zip(TEXTS, counted, strict=True):
            print(f"{text}: {future.result().stdout.strip()}")
        print("most frequent:", most(future.result().stdout for future in counted))

        # They hand nothing on, but the last must not begin before the others have ended.
        last = executor.with_options(after=counted).submit(shell("echo all counted"))
        print(last.result().stdout, end="")

        try:
            executor.submit(shell("cat no_such_file | wc -l")).result()
        except ShellError as error:
            print(error)
