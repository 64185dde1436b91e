"""Make the sessions that tests/pool/test_old_sessions.py reads: one of an executor, one of a DAG.

condor_futures 0.1.0 at commit 330e770 wrote the sessions in this directory, with Python 3.11.7, cloudpickle 3.1.3 and
HTCondor 25.14.1. That commit is the last one before the modules moved to folders. Do not make these sessions again with
a later version: they stand for the sessions that users still have. Their pickles name ``condor_futures.runner`` and
``condor_futures.shell``.

To make sessions with another version, as root (only root can set the host name)::

    mkdir -p /var/tmp/cf
    git clone --branch VERSION REPOSITORY /var/tmp/cf/condor_futures
    python3.11 -m venv /var/tmp/cf/condor_futures/.venv
    /var/tmp/cf/condor_futures/.venv/bin/pip install -e /var/tmp/cf/condor_futures
    cp make.py detector.py units.py /var/tmp/cf
    cd /var/tmp/cf
    export XDG_DATA_HOME=/var/tmp/cf/share XDG_STATE_HOME=/var/tmp/cf/state HOME=/var/tmp/cf/home
    condor_futures/.venv/bin/condor-futures pool install
    unshare --uts sh -c 'hostname ep1; exec condor_futures/.venv/bin/python make.py'

The sessions are then in ``/var/tmp/cf/kept``. They, and HTCondor's logs in them, hold paths and the host name. So all
of it is made in a directory of its own, and on a host with a made-up name.

The secrets in ``session.json`` and in the files of calls have no value. A secret protects a session from other users of
the machine that the session is used on, and these sessions are used in tests only.
"""

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import detector
import units

from condor_futures import CondorExecutor, DagExecutor, procid, sessions, shell, wait
from condor_futures.personal import PersonalPool

HERE = Path("/var/tmp/cf")
SWEEP, ANALYSIS, KEPT = HERE / "sweep", HERE / "analysis", HERE / "kept"


def divide(numerator, denominator):
    if denominator == 0:
        raise ZeroDivisionError(f"{numerator} by nothing")
    return numerator / denominator


def energy(hit):
    """Use a module that travels by value."""
    return detector.GAIN * hit.charge + detector.state["offset"]


def scaled_by(factor):
    """Return a function. The job sends it by value, with the module that it uses."""

    def scale(number):
        return number * factor * units.KILO

    return scale


def apply(function, *args):
    return function(*args)


def calibrations():
    return detector.state["calibrations"], detector.state["offset"]


def wait_for(path):
    print("under way", flush=True)
    while not Path(path).exists():
        time.sleep(0.1)


def crash():
    os.kill(os.getpid(), signal.SIGKILL)


def first_client():
    """Make calls, wait for all of them, and detach."""
    executor = CondorExecutor(access_point="personal", session=SWEEP, max_workers=4)
    ended = [
        executor.submit(pow, 2, 10),  # c000000
        executor.submit(math.fsum, [0.5, 0.25]),  # c000001
        executor.submit(complex, 1, 2),  # c000002
        executor.submit(Path, "/data", "run7"),  # c000003
        executor.submit(shell('echo "$1 and $2"; echo careful >&2'), "ape", "bee"),  # c000004
        executor.submit(divide, 1, 0),  # c000005: ZeroDivisionError
        executor.submit(shell("echo about to fail >&2; exit 3")),  # c000006: ShellError
        executor.submit(crash),  # c000007: JobCrashedError
        executor.submit(detector.Hit, 5, 20),  # c000008
        executor.submit(scaled_by, 10),  # c000009
        *executor.submit_cluster(pow, procid, 2, count=3),  # c000010 to c000012
    ]
    executor.map(divmod, [7, 8, 9], [2, 3, 4], chunksize=3)  # c000013 to c000015, of one job
    ended.append(executor.submit(abs, executor.submit(int, "-17")))  # c000016, whose value c000017 takes
    wait(ended)
    until(lambda: set(executor.counts()) <= {"done", "failed"})
    executor.detach()


def second_client():
    """Attach with an initializer, fill the queue with two calls, submit others that have to wait, and be killed."""
    executor = CondorExecutor.attach(
        SWEEP, initializer=detector.calibrate, initargs=(3,), max_workers=2, request_memory="64MB"
    )
    finished = executor.futures["c000000"]
    hit = executor.futures["c000008"]
    scale = executor.futures["c000009"]
    executor.submit(calibrations).result()  # c000018
    executor.submit(energy, detector.Hit(1, 4)).result()  # c000019
    under_way = executor.submit(wait_for, HERE / "never")  # c000020: runs
    idle = executor.with_options(requirements="false").submit(pow, 1, 1)  # c000021: is in the queue
    until(lambda: (under_way.state, idle.state) == ("running", "idle"))
    executor.submit(math.sqrt, finished)  # c000022: takes a value that is there
    unfinished = executor.submit(pow, 3, 2)  # c000023
    executor.submit(max, [unfinished, 5])  # c000024: takes one that is not there yet
    executor.submit(str, under_way)  # c000025: takes the value of the call that is under way
    executor.submit(detector.fibonacci, 30)  # c000026: functools.lru_cache
    executor.submit(detector.describe, 7)  # c000027: functools.singledispatch
    executor.submit(energy, hit)  # c000028: takes an object of a class that came back by value
    executor.submit(detector.describe, detector.Hit(2, 8))  # c000029: a class
    executor.submit(apply, scale, 3)  # c000030: takes a function that a job has sent by value
    executor.submit(shell('printf "%s," "$@"'), 1, 2, [3])  # c000031
    executor.submit_cluster(pow, 2, procid, count=2)  # c000032 and c000033
    executor.map(divmod, [17, 18], [5, 5], chunksize=2)  # c000034 and c000035, of one job
    executor.submit(print).cancel()  # c000036: attach() does not find it
    executor.with_options(after=unfinished, discard_result=True).submit(pow, 2, 3)  # c000037
    executor.with_options(max_retries=1, retry_exceptions=ZeroDivisionError).submit(divide, 7, 0)  # c000038
    executor.submit(getattr, detector, "GAIN")  # c000039: a module as an argument
    executor.submit(lambda track, hit: (track.length, hit.energy), detector.Track([1, 2]), hit)  # c000040
    time.sleep(1)  # the client's threads still write some of the files
    os.kill(os.getpid(), signal.SIGKILL)


def dag():
    """Run a DAG to its end. One node fails, so that DAGMan writes a rescue DAG."""
    dag = DagExecutor("analysis", ANALYSIS, access_point="personal", max_workers=4)
    number = dag.submit(pow, 2, 5)  # c000000
    squares = dag.submit_cluster(pow, procid, 2, count=3)  # c000001 to c000003
    total = dag.submit(sum, [number, *squares])  # c000004
    dag.submit(energy, detector.Hit(1, 4))  # c000005
    dag.submit(shell("echo $((6 * 7))"))  # c000006
    dag.categories["slow"] = 1
    failed = dag.with_options(category="slow", environment="DENOMINATOR=0").submit(divide_by_setting, total)  # c000007
    dag.submit(detector.describe, failed)  # c000008: DAGMan does not run it
    dag.map(divmod, [7, 8], [2, 3], chunksize=2)  # c000009 and c000010
    wait(dag.run())
    dag.shutdown()


def divide_by_setting(number):
    """Fail as long as the environment of the job has a 0."""
    return divide(number, int(os.environ["DENOMINATOR"]))


def until(condition):
    while not condition():
        time.sleep(0.1)


def main():
    for directory in (SWEEP, ANALYSIS, KEPT):
        shutil.rmtree(directory, ignore_errors=True)
    # The pool outlives the clients, so that the job is still there when its client is gone.
    with PersonalPool(slots=4):
        for client in ("dag", "first_client", "second_client"):
            done = subprocess.run([sys.executable, __file__, client], cwd=HERE, check=False)
            assert done.returncode == (-signal.SIGKILL if client == "second_client" else 0)
        until(lambda: [session.state for session in sessions(SWEEP)] == ["left"])  # its helper process has ended
        for directory in (SWEEP, ANALYSIS):
            shutil.copytree(directory, KEPT / directory.name)
        (KEPT / SWEEP.name / "runner").unlink()  # 230 kB; attach() writes a new one, but a DAG's jobs run the old one
        CondorExecutor.attach(SWEEP).terminate_workers()


if __name__ == "__main__":
    if sys.argv[1:]:
        globals()[sys.argv[1]]()
    else:
        main()
