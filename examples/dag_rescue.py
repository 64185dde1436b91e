"""A DAG written, submitted by hand, killed in the middle, rescued, and finished with the right values.

python examples/dag_rescue.py [DIRECTORY]
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from condor_futures import DagExecutor, wait
from condor_futures.personal import PersonalPool


def step(name: str, directory: Path, *needed: int) -> int:
    """One step of the work; it leaves a line in a file, so that we see how often it was done."""
    with (directory / "done").open("a") as file:
        file.write(f"{name}\n")
    while name == "third" and not (directory / "gate").exists():
        time.sleep(0.1)  # long work, in the middle of which the workflow is killed
    return 1 + sum(needed)


def main(directory: Path) -> None:
    """Go through all of it."""
    marks = directory.absolute()
    dag = DagExecutor("work", directory / "dag", access_point="personal")
    first = dag.submit(step, "first", marks)
    second = dag.submit(step, "second", marks, first)
    third = dag.submit(step, "third", marks, first, second)
    dag.submit(step, "fourth", marks, third, second)
    file = dag.write()
    dag.shutdown()

    with PersonalPool() as pool:

        def by_hand(*command: str) -> str:
            return subprocess.run(
                command, cwd=file.parent, env=pool.environment(), check=True, capture_output=True, text=True
            ).stdout

        print(f"condor_submit_dag {file.name}")
        cluster = by_hand("condor_submit_dag", file.name).partition("submitted to cluster ")[2].split(".")[0]
        with DagExecutor.attach(directory / "dag") as dag:
            while "third" not in ((marks / "done").read_text() if (marks / "done").exists() else ""):
                time.sleep(0.1)
            print("killed in the middle")
            by_hand("condor_rm", cluster)
            wait(dag.futures)
            nodes = "-allusers", "-constraint", f"DAGManJobId == {cluster}", "-autoformat", "ClusterId"
            while by_hand("condor_q", *nodes).split():  # the jobs of the nodes leave a moment after DAGMan
                time.sleep(0.1)
            for future in dag.futures:
                print(f"  {future.key}: {future.state}, {future.exception() or future.result()}")

            (marks / "gate").touch()
            print("run again")
            print("values:", *(future.result() for future in dag.run()))
    print("made:", *(f"{name} x{times}" for name, times in Counter((marks / "done").read_text().split()).items()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a DAG that is killed and rescued")
    parser.add_argument("directory", nargs="?", type=Path)
    where = parser.parse_args().directory
    if where is not None:
        main(where)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
