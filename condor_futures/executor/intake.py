"""Accepts calls: pickles them, writes them to the session as bundles, and hands the bundles to the watcher."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.calls_file import Call, Manner, writing_calls
from condor_futures.calls.making import CallPickler, batched, function_name, shared_by, write_files
from condor_futures.calls.naming import Naming
from condor_futures.calls.pickling import Pickled
from condor_futures.calls.retry_exceptions import Retries
from condor_futures.calls.stored_calls import StoredCalls
from condor_futures.errors import CondorFuturesError, PayloadError
from condor_futures.executor.call_storage import CallStorage
from condor_futures.executor.engine import Engine
from condor_futures.executor.input_files import trouble_with_files
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.options.ship import Code
from condor_futures.session.call_names import append_names
from condor_futures.session.call_parents import append_parents
from condor_futures.session.session import Session
from condor_futures.session.shared_objects import SharedObject
from condor_futures.state_machine.states import Job
from condor_futures.submit.automatic import automatic
from condor_futures.submit.description import retried

__all__ = ["Intake"]

logger = logging.getLogger(__name__)

_JOBS_AT_A_TIME = 1000  # map() hands over this many bundles at once, so that jobs run while it pickles the rest

#: map() hands over at most so many calls for warm jobs at once, or calls of so many bytes.
_CALLS_AT_ONCE, _BYTES_AT_ONCE = 250, 1 << 20

T = TypeVar("T")

#: A future and its call; None if the call cannot be made, in which case the future has failed.
_Made = tuple[CondorFuture[Any], Call | None]


@dataclass(frozen=True, eq=False)
class Intake:
    """Accepts the calls of an executor. Derived executors have their own intakes, with the same engine.

    Attributes:
        engine: numbers calls and bundles, and has the watcher.
        options: the options that jobs are submitted with.
        retries: the exceptions after which calls are retried.
        initializer: called in each process that makes calls, before the first call.
        max_tasks_per_child: a process makes at most this many calls of a bundle; then a new process starts.
        after: futures that the calls wait for without taking their values.
        after_keys: the keys of these futures, in the same order.
        naming: names the calls; None if they have no names.
        chunk: the number of calls that one job makes, if a bundle has more because warm jobs are to make them.
        together: the number of calls that a warm job is given at once; 0 if it is to be found out.
        storage: where calls for warm jobs are stored.

    """

    engine: Engine
    options: Options
    retries: Retries = field(default_factory=Retries)
    initializer: Pickled | None = None
    max_tasks_per_child: int | None = None
    after: tuple[Future[Any], ...] = ()
    after_keys: tuple[str, ...] = ()
    naming: Naming | None = None
    chunk: int = 0
    together: int = 0
    storage: CallStorage = field(init=False, default_factory=CallStorage)
    _by_function: dict[str, Intake] = field(init=False, default_factory=dict)

    @classmethod
    def of(
        cls,
        engine: Engine,
        options: Options,
        retries: Retries,
        initializer: Pickled | None,
        max_tasks_per_child: int | None,
    ) -> Intake:
        """Return the intake of a new executor. A large initializer becomes a shared object.

        Raises:
            PayloadError: the file of the initializer cannot be written.

        """
        intake = cls(engine, options, retries, max_tasks_per_child=max_tasks_per_child)
        once = intake._pickler.once(initializer, "initializer") if initializer is not None else None
        return replace(intake, initializer=once)

    def coming_after(self, futures: tuple[Future[Any], ...]) -> Intake:
        """Return an intake whose calls wait for *futures*."""
        return replace(self, after=futures, after_keys=tuple(map(self.engine.key_of, futures)))

    def share(self, obj: T) -> SharedObject[T]:
        """Store *obj* in the session, for any number of calls."""
        return self._pickler.share(obj)

    def submit(self, fn: object, args: Sequence[object], kwargs: Mapping[str, object]) -> CondorFuture[Any]:
        """Submit one call in a bundle of its own.

        Raises:
            ValueError: the call cannot be named.

        """
        pickler = self._pickler
        name = self.naming.name(args, kwargs) if self.naming is not None else None
        made = self._call(lambda: pickler.arguments(args, kwargs), lambda: pickler.function(fn), name=lambda: name)
        if self._store([made]):
            learning: Intake = self._learning(fn)
            self._add([learning._bundle([made])])
        return made[0]

    def submit_cluster(
        self, fn: object, args: Sequence[object], kwargs: Mapping[str, object], count: int
    ) -> list[CondorFuture[Any]]:
        """Submit *count* calls, as the jobs of one cluster: all of them, or none.

        Raises:
            ValueError: a call cannot be named.

        """
        naming = self.naming
        names = [naming.name(args, kwargs, number) if naming is not None else None for number in range(count)]
        cluster = Session.cluster_key(next(self.engine.numbers.clusters))
        options = replace(self._learning(fn).options, cluster=cluster)
        together: Intake = replace(self, options=options)
        arguments = functools.cache(lambda: self._pickler.arguments(args, kwargs, cluster=count))
        function = functools.cache(lambda: self._pickler.function(fn, numbered=True))
        calls = [self._call(arguments, function, n, functools.partial(names.__getitem__, n)) for n in range(count)]
        bundles = [together._bundle([call]) for call in calls]
        failed = next((future for future, _ in calls if future.done()), None)
        if failed is None:
            self._add(bundles, complete=True)
        else:
            for bundle in filter(None, bundles):
                bundle.discard_calls()
            self.fail(calls, failed.exception())
        return [future for future, _ in calls]

    def submit_chunks(
        self,
        fn: object,
        arguments: Iterator[tuple[Any, ...]],
        chunksize: int,
        buffersize: int | None,
        *,
        chosen: bool = True,
    ) -> Iterator[list[CondorFuture[Any]]]:
        """Submit chunk after chunk, and yield the futures of each. Without a buffersize, submit many at a time.

        Warm jobs are given chunks only if the user has *chosen* their size.
        """
        function = functools.cache(lambda: self._pickler.function(fn))
        if buffersize is None and self.engine.watcher.why_not_warm(self.options) is None:
            yield from self._submit_stored(function, arguments, chunksize, chosen=chosen)
            return
        at_a_time = 1 if buffersize is not None else _JOBS_AT_A_TIME
        chunks = batched(arguments, chunksize)
        learning = self._learning(fn)
        while made := learning._make(function, itertools.islice(chunks, at_a_time)):
            complete = len(made) < at_a_time or buffersize is not None
            self._add((bundle for _, bundle in made), complete=complete)
            yield from (futures for futures, _ in made)

    def _submit_stored(
        self, function: Callable[[], Pickled], arguments: Iterator[tuple[Any, ...]], chunksize: int, *, chosen: bool
    ) -> Iterator[list[CondorFuture[Any]]]:
        """Submit calls for warm jobs."""
        stored: Intake = replace(self, chunk=chunksize, together=chunksize if chosen and chunksize > 1 else 0)
        while made := stored._calls_at_once(function, arguments):
            rest = stored._store(made)
            stored._add(stored._bundle(part) for part in batched(iter(rest), chunksize))
            yield [future for future, _ in made]

    def _calls_at_once(self, function: Callable[[], Pickled], arguments: Iterator[tuple[Any, ...]]) -> list[_Made]:
        made: list[_Made] = []
        size = 0
        for args in arguments:
            made.append(self._call_of_map(function, args))
            call = made[-1][1]
            size += sum(memoryview(segment).nbytes for segment in call.arguments.segments) if call is not None else 0
            if len(made) >= _CALLS_AT_ONCE or size >= _BYTES_AT_ONCE:
                break
        return made

    def _store(self, made: Sequence[_Made]) -> Sequence[_Made]:
        """Have those of the calls *made* that can be made by warm jobs made by them; return the others."""
        if self.after or self.engine.watcher.why_not_warm(self.options) is not None:
            return made
        own = [(future, call) for future, call in made if call is not None and not call.futures]
        trouble = trouble_with_files(self.options, dependent=False) if own else None
        if trouble is not None:
            self.fail(own, trouble)
        elif own:
            self.storage.add(self, own)
        return [(future, call) for future, call in made if call is not None and call.futures]

    @property
    def code(self) -> Code | None:
        """The modules that the jobs of further calls have as files.

        Raises:
            ValueError, OSError, CondorFuturesError: they are too large, or cannot be packed.

        """
        if self.initializer is not None:
            self.engine.packer.want(self.initializer.modules)
        return self.engine.packer.code(self.options.ship)

    @property
    def _pickler(self) -> CallPickler:
        engine = self.engine
        return CallPickler(engine.key_of, self.options.ship, engine.session.shared, engine.packer, engine.repeats)

    def _learning(self, fn: object) -> Intake:
        """Return the intake for calls of *fn*. If requests are learned, each function has its own."""
        if not automatic(self.options.commands):
            return self
        name = function_name(fn)
        if name not in self._by_function:
            self._by_function[name] = replace(self, options=replace(self.options, function=name))
        return self._by_function[name]

    # Making calls and bundles.

    def _call_of_map(self, function: Callable[[], Pickled], args: tuple[Any, ...]) -> _Made:
        name = functools.partial(self.naming.name, args, {}) if self.naming is not None else None
        return self._call(functools.partial(self._pickler.arguments, args, {}), function, name=name)

    def _call(
        self,
        arguments: Callable[[], Pickled],
        function: Callable[[], Pickled],
        number: int | None = None,
        name: Callable[[], str | None] | None = None,
    ) -> _Made:
        key = Session.call_key(next(self.engine.numbers.calls))
        # The future cancels through the watcher, because the executor may be garbage collected before the call ends.
        # CondorFuture[Any](...) would give each future a dict, which is larger than the future.
        future: CondorFuture[Any] = CondorFuture(key, self.engine.cancel)
        try:
            if name is not None and (named := name()) is not None:
                future.name = named
                self.engine.futures.add(future)
            call = Call(key, arguments=arguments(), function=function(), number=number)
        except (PayloadError, TypeError, ValueError) as error:
            self.engine.watcher.tally.failed_at_once()
            future.resolve(None, error)
            return future, None
        self.engine.repeats.look_at(call.function.generators, call.arguments.generators)
        return future, call

    def _bundle(self, calls: Iterable[_Made]) -> Bundle | None:
        """Write and return the bundle of those *calls* that can be made; None if there is none.

        If the bundle cannot be written, the futures of its calls fail, and None is returned.
        """
        made = [(future, call) for future, call in calls if call is not None]
        if not made:
            return None
        dependent = bool(self.after) or any(call.futures for _, call in made)
        if trouble := trouble_with_files(self.options, dependent=dependent):
            self.fail(made, trouble)
            return None
        try:
            return self._write_bundle(made)
        except (CondorFuturesError, OSError, ValueError) as failure:
            self.fail(made, failure)
            return None

    def _write_bundle(self, calls: Sequence[tuple[CondorFuture[Any], Call]]) -> Bundle:
        session = self.engine.session
        number = next(self.engine.numbers.bundles)
        key = Session.bundle_key(number)
        streams = self.engine.watcher.streams(self.options)
        options = replace(self.options, code=self.code, streams=streams)
        with writing_calls(session.directory):
            directory = session.bundle_directory(number)
            stream = session.stream_directory(key) if streams else None
        manner = replace(self._manner(), stream=stream)
        bundle = Bundle(
            key,
            directory,
            options,
            {call.key: future for future, call in calls},
            Job(key, self.options.spool, policy=self.options.hold_policy),
            {call.key: call.futures for _, call in calls if call.futures},
            self.after,
            stream=stream,
            shared=shared_by((call for _, call in calls), manner),
            usages=self.engine.usages,
        )
        # Each attempt takes the outcomes of the last attempt along: see describe().
        again = retried(self.options.commands)
        write_files(session, bundle, [call for _, call in calls], manner, outcomes=again)
        return bundle

    def new_storage(self) -> tuple[Bundle, StoredCalls]:
        """Write and return a file to which calls for warm jobs are appended, and the bundle that names it.

        Raises:
            PayloadError: the file cannot be written.

        """
        bundle = self._write_bundle([])
        self.engine.watcher.takes(bundle)
        return bundle, StoredCalls(bundle.path("calls"))

    def _manner(self) -> Manner:
        return Manner(
            # An unspooled job without file transfer starts in the session's directory, which it shares with others.
            scratch=not self.options.spool,
            initializer=self.initializer,
            retried=self.retries.exceptions,
            max_tasks_per_child=self.max_tasks_per_child,
            after=self.after_keys,
            chunk=self.chunk,
            together=self.together,
        )

    def _make(
        self, function: Callable[[], Pickled], chunks: Iterator[list[tuple[Any, ...]]]
    ) -> list[tuple[list[CondorFuture[Any]], Bundle | None]]:
        made: list[tuple[list[CondorFuture[Any]], Bundle | None]] = []
        try:
            made.extend(self._chunk(function, chunk) for chunk in chunks)  # extend() keeps the items before an error
        except BaseException:  # of the user's iterable, or Ctrl-C: no client that attaches must find these calls
            for _, bundle in made:
                if bundle is not None:
                    bundle.discard_calls()
            raise
        return made

    def _chunk(
        self, function: Callable[[], Pickled], arguments: Iterable[tuple[Any, ...]]
    ) -> tuple[list[CondorFuture[Any]], Bundle | None]:
        """Return the futures of a chunk, and its bundle, or None. Only the disk keeps the arguments."""
        calls = [self._call_of_map(function, args) for args in arguments]
        return [future for future, _ in calls], self._bundle(calls)

    # Handing over bundles.

    def _add(self, bundles: Iterable[Bundle | None], *, complete: bool = False) -> None:
        made = [bundle for bundle in bundles if bundle is not None]
        if made:
            futures = [] if self.naming is None else [one for bundle in made for one in bundle.futures.values()]
            try:
                self.engine.add(made, complete=complete)
            except Exception:
                for bundle in made:
                    bundle.discard_calls()  # so that no client that attaches makes these refused calls
                raise
            parents: dict[str, Sequence[str]] = {}
            for bundle in made:
                parents |= dict.fromkeys(bundle.calls if self.after else (), self.after_keys)
                parents |= {call: [*of, *self.after_keys] for call, of in bundle.parents.items()}
            self.record(futures, parents)

    def record(self, futures: Iterable[CondorFuture[Any]], parents: Mapping[str, Sequence[str]]) -> None:
        """Record the names and the *parents* of calls that were handed over.

        The names are for clients that attach and for the command line, the parents for reports.
        """
        directory = self.engine.session.directory
        try:
            if self.naming is not None:
                append_names(directory, ((one.key, one.name) for one in futures if one.name))
            append_parents(directory, parents.items())
        except OSError as error:
            logger.warning("the names or parents of calls could not be recorded in the session: %s", error)

    def fail(self, calls: Iterable[_Made], failure: BaseException | None) -> None:
        """Fail the futures of those *calls* that have not failed yet, before submission."""
        for future, _ in calls:
            if not future.done():
                self.engine.watcher.tally.failed_at_once()
                future.resolve(None, failure)
