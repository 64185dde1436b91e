"""What the client and the helper process say to each other: the operations, the answers, and how both are written.

A message is a JSON object on a line of its own. The client writes requests, the helper writes an answer to each::

    {"id": 7, "operation": "retrieve", "arguments": {"jobs": ["12.0", "12.1"]}, "patience": 60}
    {"id": 7, "result": {"failed": {}, "no_room": {}}}
    {"id": 8, "error": "Failed to connect to schedd", "type": "HTCondorException"}

Before its first request the client writes its ``sys.path``; ``null`` instead of a request ends the helper. Dataclasses
would be more convenient, but every helper would need 10 ms more to start (Python 3.11): dataclasses imports inspect.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypedDict, final

__all__ = [
    "NEVER_RAN",
    "SUBMISSIONS",
    "Ad",
    "Answer",
    "LimitReached",
    "Looked",
    "MessageError",
    "NoRoom",
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

#: Why a job is removed of which a copy, or another attempt, counts: the event log is asked for this later.
NEVER_RAN = "condor_futures: this job does not count"

#: A job ad, or the attributes of it that were asked for, as plain values.
Ad = dict[str, Any]


def either(jobs: Sequence[str]) -> str:
    """A constraint that selects these jobs; they need not be there."""
    return " || ".join("(ClusterId == {} && ProcId == {})".format(*job.split(".")) for job in jobs)


# Answers.


@final
class Submitted(TypedDict):
    """All jobs are in the queue: the number of their *cluster*, that of the *first* job, and the bindings' warnings."""

    cluster: int
    first: int
    warnings: list[str]


@final
class LimitReached(TypedDict):
    """Nothing was submitted, because a limit of the schedd's was reached.

    *refused* is the name of the limit, *room* the number of jobs that there was room for, *limit* the value where that
    is known.
    """

    refused: str
    room: int
    limit: int | None


@final
class NoRoom(TypedDict):
    """Nothing was submitted, because there was no room for the files.

    *refused* says so in words, *room* is the number of jobs to try next, *error* is HTCondor's message, and *others*
    says whether other jobs have files there.
    """

    refused: str
    room: int
    error: str
    others: bool


class SubmittedDag(TypedDict):
    """DAGMan is in the queue, as the only job of *cluster*."""

    cluster: int


class Retrieved(TypedDict):
    """HTCondor's messages about the jobs that could not be retrieved, by job.

    *failed* holds those that have no outputs to retrieve, *no_room* those whose outputs do not fit on this disk now.
    """

    failed: dict[str, str]
    no_room: dict[str, str]


class Released(TypedDict):
    """Which jobs were *released*, and why others were *refused*. A job in neither is not on hold."""

    released: list[str]
    refused: dict[str, str]


class Looked(TypedDict):
    """The *ads* of jobs, and the *seconds* that the schedd took to find them."""

    ads: list[Ad]
    seconds: float


class Stored(TypedDict):
    """What klist says about the *ticket*, and the *url* that the user has to visit to allow a token, if any."""

    ticket: str
    url: str | None


# Operations.


class Operations:
    """What the client may ask for: the helper's classes carry it out, the client's Schedd asks for it.

    Parameters and results are what JSON can hold. A connection has to be made before anything else is asked for.
    """

    def connect(self, pool: str | None, name: str | None, local: bool = False) -> dict[str, str]:
        """Locate the schedd, and make sure that it answers and takes jobs from this user.

        Args:
            pool: the collector to look *name* up in; None is the configured one.
            name: of the schedd; None is the one that is configured here.
            local: do not look the schedd up if it is the one that is configured here.

        """
        raise NotImplementedError

    def submit(
        self, description: dict[str, str], items: list[dict[str, str]], spool: bool, batch: str, again: bool = False
    ) -> Submitted | LimitReached | NoRoom:
        """Submit one cluster with a job per item, and spool its files; nothing half-done is left behind.

        Args:
            description: submit commands.
            items: for each job, the values of the description's variables.
            spool: send the input files to the schedd.
            batch: a constraint that selects the jobs of this submission.
            again: the answer to an earlier request was lost; find what that submitted, by *batch*, before submitting.

        """
        raise NotImplementedError

    def submit_dag(
        self, dag: str, options: dict[str, Any], commands: dict[str, str], batch: str, again: bool = False
    ) -> SubmittedDag:
        """Submit DAGMan.

        Args:
            dag: the DAG input file.
            options: those of condor_submit_dag.
            commands: more submit commands.
            batch: a constraint that selects the job.
            again: as for :meth:`submit`.

        Raises:
            CredentialError: the site's jobs have the user's Kerberos ticket, and there is none.

        """
        raise NotImplementedError

    def retrieve(self, jobs: list[str]) -> Retrieved:
        """Fetch the outputs of spooled jobs, and let these leave the queue as completed."""
        raise NotImplementedError

    def remove(self, jobs: list[str] | str, reason: str = "condor_futures") -> int:
        """Remove jobs, by id or by a constraint; returns how many there were."""
        raise NotImplementedError

    def release(self, jobs: list[str], memory_max: int | None) -> Released:
        """Release those of *jobs* that are on hold; with *memory_max*, in MiB, let them request twice the memory."""
        raise NotImplementedError

    def query(self, constraint: str, projection: list[str], mine: bool = False) -> list[Ad]:
        """The ads of the jobs in the queue that match; only *mine*, as far as the schedd knows who asks."""
        raise NotImplementedError

    def look(self, constraint: str, projection: list[str], jobs: list[str]) -> Looked:
        """The ads of the jobs in the queue that match, and the history's ads of those of *jobs* that have left it."""
        raise NotImplementedError

    def past(self, constraint: str, projection: list[str]) -> list[Ad]:
        """The ads of the jobs that match and have left the queue, the newest first."""
        raise NotImplementedError

    def cores(self) -> int:
        """How many cores the pool has."""
        raise NotImplementedError

    def store_credentials(self, kerberos: bool, services: dict[str, str]) -> Stored:
        """Have the access point's condor_credd keep what the jobs need to act as the user.

        Args:
            kerberos: store a Kerberos ticket, as the site's SEC_CREDENTIAL_PRODUCER makes it. It stays in the helper.
            services: the submit commands that say which OAuth tokens a job wants; empty for none.

        Raises:
            CredentialError: if that is not possible, with what to do about it.

        """
        raise NotImplementedError


#: Operations that must not simply be repeated: the second request has to say that it comes *again*.
SUBMISSIONS = frozenset({Operations.submit.__name__, Operations.submit_dag.__name__})
_OPERATIONS = frozenset(name for name in vars(Operations) if not name.startswith("_"))


# Messages.


class MessageError(Exception):
    """The other side wrote something that is no message, or asked for an operation that is not known here.

    Attributes:
        number: of the request, where the message has one.

    """

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.number = number


class Request(TypedDict):
    """A request; *patience* is the time in seconds to go on trying while the schedd does not answer at all."""

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
    """Write a message as a line."""
    return json.dumps(message).encode() + b"\n"


def request_from(line: str | bytes) -> Request | None:
    """Read a request; None asks the helper to end.

    Raises:
        MessageError: if it is none, or asks for an unknown operation.

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
    """Read an answer.

    Raises:
        MessageError: if it is none.

    """
    match _object(line):
        case ({"id": int(), "result": _} | {"id": int(), "error": str(), "type": str()}) as found:
            answer: Answer = found
            return answer
    raise MessageError(f"malformed answer: {_shown(line)}")


def _object(line: str | bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:  # UnicodeDecodeError is one too
        raise MessageError(f"malformed message: {_shown(line)}") from None


def _shown(line: str | bytes) -> str:
    """The beginning of a message: the whole may be megabytes."""
    return ascii(line[:200])
