"""The executor class, which is the interface of the package.

It is long because its docstrings form the reference. :mod:`condor_futures.executor.intake` processes calls, and
:mod:`condor_futures.executor.engine` has the session and the watcher.
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
from typing import Any, Literal, ParamSpec, TypeVar, overload

from condor_futures.access_point.job_info import JobInfo, query_jobs
from condor_futures.calls.making import check_cluster, refuse_shell
from condor_futures.calls.naming import Naming
from condor_futures.calls.pickling import Pickled, pickle_object
from condor_futures.calls.retry_exceptions import Retries, RetryOption
from condor_futures.errors import AccessPointError
from condor_futures.executor import at_exit, attaching, engine
from condor_futures.executor.intake import Intake
from condor_futures.executor.map_results import argument_tuples, is_of_map, results
from condor_futures.future import CondorFuture, Progress
from condor_futures.options.arguments import (
    check_after,
    check_count,
    check_flag,
    check_optional_count,
    check_progress,
    check_seconds,
    check_warm,
)
from condor_futures.options.categories import Categories
from condor_futures.options.credentials import Credentials, check_services, check_stored, to_store
from condor_futures.options.keep_logs import log_directory
from condor_futures.options.on_hold import OnHold, OnHoldOption
from condor_futures.options.options import Options
from condor_futures.options.profiles import load_profile
from condor_futures.options.python_environment import python_environment as environment_of
from condor_futures.options.ship import Shipping
from condor_futures.options.warm import default_warm
from condor_futures.representation import as_html, as_table
from condor_futures.session.environments import store_environment
from condor_futures.session.shared_objects import SharedObject
from condor_futures.submit.automatic import check_automatic
from condor_futures.submit.description import check_submit_commands
from condor_futures.submit.exit_statuses import check_exit_statuses
from condor_futures.submit.files_here import check_spoolable
from condor_futures.submit.submit_file import add_submit_file

__all__ = ["CondorExecutor"]

P = ParamSpec("P")
T = TypeVar("T")


class CondorExecutor(Executor):
    """A :class:`concurrent.futures.Executor` whose calls run as HTCondor jobs.

    Args:
        max_workers: the maximum number of jobs in the queue; None for 1,000.
        mp_context: ignored; accepted so that code written for ``ProcessPoolExecutor`` runs. A job is always a new
            process.
        initializer: called in each process that makes calls, before the first call: once per job, and again after a
            crash or, in a warm job, after a running call was cancelled.
        initargs: the initializer's arguments.
        max_tasks_per_child: a process makes at most this many calls; then a new process starts.
        access_point: None for the schedd of the local HTCondor configuration; ``"personal"`` for a personal pool, which
            is started if none runs; ``"name@host"``, or a pair ``(pool, name)``, for a remote schedd.
        spool: spool the jobs' files to the access point. This works with any access point. False is faster, but the
            access point must be able to access the session directory.
        session: a directory for the session, which is then kept; None for a directory that is removed with the last of
            its futures.
        ship: the modules that jobs get as files. ``"auto"``, alone or in a list, selects the modules that are not part
            of the Python installation, and the script. A list may add modules or their names, which stand for their
            whole package, and remove them: ``"-name"``. It may also have paths of packages, zip files or wheels, which
            are transferred as they are, so that the job can import from them.
        python_environment: an archive made by conda-pack, venv-pack or ``pixi-pack --create-executable``, or the
            directory of a venv, which is packed. Each job gets the archive once and unpacks it, and its Python makes
            the calls. It must have the minor version of Python of this program. None for a Python of the execution
            point.
        warm: the seconds for which a job without a call waits for further calls before it leaves. 0 gives each call (or
            each chunk of ``map``) a job of its own, as do options that concern a whole job, such as ``max_retries``,
            and access points that do not see the session. The default, None, means 20 in a personal pool
            (``access_point="personal"``), and 0 elsewhere, because a warm job can reach your files at the access point.
            See "Warm jobs" in the documentation.
        warm_lifetime: the seconds after which a warm job takes no more calls, and leaves its slot when its call ends.
        credentials: credentials to store at the access point before the first job is submitted: ``"kerberos"``,
            ``"scitokens"``, ``"oauth:SERVICE"`` or ``"oauth:SERVICE*HANDLE"``, or several of these. They are renewed
            for as long as the session lasts.
        keep_logs: a directory for the output, error and log of each job that ends, as ``CLUSTER.PROC.out``, ``.err``
            and ``.log``. It is created if necessary. None keeps these files no longer than the session.
        on_hold: the action for a job that goes on hold: ``"fail"`` its calls with a :class:`JobHeldError`;
            ``"release"`` it, up to three times, or as often as in ``("release", times)``; or ``"wait"`` until somebody
            releases it. A function instead takes a :class:`HeldJob`, and returns one of these three words.
        memory_max: a size as in ``request_memory`` (a bare number is MiB). A job that is held because it used more
            memory than it requested is released with twice the memory, up to this size. None disables this, except for
            jobs with ``request_memory="auto"``, for which it means 16 GiB.
        retry_exceptions: one or more exception classes. A call that raises one of them fails only after the attempts
            that ``max_retries`` allows. Without this option every exception is an outcome, and only crashes are
            retried.
        progress: show the number of calls in each state, the time left, and what running calls
            :func:`~condor_futures.report`, as a line below the prints in a terminal, or as an output in a notebook.
            Elsewhere, and at the prompt of an interactive Python, nothing is shown. None is True if the environment
            variable ``CONDOR_FUTURES_PROGRESS`` is 1.
        submit_commands: any submit command of condor_submit, for example ``request_memory="4GB"`` (a bare number is
            MiB), ``request_cpus=2``, or ``**{"MY.Project": '"x"'}`` for a job attribute. With ``request_memory="auto"``
            and ``request_disk="auto"``, the executor learns what the calls of a function need: the first jobs request
            the site's default. When ten of them have ended, idle and later jobs request the 0.99 quantile of what the
            jobs used, with a margin of 20 %, rounded up by 3 % at most, but not more memory than *memory_max*. A job
            that is held for memory is released with more. Such jobs are not warm.

    Raises:
        AccessPointError: the access point does not respond.
        CredentialError: a credential cannot be made, or the access point refuses it.
        PersonalPoolError: there is no HTCondor for a personal pool.
        CondorFuturesError: *session* is in use, or *session* or *keep_logs* cannot be created.
        PayloadError: the initializer cannot be pickled, or its file cannot be written.
        TypeError: a submit command is unknown (the error names the nearest known one), or the executor owns it.
        ValueError: ``max_workers``, ``max_tasks_per_child`` or ``warm_lifetime`` is below 1, or ``warm`` below 0; a
            submit description cannot contain a value, a file name or the name of the session's directory; a command
            other than *request_memory* and *request_disk* is ``"auto"``, or one of these is and HTCondor is to change
            it too (``retry_request_memory``); the kind of a credential or the word for *on_hold* is unknown;
            *retry_exceptions* is given without ``max_retries``; or jobs cannot use the *python_environment*.
        ImportError, FileNotFoundError: a module or path in *ship*, or *python_environment*, does not exist.

    Example:
        >>> from condor_futures import CondorExecutor
        >>> with CondorExecutor(access_point="personal") as executor:
        ...     list(executor.map(pow, range(10), [2] * 10, chunksize=5))
        [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]

    """

    #: The session to attach to; None for a new session. Set before __init__, which serves both cases.
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
        python_environment: str | Path | None = None,
        warm: float | None = None,
        warm_lifetime: float = 3600.0,
        credentials: str | Sequence[str] | None = None,
        keep_logs: str | Path | None = None,
        on_hold: OnHoldOption | None = None,
        memory_max: int | str | None = None,
        retry_exceptions: RetryOption | None = None,
        progress: bool | None = None,
        **submit_commands: object,
    ) -> None:
        """Connect to the access point. No job is submitted before the first call."""
        max_workers = check_optional_count("max_workers", max_workers)
        max_tasks_per_child = check_optional_count("max_tasks_per_child", max_tasks_per_child)
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer must be a callable, not {initializer!r}")
        if not isinstance(initargs, Iterable):
            raise TypeError(f"initargs must be a tuple of the initializer's arguments, not {type(initargs).__name__}")
        commands = check_submit_commands(submit_commands)
        commands |= Credentials.parse(credentials).commands(commands)
        check_services(commands)
        check_automatic(commands)
        check_exit_statuses(commands)
        check_flag("spool", spool)
        if spool:
            check_spoolable(commands)
        shipping = Shipping(ship)
        environment = environment_of(python_environment)
        if environment is not None:
            environment.check_machine(commands)
        logs = log_directory(keep_logs)
        if warm is not None:
            check_warm("warm", warm, least=0.0)
        check_warm("warm_lifetime", warm_lifetime, least=1.0)
        options = Options(
            commands,
            spool,
            shipping,
            keep_logs=logs,
            on_hold=OnHold().changed(on_hold, memory_max),
            warm_lifetime=float(warm_lifetime),
            environment=environment,
        )
        retries = Retries().changed(retry_exceptions, commands, shipping)
        pickled: Pickled | None = None
        if initializer is not None:
            parts = (initializer, tuple(initargs))
            pickled = pickle_object(parts, "(initializer, initargs)", ship=shipping)
        if shows := check_progress(progress):
            from condor_futures.display.showing import show  # it imports parts of rich
        where = access_point, max_workers, to_store(commands)
        self._engine = engine.start(session, *where) if self._left is None else attaching.attach(self._left, *where)
        # Derived executors share the engine. No more calls can come when the last of these executors is gone.
        weakref.finalize(self._engine, self._engine.watcher.close).atexit = False
        store_environment(self._engine.session, environment)
        if warm is None:
            warm = default_warm(self._engine.session.record.access_point)
        options = replace(options, warm=float(warm))
        self._intake = Intake.of(self._engine, options, retries, pickled, max_tasks_per_child)
        # Not this executor, which the thread that draws would keep alive.
        watcher = self._engine.watcher
        self._showing = show(watcher, over=lambda: watcher.join(0.0)) if shows else None

    @classmethod
    def from_submit_file(cls, path: str | Path, **options: Any) -> CondorExecutor:
        """Create an executor with the submit commands of a submit file.

        The commands that describe the file's program (``executable``, ``arguments``, ``output``, ``queue``, ...) are
        ignored. Relative file names are relative to the file's ``initialdir``, or else to the current directory.

        Args:
            path: the submit file.
            options: any options of the constructor. A submit command replaces the file's before anything in the file is
                expanded or refused; None removes it.

        Raises:
            OSError: the file cannot be read.
            TypeError, ValueError: the constructor refuses an option; the universe is not vanilla, docker or container;
                a value in the file is invalid, or differs between its jobs; or a name in the file resembles a command.

        Example:
            >>> executor = CondorExecutor.from_submit_file("analysis.sub", request_memory="16GB")

        """
        return cls(**add_submit_file(path, options, cls))

    @classmethod
    def attach(cls, session: str | Path, **options: Any) -> CondorExecutor:
        """Attach to a session whose client detached or was killed.

        :attr:`futures` has the futures of all calls of the session. Futures of finished calls are resolved, jobs in the
        queue are watched again, and calls that were not submitted yet are submitted now. Finished calls are not
        repeated.

        Args:
            session: the session's directory, or its id as listed by `condor-futures sessions`.
            options: any options of the constructor, for further calls. *access_point*, *max_workers* and *credentials*
                default to those of the session. *on_hold* and *memory_max*, if given, also apply to the earlier calls.
                A session cannot store a function for *on_hold*. If you do not pass the function again, the earlier
                calls fail when their jobs are held.

        Raises:
            CondorFuturesError: there is no such session, or its client still runs.
            AccessPointError: the access point does not respond.
            CredentialError: as in the constructor.

        Example:
            >>> executor = CondorExecutor(access_point="personal")
            >>> future = executor.submit(pow, 2, 10)
            >>> session = executor.detach()
            >>> session  # for the program that attaches to it, now or tomorrow
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
        """Leave the session while its jobs continue. Return its id or its directory, for :meth:`attach`.

        In this process, unfinished futures fail with a :class:`CondorFuturesError` that says so. Calls that wait for
        warm jobs are given to those that run, or get jobs of their own if none runs. Calls that are not in the queue
        after that, because of ``max_workers`` or because they wait for other calls, are submitted when a client
        attaches.

        Raises:
            RuntimeError: the executor was shut down.

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
        if self._showing is not None:
            self._showing.finish()
        return engine.session.id if not engine.session.kept else str(engine.session.directory)

    @property
    def futures(self) -> Mapping[str, CondorFuture[Any]]:
        """The futures of all calls of the session by key, in the order of submission, after :meth:`attach`.

        Before, it has only the futures of the calls that have a name (see :meth:`with_options`). ``futures[name]`` is
        the future of the last call that was submitted with the name. The executor keeps these futures and their values
        in memory; futures of calls without a name belong to you alone.

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
        """Create an executor with the options of a profile.

        Profiles are tables in TOML files of the user, the site and the package (``condor-futures profiles`` lists
        them).

        Args:
            name: the name of the profile, such as ``"cern"``.
            options: any options of the constructor; they override the profile's.

        Raises:
            CondorFuturesError: there is no such profile, or a file with profiles is malformed.
            Exception: as in the constructor, also for the options of the profile.

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
        """The maximum number of jobs in the queue by category; other categories have no limit.

        Example:
            >>> executor.categories["database"] = 3
            >>> stored = list(executor.with_options(category="database").map(store, rows))

        """
        return self._engine.categories

    @property
    def why_not_warm(self) -> str | None:
        """Why the calls of this executor get jobs of their own; None if warm jobs make them, as far as is known.

        Example:
            >>> executor = CondorExecutor(access_point="personal")
            >>> print(executor.why_not_warm)
            None
            >>> executor.with_options(max_retries=3).why_not_warm
            'HTCondor counts the retries of a job'
            >>> executor.shutdown()

        """
        return self._engine.watcher.why_not_warm(self._intake.options)

    def jobs(self, *, why: bool = False) -> list[JobInfo]:
        """Query the access point for the jobs in the queue, including those of derived executors.

        :meth:`counts` returns the number of calls in each state without a query.

        Args:
            why: have HTCondor analyze why idle jobs are idle. All jobs with the same requirements share one analysis,
                which takes some tenths of a second, or longer in a large pool.

        Raises:
            AccessPointError: the access point does not respond.

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
                return []  # the executor was shut down meanwhile, and has left no jobs
            raise

    def with_options(
        self,
        *,
        spool: bool | None = None,
        after: Future[Any] | Iterable[Future[Any]] | None = None,
        category: str | None = None,
        discard_result: bool | None = None,
        name: str | Literal[False] | None = None,
        ship: Literal["auto"] | Iterable[ModuleType | str | Path] | None = None,
        python_environment: str | Path | Literal[False] | None = None,
        keep_logs: str | Path | Literal[False] | None = None,
        warm: float | None = None,
        on_hold: OnHoldOption | None = None,
        memory_max: int | str | Literal[False] | None = None,
        retry_exceptions: RetryOption | None = None,
        **submit_commands: object,
    ) -> CondorExecutor:
        """Create a derived executor with other options, which shares the session, limits and shutdown of this one.

        Args:
            spool: as in the constructor; None keeps the setting.
            after: futures that the calls wait for, without taking their values. If one of the futures fails or is
                cancelled, the calls fail with :class:`DependencyError`. None keeps the setting.
            category: the name of a group of jobs; :attr:`categories` has the maximum number of its jobs in the queue.
                None keeps the setting.
            discard_result: do not return the values of the calls: the futures' results are None. Exceptions are raised
                as usual. None keeps the setting.
            name: a format string that makes the name of each call from its arguments, as ``str.format`` does:
                ``"fit-{0}"`` uses the first positional argument, ``"fit-{seed}"`` the keyword argument *seed*. The name
                is in the future's :attr:`~CondorFuture.name`, in :meth:`jobs` and in ``condor-futures status`` and
                ``show``, and is a key of :attr:`futures`. It is cut after 200 characters. None keeps the setting, False
                removes it.
            ship: as in the constructor; None keeps the setting.
            python_environment: as in the constructor; None keeps the setting, False removes it.
            keep_logs: as in the constructor; None keeps the setting, False disables it.
            warm: as in the constructor; None keeps the setting.
            on_hold: as in the constructor; None keeps the setting.
            memory_max: as in the constructor; None keeps the setting, False means None.
            retry_exceptions: as in the constructor; None keeps the setting, () removes all classes.
            submit_commands: added to the commands of this executor; None removes a command.

        Raises:
            TypeError: as in the constructor; *after* has an object that is not a future; or *name* is not a str.
            CondorFuturesError: *keep_logs* cannot be created.
            ValueError, ImportError, FileNotFoundError: as in the constructor; or *name* is not a format string.

        Example:
            >>> large = executor.with_options(request_memory="512MB")
            >>> means = [large.submit(fit, spectrum) for spectrum in spectra]
            >>> cleaned = executor.with_options(after=means, discard_result=True).submit(clean_up)
            >>> measured = executor.with_options(request_memory="auto", memory_max="4GB")
            >>> more_means = list(measured.map(fit, spectra))
            >>> powers = list(executor.with_options(name="power-{1}").map(pow, [2, 2], [8, 10]))
            >>> executor.futures["power-10"].result()
            1024

        """
        derived: CondorExecutor = copy.copy(self)
        intake = self._intake
        if after is not None:
            if is_of_map(after):
                raise TypeError(
                    "after must be futures, but map() returns results; make the calls with submit() instead"
                )
            intake = intake.coming_after(check_after(after))
        old = intake.options
        new = old.changed(
            submit_commands,
            spool=spool,
            ship=ship,
            category=category,
            discard_result=discard_result,
            environment=python_environment,
        )
        check_services(new.commands)
        check_automatic(new.commands)
        check_exit_statuses(new.commands)
        check_stored(new.commands, old.commands)
        logs = old.keep_logs if keep_logs is None else log_directory(None if keep_logs is False else keep_logs)
        if warm is not None:
            check_warm("warm", warm, least=0.0)
            new = replace(new, warm=float(warm))
        new = replace(new, keep_logs=logs, on_hold=old.on_hold.changed(on_hold, memory_max))
        retries = intake.retries.changed(retry_exceptions, new.commands, new.ship)
        naming = intake.naming if name is None else None if name is False else Naming.parse(name)
        store_environment(self._engine.session, new.environment)
        derived._intake = replace(intake, options=new, retries=retries, naming=naming)
        return derived

    def share(self, obj: T) -> SharedObject[T]:
        """Store *obj* once for many calls, and return a handle, which calls take as an argument in its place.

        The handle may be anywhere in the arguments of a call, or in its function: in lists, dictionaries, instances,
        closures, partials, or as the function itself. In the job the object itself is there instead. All calls that one
        process makes get the same object, so a call must not change it. Arrays in it are read-only: copy an array to
        change it.

        The object is pickled here, once. Its file stays in the session directory for as long as the session. Equal
        objects (with equal pickles) are stored once. The handle does not keep *obj* in memory.

        Args:
            obj: any object that can be pickled. It may contain other handles, but no futures.

        Raises:
            PayloadError: *obj* cannot be pickled, or its file cannot be written.
            ValueError: *obj* contains a handle of another session. (A call with such a handle fails with a ValueError.)
            RuntimeError, BrokenCondorExecutor: as in :meth:`submit`.

        Example:
            >>> events = executor.share(list(range(1_000_000)))
            >>> sums = [executor.submit(lambda data, start: sum(data[start::4]), events, start) for start in range(4)]
            >>> sum(future.result() for future in sums)
            499999500000

        """
        self._engine.check_open()
        return self._intake.share(obj)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> CondorFuture[T]:
        """Submit the call ``fn(*args, **kwargs)``, and return its future immediately.

        Without warm jobs, the call is a job of its own. The future fails with a :class:`PayloadError` if the call
        cannot be pickled or written, with a TypeError if *fn* is not callable, and with a FileNotFoundError if an input
        file does not exist.

        Raises:
            TypeError: *fn* is :func:`shell` itself, without a command.
            ValueError: the call does not have an argument that its name uses, or the argument has no text yet.
            RuntimeError: the executor was shut down.
            BrokenCondorExecutor: an initializer has failed.

        Example:
            >>> future = executor.submit(pow, 2, 10)
            >>> double = executor.submit(lambda number: 2 * number, future)  # waits for the first
            >>> future.result(), double.result()
            (1024, 2048)

        """
        refuse_shell(fn)
        self._engine.check_open()
        return self._intake.submit(fn, args, kwargs)

    def submit_cluster(
        self, fn: Callable[..., T], /, *args: object, count: int, **kwargs: object
    ) -> list[CondorFuture[T]]:
        """Submit the call ``fn(*args, **kwargs)`` *count* times, as the jobs of one cluster, and return immediately.

        In the arguments, each call gets its own number, from 0 on, in place of :data:`condor_futures.procid`, at any
        depth.

        Args:
            fn: called once in each job.
            args: its arguments, pickled once for all calls.
            count: the number of jobs.
            kwargs: its keyword arguments. *fn* cannot take a keyword argument named ``count``.

        Returns:
            The calls' futures, in the order of their numbers.

        Raises:
            TypeError: *count* is not an int.
            ValueError: *count* is below 1, or exceeds the maximum number of jobs in the queue; or as in :meth:`submit`.
            RuntimeError, BrokenCondorExecutor: as in :meth:`submit`.

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
            raise ValueError(f"a cluster of {count} jobs exceeds the limit{of}: {limit} jobs in the queue at once")
        self._engine.check_open()
        return self._intake.submit_cluster(fn, args, kwargs, count)

    @overload
    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | Literal["auto"] = 1,
        buffersize: int | None = None,
        ordered: bool = True,
        return_exceptions: Literal[False] = False,
    ) -> Iterator[T]: ...

    @overload
    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | Literal["auto"] = 1,
        buffersize: int | None = None,
        ordered: bool = True,
        return_exceptions: bool,
    ) -> Iterator[T | BaseException]: ...

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | Literal["auto"] = 1,
        buffersize: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> Iterator[T] | Iterator[T | BaseException]:
        """Like ``map(fn, *iterables)``: yields the results in order, each as soon as it is available.

        Args:
            fn: called with one item of each iterable.
            iterables: read immediately, or as far as *buffersize* allows.
            timeout: seconds from this call on, after which waiting for a result raises TimeoutError.
            chunksize: calls per job. A warm job is given so many calls at once; the default lets the executor find out
                how many are best. ``"auto"`` means the same for warm jobs, and otherwise makes about four jobs for each
                core of the pool, or for each of *max_workers* if these are fewer. A call that raises an exception, or
                crashes its Python process, does not affect the other calls in its job.
            buffersize: submit at most this many chunks ahead of the results taken (as in Python 3.14).
            ordered: False yields each result as soon as its call ends, in any order. *fn* can return its arguments
                together with its result, so that you know which call a result is of.
            return_exceptions: True yields the exception of a call that fails in place of its result, and continues with
                the other calls. By default, the iterator raises the first exception, and cancels the calls whose
                results have not been taken. A call that was cancelled yields a CancelledError. When *timeout* expires,
                TimeoutError is raised in any case.

        Raises:
            ValueError: *chunksize* or *buffersize* is below 1, or *chunksize* is ``"auto"`` with a *buffersize*; or the
                names of the calls use an argument that they do not have. (If a single call cannot be named, its future
                fails with a ValueError.)
            TypeError: an option has a wrong type, or an argument is not iterable.
            RuntimeError, BrokenCondorExecutor: as in :meth:`submit`.

        Example:
            >>> for square in executor.map(pow, range(4), [2] * 4, chunksize=2):
            ...     print(square)
            0
            1
            4
            9
            >>> sorted(executor.map(pow, range(4), [2] * 4, ordered=False))
            [0, 1, 4, 9]
            >>> list(executor.map(divmod, [7, 7], [2, 0], return_exceptions=True))
            [(3, 1), ZeroDivisionError('integer division or modulo by zero')]

        """
        if self._intake.naming is not None:
            self._intake.naming.check(len(iterables))
        return self._map(
            fn,
            lambda: zip(*iterables, strict=False),
            timeout=timeout,
            chunksize=chunksize,
            buffersize=buffersize,
            ordered=ordered,
            return_exceptions=return_exceptions,
        )

    @overload
    def starmap(
        self,
        fn: Callable[..., T],
        iterable: Iterable[Iterable[Any]],
        *,
        timeout: float | None = None,
        chunksize: int | Literal["auto"] = 1,
        buffersize: int | None = None,
        ordered: bool = True,
        return_exceptions: Literal[False] = False,
    ) -> Iterator[T]: ...

    @overload
    def starmap(
        self,
        fn: Callable[..., T],
        iterable: Iterable[Iterable[Any]],
        *,
        timeout: float | None = None,
        chunksize: int | Literal["auto"] = 1,
        buffersize: int | None = None,
        ordered: bool = True,
        return_exceptions: bool,
    ) -> Iterator[T | BaseException]: ...

    def starmap(
        self,
        fn: Callable[..., T],
        iterable: Iterable[Iterable[Any]],
        *,
        timeout: float | None = None,
        chunksize: int | Literal["auto"] = 1,
        buffersize: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> Iterator[T] | Iterator[T | BaseException]:
        """Like :func:`itertools.starmap`: yields ``fn(*args)`` for each *args* of *iterable*.

        Args:
            fn: called with the arguments of one item.
            iterable: tuples (or other iterables) of positional arguments; read as the iterables of :meth:`map`.
            timeout: as in :meth:`map`, as all the following options.
            chunksize: calls per job.
            buffersize: submit at most this many chunks ahead of the results taken.
            ordered: False yields each result as soon as its call ends.
            return_exceptions: True yields the exceptions of calls that fail.

        Raises:
            TypeError: an item of *iterable* is not iterable; or as in :meth:`map`.
            ValueError, RuntimeError, BrokenCondorExecutor: as in :meth:`map`.

        Example:
            >>> list(executor.starmap(pow, [(2, 10), (3, 2), (10, 3)]))
            [1024, 9, 1000]

        """
        return self._map(
            fn,
            lambda: argument_tuples(iterable),
            timeout=timeout,
            chunksize=chunksize,
            buffersize=buffersize,
            ordered=ordered,
            return_exceptions=return_exceptions,
        )

    def _map(
        self,
        fn: Callable[..., T],
        arguments_of_calls: Callable[[], Iterator[tuple[Any, ...]]],
        *,
        timeout: float | None,
        chunksize: int | Literal["auto"],
        buffersize: int | None,
        ordered: bool,
        return_exceptions: bool,
    ) -> Iterator[Any]:
        refuse_shell(fn)
        buffersize = check_optional_count("buffersize", buffersize)
        if chunksize != "auto":
            chunksize = check_count("chunksize", chunksize, also="'auto'")
        check_seconds("timeout", timeout)
        check_flag("ordered", ordered)
        check_flag("return_exceptions", return_exceptions)
        self._engine.check_open()
        started = monotonic()
        arguments = arguments_of_calls()
        if chunksize == "auto":
            if buffersize is not None:
                raise ValueError(
                    "chunksize='auto' must count the arguments first, but with buffersize they are read as they are "
                    "needed; set chunksize to a number"
                )
            counted = list(arguments)
            arguments = iter(counted)
            size = max(1, -(-len(counted) // (4 * self._engine.workers())))
        else:
            size = chunksize
        return results(
            self._intake.submit_chunks(fn, arguments, size, buffersize, chosen=chunksize != "auto"),
            buffersize,
            None if timeout is None else started + timeout,
            ordered=ordered,
            return_exceptions=return_exceptions,
        )

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more calls, and clean up when all submitted calls have ended.

        Afterwards the queue and the spool directory contain nothing of the session.

        Args:
            wait: return only after the cleanup. Otherwise return immediately, and continue in the background. If
                *on_hold* is ``"wait"``, jobs on hold are waited for without limit.
            cancel_futures: cancel all calls that do not run yet, and calls whose job is on hold.

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
        if wait and engine.watcher.join() and self._showing is not None:
            self._showing.finish()

    def terminate_workers(self) -> None:
        """Remove all jobs now, including running ones, and shut down. Their futures fail with :class:`JobRemovedError`.

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
        """Return the number of calls in each state: the :attr:`~CondorFuture.state` of their futures.

        Calls are now ``pending`` (not in the queue yet), ``idle``, ``running``, ``held`` or ``completed`` (the job has
        ended, and its outcome is being retrieved), or they have ended as ``done``, ``failed`` or ``cancelled``.

        Example:
            >>> with CondorExecutor(access_point="personal") as executor:
            ...     means = list(executor.map(fit, spectra))
            ...     executor.counts()
            Counter({'done': 3})

        """
        return self._engine.watcher.counts()

    def reports(self) -> dict[str, Progress]:
        """Return the last :func:`~condor_futures.report` of each call that runs now, by the key of its future.

        Only calls in jobs that are warm, or that stream, report. Only those that have called
        :func:`~condor_futures.report` are in the dictionary. :attr:`CondorFuture.progress` returns the same for one
        call.

        Example:
            >>> from condor_futures import report
            >>> with CondorExecutor(access_point="personal") as executor:
            ...     future = executor.submit(report, 0.5, "half of it")
            ...     running = executor.reports()

        """
        return self._engine.watcher.reports()

    def usage(self) -> list[dict[str, Any]]:
        """Return what the calls that have ended, and their jobs, used, including those of derived executors.

        The method reads the files of the session, so it needs no query, and takes about two seconds for 50,000 calls.
        :func:`condor_futures.usage` returns the same for a session that no executor uses.

        Returns:
            One dictionary for each call that has an outcome in the session's directory, in the order of submission.
            ``pandas.DataFrame`` takes the list. A call that failed without an outcome, for example because its job was
            removed, has none. The keys:

            - ``key``: the key of the call.
            - ``name``: the name that :meth:`with_options` gave to the call; None if it has none.
            - ``function``: the name of the function; None if the call killed its process.
            - ``job_id``: the job, as ``cluster.proc``; None if the event log does not contain the job.
            - ``host``: the host name of the execution point.
            - ``result``: as in :class:`.inspection.InspectedOutcome`, for example ``"value"`` or ``"exception"``.
            - ``started``: when the call started, as a :class:`datetime.datetime`; None if unknown.
            - the attributes of :class:`Usage`, with the same names and units.
            - ``requested_memory``, ``requested_disk``: the requests of the job, in bytes; None until the job has ended.

        Example:
            >>> with CondorExecutor(access_point="personal") as executor:
            ...     means = list(executor.map(fit, spectra))
            ...     table = executor.usage()
            >>> [(call["key"], call["result"]) for call in table]
            [('c000000', 'value'), ('c000001', 'value'), ('c000002', 'value')]
            >>> max(call["memory"] for call in table) < 2**30
            True

        """
        return self._engine.usages.table()

    def _facts(self) -> dict[str, str]:
        engine = self._engine
        counts = self.counts()
        why_not = self.why_not_warm
        return {
            "access point": engine.watcher.access_point.about.get("Name") or "the local schedd",
            "session": str(self.session),
            "calls": ", ".join(f"{number} {state}" for state, number in counts.items() if number) or "none",
            "jobs": f"at most {engine.max_workers} in the queue",
            "warm jobs": "yes" if why_not is None else f"no: {why_not}",
            **({"closed": "it was shut down"} if engine.shut_down else {}),
        }

    def __repr__(self) -> str:
        """Return the access point, and the number of calls in each state."""
        facts = self._facts()
        closed = ", shut down" if "closed" in facts else ""
        return f"<{type(self).__name__} at {facts['access point']}: calls: {facts['calls']}{closed}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        return as_html(type(self).__name__, self._facts())

    def __rich__(self) -> object:
        """Return a table for rich's consoles."""
        return as_table(type(self).__name__, self._facts())

    def __exit__(self, exc_type: type[BaseException] | None, *rest: object) -> Literal[False]:
        """Shut down and wait. After Ctrl-C, in the block or during the wait, remove the jobs first."""
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
