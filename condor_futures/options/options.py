"""The options that the job of a bundle is submitted with, and their changes by ``with_options`` of both executors."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal

from condor_futures.options.arguments import check_flag
from condor_futures.options.on_hold import OnHold
from condor_futures.options.python_environment import PythonEnvironment, python_environment
from condor_futures.options.ship import Code, Shipping
from condor_futures.state_machine.states import HoldPolicy
from condor_futures.submit.automatic import automatic
from condor_futures.submit.description import description_key, merge
from condor_futures.submit.files_here import check_spoolable

__all__ = ["Options"]


#: The submit commands that transfer the user's own files.
_OWN_FILES = frozenset(
    {
        "public_input_files",
        "transfer_common_input",
        "transfer_input_files",
        "transfer_output_files",
        "transfer_output_remaps",
    }
)

#: The submit commands with which jobs run in a container.
_CONTAINERS = frozenset({"container_image", "docker_image"})


#: The ``memory_max`` of jobs with ``request_memory="auto"``, in MiB, unless the user says how much: a call that never
#: has enough must fail once, and machines with more are rare.
_MEMORY_MAX: Final = 16 << 10


@dataclass(frozen=True, eq=False)
class Options:
    """The options that jobs are submitted with; bundles with an equal *key* share a cluster.

    Attributes:
        commands: the submit commands, checked and as text.
        spool: whether the jobs are spooled.
        ship: the modules and files that are sent with the jobs.
        code: the modules that the jobs have as files; None if there are none.
        category: the category whose limit in the executor's ``categories`` holds for the jobs; None for no category.
        discard: whether the return values of the calls are discarded.
        cluster: the name of the cluster that the bundles with these options form alone; None if other bundles may join.
        keep_logs: the directory for copies of each job's output, error and log; None for no copies.
        warm: the seconds that a warm job waits for further calls; 0 if each bundle gets a job of its own.
        warm_lifetime: the seconds after which a warm job takes no more calls.
        open: the job of this bundle is a warm job.
        streams: the job of this bundle is not warm, but the client has the outcome of each call as the call ends.
        on_hold: what happens to jobs that are put on hold.
        environment: the environment whose Python makes the calls; None for a Python of the execution point.
        function: the name of the function that the jobs call, if it is learned what they request; otherwise empty.

    """

    commands: Mapping[str, str]
    spool: bool
    ship: Shipping = field(default_factory=lambda: Shipping(()))
    category: str | None = None
    discard: bool = False
    cluster: str | None = None
    keep_logs: Path | None = None
    on_hold: OnHold = field(default_factory=OnHold)
    warm: float = 0.0
    warm_lifetime: float = 3600.0
    open: bool = False
    streams: bool = False
    code: Code | None = None
    environment: PythonEnvironment | None = None
    function: str = ""

    def changed(
        self,
        submit_commands: Mapping[str, object],
        *,
        spool: bool | None = None,
        ship: Literal["auto"] | Iterable[ModuleType | str | Path] | None = None,
        category: str | None = None,
        discard_result: bool | None = None,
        environment: str | Path | Literal[False] | None = None,
    ) -> Options:
        """Return a copy with the options that the user passes to ``with_options``; None keeps the old value.

        Raises:
            TypeError, ValueError, ImportError, FileNotFoundError: an option is invalid.

        >>> options = Options({"request_cpus": "2"}, spool=True).changed({"priority": 5}, discard_result=True)
        >>> options.commands, options.spool, options.discard
        ({'request_cpus': '2', 'priority': '5'}, True, True)
        >>> options.changed({}, spool="no")
        Traceback (most recent call last):
        TypeError: spool must be True or False, not 'no'

        """
        if category is not None and not isinstance(category, str):
            raise TypeError(f"category must be a str or None, not {type(category).__name__}")
        for name, flag in {"spool": spool, "discard_result": discard_result}.items():
            if flag is not None:
                check_flag(name, flag)
        commands, spool = merge(self.commands, submit_commands), self.spool if spool is None else spool
        if spool:
            check_spoolable(commands)
        used = self.environment if environment is None else python_environment(environment)
        if used is not None:
            used.check_machine(commands)
        return replace(
            self,
            commands=commands,
            spool=spool,
            ship=self.ship if ship is None else Shipping(ship),
            category=self.category if category is None else category,
            discard=self.discard if discard_result is None else discard_result,
            environment=used,
        )

    @cached_property
    def key(self) -> Hashable:
        """The key; bundles whose options have equal keys can share a cluster."""
        files = tuple(self.ship.files)
        warm = self.warm, self.warm_lifetime, self.open, self.streams
        description = description_key(self.commands)
        environment = self.environment.name if self.environment is not None else None
        files_of_all = files, self.code, environment
        return description, self.spool, files_of_all, self.category, self.cluster, self.keep_logs, warm, self.kind

    @cached_property
    def kind(self) -> Hashable:
        """What jobs must have in common to learn from each other what to request; None if they do not learn.

        >>> same = [Options({"request_memory": "auto"}, spool=spool, function="fit") for spool in (True, False)]
        >>> same[0].kind == same[1].kind, Options({"request_memory": "1GB"}, spool=True).kind
        (True, None)

        """
        if not self.function:
            return None
        return description_key(self.commands), self.function, self.on_hold.policy.memory_max

    @property
    def hold_policy(self) -> HoldPolicy:
        """The treatment of holds. Jobs whose memory is learned get more memory in any case.

        >>> Options({"request_memory": "auto"}, spool=True).hold_policy.memory_max
        16384

        """
        policy = self.on_hold.policy
        if policy.memory_max is None and "request_memory" in automatic(self.commands):
            return replace(policy, memory_max=_MEMORY_MAX)
        return policy

    @property
    def own_files(self) -> bool:
        """Whether the jobs have input or output files of the user's own, which must be transferred.

        >>> Options({"transfer_output_files": "b"}, spool=False).own_files, Options({}, spool=False).own_files
        (True, False)

        """
        return bool(self.ship.files) or not _OWN_FILES.isdisjoint(self.commands)

    @property
    def in_container(self) -> bool:
        """Whether the jobs run in a container, where they do not see the files of their machine.

        >>> Options({"container_image": "docker://python:3.11"}, spool=True).in_container
        True

        """
        return not _CONTAINERS.isdisjoint(self.commands)

    def record(self) -> dict[str, Any]:
        """Return the options for a JSON file, which is written beside the calls."""
        return {
            "commands": dict(self.commands),
            "spool": self.spool,
            "files": [str(file) for file in self.ship.files],
            "category": self.category,
            "discard": self.discard,
            "cluster": self.cluster,
            "keep_logs": str(self.keep_logs) if self.keep_logs is not None else None,
            "on_hold": self.on_hold.record(),
            "warm": self.warm,
            "warm_lifetime": self.warm_lifetime,
            "open": self.open,
            "streams": self.streams,
            "function": self.function,
            "environment": self.environment.record() if self.environment is not None else None,
            "code": [self.code.key, self.code.names, self.code.script] if self.code is not None else None,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Options:
        """Return the options from a *record* that :meth:`record` returned."""
        fields = dict(record)
        ship, logs = Shipping.of_files(map(Path, fields.pop("files"))), fields.pop("keep_logs")
        on_hold = OnHold.from_record(fields.pop("on_hold"))
        code = fields.pop("code", None)
        fields["code"] = Code(code[0], tuple(code[1]), *code[2:]) if code is not None else None
        environment = fields.pop("environment", None)
        fields["environment"] = PythonEnvironment.from_record(environment) if environment is not None else None
        return cls(ship=ship, keep_logs=Path(logs) if logs is not None else None, on_hold=on_hold, **fields)
