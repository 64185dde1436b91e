"""The executor: the face of the package."""

from __future__ import annotations

import copy
import functools
import itertools
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from time import monotonic
from types import ModuleType
from typing import Any, Literal, ParamSpec, TypeVar

from condor_futures import engine
from condor_futures.bundle import Bundle, Options
from condor_futures.errors import PayloadError
from condor_futures.future import CondorFuture
from condor_futures.payload import Call, Pickled, pickle_object, write_bundle
from condor_futures.session import Session
from condor_futures.shipping import Shipping
from condor_futures.states import Job
from condor_futures.submit_description import check_submit_commands, description_key, merge

__all__ = ["CondorExecutor"]

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_MAX_WORKERS = 1000
"""How many jobs an executor has in the queue at once unless it is told otherwise: more overwhelm access points."""

_JOBS_AT_A_TIME = 1000  # map() hands over this many bundles at once, so that jobs run while the rest is still pickled


class CondorExecutor(Executor):
    """A :class:`concurrent.futures.Executor` whose calls run as HTCondor jobs.

    Args:
        max_workers: how many jobs may be in the queue at once; None is 1,000.
        mp_context: accepted so that code written for ``ProcessPoolExecutor`` runs; a job is always a fresh process, so
            there is nothing to choose.
        initializer: called in each process that makes calls, before them: once a job, and again after a crash.
        initargs: its arguments.
        max_tasks_per_child: after this many calls of a bundle, the next call gets a fresh process.
        access_point: None for the schedd of the local HTCondor configuration; ``"personal"`` for a personal pool,
            started if none runs; ``"name@host"``, or a pair ``(pool, name)``, for a remote schedd.
        spool: spool the jobs' files to the access point, which works with any; False is faster, and needs an access
            point that sees the session directory.
        session: a directory for the session, which is then kept; None for one that goes when its futures do.
        ship: modules whose functions and classes travel by value, because the execution point cannot import them: a
            list of modules or their names, or ``"auto"`` for all that are not part of the Python installation.
        submit_commands: any submit command of condor_submit's, for example ``request_memory="4GB"`` (a bare number is
            MiB), ``request_cpus=2``, or ``**{"MY.Project": '"x"'}`` for an attribute of the job.

    Raises:
        AccessPointError: if the access point does not answer.
        PersonalPoolError: if there is no HTCondor for a personal pool.
        TypeError: for an unknown submit command (with the nearest known one), or one that the executor owns.
        ValueError: for ``max_workers`` or ``max_tasks_per_child`` below 1.

    Example::

        from condor_futures import CondorExecutor

        with CondorExecutor(access_point="personal") as executor:
            print(list(executor.map(pow, range(10), range(10))))

    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: object = None,  # noqa: ARG002 - see above
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        access_point: str | tuple[str, str] | None = None,
        spool: bool = True,
        session: str | Path | None = None,
        ship: Literal["auto"] | Iterable[ModuleType | str] = "auto",
        **submit_commands: object,
    ) -> None:
        """Connect to the access point; nothing is submitted before the first call."""
        _check_positive("max_workers", max_workers)
        _check_positive("max_tasks_per_child", max_tasks_per_child)
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        commands = check_submit_commands(submit_commands)
        self._ship = Shipping(ship)
        self._options = Options(commands, spool, (description_key(commands), spool), self._ship)
        self._initializer: Pickled | None = None
        if initializer is not None:
            parts = (initializer, tuple(initargs))
            self._initializer = pickle_object(parts, "(initializer, initargs)", ship=self._ship)
        self._max_tasks_per_child = max_tasks_per_child
        self._engine = engine.start(access_point, session, max_workers or DEFAULT_MAX_WORKERS)
        # Executors derived from this one share the engine: only when the last of them is gone is there nothing to come.
        weakref.finalize(self._engine, self._engine.watcher.close).atexit = False

    @property
    def _max_workers(self) -> int:
        return self._engine.max_workers

    @property
    def session(self) -> Path:
        """The session's directory."""
        return self._engine.session.directory

    def with_options(self, *, spool: bool | None = None, **submit_commands: object) -> CondorExecutor:
        """An executor with other submit commands that shares this one's session, limits and shutdown.

        Args:
            spool: as in the constructor; None to keep it.
            submit_commands: added to this executor's; None removes one.

        Raises:
            TypeError: as in the constructor.

        Example::

            large = executor.with_options(request_memory="16GB")
            future = large.submit(fit, data)

        """
        derived = copy.copy(self)
        commands = merge(self._options.commands, submit_commands)
        spool = self._options.spool if spool is None else spool
        derived._options = Options(commands, spool, (description_key(commands), spool), self._ship)
        return derived

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> CondorFuture[T]:
        """Have ``fn(*args, **kwargs)`` called in a job of its own; returns at once.

        A call that cannot be pickled gives a future that has failed with a :class:`PayloadError`.

        Raises:
            RuntimeError: after :meth:`shutdown`.
            BrokenCondorExecutor: after an initializer has failed.

        """
        self._engine.check_open()
        future, call = self._call(lambda: pickle_object(fn, "function", self._engine.key_of, self._ship), args, kwargs)
        if call is not None:
            self._engine.add([self._bundle([(future, call)])])
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | Literal["auto"] = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Like ``map(fn, *iterables)``: results in order, each when it is there.

        Args:
            fn: called with one item of each iterable.
            iterables: read at once, or as far as *buffersize* allows.
            timeout: seconds, from this call on, after which waiting for a result raises TimeoutError.
            chunksize: calls per job; ``"auto"`` makes about four jobs per worker. A call that raises, or kills its
                Python, costs none of the others in its job.
            buffersize: submit only so many chunks ahead of what has been taken from the result (as in Python 3.14).

        Raises:
            ValueError: if *chunksize* or *buffersize* is below 1.

        """
        _check_positive("buffersize", buffersize)
        if chunksize != "auto":
            _check_positive("chunksize", chunksize)
        self._engine.check_open()
        started = monotonic()
        arguments: Iterable[tuple[Any, ...]] = zip(*iterables, strict=False)
        if chunksize == "auto":
            arguments = list(arguments)
            size = max(1, -(-len(arguments) // (4 * self._max_workers)))
        else:
            size = chunksize
        chunks = self._submit_chunks(fn, iter(arguments), size, buffersize)
        ahead = deque(itertools.islice(chunks, buffersize))
        return _results(ahead, chunks, None if timeout is None else started + timeout)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and clean up once those there are have ended.

        Afterwards nothing of the session is in the queue or the spool directory.

        Args:
            wait: return only then; otherwise at once, and the work goes on in the background.
            cancel_futures: cancel every call that does not run yet.

        """
        engine = self._engine
        with engine.lock:
            engine.shut_down = True
        if cancel_futures:
            for future in engine.watcher.withdraw_pending():
                future.cancel()
        engine.watcher.close()
        if wait:
            engine.watcher.join()

    def terminate_workers(self) -> None:
        """Remove all jobs now, also those that run; their futures fail with :class:`JobRemovedError`. Shuts down."""
        with self._engine.lock:
            self._engine.shut_down = True
        self._engine.watcher.remove_all("the executor was terminated")
        self.shutdown(wait=True)

    kill_workers = terminate_workers

    def counts(self) -> Counter[str]:
        """How many calls are ``pending`` (not in the queue yet), ``idle``, ``running`` and ``completed`` (the job
        ended, its outcome is on its way) just now, and how many have ended: ``done``, ``failed``, ``held`` or
        ``cancelled``.
        """
        return self._engine.watcher.counts()

    def __exit__(self, exc_type: type[BaseException] | None, *rest: object) -> Literal[False]:
        """Shut down and wait; after Ctrl-C, remove the jobs first."""
        if exc_type is not None and issubclass(exc_type, KeyboardInterrupt):
            self._engine.watcher.remove_all("the client was interrupted")
        self.shutdown(wait=True)
        return False

    def _call(
        self, function: Callable[[], Pickled], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[CondorFuture[Any], Call | None]:
        """A future, and its call; one that cannot be pickled has failed its future instead."""
        key = Session.call_key(next(self._engine.calls))
        # It calls back through the watcher, not through this executor, which may be collected before the call ends.
        future = CondorFuture[Any](key, self._engine.watcher.cancel)
        try:
            arguments = pickle_object((args, kwargs), "(args, kwargs)", self._engine.key_of, self._ship)
            return future, Call(key, function(), arguments)
        except PayloadError as error:
            future._resolve(None, error)
            return future, None

    def _bundle(self, calls: Sequence[tuple[CondorFuture[Any], Call]]) -> Bundle:
        engine = self._engine
        number = next(engine.bundles)
        key = Session.bundle_key(number)
        bundle = Bundle(
            key,
            engine.session.bundle_directory(number),
            self._options,
            {call.key: future for future, call in calls},
            Job(key, self._options.spool),
            {call.key: call.futures for _, call in calls if call.futures},
        )
        for future, _ in calls:
            future._bundle = bundle
        with engine.session.create_file(bundle.path("calls")) as file:
            write_bundle(
                file,
                [call for _, call in calls],
                session=engine.session.id,
                bundle=key,
                secret=engine.session.secret,
                # Where nothing is transferred, an unspooled job begins in the session's directory, with others.
                scratch=not self._options.spool,
                initializer=self._initializer,
                max_tasks_per_child=self._max_tasks_per_child,
            )
        return bundle

    def _submit_chunks(
        self, fn: Callable[..., T], arguments: Iterator[tuple[Any, ...]], chunksize: int, buffersize: int | None
    ) -> Iterator[list[CondorFuture[T]]]:
        """Submit chunk after chunk, and yield the futures of each; without a buffersize many chunks at a time."""
        pickled = functools.cache(lambda: pickle_object(fn, "function", self._engine.key_of, self._ship))
        at_a_time = 1 if buffersize is not None else _JOBS_AT_A_TIME
        while chunks := list(itertools.islice(_batched(arguments, chunksize), at_a_time)):
            calls = [[self._call(pickled, args, {}) for args in chunk] for chunk in chunks]
            made = [[(future, call) for future, call in chunk if call is not None] for chunk in calls]
            bundles = [self._bundle(chunk) for chunk in made if chunk]
            if bundles:
                self._engine.add(bundles, complete=len(chunks) < at_a_time or buffersize is not None)
            yield from ([future for future, _ in chunk] for chunk in calls)


def _batched(items: Iterator[T], size: int) -> Iterator[list[T]]:
    """itertools.batched, which Python has from 3.12 on."""
    while batch := list(itertools.islice(items, size)):
        yield batch


def _check_positive(name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer or None, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} must be greater than 0, not {value}")


def _results(
    ahead: deque[list[CondorFuture[T]]], chunks: Iterator[list[CondorFuture[T]]], deadline: float | None
) -> Iterator[T]:
    """Yield the results in order; submit another chunk for each that is begun; cancel the rest when it is closed."""
    chunk: list[CondorFuture[T]] = []
    try:
        while ahead:
            chunk = ahead.popleft()
            chunk.reverse()
            # As in Python 3.14: submitted before a result is waited for, so that the buffer is full meanwhile.
            ahead.extend(itertools.islice(chunks, 1))
            while chunk:
                # No name is bound to what is yielded: a result belongs to whoever takes it.
                yield _result(chunk.pop(), None if deadline is None else deadline - monotonic())
    finally:
        for future in itertools.chain(chunk, *ahead):
            future.cancel()


def _result(future: CondorFuture[T], timeout: float | None) -> T:
    try:
        return future.result(timeout)
    finally:
        future.cancel()  # if it was not there in time
        del future  # an exception's traceback would otherwise keep the future, and so itself, alive
