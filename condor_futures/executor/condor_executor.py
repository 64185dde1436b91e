"""The executor: the face of the package.

It is long because it has the docstrings that the reference is made of. What it does with calls is in
:mod:`condor_futures.executor.intake`, what goes on behind it in :mod:`condor_futures.executor.engine`.
"""

from __future__ import annotations

import copy
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from time import monotonic
from types import ModuleType
from typing import Any, Literal, ParamSpec, TypeVar

from condor_futures.access_point.job_info import JobInfo, query_jobs
from condor_futures.calls.making import check_cluster, refuse_shell
from condor_futures.calls.pickling import Pickled, pickle_object
from condor_futures.calls.retry_exceptions import Retries, RetryOption
from condor_futures.errors import AccessPointError
from condor_futures.executor import at_exit, attaching, engine
from condor_futures.executor.intake import Intake
from condor_futures.executor.map_results import is_of_map, results
from condor_futures.future import CondorFuture
from condor_futures.options.arguments import check_after, check_count, check_flag, check_optional_count, check_seconds
from condor_futures.options.categories import Categories
from condor_futures.options.credentials import Credentials, check_services, check_stored, to_store
from condor_futures.options.keep_logs import log_directory
from condor_futures.options.on_hold import OnHold, OnHoldOption
from condor_futures.options.options import Options
from condor_futures.options.profiles import load_profile
from condor_futures.options.ship import Shipping
from condor_futures.submit.description import check_submit_commands
from condor_futures.submit.submit_file import add_submit_file

__all__ = ["CondorExecutor"]

P = ParamSpec("P")
T = TypeVar("T")


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
        ship: what the execution point cannot import: a list of modules or their names, whose functions and classes then
            travel by value, and of paths of packages, zip files or wheels, which are transferred and can be imported
            from in the job. ``"auto"``, also as one of the list, is all modules that are not part of the Python
            installation.
        credentials: what the access point is to have for the jobs before the first is submitted: ``"kerberos"``,
            ``"scitokens"``, ``"oauth:SERVICE"`` or ``"oauth:SERVICE*HANDLE"``, or several of these; stored anew for as
            long as the session lasts.
        keep_logs: a directory, made if need be, for output, error and log of each job that ends, as
            ``CLUSTER.PROC.out``, ``.err`` and ``.log``; None for keeping them no longer than the session.
        on_hold: what is done with a job that goes on hold: ``"fail"`` its calls, with a :class:`JobHeldError`;
            ``"release"`` it, three times, or so often as ``("release", times)`` says; ``"wait"`` until somebody
            releases it; or a function that is given a :class:`HeldJob`, and returns one of these three words.
        memory_max: a job that is held because it used more memory than it asked for is released with twice the memory,
            up to so much: a size as in ``request_memory`` (a bare number is MiB). None for not.
        retry_exceptions: a class of exceptions, or several, that make a call fail only after the attempts that
            ``max_retries`` allows; without them an exception is an outcome, and only crashes are retried.
        submit_commands: any submit command of condor_submit's, for example ``request_memory="4GB"`` (a bare number is
            MiB), ``request_cpus=2``, or ``**{"MY.Project": '"x"'}`` for an attribute of the job.

    Raises:
        AccessPointError: if the access point does not answer.
        CredentialError: if a credential cannot be made, or the access point does not take it.
        PersonalPoolError: if there is no HTCondor for a personal pool.
        CondorFuturesError: if *session* is in use, or it or *keep_logs* cannot be made.
        TypeError: for an unknown submit command (with the nearest known one), or one that the executor owns.
        ValueError: for ``max_workers`` or ``max_tasks_per_child`` below 1; for a value, or the name of a file or of the
            session's directory, that no submit description can hold; for credentials of an unknown kind, another word
            for *on_hold*, *retry_exceptions* without ``max_retries``.
        ImportError, FileNotFoundError: for what *ship* names and is not there.

    Example:
        >>> from condor_futures import CondorExecutor
        >>> with CondorExecutor(access_point="personal") as executor:
        ...     list(executor.map(pow, range(10), [2] * 10, chunksize=5))
        [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]

    """

    #: Of an executor that attaches, the session that it attaches to: set before __init__, which is the same for both.
    _left: attaching.Left | None = None

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
        ship: Literal["auto"] | Iterable[ModuleType | str | Path] = "auto",
        credentials: str | Sequence[str] | None = None,
        keep_logs: str | Path | None = None,
        on_hold: OnHoldOption | None = None,
        memory_max: int | str | None = None,
        retry_exceptions: RetryOption | None = None,
        **submit_commands: object,
    ) -> None:
        """Connect to the access point; nothing is submitted before the first call."""
        max_workers = check_optional_count("max_workers", max_workers)
        max_tasks_per_child = check_optional_count("max_tasks_per_child", max_tasks_per_child)
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer must be a callable, not {initializer!r}")
        if not isinstance(initargs, Iterable):
            raise TypeError(f"initargs must be a tuple of the initializer's arguments, not {type(initargs).__name__}")
        commands = check_submit_commands(submit_commands)
        commands |= Credentials.parse(credentials).commands(commands)
        check_services(commands)
        check_flag("spool", spool)
        shipping = Shipping(ship)
        logs = log_directory(keep_logs)
        options = Options(commands, spool, shipping, keep_logs=logs, on_hold=OnHold().changed(on_hold, memory_max))
        retries = Retries().changed(retry_exceptions, commands, shipping)
        pickled: Pickled | None = None
        if initializer is not None:
            parts = (initializer, tuple(initargs))
            pickled = pickle_object(parts, "(initializer, initargs)", ship=shipping)
        where = access_point, max_workers, to_store(commands)
        self._engine = engine.start(session, *where) if self._left is None else attaching.attach(self._left, *where)
        self._intake = Intake(self._engine, options, retries, pickled, max_tasks_per_child)
        # Executors derived from this one share the engine: only when the last of them is gone is there nothing to come.
        weakref.finalize(self._engine, self._engine.watcher.close).atexit = False

    @classmethod
    def from_submit_file(cls, path: str | Path, **options: Any) -> CondorExecutor:
        """An executor with the submit commands of a submit file.

        What the file says of the program that it runs (``executable``, ``arguments``, ``output``, ``queue``, ...) is
        left out. Relative file names are taken from its ``initialdir``, or else from the current directory.

        Args:
            path: the submit file.
            options: any of the constructor's; a submit command wins over the file's, None removes it.

        Raises:
            OSError: if the file cannot be read.
            TypeError, ValueError: for what the constructor refuses; for another universe than vanilla, docker or
                container; for a name in it that is neither a command nor used as a macro.

        Example:
            >>> executor = CondorExecutor.from_submit_file("analysis.sub", request_memory="16GB")

        """
        return cls(**add_submit_file(path, options, cls))

    @classmethod
    def attach(cls, session: str | Path, **options: Any) -> CondorExecutor:
        """Take up a session whose client has left, or was killed.

        :attr:`futures` has the futures of all its calls: those that have ended are resolved, jobs in the queue are
        watched again, and calls that did not get there are submitted now. Nothing that was done is done again.

        Args:
            session: its directory, or its id, as `condor-futures sessions` lists it.
            options: any of the constructor's, for further calls; *access_point*, *max_workers* and *credentials* are
                those that the session had, unless they are given. *on_hold* and *memory_max*, if given, count for the
                earlier calls too; a function cannot be kept in a session, so that without it these calls fail when they
                are held.

        Raises:
            CondorFuturesError: if there is no such session, or its client still runs.
            AccessPointError: if the access point does not answer.
            CredentialError: as the constructor.

        Example:
            >>> executor = CondorExecutor(access_point="personal")
            >>> future = executor.submit(pow, 2, 10)
            >>> session = executor.detach()
            >>> session  # for the program that takes it up, now or tomorrow
            '20261121-104523-1a2b3c4d'
            >>> with CondorExecutor.attach(session) as executor:
            ...     for key, future in executor.futures.items():
            ...         print(key, future.result())
            c000000 1024

        """
        executor: CondorExecutor = cls.__new__(cls)
        executor._left, options = attaching.Left.by(session, options)
        cls.__init__(executor, **options)
        return executor

    def detach(self) -> str:
        """Leave the session while its jobs go on; gives its id, or its directory, for :meth:`attach`.

        Futures that have not ended fail here with a :class:`CondorFuturesError` that says so. Calls that are not in the
        queue yet, because of ``max_workers`` or because they wait for others, get there once somebody attaches.

        Raises:
            RuntimeError: after :meth:`shutdown`.

        Example:
            >>> executor = CondorExecutor(access_point="personal", session="night-shift")
            >>> mass = executor.submit(simulate, 7)
            >>> print(executor.detach())
            /home/me/night-shift
            >>> with CondorExecutor.attach("night-shift") as executor:
            ...     executor.futures[mass.key].result()
            91.2

        """
        engine = self._engine
        with engine.lock:
            engine.check_open()
            engine.shut_down = True
        engine.watcher.detach()
        engine.watcher.join()
        return engine.session.id if not engine.session.kept else str(engine.session.directory)

    @property
    def futures(self) -> Mapping[str, CondorFuture[Any]]:
        """After :meth:`attach`: the futures of all the session's calls in the order of their submission, by key.

        Example:
            >>> executor = CondorExecutor(access_point="personal")
            >>> future = executor.submit(pow, 2, 10)
            >>> with CondorExecutor.attach(executor.detach()) as executor:
            ...     {key: future.result() for key, future in executor.futures.items()}
            {'c000000': 1024}

        """
        return self._engine.futures

    @classmethod
    def from_profile(cls, name: str, **options: Any) -> CondorExecutor:
        """An executor with the options that a profile stands for.

        Profiles are tables of TOML files: the user's, the site's, the package's (``condor-futures profiles`` lists
        them).

        Args:
            name: the profile, such as ``"cern"``.
            options: any of the constructor's; they win over the profile's.

        Raises:
            CondorFuturesError: if there is no such profile, or a file with profiles is not as it should be.
            Exception: what the constructor raises, for what the profile says too.

        Example:
            >>> executor = CondorExecutor.from_profile("cern", job_flavour="workday")

        """
        return cls(**load_profile(name, options))

    @property
    def _max_workers(self) -> int:
        return self._engine.max_workers

    @property
    def session(self) -> Path:
        """The session's directory.

        Example:
            >>> with CondorExecutor(access_point="personal", session="scan") as executor:
            ...     print(executor.session)
            /home/me/scan

        """
        return self._engine.session.directory

    @property
    def categories(self) -> Categories:
        """The largest number of jobs of each category that may be in the queue at once; no limit where it has none.

        Example:
            >>> executor.categories["database"] = 3
            >>> stored = list(executor.with_options(category="database").map(store, rows))

        """
        return self._engine.categories

    def jobs(self, *, why: bool = False) -> list[JobInfo]:
        """The jobs that are in the queue now, those of derived executors too, as the access point sees them.

        :meth:`counts` says how many calls are in which state without asking anybody.

        Args:
            why: have HTCondor find out why the idle ones are idle: one analysis, of some tenths of a second and in a
                large pool more, for all jobs that ask for the same.

        Raises:
            AccessPointError: if the access point does not answer.

        Example:
            >>> future = executor.submit(simulate, 7)
            >>> jobs = executor.jobs(why=True)
            >>> table = [(job.job_id, job.state, job.host, job.hold_reason or job.why_idle) for job in jobs]

        """
        access_point = self._engine.watcher.access_point
        try:
            return query_jobs(access_point, self._engine.session.constraint, why=why)
        except AccessPointError:
            if self._engine.watcher.join(10):
                return []  # it has shut down meanwhile, and has left none
            raise

    def with_options(
        self,
        *,
        spool: bool | None = None,
        after: Future[Any] | Iterable[Future[Any]] | None = None,
        category: str | None = None,
        discard_result: bool | None = None,
        ship: Literal["auto"] | Iterable[ModuleType | str | Path] | None = None,
        keep_logs: str | Path | Literal[False] | None = None,
        on_hold: OnHoldOption | None = None,
        memory_max: int | str | Literal[False] | None = None,
        retry_exceptions: RetryOption | None = None,
        **submit_commands: object,
    ) -> CondorExecutor:
        """An executor with other submit commands that shares this one's session, limits and shutdown.

        Args:
            spool: as in the constructor; None to keep it.
            after: futures that its calls wait for, without taking their values; where one of them fails or is
                cancelled, the calls fail with :class:`DependencyError`. None to keep those there are.
            category: the name of a group of jobs; :attr:`categories` says how many of it may be in the queue at once.
                None to keep it.
            discard_result: bring nothing back of what its calls return: their futures' results are None. What they
                raise is raised all the same. None to keep it.
            ship: as in the constructor; None to keep it.
            keep_logs: as in the constructor; None to keep it, False for none.
            on_hold: as in the constructor; None to keep it.
            memory_max: as in the constructor; None to keep it, False for none.
            retry_exceptions: as in the constructor; None to keep it, () for none.
            submit_commands: added to this executor's; None removes one.

        Raises:
            TypeError: as in the constructor; if *after* has something else than futures.
            CondorFuturesError: if *keep_logs* cannot be made.
            ValueError, ImportError, FileNotFoundError: as in the constructor.

        Example:
            >>> large = executor.with_options(request_memory="512MB")
            >>> means = [large.submit(fit, spectrum) for spectrum in spectra]
            >>> cleaned = executor.with_options(after=means, discard_result=True).submit(clean_up)

        """
        derived: CondorExecutor = copy.copy(self)
        intake = self._intake
        if after is not None:
            if is_of_map(after):
                raise TypeError("after must be futures, and map() gives results; make its calls by submit() instead")
            intake = intake.coming_after(check_after(after))
        old = intake.options
        new = old.changed(submit_commands, spool=spool, ship=ship, category=category, discard_result=discard_result)
        check_services(new.commands)
        check_stored(new.commands, old.commands)
        logs = old.keep_logs if keep_logs is None else log_directory(None if keep_logs is False else keep_logs)
        new = replace(new, keep_logs=logs, on_hold=old.on_hold.changed(on_hold, memory_max))
        retries = intake.retries.changed(retry_exceptions, new.commands, new.ship)
        derived._intake = replace(intake, options=new, retries=retries)
        return derived

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> CondorFuture[T]:
        """Have ``fn(*args, **kwargs)`` called in a job of its own; returns at once.

        A call that cannot be pickled, or not be written, gives a future that has failed with a :class:`PayloadError`;
        so does one of something that cannot be called, with a TypeError, and one whose input files are not there, with
        a FileNotFoundError.

        Raises:
            TypeError: for :func:`shell` itself, without a command.
            RuntimeError: after :meth:`shutdown`.
            BrokenCondorExecutor: after an initializer has failed.

        Example:
            >>> future = executor.submit(pow, 2, 10)
            >>> double = executor.submit(lambda number: 2 * number, future)  # once the first is there
            >>> future.result(), double.result()
            (1024, 2048)

        """
        refuse_shell(fn)
        self._engine.check_open()
        return self._intake.submit(fn, args, kwargs)

    def submit_cluster(
        self, fn: Callable[..., T], /, *args: object, count: int, **kwargs: object
    ) -> list[CondorFuture[T]]:
        """Have ``fn(*args, **kwargs)`` called *count* times, by the jobs of one cluster; returns at once.

        Where :data:`condor_futures.procid` is among the arguments, at any depth, each call gets its own number instead,
        from 0 on.

        Args:
            fn: called once in each job.
            args: its arguments, pickled once for all.
            count: how many jobs.
            kwargs: its keyword arguments (one of the name ``count`` it cannot have).

        Returns:
            The calls' futures, in the order of their numbers.

        Raises:
            TypeError: if *count* is no int.
            ValueError: if it is below 1, or more jobs than may be in the queue at once.
            RuntimeError, BrokenCondorExecutor: as :meth:`submit`.

        Example:
            >>> from condor_futures import procid
            >>> squares = executor.submit_cluster(pow, procid, 2, count=4)
            >>> [future.result() for future in squares]
            [0, 1, 4, 9]

        """
        count = check_cluster(fn, count)
        category = self._intake.options.category
        of_category = self.categories.get(category or "", self._max_workers)
        limit = min(self._max_workers, of_category)
        if count > limit:
            of = f" of the category {category!r}" if of_category < self._max_workers else ""
            raise ValueError(f"a cluster of {count} jobs is more than the {limit}{of} that may be in the queue at once")
        self._engine.check_open()
        return self._intake.submit_cluster(fn, args, kwargs, count)

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
            chunksize: calls per job; ``"auto"`` makes about four jobs for each core of the pool, or for each of
                *max_workers* if these are fewer. A call that raises, or kills its Python, costs none of the others in
                its job.
            buffersize: submit only so many chunks ahead of what has been taken from the result (as in Python 3.14).

        Raises:
            ValueError: if *chunksize* or *buffersize* is below 1, or *chunksize* is ``"auto"`` with a *buffersize*.

        Example:
            >>> for square in executor.map(pow, range(4), [2] * 4, chunksize=2):  # two jobs
            ...     print(square)
            0
            1
            4
            9

        """
        refuse_shell(fn)
        buffersize = check_optional_count("buffersize", buffersize)
        if chunksize != "auto":
            chunksize = check_count("chunksize", chunksize, also="'auto'")
        check_seconds("timeout", timeout)
        self._engine.check_open()
        started = monotonic()
        arguments: Iterable[tuple[Any, ...]] = zip(*iterables, strict=False)
        if chunksize == "auto":
            if buffersize is not None:
                raise ValueError(
                    "chunksize='auto' has to count the arguments, which buffersize has read as they are needed; "
                    "give chunksize a number"
                )
            arguments = list(arguments)
            size = max(1, -(-len(arguments) // (4 * self._engine.workers())))
        else:
            size = chunksize
        chunks = self._intake.submit_chunks(fn, iter(arguments), size, buffersize)
        return results(chunks, buffersize, None if timeout is None else started + timeout)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and clean up once those there are have ended.

        Afterwards nothing of the session is in the queue or the spool directory.

        Args:
            wait: return only then; otherwise at once, and the work goes on in the background. A job on hold for which
                *on_hold* says ``"wait"`` is waited for, as long as that takes.
            cancel_futures: cancel every call that does not run yet, and those whose job is on hold.

        Example:
            >>> executor = CondorExecutor(access_point="personal")
            >>> future = executor.submit(pow, 2, 10)
            >>> executor.shutdown()
            >>> future.done(), future.result()
            (True, 1024)

        """
        engine = self._engine
        with engine.lock:
            engine.shut_down = True
        if cancel_futures:
            engine.watcher.cancel_pending()
        engine.watcher.close()
        if wait:
            engine.watcher.join()

    def terminate_workers(self) -> None:
        """Remove all jobs now, also those that run; their futures fail with :class:`JobRemovedError`. Shuts down.

        Example:
            >>> executor = CondorExecutor(access_point="personal")
            >>> future = executor.submit(time.sleep, 3600)
            >>> executor.terminate_workers()
            >>> future.result()
            Traceback (most recent call last):
            condor_futures.errors.JobRemovedError: the job of the call was removed: the executor was terminated

        """
        with self._engine.lock:
            self._engine.shut_down = True
        self._engine.watcher.remove_all("the executor was terminated")
        self.shutdown(wait=True)

    kill_workers = terminate_workers

    def counts(self) -> Counter[str]:
        """How many calls are ``pending`` (not in the queue yet), ``idle``, ``running``, ``held`` and ``completed`` (the
        job ended, its outcome is on its way) just now, and how many have ended: ``done``, ``failed`` or ``cancelled``.
        They are the futures' :attr:`~CondorFuture.state`, counted.

        Example:
            >>> with CondorExecutor(access_point="personal") as executor:
            ...     means = list(executor.map(fit, spectra))
            ...     executor.counts()
            Counter({'done': 3})

        """
        return self._engine.watcher.tally.counts()

    def __exit__(self, exc_type: type[BaseException] | None, *rest: object) -> Literal[False]:
        """Shut down and wait; after Ctrl-C, also one that comes meanwhile, remove the jobs first."""
        if exc_type is not None and issubclass(exc_type, KeyboardInterrupt):
            self._take_back()
            return False
        try:
            self.shutdown(wait=True)
        except KeyboardInterrupt:
            self._take_back()
            raise
        return False

    def _take_back(self) -> None:
        with self._engine.lock:
            self._engine.shut_down = True
        at_exit.take_back(self._engine.watcher)
