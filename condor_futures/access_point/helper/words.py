"""The protocol between the client and the helper process: operations, answers, and their encoding.

A message is a JSON object on its own line. The client writes requests, and the helper writes an answer to each::

    {"id": 7, "operation": "retrieve", "arguments": {"jobs": ["12.0", "12.1"]}, "patience": 60}
    {"id": 7, "result": {"failed": {}, "no_room": {}}}
    {"id": 8, "error": "Failed to connect to schedd", "type": "HTCondorException"}

Before its first request the client writes its ``sys.path``. ``null`` instead of a request ends the helper. Dataclasses
would be more convenient, but would add 10 ms to the start of every helper (Python 3.11): dataclasses imports inspect.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum
from typing import Any, TypedDict, final

from condor_futures.access_point.helper.examined import Examined, Offer

__all__ = [
    "NEVER_RAN",
    "SUBMISSIONS",
    "TRANSFERS_COMMON_INPUT",
    "Ad",
    "Answer",
    "LimitReached",
    "Looked",
    "MessageError",
    "NoRoom",
    "Operation",
    "Operations",
    "Released",
    "Request",
    "Retrieved",
    "Stored",
    "Submitted",
    "SubmittedDag",
    "answer_from",
    "encode",
    "request_from",
]

#: The reason for the removal of a job that another copy or attempt replaces. The client looks for it in the event log.
NEVER_RAN = "condor_futures: this job does not count"

#: In the answer to connect(): not empty if the schedd, which is on this machine, transfers common input files.
TRANSFERS_COMMON_INPUT = "TransfersCommonInput"

#: A job ad, or the requested attributes of one, as plain values.
Ad = dict[str, Any]


def either(jobs: Sequence[str]) -> str:
    """Return a constraint that selects *jobs*, which may have left the queue."""
    return " || ".join("(ClusterId == {} && ProcId == {})".format(*job.split(".")) for job in jobs)


# Answers.


@final
class Submitted(TypedDict):
    """All jobs are in the queue: their *cluster*, the number of the *first* job in it, and the bindings' warnings."""

    cluster: int
    first: int
    warnings: list[str]


@final
class LimitReached(TypedDict):
    """Nothing was submitted, because the schedd had reached a limit.

    *refused* is the name of the limit, *room* the number of jobs that the limit still allowed, and *limit* its value,
    or None if that is unknown.
    """

    refused: str
    room: int
    limit: int | None


@final
class NoRoom(TypedDict):
    """Nothing was submitted, because there was no room for the files.

    *refused* is the reason as text, *room* the number of jobs to try next, and *error* HTCondor's message. *others*
    tells whether other jobs have files in the spool directory.
    """

    refused: str
    room: int
    error: str
    others: bool


class SubmittedDag(TypedDict):
    """DAGMan is in the queue as the only job of *cluster*."""

    cluster: int


class Retrieved(TypedDict):
    """HTCondor's messages about the jobs that could not be retrieved, by job.

    *failed* has the jobs without outputs to retrieve, *no_room* the jobs whose outputs do not fit on this disk now.
    """

    failed: dict[str, str]
    no_room: dict[str, str]


class Released(TypedDict):
    """The jobs that were *released*, and, by job, why others were *refused*. A job in neither is not on hold.

    *requests* has the memory that released jobs request now, in MiB, if it was to be raised.
    """

    released: list[str]
    refused: dict[str, str]
    requests: dict[str, int]


class Looked(TypedDict):
    """The *ads* of jobs, and the *seconds* that the schedd needed to find them."""

    ads: list[Ad]
    seconds: float


class Stored(TypedDict):
    """The output of klist for the *ticket*, and the *url*, if any, where the user must allow a token."""

    ticket: str
    url: str | None


# Operations.


class Operations:
    """The operations that the client's Schedd requests and the helper's classes carry out.

    JSON can represent all parameters and results. :meth:`connect` must come before any other operation but
    :meth:`examine`.
    """

    def connect(self, pool: str | None, name: str | None, local: bool = False) -> dict[str, str]:
        """Locate the schedd, and make sure that it answers and accepts jobs from this user.

        Args:
            pool: the collector in which to look up *name*; None is the configured one.
            name: the name of the schedd; None is the one that is configured on this machine.
            local: do not look up the schedd if it is the one that is configured on this machine.

        """
        raise NotImplementedError

    def submit(
        self, description: dict[str, str], items: list[dict[str, str]], spool: bool, batch: str, again: bool = False
    ) -> Submitted | LimitReached | NoRoom:
        """Submit one cluster with a job per item, and spool its files. A submission that fails leaves no jobs behind.

        Args:
            description: submit commands.
            items: for each job, the values of the description's variables.
            spool: send the input files to the schedd.
            batch: a constraint that selects the jobs of this submission.
            again: the answer to an earlier request was lost: look for its jobs, by *batch*, before submitting.

        """
        raise NotImplementedError

    def submit_dag(
        self, dag: str, options: dict[str, Any], commands: dict[str, str], batch: str, again: bool = False
    ) -> SubmittedDag:
        """Submit DAGMan.

        Args:
            dag: the DAG input file.
            options: the options of condor_submit_dag.
            commands: more submit commands.
            batch: a constraint that selects the job.
            again: as for :meth:`submit`.

        Raises:
            CredentialError: if jobs at this site get the user's Kerberos ticket, and there is no ticket.

        """
        raise NotImplementedError

    def retrieve(self, jobs: list[str]) -> Retrieved:
        """Retrieve the outputs of spooled jobs, and let these jobs leave the queue as completed."""
        raise NotImplementedError

    def remove(self, jobs: list[str] | str, reason: str = "condor_futures") -> int:
        """Remove jobs, by id or by a constraint; return the number of jobs removed."""
        raise NotImplementedError

    def hold(self, jobs: list[str], reason: str) -> int:
        """Put jobs on hold; return the number of jobs put on hold."""
        raise NotImplementedError

    def release(self, jobs: list[str], memory_max: int | None, memory: int | None = None) -> Released:
        """Release those *jobs* that are on hold.

        Args:
            jobs: the jobs.
            memory_max: double the memory that they request, up to so many MiB; None leaves it as it is.
            memory: then let them request so many MiB or more, but no more than *memory_max*.

        """
        raise NotImplementedError

    def edit(self, jobs: str, attributes: dict[str, str]) -> int:
        """Change *attributes* of those jobs that match the constraint *jobs*, and do not run; return their number.

        Jobs whose memory a release has raised are left as they are.
        """
        raise NotImplementedError

    def query(self, constraint: str, projection: list[str], mine: bool = False) -> list[Ad]:
        """Return the ads of matching jobs in the queue; with *mine*, only the user's, if the schedd knows the user."""
        raise NotImplementedError

    def look(self, constraint: str, projection: list[str], jobs: list[str]) -> Looked:
        """Return the ads of matching jobs in the queue, and the history's ads of those *jobs* that have left it."""
        raise NotImplementedError

    def past(self, constraint: str, projection: list[str]) -> list[Ad]:
        """Return the ads of matching jobs that have left the queue, the newest first."""
        raise NotImplementedError

    def cores(self) -> int:
        """Return the number of cores in the pool."""
        raise NotImplementedError

    def examine(self, pool: str | None, name: str | None) -> Examined:
        """Find out what works between this user and the access point; an error is a part of the result.

        The arguments are those of :meth:`connect`, which need not come before.
        """
        raise NotImplementedError

    def offers(self) -> list[Offer]:
        """Return the kinds of slots in the pool, the most frequent first."""
        raise NotImplementedError

    def store_credentials(self, kerberos: bool, services: dict[str, str]) -> Stored:
        """Store the credentials that jobs need to act as the user in the access point's condor_credd.

        Args:
            kerberos: store a Kerberos ticket, as the site's SEC_CREDENTIAL_PRODUCER makes it. The ticket stays in the
                helper.
            services: the submit commands that select the OAuth tokens of a job; empty for none.

        Raises:
            CredentialError: if a credential cannot be stored; the message says what to do.

        """
        raise NotImplementedError


class Operation(str, Enum):
    """The name of an operation, as the client requests it and as a message contains it."""

    CONNECT = "connect"
    SUBMIT = "submit"
    SUBMIT_DAG = "submit_dag"
    RETRIEVE = "retrieve"
    REMOVE = "remove"
    HOLD = "hold"
    RELEASE = "release"
    EDIT = "edit"
    QUERY = "query"
    LOOK = "look"
    PAST = "past"
    CORES = "cores"
    EXAMINE = "examine"
    OFFERS = "offers"
    STORE_CREDENTIALS = "store_credentials"


#: Operations that must not simply be repeated: the second request must say that it comes *again*.
SUBMISSIONS = frozenset({Operation.SUBMIT, Operation.SUBMIT_DAG})
_OPERATIONS = frozenset(operation.value for operation in Operation)


# Messages.


class MessageError(Exception):
    """The other process wrote a malformed message, or requested an unknown operation.

    Attributes:
        number: the number of the request, or None if the message has none.

    """

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.number = number


class Request(TypedDict):
    """A request; *patience* is the time in seconds to keep trying while the schedd does not answer at all."""

    id: int
    operation: str
    arguments: dict[str, Any]
    patience: float


class _Numbered(TypedDict):
    id: int


class Answer(_Numbered, total=False):
    """The answer to the request of the same *id*: a *result*, or an *error* and the *type* of the exception."""

    result: Any
    error: str
    type: str


def encode(message: Request | Answer | list[str] | None) -> bytes:
    """Encode a message as a line."""
    return json.dumps(message).encode() + b"\n"


def request_from(line: str | bytes) -> Request | None:
    """Decode a request; None tells the helper to exit.

    Raises:
        MessageError: if the line is not a request, or requests an unknown operation.

    >>> request_from('{"id": 7, "operation": "cores", "arguments": {}, "patience": 60}')["operation"]
    'cores'

    """
    match _object(line):
        case None:
            return None
        case {
            "id": int(number),
            "operation": str(operation),
            "arguments": dict(),
            "patience": int() | float(),
        } as found:
            if operation not in _OPERATIONS:
                raise MessageError(f"unknown operation {operation!r}", number)
            request: Request = found
            return request
        case {"id": int(number)}:
            raise MessageError(f"malformed request: {_shown(line)}", number)
    raise MessageError(f"malformed request: {_shown(line)}")


def answer_from(line: str | bytes) -> Answer:
    """Decode an answer.

    Raises:
        MessageError: if the line is not an answer.

    """
    match _object(line):
        case ({"id": int(), "result": _} | {"id": int(), "error": str(), "type": str()}) as found:
            answer: Answer = found
            return answer
    raise MessageError(f"malformed answer: {_shown(line)}")


def _object(line: str | bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:  # including UnicodeDecodeError
        raise MessageError(f"malformed message: {_shown(line)}") from None


def _shown(line: str | bytes) -> str:
    """Return the beginning of a message, which may have megabytes."""
    return ascii(line[:200])
