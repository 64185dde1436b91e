"""An answer of the access point's is lost, or who waits is interrupted: nothing is made twice, nobody is stranded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import until

from condor_futures import access_point
from condor_futures.access_point import AccessPoint, Location

pytestmark = pytest.mark.pool


@pytest.fixture
def helper(pool) -> Iterator[AccessPoint]:
    helper = AccessPoint(Location(environment=pool.environment))
    helper.connect()
    yield helper
    helper.close()


def submit(helper: AccessPoint, name: str, seconds: list[float], *, again: bool) -> int:
    """One cluster of jobs that sleep; gives its number."""
    answer = helper.ask(
        "submit",
        60,
        description={
            "executable": "/bin/sleep",
            "transfer_executable": "false",
            "arguments": "$(seconds)",
            "MY.CondorFuturesBatch": f'"{name}"',
        },
        items=[{"seconds": str(each)} for each in seconds],
        spool=False,
        batch=f'CondorFuturesBatch == "{name}"',
        again=again,
    )
    return answer["cluster"]


def test_jobs_that_have_left_the_queue_are_not_submitted_again(pool, helper):
    """The answer to their submission was lost, and they are not spooled: they left as soon as they had ended."""
    cluster = submit(helper, "lost-1", [0, 0], again=False)
    until(lambda: len(pool.ads("condor_history", f"ClusterId == {cluster}")) == 2)
    assert submit(helper, "lost-1", [0, 0], again=True) == cluster


def test_jobs_of_which_some_have_left_the_queue_are_not_submitted_again(pool, helper):
    """Nor are those that still run removed."""
    cluster = submit(helper, "lost-2", [0, 300], again=False)
    try:
        until(lambda: len(pool.ads("condor_history", f"ClusterId == {cluster}")) == 1)
        assert submit(helper, "lost-2", [0, 300], again=True) == cluster
        assert [ad["ProcId"] for ad in pool.ads("condor_q", f"ClusterId == {cluster} && JobStatus < 3")] == [1]
    finally:
        pool.run("condor_rm", str(cluster))


def test_jobs_that_never_got_there_are_submitted(pool, helper):
    cluster = submit(helper, "lost-3", [0], again=True)
    until(lambda: pool.ads("condor_history", f"ClusterId == {cluster}"))


HELPER = """
import json, sys
import htcondor2
from condor_futures import access_point_helper


class Schedd:
    def __init__(self, schedd, failures):
        self.schedd, self.failures = schedd, failures

    def __getattr__(self, name):
        return getattr(self.schedd, name)

    def retrieve(self, jobs):
        if self.failures:
            raise htcondor2.HTCondorException(self.failures.pop())
        return self.schedd.retrieve(jobs)


class Operations(access_point_helper.Operations):
    failures = FAILURES

    def _locate(self):
        ad = super()._locate()
        self._schedd = Schedd(self._schedd, self.failures)
        return ad


sys.path[:] = json.loads(sys.stdin.readline())
access_point_helper.serve(Operations)
"""


@pytest.mark.parametrize(
    "failures",
    [
        pytest.param(["Failed to connect"] * 2, id="away"),
        pytest.param(["Error: writing to file b000000.outcomes: (errno 28) No space left on device"] * 3, id="full"),
    ],
)
def test_a_retrieval_that_fails_for_now_costs_no_outcome(new_executor, tmp_path, monkeypatch, failures):
    """The schedd goes away, and answers in between, so that it is not known to have been; or the disk here is full."""
    (tmp_path / "helper.py").write_text(HELPER.replace("FAILURES", repr(failures)))
    monkeypatch.setattr(access_point, "_HELPER", tmp_path / "helper.py")
    assert new_executor().submit(pow, 2, 10).result(60) == 1024


def test_ctrl_c_in_a_shutdown_that_cancels_strands_no_future(new_executor):
    """It falls into a done callback of one of the cancelled calls; the others are cancelled all the same."""
    executor = new_executor().with_options(requirements="false")
    futures = [executor.submit(pow, 2, n) for n in range(3)]
    until(lambda: all(future.state == "idle" for future in futures))

    def interrupt(_):
        raise KeyboardInterrupt

    futures[0].add_done_callback(interrupt)
    with pytest.raises(KeyboardInterrupt):
        executor.shutdown(cancel_futures=True)
    until(lambda: all(future.cancelled() for future in futures))


def test_ctrl_c_before_the_calls_are_withdrawn_strands_no_future(new_executor, monkeypatch):
    """It falls into the wait for the watcher's answer."""
    from condor_futures import watcher

    executor = new_executor().with_options(requirements="false")
    futures = [executor.submit(pow, 2, n) for n in range(3)]
    until(lambda: all(future.state == "idle" for future in futures))

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(watcher, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        executor.shutdown(cancel_futures=True)
    until(lambda: all(future.cancelled() for future in futures))
