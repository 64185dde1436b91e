"""Calls become bundles on disk, or failed futures. A refused call leaves nothing that other clients could find."""

from __future__ import annotations

import errno
import functools
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from condor_futures import PayloadError, procid
from condor_futures.calls import stored_calls
from condor_futures.calls.code import CodePacker
from condor_futures.calls.naming import Naming
from condor_futures.calls.repeats import Repeats
from condor_futures.calls.stored_calls import StoredCalls
from condor_futures.calls.usages import Usages
from condor_futures.execution_point.frames import read_frames
from condor_futures.executor import intake as module
from condor_futures.executor.engine import Numbers
from condor_futures.executor.intake import Intake
from condor_futures.executor.session_futures import SessionFutures
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.resolving.counts import Counts
from condor_futures.session.call_names import read_names
from condor_futures.session.session import Session


class Engine:
    """Numbers calls and bundles, and records the bundles that it is to submit."""

    def __init__(self, session):
        self.session = session
        self.numbers = Numbers()
        self.watcher = SimpleNamespace(
            cancel=lambda _: None,
            tally=Counts(),
            takes=lambda *_: None,
            why_not_warm=lambda options: None if options.warm else "warm is 0",
            streams=lambda _: False,
        )
        self.cancel = self.watcher.cancel
        self.packer = CodePacker(session)
        self.repeats = Repeats()
        self.usages = Usages(session.directory)
        self.futures = SessionFutures()
        self.stored = []
        self.added = []
        self.refusal = None

    def key_of(self, future):
        return future.key

    def add(self, bundles, *, complete=False):
        if self.refusal is not None:
            raise self.refusal
        self.added.append((list(filter(None, bundles)), complete))

    def store(self, stored, bundle, futures):
        if self.refusal is not None:
            raise self.refusal
        assert set(futures) <= set(stored.calls)
        self.stored.append((bundle, list(futures)))

    @property
    def files(self):
        return sorted(path.name for path in self.session.bundles.rglob("*.*"))


@pytest.fixture
def engine(tmp_path):
    return Engine(Session.create(tmp_path / "session"))


@pytest.fixture
def intake(engine):
    return Intake(engine, Options({}, spool=True))


def with_options(intake, **commands):
    return Intake(intake.engine, intake.options.changed(commands))


def head_of(bundle, session):
    with bundle.path("calls").open("rb") as file:
        return next(iter(read_frames(file, session.secret)))[0]


def test_a_call_is_a_bundle_of_its_own(engine, intake):
    future = intake.submit(pow, (2, 3), {})
    [([bundle], complete)] = engine.added
    assert (future.key, dict(bundle.futures), complete) == ("c000000", {"c000000": future}, False)
    assert engine.files == ["b000000.calls"]
    assert intake.submit(pow, (2, 3), {}).key == "c000001"


def test_only_jobs_that_are_run_again_have_a_file_of_earlier_outcomes(engine, intake):
    with_options(intake, max_retries=2).submit(pow, (2, 3), {})
    assert engine.files == ["b000000.calls", "b000000.outcomes"]


@pytest.mark.parametrize(
    ("fn", "args", "error"),
    [(3, (), TypeError), (abs, (threading.Lock(),), PayloadError)],
    ids=["function", "argument"],
)
def test_a_call_that_cannot_be_made_has_failed(engine, intake, fn, args, error):
    """submit() does not raise the error: it belongs to one call among others."""
    assert isinstance(intake.submit(fn, args, {}).exception(0), error)
    assert (engine.added, engine.files) == ([], [])
    assert engine.watcher.tally.counts() == {"failed": 1}


def test_a_file_that_is_not_there_fails_the_call(engine, intake, tmp_path):
    future = with_options(intake, transfer_input_files=tmp_path / "missing").submit(abs, (1,), {})
    assert isinstance(future.exception(0), FileNotFoundError)
    assert engine.added == []


def test_a_file_that_is_not_there_may_be_made_by_what_the_call_waits_for(engine, intake, tmp_path):
    """Without spooling, the client does not read the file."""
    first = intake.submit(abs, (1,), {})
    later = with_options(intake, transfer_input_files=tmp_path / "missing")
    not_spooled = Intake(engine, later.options.changed({}, spool=False))
    for future in (
        later.submit(abs, (first,), {}),
        later.coming_after((first,)).submit(abs, (1,), {}),
        not_spooled.submit(abs, (1,), {}),
    ):
        assert not future.done()
    assert len(engine.added) == 4


def test_what_calls_come_after_is_kept_with_them(engine, intake):
    """A client that attaches to the session needs them."""
    first = intake.submit(abs, (1,), {})
    intake.coming_after((first,)).submit(abs, (1,), {})
    [bundle] = engine.added[-1][0]
    assert (bundle.after, head_of(bundle, engine.session)["after"]) == ((first,), ["c000000"])


def test_what_the_engine_refuses_is_not_found_by_others(engine, intake):
    """Nobody received its futures."""
    engine.refusal = RuntimeError("cannot schedule new futures after shutdown")
    with pytest.raises(RuntimeError, match="after shutdown"):
        intake.submit(abs, (1,), {})
    assert engine.files == []


def test_a_disk_that_is_full_fails_the_calls(engine, intake, monkeypatch):
    def full(*_, **__):
        raise PayloadError("no room")

    monkeypatch.setattr(module, "write_files", full)
    [chunk] = intake.submit_chunks(abs, iter([(1,), (2,)]), 2, None)
    assert [str(future.exception(0)) for future in chunk] == ["no room", "no room"]
    assert engine.added == []


# Clusters.


def test_the_jobs_of_a_cluster_are_submitted_together(engine, intake):
    """Each cluster is separate, even if other jobs have the same options."""
    futures = intake.submit_cluster(pow, (procid, 2), {}, 3)
    intake.submit_cluster(pow, (procid, 2), {}, 1)
    [(bundles, complete), ([other], _)] = engine.added
    assert complete
    assert [bundle.futures for bundle in bundles] == [{future.key: future} for future in futures]
    assert len({bundle.options.key for bundle in bundles}) == 1
    assert other.options.key != bundles[0].options.key


def test_a_cluster_of_which_one_call_cannot_be_written_fails_as_a_whole(engine, intake, monkeypatch):
    write = module.write_files

    def once(session, bundle, *rest, **options):
        if bundle.key == "b000001":
            raise PayloadError("no room")
        write(session, bundle, *rest, **options)

    monkeypatch.setattr(module, "write_files", once)
    futures = intake.submit_cluster(abs, (1,), {}, 3)
    assert [str(future.exception(0)) for future in futures] == ["no room"] * 3
    assert (engine.added, engine.files) == ([], [])


# Chunks.


def test_a_chunk_is_a_bundle(engine, intake):
    chunks = list(intake.submit_chunks(abs, iter([(n,) for n in range(5)]), 2, None))
    assert [[future.key for future in chunk] for chunk in chunks] == [
        ["c000000", "c000001"],
        ["c000002", "c000003"],
        ["c000004"],
    ]
    assert [(len(bundles), complete) for bundles, complete in engine.added] == [(3, True)]


def test_many_chunks_are_handed_over_a_part_at_a_time(engine, intake, monkeypatch):
    """The first jobs can run while the rest is pickled. Only the last part ends the submission."""
    monkeypatch.setattr(module, "_JOBS_AT_A_TIME", 2)
    list(intake.submit_chunks(abs, iter([(n,) for n in range(5)]), 1, None))
    assert [(len(bundles), complete) for bundles, complete in engine.added] == [(2, False), (2, False), (1, True)]


def test_with_a_buffersize_each_chunk_is_submitted_when_it_is_taken(engine, intake):
    chunks = intake.submit_chunks(abs, iter([(n,) for n in range(5)]), 2, 1)
    next(chunks)
    assert [(len(bundles), complete) for bundles, complete in engine.added] == [(1, True)]


def test_arguments_that_end_in_an_error_leave_nothing(engine, intake):
    """The user's own error is raised, and none of the earlier calls run."""

    def arguments():
        yield (1,)
        yield (2,)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(intake.submit_chunks(abs, arguments(), 1, None))
    assert (engine.added, engine.files) == ([], [])


def test_a_call_that_cannot_be_made_costs_no_other_of_its_chunk(engine, intake):
    [chunk] = intake.submit_chunks(repr, iter([(1,), (threading.Lock(),), (3,)]), 3, None)
    assert [future.done() for future in chunk] == [False, True, False]
    [([bundle], _)] = engine.added
    assert list(bundle.futures) == ["c000000", "c000002"]
    assert all(isinstance(future, CondorFuture) for future in chunk)


# Calls for warm jobs.


@pytest.fixture
def warm(engine):
    return Intake(engine, Options({}, spool=True, warm=20.0))


def test_a_file_for_warm_jobs_has_many_calls_whatever_the_chunks(engine, warm, monkeypatch):
    """The jobs are given them one by one. How many one job makes otherwise is in the file."""
    monkeypatch.setattr(module, "_CALLS_AT_ONCE", 4)
    groups = list(warm.submit_chunks(abs, iter([(n,) for n in range(10)]), 3, None))
    assert [len(group) for group in groups] == [4, 4, 2]
    assert [future.key for group in groups for future in group] == [f"c{n:06d}" for n in range(10)]
    assert [len(calls) for _, calls in engine.stored] == [4, 4, 2]
    [bundle] = {bundle for bundle, _ in engine.stored}
    assert head_of(bundle, engine.session)["chunk"] == 3
    assert [future.bundle for group in groups for future in group] == [bundle] * 10


def test_a_file_for_warm_jobs_does_not_grow_for_ever(engine, warm, monkeypatch):
    """It is removed only when all its calls have ended."""
    monkeypatch.setattr(stored_calls, "MOST_CALLS", 3)
    futures = [warm.submit(abs, (n,), {}) for n in range(7)]
    assert [future.bundle.key for future in futures] == ["b000000"] * 3 + ["b000001"] * 3 + ["b000002"]
    monkeypatch.setattr(stored_calls, "LARGEST", 1000)
    futures = [warm.submit(len, (bytes(400),), {}) for _ in range(3)]
    assert [future.bundle.key for future in futures] == ["b000002", "b000003", "b000004"]


def test_a_function_is_in_a_file_for_warm_jobs_once(engine, warm):
    for n in range(3):
        warm.submit(abs, (n,), {})
        warm.submit(bool, (n,), {})
    [bundle] = {bundle for bundle, _ in engine.stored}
    with bundle.path("calls").open("rb") as file:
        kinds = [header["kind"] + str(header.get("function", "")) for header, _ in read_frames(file)]
    assert kinds == ["bundle", "function", "call0", "function", "call1", *["call0", "call1"] * 2]


@pytest.mark.parametrize("refused", [RuntimeError("shut down"), OSError(errno.ENOSPC, "No space left on device")])
def test_a_refused_call_for_warm_jobs_is_in_no_file(engine, warm, monkeypatch, refused):
    """What comes later can be read, also if a part of the call was written."""
    first = warm.submit(abs, (1,), {})
    with monkeypatch.context() as patch:
        if isinstance(refused, RuntimeError):
            engine.refusal = refused
            with pytest.raises(RuntimeError, match="shut down"):
                warm.submit(bool, (2,), {})
            engine.refusal = None
        else:

            def half(file, secret, header, segments=()):
                file.write(b"CFf1 half a frame" * 1000)
                raise refused

            patch.setattr(stored_calls, "write_frame", half)
            error = warm.submit(bool, (2,), {}).exception()
            assert "No space left on device; make room there" in str(error)
    last = warm.submit(bool, (3,), {})
    assert StoredCalls(first.bundle.path("calls")).calls == (first.key, last.key)


def test_a_call_that_takes_a_future_has_a_file_of_its_own(engine, warm):
    """The value is added to it."""
    parent = CondorFuture("c000009")
    alone, child = warm.submit(abs, (1,), {}), warm.submit(abs, (parent,), {})
    assert [calls for _, calls in engine.stored] == [[alone.key]]
    assert [list(bundle.futures) for [bundle], _ in engine.added] == [[child.key]]


def test_large_calls_for_warm_jobs_are_handed_over_sooner(engine, warm, monkeypatch):
    monkeypatch.setattr(module, "_BYTES_AT_ONCE", 1000)
    list(warm.submit_chunks(len, iter([(bytes(400),)] * 5), 1, None))
    assert [len(calls) for _, calls in engine.stored] == [3, 2]


def test_with_a_buffersize_warm_jobs_have_a_file_for_each_chunk(engine, warm):
    """Calls of later chunks are not made before they are asked for."""
    chunks = warm.submit_chunks(abs, iter([(n,) for n in range(5)]), 2, 1)
    assert len(next(chunks)) == 2
    assert [len(bundle.futures) for [bundle], _ in engine.added] == [2]


def test_a_call_for_warm_jobs_that_cannot_be_made_fails_alone(engine, warm):
    [group] = warm.submit_chunks(repr, iter([(1,), (threading.Lock(),), (3,)]), 1, None)
    assert [future.done() for future in group] == [False, True, False]
    assert [calls for _, calls in engine.stored] == [["c000000", "c000002"]]


def test_arguments_that_end_in_an_error_leave_nothing_for_warm_jobs(engine, warm):
    def arguments():
        yield (1,)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(warm.submit_chunks(abs, arguments(), 1, None))
    assert (engine.added, engine.files) == ([], [])


@pytest.mark.parametrize(("size", "chosen", "together"), [(3, True, 3), (3, False, None), (1, True, None)])
def test_warm_jobs_are_given_chunks_of_a_size_that_was_chosen(engine, warm, size, chosen, together):
    list(warm.submit_chunks(abs, iter([(n,) for n in range(5)]), size, None, chosen=chosen))
    [bundle] = {bundle for bundle, _ in engine.stored}
    assert head_of(bundle, engine.session).get("together") == together


# Names.


@pytest.mark.parametrize(("warm", "buffersize"), [(0.0, None), (20.0, None), (20.0, 2)])
def test_calls_have_the_names_of_their_arguments(engine, warm, buffersize):
    """Clients that attach find them in the session."""
    intake = Intake(engine, Options({}, spool=True, warm=warm), naming=Naming.parse("fit-{0}"))
    one = intake.submit(abs, (5,), {})
    several = [future for chunk in intake.submit_chunks(abs, iter([(6,), (7,)]), 2, buffersize) for future in chunk]
    assert [future.name for future in (one, *several)] == ["fit-5", "fit-6", "fit-7"]
    assert engine.futures["fit-6"] is several[0]
    assert read_names(engine.session.directory) == {"c000000": "fit-5", "c000001": "fit-6", "c000002": "fit-7"}


def test_calls_of_a_cluster_are_named_by_their_numbers(engine, intake):
    together = replace(intake, naming=Naming.parse("part-{0}"))
    assert [future.name for future in together.submit_cluster(abs, (procid,), {}, 2)] == ["part-0", "part-1"]


def test_a_call_that_cannot_be_named_is_not_submitted(engine, intake):
    """Alone, it is refused. Among others, only its own future fails."""
    named = replace(intake, naming=Naming.parse("fit-{0:d}"))
    for refused in (lambda: named.submit(abs, (), {}), lambda: named.submit_cluster(abs, ("a",), {}, 2)):
        with pytest.raises(ValueError, match="fit-"):
            refused()
    assert engine.added == []
    [chunk] = named.submit_chunks(repr, iter([(1,), ("two",)]), 2, None)
    assert [future.done() for future in chunk] == [False, True]
    assert isinstance(chunk[1].exception(), ValueError)


def test_without_names_nothing_is_written_or_kept(engine, intake):
    future = intake.submit(abs, (1,), {})
    assert (future.name, len(engine.futures), vars(future)) == (None, 0, {})
    assert not (engine.session.directory / "names").exists()


def test_names_that_cannot_be_recorded_harm_no_call(engine, intake, caplog):
    (engine.session.directory / "names").mkdir()
    future = replace(intake, naming=Naming.parse("fit-{0}")).submit(abs, (1,), {})
    assert (future.done(), future.name, len(engine.added)) == (False, "fit-1", 1)
    assert "names or parents of calls could not be recorded" in caplog.text


def test_calls_whose_requests_are_learned_name_their_function(engine, intake):
    """However they are submitted, so that later calls of the function learn from them."""
    learning = with_options(intake, request_memory="auto")
    learning.submit(functools.partial(pow, 2), (3,), {})
    list(learning.submit_chunks(pow, iter([(2, 3), (2, 4)]), 1, None))
    learning.submit_cluster(pow, (2, procid), {}, 2)
    learning.submit(abs, (1,), {})
    intake.submit(pow, (2, 3), {})
    functions = [bundle.options.function for bundles, _ in engine.added for bundle in bundles]
    assert functions == ["builtins.pow"] * 5 + ["builtins.abs", ""]
    first, second = (bundles[0].options.kind for bundles, _ in engine.added[:2])
    assert first == second
