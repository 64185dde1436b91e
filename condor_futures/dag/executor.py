"""The face of workflows.

It is long because it has the docstrings that the reference is made of. What it does with calls is in
:mod:`condor_futures.dag.intake`, what goes on behind it in :mod:`condor_futures.dag.driver`.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, ParamSpec, TypeVar

from condor_futures.access_point.job_info import JobInfo
from condor_futures.calls.making import check_cluster, refuse_shell
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
from condor_futures.future import CondorFuture
from condor_futures.options.arguments import check_after, check_count, check_optional_count, check_seconds
from condor_futures.options.categories import Categories
from condor_futures.options.options import Options
from condor_futures.options.ship import Shipping
from condor_futures.session.session import Session
from condor_futures.submit.description import check_submit_commands
from condor_futures.submit.submit_file import add_submit_file

__all__ = ["DagExecutor"]

P = ParamSpec("P")
T = TypeVar("T")

AccessPointName = Literal["personal"] | None


class DagExecutor(Executor):
    """A :class:`concurrent.futures.Executor` whose calls are the nodes of a DAG, which DAGMan drives.

    ``submit`` and ``map`` collect calls, with futures as arguments of others; :meth:`run` hands the whole to HTCondor.
    From then on DAGMan submits the jobs as their parents end, with or without this client: it may leave, and come back
    by :meth:`attach`. After a failure, ``run()`` makes the calls that are left.

    Args:
        name: of the DAG: letters, digits, ``.``, ``_`` and ``-``.
        directory: a new one for everything that belongs to the DAG; it is kept. Jobs, DAGMan and client all use it, so
            it is on a file system of the access point.
        max_workers: how many nodes may have jobs in the queue at once; None for as many as DAGMan likes.
        access_point: None for the schedd of the local HTCondor configuration; ``"personal"`` for a personal pool,
            started by :meth:`run` if none runs.
        retries: how often DAGMan tries a node again whose call raised or whose job failed.
        ship: as in :class:`CondorExecutor`.
        dagman: settings of DAGMan for this DAG alone, such as ``{"DAGMAN_MAX_JOBS_IDLE": 100}``; None leaves one out.
        submit_commands: any submit command of condor_submit's, as in :class:`CondorExecutor`.

    Raises:
        CondorFuturesError: if *directory* is in use, or cannot be made.
        TypeError: for an unknown submit command, or one that the executor owns; for another access point.
        ValueError: for a name or directory that DAGMan cannot take, ``max_workers`` below 1, ``retries`` below 0.

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
        dagman: Mapping[str, object] | None = None,
        **submit_commands: object,
    ) -> None:
        """Make the directory; HTCondor is not needed before :meth:`run`."""
        check_name("a DAG", name)
        check_directory(Path(directory))
        max_workers = check_optional_count("max_workers", max_workers)
        retries = check_count("retries", retries, least=0)
        check_access_point(access_point)
        settings = check_settings(dagman or {})
        commands = check_submit_commands(submit_commands)
        shipping = Shipping(ship)
        options = Options(commands, spool=False, ship=shipping)
        session = Session.create(Path(directory))
        try:
            session.write_runner()
        except BaseException:
            session.remove()
            raise
        if max_workers is not None:
            settings["DAGMAN_MAX_JOBS_SUBMITTED"] = max_workers
        self._driver = Driver(Graph(name, session, access_point, max_workers), settings)
        self._intake = NodeIntake(self._driver, options, NodeOptions(retries))

    @classmethod
    def from_submit_file(cls, path: str | Path, name: str, directory: str | Path, **options: Any) -> DagExecutor:
        """A DAG whose jobs have the submit commands of a submit file.

        Args:
            path: the submit file; see :meth:`CondorExecutor.from_submit_file` for what is left out of it.
            name: as in the constructor.
            directory: as in the constructor.
            options: any other of the constructor's; a submit command wins over the file's, None removes it.

        Raises:
            OSError: if the file cannot be read.
            CondorFuturesError, TypeError, ValueError: as the constructor and :meth:`CondorExecutor.from_submit_file`.

        Example:
            >>> dag = DagExecutor.from_submit_file("analysis.sub", "refits", "refits", request_memory="16GB")

        """
        return cls(name, directory, **add_submit_file(path, options, cls))

    @classmethod
    def attach(cls, directory: str | Path, *, access_point: AccessPointName | Literal["same"] = "same") -> DagExecutor:
        """Come back to a DAG that was written or run before, here or in another process.

        Its calls have futures again, :attr:`futures`, in the order of their submission: those that have ended, with
        their values, and those that DAGMan has still to make, which are followed.

        Args:
            directory: the DAG's.
            access_point: as in the constructor; by default the one that it was made with, and was run at.

        Raises:
            CondorFuturesError: if no DAG was written there, or a process runs it without HTCondor.
            AccessPointError: if DAGMan is still at work, and the access point does not answer.

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
            graph.access_point = access_point
            graph.session.record = graph.session.record.with_settings(schedd=None)
        dag: DagExecutor = cls.__new__(cls)
        dag._driver = Driver(graph, {})
        dag._intake = NodeIntake(dag._driver, Options({}, spool=False, ship=Shipping("auto")), NodeOptions())
        dag._driver.resume()
        return dag

    # Making the DAG.

    @property
    def name(self) -> str:
        """The DAG's name.

        Example:
            >>> dag.name
            'analysis'

        """
        return self._driver.graph.name

    @property
    def directory(self) -> Path:
        """Where everything of the DAG is.

        Example:
            >>> print(dag.directory)
            /home/me/analysis

        """
        return self._driver.graph.session.directory

    @property
    def futures(self) -> list[CondorFuture[Any]]:
        """The futures of all calls, in the order of their submission.

        A future ends once. So calls that are made again, in a later run, have new futures here.

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

        They cannot be changed here any more once the DAG has been run (RuntimeError).

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
        ship: Literal["auto"] | Iterable[ModuleType | str | Path] | None = None,
        **submit_commands: object,
    ) -> DagExecutor:
        """An executor for the same DAG with other options; None keeps what there is.

        Args:
            after: futures of this DAG, or what :meth:`map` returned; its calls wait for them, without their values.
            category: of its nodes; see :attr:`categories`.
            retries: as in the constructor.
            pre_script: a program, or one with its arguments, that DAGMan runs on the access point, in the DAG's
                directory, before each of its nodes; if it fails, the node fails. ``$NODE``, ``$RETRY`` and the like are
                replaced; what DAGMan does not know is refused. ``()`` for none.
            post_script: the same, after each of its nodes' jobs, however these ended; then it decides whether the
                node failed. ``$RETURN`` is the job's exit status, which is 0 if all calls returned. When such a node is
                tried again, all its calls are made again.
            discard_result: as in :meth:`CondorExecutor.with_options`.
            ship: as in the constructor.
            submit_commands: added to this executor's; None removes one.

        Raises:
            TypeError, ValueError, ImportError, FileNotFoundError: as in the constructor; for futures that are not of
                this DAG, and for scripts that DAGMan cannot take.

        Example:
            >>> large = dag.with_options(request_memory="16GB", retries=2)
            >>> means = large.map(fit, spectra)
            >>> cleaned = dag.with_options(after=means, discard_result=True).submit(clean_up)

        """
        derived: DagExecutor = copy.copy(self)
        intake = self._intake
        if after is not None:
            # (to iterate over results would wait for the first)
            intake = intake.coming_after(check_after(after.futures if isinstance(after, Results) else after))
        if category is not None:
            check_name("a category", category)
        own = intake.node_options
        derived._intake = replace(
            intake,
            node_options=NodeOptions(
                own.retries if retries is None else check_count("retries", retries, least=0),
                own.pre_script if pre_script is None else command_line(pre_script, "before"),
                own.post_script if post_script is None else command_line(post_script, "after"),
            ),
            options=intake.options.changed(
                submit_commands, ship=ship, category=category, discard_result=discard_result
            ),
        )
        return derived

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> CondorFuture[T]:
        """Add a node that calls ``fn(*args, **kwargs)``; futures among the arguments are its parents.

        Raises:
            PayloadError: if the call cannot be pickled or written, or has a future that is not of this DAG.
            RuntimeError: once the DAG has been run, or after :meth:`shutdown`.
            TypeError: if *fn* cannot be called.

        Example:
            >>> mass = dag.submit(simulate, 7)
            >>> rounded = dag.submit(round, mass)  # after it, with its value
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
        """Add one node that calls ``fn(*args, **kwargs)`` *count* times, by the jobs of one cluster.

        Arguments, :data:`condor_futures.procid` among them, and the returned list are those of
        :meth:`CondorExecutor.submit_cluster`. A job that fails leaves the others of its cluster alone, and then fails
        the node. With ``dagman={"DAGMAN_REMOVE_JOB_LIST_ON_FAILURE": True}`` DAGMan removes the others, as it always
        does before 25.14.

        Raises:
            TypeError: for :func:`shell` itself, without a command; if *count* is no int.
            ValueError: if it is below 1.
            PayloadError, RuntimeError: as :meth:`submit`.

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
    ) -> Results[T]:
        """Add nodes that call *fn* with one item of each iterable, *chunksize* calls each.

        Args:
            fn: called with one item of each iterable.
            iterables: read at once.
            timeout: seconds, from when the first result is asked for, after which waiting raises TimeoutError.
            chunksize: calls per node. If one of them raises, the node fails; when it is tried again, only what failed
                is called again.

        Returns:
            An iterator of the results, for when the DAG runs. As an argument of another call it stands for the list of
            all results; its ``futures`` are the calls'.

        Raises:
            PayloadError, RuntimeError: as :meth:`submit`.
            ValueError: if *chunksize* is below 1.

        Example:
            >>> squares = dag.map(pow, range(4), [2] * 4, chunksize=2)  # two nodes
            >>> total = dag.submit(sum, squares)
            >>> futures = dag.run(local=True)
            >>> total.result(), list(squares)
            (14, [0, 1, 4, 9])

        """
        refuse_shell(fn)
        chunksize = check_count("chunksize", chunksize)
        check_seconds("timeout", timeout)
        self._driver.check_open()
        return Results(self._intake.submit_chunks(fn, zip(*iterables, strict=False), chunksize), timeout)

    def write(self) -> Path:
        """Write the DAG and its submit descriptions; gives the path of the DAG, for ``condor_submit_dag``.

        Who submits it by hand follows it by :meth:`attach`.

        Raises:
            RuntimeError: if it has been run; the files are there.

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

    # Looking at it.

    def counts(self) -> Counter[str]:
        """How many calls are in which state: see :attr:`CondorFuture.state`.

        Example:
            >>> squares = dag.map(pow, range(4), [2] * 4)
            >>> dag.counts()
            Counter({'pending': 4})

        """
        return Counter(future.state for future in self.futures)

    def jobs(self, *, why: bool = False) -> list[JobInfo]:
        """The nodes' jobs that are in the queue now, as the access point sees them; none where no run is followed.

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
        """The graph in the language of Graphviz: a box for each node, coloured by its state.

        DAGMan keeps one of its own, with its names of the nodes, in ``NAME.dot`` beside the DAG.

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
        """Draw the graph to an image file, coloured by the nodes' states; its suffix says of which kind.

        Graphviz does it, where its ``dot`` is installed; elsewhere networkx and matplotlib, which the extra
        ``condor-futures[draw]`` installs.

        Raises:
            ImportError: if there is neither.
            ValueError: for a kind that they do not know.

        Example:
            >>> rounded = dag.submit(round, dag.submit(simulate, 7))
            >>> dag.draw("analysis.png")
            PosixPath('analysis.png')

        """
        return picture.draw(self._driver.graph, Path(path))

    # Running it.

    def run(self, *, local: bool = False) -> list[CondorFuture[Any]]:
        """Have the calls made that have no value yet; returns at once.

        The first time that is all of them. After a failure it is those that failed and those that depend on them:
        DAGMan goes on from its rescue DAG. Calls that are made again have new futures.

        Args:
            local: make the calls here, by processes of this machine, without HTCondor.

        Returns:
            :attr:`futures`.

        Raises:
            AccessPointError: if the access point does not answer, or refuses.
            CondorFuturesError: if its directory has been moved, unless *local*.
            CredentialError: if jobs have your Kerberos ticket at this site, and you have none.
            PersonalPoolError: if there is no HTCondor for a personal pool.
            RuntimeError: if it is running, or after :meth:`shutdown`.

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
        """Wait for the DAG's end, if it runs, and stop following it.

        Futures of calls that nobody is going to make, because the DAG was not run, are cancelled.

        Args:
            wait: return only then.
            cancel_futures: remove the DAGMan job, and with it all jobs.

        Example:
            >>> mass = dag.submit(simulate, 7)
            >>> futures = dag.run(local=True)
            >>> dag.shutdown()
            >>> mass.state
            'done'

        """
        self._driver.shutdown(wait=wait, remove=cancel_futures)

    def detach(self) -> None:
        """Stop following the DAG, which goes on without this client; :meth:`attach` comes back to it.

        The futures that are not done are cancelled, here only. (A personal pool stops with its last user, and its DAGs
        with it, until it is started again; see ``condor-futures pool start``.)

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
        """Shut down and wait; after Ctrl-C, leave at once, and let the DAG go on."""
        if exc_type is not None and issubclass(exc_type, KeyboardInterrupt):
            self.detach()
        else:
            self.shutdown(wait=True)
        return False
