"""The class :class:`DagExecutor`, the interface of workflows.

It is long because the reference is made from its docstrings. :mod:`condor_futures.dag.intake` turns calls into
nodes, and :mod:`condor_futures.dag.driver` runs the DAG.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, ParamSpec, TypeVar

from condor_futures.access_point.job_info import JobInfo
from condor_futures.calls.making import check_cluster, refuse_shell
from condor_futures.calls.naming import Naming
from condor_futures.dag import picture
from condor_futures.dag.checks import (
    Script,
    check_access_point,
    check_directory,
    check_name,
    check_settings,
    command_line,
)
from condor_futures.dag.driver import Driver
from condor_futures.dag.graph import Graph, NodeOptions
from condor_futures.dag.intake import NodeIntake
from condor_futures.dag.results import Results
from condor_futures.dag.writer import write
from condor_futures.executor.map_results import argument_tuples
from condor_futures.future import CondorFuture
from condor_futures.options.arguments import check_after, check_count, check_flag, check_optional_count, check_seconds
from condor_futures.options.categories import Categories
from condor_futures.options.options import Options
from condor_futures.options.python_environment import python_environment as environment_of
from condor_futures.options.ship import Shipping
from condor_futures.session.environments import store_environment
from condor_futures.session.session import Session
from condor_futures.session.shared_objects import SharedObject
from condor_futures.submit.automatic import check_automatic
from condor_futures.submit.description import check_submit_commands
from condor_futures.submit.exit_statuses import check_exit_statuses
from condor_futures.submit.submit_file import add_submit_file

__all__ = ["DagExecutor"]

P = ParamSpec("P")
T = TypeVar("T")

AccessPointName = Literal["personal"] | None


class DagExecutor(Executor):
    """A :class:`concurrent.futures.Executor` whose calls are the nodes of a DAG, which DAGMan runs.

    ``submit`` and ``map`` collect calls; futures of calls may be arguments of other calls. :meth:`run` submits the
    whole DAG to HTCondor. From then on DAGMan submits the jobs of a node when its parents have ended. DAGMan does not
    need this client: you can leave, and use :meth:`attach` later. After a failure, ``run()`` makes the remaining calls.

    Args:
        name: the name of the DAG: letters, digits, ``.``, ``_`` and ``-``.
        directory: a new directory for all files of the DAG; it is kept. The jobs, DAGMan and the client all use the
            directory, so it must be on a file system of the access point.
        max_workers: the number of nodes that may have jobs in the queue at once; None leaves it to DAGMan.
        access_point: None for the schedd of the local HTCondor configuration; ``"personal"`` for a personal pool, which
            :meth:`run` starts if it is not running.
        retries: how many times DAGMan retries a node whose call raised an exception or whose job failed.
        ship: as in :class:`CondorExecutor`.
        python_environment: as in :class:`CondorExecutor`.
        dagman: settings of DAGMan for this DAG only, such as ``{"DAGMAN_MAX_JOBS_IDLE": 100}``; None omits a setting.
        submit_commands: any submit command of condor_submit, as in :class:`CondorExecutor`.

    Raises:
        CondorFuturesError: if *directory* is in use, or cannot be made.
        TypeError: if a submit command is unknown or is set by the executor itself, or *access_point* is another one.
        ValueError: if DAGMan cannot take the name or the directory, ``max_workers`` is below 1, or ``retries`` below 0.

    Example:
        >>> from condor_futures import DagExecutor
        >>> with DagExecutor("diamond", "diamond", access_point="personal") as dag:
        ...     top = dag.submit(pow, 2, 3)
        ...     left, right = dag.submit(pow, top, 2), dag.submit(pow, 3, top)
        ...     bottom = dag.submit(max, left, right)
        ...     futures = dag.run()
        ...     print(bottom.result())
        6561

    """

    def __init__(
        self,
        name: str,
        directory: str | Path,
        *,
        max_workers: int | None = None,
        access_point: AccessPointName = None,
        retries: int = 0,
        ship: Literal["auto"] | Iterable[ModuleType | str | Path] = "auto",
        python_environment: str | Path | None = None,
        dagman: Mapping[str, object] | None = None,
        **submit_commands: object,
    ) -> None:
        """Make the directory. :meth:`run` is the first method that needs HTCondor."""
        check_name("a DAG", name)
        check_directory(Path(directory))
        max_workers = check_optional_count("max_workers", max_workers)
        retries = check_count("retries", retries, least=0)
        check_access_point(access_point)
        settings = check_settings(dagman or {})
        commands = check_submit_commands(submit_commands)
        check_automatic(commands, dag=True)
        check_exit_statuses(commands, dag=True)
        shipping = Shipping(ship)
        environment = environment_of(python_environment)
        if environment is not None:
            environment.check_machine(commands)
        options = Options(commands, spool=False, ship=shipping, environment=environment)
        session = Session.create(Path(directory))
        try:
            session.write_runner()
            store_environment(session, environment)
        except BaseException:
            session.remove()
            raise
        if max_workers is not None:
            settings["DAGMAN_MAX_JOBS_SUBMITTED"] = max_workers
        self._driver = Driver(Graph(name, session, access_point, max_workers), settings)
        self._intake = NodeIntake(self._driver, options, NodeOptions(retries))

    @classmethod
    def from_submit_file(cls, path: str | Path, name: str, directory: str | Path, **options: Any) -> DagExecutor:
        """Make a DAG whose jobs have the submit commands of a submit file.

        Args:
            path: the submit file; :meth:`CondorExecutor.from_submit_file` describes the commands that are left out.
            name: as in the constructor.
            directory: as in the constructor.
            options: any other argument of the constructor. A submit command overrides that of the file; None removes
                it.

        Raises:
            OSError: if the file cannot be read.
            CondorFuturesError, TypeError, ValueError: as in the constructor and
                :meth:`CondorExecutor.from_submit_file`.

        Example:
            >>> dag = DagExecutor.from_submit_file("analysis.sub", "refits", "refits", request_memory="16GB")

        """
        return cls(name, directory, **add_submit_file(path, options, cls))

    @classmethod
    def attach(cls, directory: str | Path, *, access_point: AccessPointName | Literal["same"] = "same") -> DagExecutor:
        """Attach to a DAG that was written or run before, in this process or in another one.

        :attr:`futures` has a new future for each call, in the order of submission. Futures of calls that have ended get
        their values. The executor follows the calls that DAGMan has not made yet.

        Args:
            directory: the directory of the DAG.
            access_point: as in the constructor; by default the access point that the DAG was made for and was run at.

        Raises:
            CondorFuturesError: if no DAG was written to *directory*, or a process is running it without HTCondor.
            AccessPointError: if DAGMan is still running, and the access point does not answer.

        Example:
            >>> with DagExecutor("squares", "squares", access_point="personal") as dag:
            ...     squares = dag.map(pow, range(4), [2] * 4, chunksize=2)
            ...     futures = dag.run()
            >>> with DagExecutor.attach("squares") as dag:
            ...     [future.result() for future in dag.futures]
            [0, 1, 4, 9]

        """
        graph = Graph.load(Path(directory))
        if access_point != "same":
            check_access_point(access_point)
            graph.use_access_point(access_point)
        dag: DagExecutor = cls.__new__(cls)
        dag._driver = Driver(graph, {})
        dag._intake = NodeIntake(dag._driver, Options({}, spool=False, ship=Shipping("auto")), NodeOptions())
        dag._driver.resume()
        return dag

    # Make the DAG.

    @property
    def name(self) -> str:
        """The name of the DAG.

        Example:
            >>> dag.name
            'analysis'

        """
        return self._driver.graph.name

    @property
    def directory(self) -> Path:
        """The directory of all files of the DAG.

        Example:
            >>> print(dag.directory)
            /home/me/analysis

        """
        return self._driver.graph.session.directory

    @property
    def futures(self) -> list[CondorFuture[Any]]:
        """The futures of all calls, in the order of their submission.

        A future ends only once, so a call that a later run makes again has a new future.

        Example:
            >>> first = dag.submit(pow, 2, 3)
            >>> second = dag.submit(pow, first, 2)
            >>> dag.futures == [first, second]
            True

        """
        return list(self._driver.graph.futures.values())

    @property
    def categories(self) -> Categories:
        """The largest number of nodes of each category that may have jobs in the queue at once (DAGMan's MAXJOBS).

        Once the DAG has been run, you cannot change the limits here (RuntimeError).

        Example:
            >>> dag.categories["database"] = 3
            >>> stored = dag.with_options(category="database").map(store, rows)

        """
        return self._driver.graph.categories

    def with_options(
        self,
        *,
        after: Future[Any] | Iterable[Future[Any]] | Results[Any] | None = None,
        category: str | None = None,
        retries: int | None = None,
        pre_script: Script | None = None,
        post_script: Script | None = None,
        discard_result: bool | None = None,
        name: str | Literal[False] | None = None,
        ship: Literal["auto"] | Iterable[ModuleType | str | Path] | None = None,
        python_environment: str | Path | Literal[False] | None = None,
        **submit_commands: object,
    ) -> DagExecutor:
        """Return an executor for the same DAG with other options; None keeps an option.

        Args:
            after: futures of this DAG, or the value that :meth:`map` returned. The calls of the new executor wait for
                these calls, but do not get their values.
            category: the category of the nodes; see :attr:`categories`.
            retries: as in the constructor.
            pre_script: a program, or a list of a program and its arguments. DAGMan runs it on the access point, in the
                DAG's directory, before the jobs of each node; if the script fails, the node fails. DAGMan replaces
                macros such as ``$NODE`` and ``$RETRY``; unknown macros are refused. ``()`` removes the script.
            post_script: the same, but DAGMan runs it after the jobs of each node, whether they failed or not. The
                script then decides whether the node failed. ``$RETURN`` is the exit status of the job, which is 0 if
                all calls returned. When DAGMan retries such a node, all its calls are made again.
            discard_result: as in :meth:`CondorExecutor.with_options`.
            name: names the calls, as in :meth:`CondorExecutor.with_options`. The name of a call is in the future's
                :attr:`~CondorFuture.name`, also after :meth:`attach`, and labels the call's node in pictures.
            ship: as in the constructor.
            python_environment: as in the constructor; False for the Python of the execution point.
            submit_commands: added to the submit commands of this executor; None removes a command.

        Raises:
            TypeError, ValueError, ImportError, FileNotFoundError: as in the constructor; also if a future is not of
                this DAG, or DAGMan cannot take a script.

        Example:
            >>> large = dag.with_options(request_memory="16GB", retries=2)
            >>> means = large.map(fit, spectra)
            >>> cleaned = dag.with_options(after=means, discard_result=True).submit(clean_up)

        """
        derived: DagExecutor = copy.copy(self)
        intake = self._intake
        if after is not None:
            # iterating over results would wait for the first one
            intake = intake.coming_after(check_after(after.futures if isinstance(after, Results) else after))
        if category is not None:
            check_name("a category", category)
        options = intake.options.changed(
            submit_commands,
            ship=ship,
            category=category,
            discard_result=discard_result,
            environment=python_environment,
        )
        check_automatic(options.commands, dag=True)
        check_exit_statuses(options.commands, dag=True)
        store_environment(self._driver.graph.session, options.environment)
        own = intake.node_options
        naming = intake.naming if name is None else None if name is False else Naming.parse(name)
        derived._intake = replace(
            intake,
            node_options=NodeOptions(
                own.retries if retries is None else check_count("retries", retries, least=0),
                own.pre_script if pre_script is None else command_line(pre_script, "before"),
                own.post_script if post_script is None else command_line(post_script, "after"),
            ),
            options=options,
            naming=naming,
        )
        return derived

    def share(self, obj: T) -> SharedObject[T]:
        """Store *obj* once for many calls, and return a handle, which calls take as an argument in its place.

        The handle and the object are as in :meth:`CondorExecutor.share`. The file of the object stays in the DAG's
        directory.

        Raises:
            PayloadError: if *obj* cannot be pickled, or its file cannot be written.
            ValueError: if *obj* contains a handle of another executor. (:meth:`submit` raises it, too.)
            RuntimeError: as in :meth:`submit`.

        Example:
            >>> events = dag.share(list(range(1_000_000)))
            >>> sums = dag.map(lambda start, data: sum(data[start::4]), range(4), [events] * 4)
            >>> futures = dag.run(local=True)
            >>> sum(sums)
            499999500000

        """
        self._driver.check_open()
        return self._intake.share(obj)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> CondorFuture[T]:
        """Add a node that calls ``fn(*args, **kwargs)``. The nodes of futures among the arguments are its parents.

        Raises:
            PayloadError: if the call cannot be pickled or written, or an argument is a future of another DAG or
                executor.
            RuntimeError: if the DAG has been run, or after :meth:`shutdown`.
            TypeError: if *fn* cannot be called.

        Example:
            >>> mass = dag.submit(simulate, 7)
            >>> rounded = dag.submit(round, mass)  # runs after the first call, and gets its value
            >>> futures = dag.run(local=True)
            >>> rounded.result()
            91

        """
        refuse_shell(fn)
        self._driver.check_open()
        return self._intake.submit(fn, args, kwargs)

    def submit_cluster(
        self, fn: Callable[..., T], /, *args: object, count: int, **kwargs: object
    ) -> list[CondorFuture[T]]:
        """Add one node whose job cluster calls ``fn(*args, **kwargs)`` *count* times.

        The arguments, including :data:`condor_futures.procid`, and the returned list are as in
        :meth:`CondorExecutor.submit_cluster`. If a job fails, the other jobs of the cluster continue, and then the node
        fails. With ``dagman={"DAGMAN_REMOVE_JOB_LIST_ON_FAILURE": True}`` DAGMan removes the other jobs, as it always
        does before 25.14.

        Raises:
            TypeError: if *fn* is :func:`shell` itself, without a command, or *count* is not an int.
            ValueError: if *count* is below 1.
            PayloadError, RuntimeError: as in :meth:`submit`.

        Example:
            >>> from condor_futures import procid
            >>> squares = dag.submit_cluster(pow, procid, 2, count=4)
            >>> total = dag.submit(sum, squares)
            >>> futures = dag.run(local=True)
            >>> total.result()
            14

        """
        count = check_cluster(fn, count)
        self._driver.check_open()
        return self._intake.submit_cluster(fn, args, kwargs, count)

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> Results[T]:
        """Add nodes that call *fn* with one item of each iterable, with *chunksize* calls in each node.

        Args:
            fn: called with one item of each iterable.
            iterables: the executor reads all items at once.
            timeout: the wait for a result raises TimeoutError this many seconds after you asked for the first result.
            chunksize: calls per node. If a call raises an exception, the node fails; a retry of the node makes only the
                failed calls again.
            ordered: False yields each result as soon as the future of its call is done, in any order.
            return_exceptions: True yields the exception of a call that fails in place of its result, and continues with
                the other results.

        Returns:
            An iterator over the results; it waits while the DAG runs. As an argument of another call it stands for the
            list of all results. Its attribute ``futures`` has the futures of the calls.

        Raises:
            PayloadError, RuntimeError: as in :meth:`submit`.
            TypeError: if an argument has a wrong type.
            ValueError: if *chunksize* is below 1.

        Example:
            >>> squares = dag.map(pow, range(4), [2] * 4, chunksize=2)  # two nodes
            >>> total = dag.submit(sum, squares)
            >>> futures = dag.run(local=True)
            >>> total.result(), list(squares)
            (14, [0, 1, 4, 9])

        """
        arguments = zip(*iterables, strict=False)
        return self._map(fn, arguments, timeout, chunksize, ordered=ordered, return_exceptions=return_exceptions)

    def starmap(
        self,
        fn: Callable[..., T],
        iterable: Iterable[Iterable[Any]],
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> Results[T]:
        """Like :meth:`map`, but with the arguments of each call as one tuple.

        Args:
            fn: called with the arguments of one item.
            iterable: tuples (or other iterables) of positional arguments; the executor reads all items at once.
            timeout: as in :meth:`map`.
            chunksize: calls per node.
            ordered: as in :meth:`map`.
            return_exceptions: as in :meth:`map`.

        Raises:
            TypeError: if an item of *iterable* is not iterable.
            PayloadError, RuntimeError, ValueError: as in :meth:`map`.

        Example:
            >>> powers = dag.starmap(pow, [(2, 10), (3, 2)])
            >>> futures = dag.run(local=True)
            >>> list(powers)
            [1024, 9]

        """
        arguments = argument_tuples(iterable)
        return self._map(fn, arguments, timeout, chunksize, ordered=ordered, return_exceptions=return_exceptions)

    def _map(
        self,
        fn: Callable[..., T],
        arguments: Iterator[tuple[Any, ...]],
        timeout: float | None,
        chunksize: int,
        *,
        ordered: bool,
        return_exceptions: bool,
    ) -> Results[T]:
        refuse_shell(fn)
        chunksize = check_count("chunksize", chunksize)
        check_seconds("timeout", timeout)
        check_flag("ordered", ordered)
        check_flag("return_exceptions", return_exceptions)
        self._driver.check_open()
        futures = self._intake.submit_chunks(fn, arguments, chunksize)
        return Results(futures, timeout, ordered=ordered, return_exceptions=return_exceptions)

    def write(self) -> Path:
        """Write the DAG and its submit descriptions; return the path of the DAG file, for ``condor_submit_dag``.

        If you submit the DAG by hand, :meth:`attach` follows it.

        Raises:
            RuntimeError: if the DAG has been run; then the files exist.

        Example:
            >>> mass = dag.submit(simulate, 7)
            >>> print(dag.write())
            /home/me/analysis/analysis.dag

        """
        self._driver.check_open()
        graph = self._driver.graph
        graph.save()
        transfer: Literal["YES", "IF_NEEDED"] = "IF_NEEDED" if graph.access_point == "personal" else "YES"
        return write(graph, transfer=transfer, dagman=self._driver.dagman)

    # Look at the DAG.

    def counts(self) -> Counter[str]:
        """Return the number of calls in each state; see :attr:`CondorFuture.state`.

        Example:
            >>> squares = dag.map(pow, range(4), [2] * 4)
            >>> dag.counts()
            Counter({'pending': 4})

        """
        return Counter(future.state for future in self.futures)

    def jobs(self, *, why: bool = False) -> list[JobInfo]:
        """Return the nodes' jobs that are in the queue now, from the access point; an empty list if no run is followed.

        Args:
            why: as in :meth:`CondorExecutor.jobs`.

        Raises:
            AccessPointError: if the access point does not answer.

        Example:
            >>> mass = dag.submit(simulate, 7)
            >>> futures = dag.run()
            >>> table = [(job.job_id, job.state, job.host) for job in dag.jobs()]

        """
        return self._driver.jobs(why=why)

    def dot(self) -> str:
        """Return the graph in the language of Graphviz: a box for each node, coloured by its state.

        DAGMan writes its own graph, with the names of the nodes, to ``NAME.dot`` beside the DAG file.

        Example:
            >>> rounded = dag.submit(round, dag.submit(simulate, 7))
            >>> print(dag.dot(), end="")
            digraph "analysis" {
              ...
              b000000 -> b000001;
            }

        """
        return picture.dot(self._driver.graph)

    def draw(self, path: str | Path) -> Path:
        """Draw the graph, coloured by the nodes' states, to an image file; the suffix of *path* selects the format.

        If the program ``dot`` of Graphviz is installed, it draws the graph. Otherwise networkx and matplotlib do, which
        the extra ``condor-futures[draw]`` installs.

        Raises:
            ImportError: if none of these is installed.
            ValueError: if they do not know the format.

        Example:
            >>> rounded = dag.submit(round, dag.submit(simulate, 7))
            >>> dag.draw("analysis.png")
            PosixPath('analysis.png')

        """
        return picture.draw(self._driver.graph, Path(path))

    # Run the DAG.

    def run(self, *, local: bool = False) -> list[CondorFuture[Any]]:
        """Start to make the calls that have no value yet, and return at once.

        The first run makes all calls. After a failure, the next run makes the failed calls and the calls that depend on
        them, because DAGMan continues from its rescue DAG. Calls that are made again have new futures.

        Args:
            local: make the calls in processes on this machine, without HTCondor.

        Returns:
            :attr:`futures`.

        Raises:
            AccessPointError: if the access point does not answer, or refuses the DAG.
            CondorFuturesError: if the directory of the DAG has been moved, unless *local* is true.
            CredentialError: if jobs at this site need your Kerberos ticket, and you have none.
            PersonalPoolError: if no HTCondor is found for a personal pool.
            RuntimeError: if the DAG is running, or after :meth:`shutdown`.

        Example:
            >>> total = dag.submit(sum, dag.map(pow, range(4), [2] * 4))
            >>> futures = dag.run(local=True)  # without it, DAGMan does the same
            >>> total.result()
            14

        """
        if not self._driver.sealed and not self._driver.shut_down:
            self.write()
        self._driver.start(local=local)
        return self.futures

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Follow the DAG to its end, if it is running, and take no more calls.

        If the DAG was not run, its futures are cancelled.

        Args:
            wait: wait until the DAG has ended.
            cancel_futures: remove the DAGMan job, and thereby all jobs.

        Example:
            >>> mass = dag.submit(simulate, 7)
            >>> futures = dag.run(local=True)
            >>> dag.shutdown()
            >>> mass.state
            'done'

        """
        self._driver.shutdown(wait=wait, remove=cancel_futures)

    def detach(self) -> None:
        """Stop following the DAG. The DAG continues without this client; :meth:`attach` follows it again.

        In this process, the futures that are not done are cancelled. (A personal pool stops when its last user exits.
        Its DAGs then pause until the pool is started again; see ``condor-futures pool start``.)

        Example:
            >>> mass = dag.submit(simulate, 7)
            >>> futures = dag.run()
            >>> dag.detach()
            >>> mass.state
            'cancelled'
            >>> with DagExecutor.attach("analysis") as dag:  # tomorrow, in another process
            ...     [future.result() for future in dag.futures]
            [91.2]

        """
        self._driver.detach()

    def terminate_workers(self) -> None:
        """Remove the DAGMan job and the jobs of all nodes; their futures fail with :class:`JobRemovedError`.

        Example:
            >>> slow = dag.submit(time.sleep, 3600)
            >>> futures = dag.run()
            >>> dag.terminate_workers()
            >>> type(slow.exception())
            <class 'condor_futures.errors.JobRemovedError'>

        """
        self.shutdown(wait=True, cancel_futures=True)

    kill_workers = terminate_workers

    def __exit__(self, exc_type: type[BaseException] | None, *rest: object) -> Literal[False]:
        """Shut down and wait. After Ctrl-C, detach at once; the DAG continues."""
        if exc_type is not None and issubclass(exc_type, KeyboardInterrupt):
            self.detach()
        else:
            self.shutdown(wait=True)
        return False
