"""A hostile warm job asks the shadow for what it likes. What it writes is in `test_warm_hostile.py`.

Where HTCondor itself does not stop it, a test says so, and is expected to fail.

A personal pool runs its jobs as the owner of the access point, on the same machine. Such jobs could use all files
without HTCondor. These tests see what the shadow does for a job (Chirp), which is all that a job elsewhere has.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from warm_calls import Gate, ask_the_proxy, directory_of_the_call

from condor_futures import CondorExecutor, SharedObjectError

pytestmark = pytest.mark.pool

HTCONDOR = pytest.mark.xfail(
    reason="the shadow of HTCondor 25.14 does not apply LimitDirectoryAccess to this operation (NTreceivers.cpp)",
    strict=True,
)


@pytest.fixture(scope="module", params=[True, False], ids=["spooled", "not spooled"])
def executor(request, pool):
    """An executor whose jobs stay."""
    with CondorExecutor(access_point="personal", warm=60.0, max_workers=4, spool=request.param) as executor:
        yield executor
    assert pool.queue(executor) == []


@pytest.fixture(scope="module")
def other(executor, tmp_path_factory):
    """The calls of another job of this user, which makes the first of them all the time."""
    directory = tmp_path_factory.mktemp("other")
    directory.chmod(0o777)
    gate = Gate(directory)
    call = executor.with_options(request_memory=200).submit(gate.call)
    gate.wait_for(1)
    yield next(call.bundle.line.glob("*.calls"))
    gate.open()


@pytest.fixture
def places(executor, other, tmp_path):
    """Files that a job must not touch, and names for them in a request."""
    # On the file system of the session, as a home directory may be.
    for name in ("file", "second"):
        (executor.session / name).write_text("the user's")
    (tmp_path / "file").write_text("the user's")
    shared = executor.session / "objects" / executor.share("of all calls").name
    yield {"home": tmp_path, "session": executor.session, "other": other, "shared": shared}
    (executor.session / "hard").unlink(missing_ok=True)


def ask(home: Path, *requests: str) -> list[int]:
    """What the shadow replies, in a job whose own directory has links out of it."""
    own = directory_of_the_call()
    links = {"outwards": home, "dangling": home / "not yet"}
    for name, target in links.items():
        (own / name).symlink_to(target)
    try:
        return ask_the_proxy(*(request.replace("OWN", str(own)) for request in requests))
    finally:
        for name in (*links, "file", "hard", "second"):
            (own / name).unlink(missing_ok=True)


@pytest.mark.parametrize(
    "request_",
    [
        "open {home}/file r 0",
        "open {home}/file w 0",
        "open {home}/new wc 384",
        "open {own}/../../session.json r 0",
        "open {own}/../../event_log wa 0",
        "open {session}/runner w 0",
        "open {other} r 0",
        "open {other} w 0",
        "open {own}/outwards/file r 0",
        "open {own}/outwards/new wc 384",
        "open {own}/dangling wc 384",
        "getfile {home}/file",
        "getfile {session}/session.json",
        "putfile {home}/new 384 0",
        "putfile {own}/outwards/new 384 0",
        "rename {home}/file {own}/file",
        "rename {session}/session.json {own}/file",
        "rename {own}/outwards {home}/file",
        "unlink {home}/file",
        "unlink {session}/event_log",
        "unlink {other}",
        "open {shared} r 0",
        "open {shared} w 0",
        "unlink {shared}",
        "rename {shared} {own}/file",
        "truncate {home}/file 0",
        "truncate {session}/event_log 0",
        "mkdir {home}/new 448",
        "rmdir {home}",
        "rmall {home}",
        'set_job_attr Iwd "/"',
        'set_job_attr Cmd "/bin/true"',
        'set_job_attr TransferInput "/etc/hostname"',
        'set_job_attr LimitDirectoryAccess "*"',
        'set_job_attr CondorFuturesBundle "b000007"',
        'set_job_attr Owner "root"',
        "set_job_attr WantRemoteUpdates true",
        "constrain false",
        "ulog 005",
        pytest.param("getdir {home}", marks=HTCONDOR),
        pytest.param("getlongdir {home}", marks=HTCONDOR),
        pytest.param("stat {home}/file", marks=HTCONDOR),
        pytest.param("chmod {home}/file 511", marks=HTCONDOR),
        pytest.param("utime {home}/file 0 0", marks=HTCONDOR),
        pytest.param("link {session}/file {own}/hard", marks=HTCONDOR),
        pytest.param("link {own}/outwards {session}/hard", marks=HTCONDOR),
        pytest.param("symlink {own}/program {home}/.profile", marks=HTCONDOR),
    ],
)
def test_the_shadow_refuses(executor, places, request_):
    ((reply),) = executor.submit(ask, places["home"], request_.format(own="OWN", **places)).result(60)
    assert reply < 0
    assert [path.name for path in places["home"].iterdir()] == ["file"]
    assert (places["home"] / "file").read_text() == "the user's"


def test_the_shadow_allows_what_is_in_the_own_directory(executor, places):
    """Otherwise the refusals above would prove nothing."""
    requests = ("open OWN/file wc 384", "putfile OWN/second 384 0", "rename OWN/second OWN/hard", "unlink OWN/hard")
    assert min(executor.submit(ask, places["home"], *requests).result(60)) >= 0


@HTCONDOR
def test_a_hard_link_gives_no_access_to_a_file_of_the_same_file_system(executor, places):
    """It does: LimitDirectoryAccess protects files only from a job that does not mean harm."""
    requests = (f"link {executor.session}/second OWN/second", "open OWN/second r 0")
    _, opened = executor.submit(ask, places["home"], *requests).result(60)
    assert opened < 0


def test_a_job_that_changes_a_shared_object_fails_the_calls_that_take_it(executor):
    """No call gets what it did not share, and an object that is shared again can be had again."""
    handle = executor.share({"shared": "by many calls"})

    def change(_, name):
        path = directory_of_the_call() / name
        data = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(data.replace(b"many", b"evil"))

    executor.submit(change, handle, handle.name).result(60)
    other = executor.with_options(request_memory=150)
    assert isinstance(other.submit(str, handle).exception(60), SharedObjectError)
    assert executor.share({"shared": "by many calls"}) == handle
    assert other.submit(dict, handle).result(60) == {"shared": "by many calls"}


def test_the_attributes_of_a_job_stay_as_they_are(pool, executor, gate):
    """Also those that a job may set in any case, with a prefix, change nothing; and the job starts again as before."""
    names = ("Iwd", "Cmd", "TransferInput", "LimitDirectoryAccess", "CondorFuturesBundle", "Owner", "Requirements")
    delayed = [f"set_job_attr_delayed {name} true" for name in names]
    now = [f"set_job_attr {name} true" for name in names]

    def ad() -> dict[str, Any]:
        (found,) = pool.ads("condor_q", f'CondorFuturesBundle == "{first.bundle.key}"')
        return {name: found.get(name) for name in names}

    first = executor.submit(ask_the_proxy)
    first.result(60)
    before = ad()
    asked = executor.submit(ask_the_proxy, *delayed, *now, "set_job_attr_delayed ChirpOwn true", "ulog words")
    asked.result(60)
    running = executor.submit(gate.call)
    gate.wait_for(1)
    pool.run("condor_vacate_job", running.job_id)
    gate.wait_for(2)  # until then, this call keeps the job in the queue
    assert {asked.job_id, running.job_id} == {first.job_id}
    assert ad() == before
    gate.open()
    running.result(60)
    assert "words" not in (executor.session / "event_log").read_text()
