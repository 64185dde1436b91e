"""The client's requests to the schedd: one method per operation, with the types of the helper's method."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from condor_futures.access_point.helper.words import Operation, Operations
from condor_futures.access_point.requests import AccessPoint
from condor_futures.errors import AccessPointError

__all__ = ["Request", "Schedd"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Request(Generic[T]):
    """An operation with its arguments. :meth:`send` and :meth:`wait` ask the helper to carry it out.

    Attributes:
        access_point: the access point to ask.
        operation: the operation.
        arguments: the operation's arguments, by name.

    """

    access_point: AccessPoint
    operation: Operation
    arguments: Mapping[str, Any]

    def send(self, answer: Callable[[T | None, AccessPointError | None], None]) -> None:
        """Send the request, and return at once; *answer* takes the result and None, or None and the error.

        :attr:`AccessPoint.deliver` determines the thread that calls *answer*. *answer* must be quick.
        """
        self.access_point.request(self.operation, answer, **self.arguments)

    def again(self) -> Request[T]:
        """Return the request to send after the answer to this submission was lost; it finds jobs already submitted."""
        return replace(self, arguments={**self.arguments, "again": True})

    def wait(self, timeout: float) -> T:
        """Send the request, and wait for the result.

        Raises:
            AccessPointError: if the operation fails, or takes longer than *timeout* seconds.

        """
        result: T = self.access_point.ask(self.operation, timeout, **self.arguments)
        return result


def _request(operation: Callable[Concatenate[Operations, P], T]) -> Callable[Concatenate[Schedd, P], Request[T]]:
    """Return the client's form of an operation: it takes the same arguments, and returns a request for the result."""
    name = Operation(operation.__name__)
    signature = inspect.signature(operation)

    @functools.wraps(operation)
    def request(self: Schedd, /, *args: P.args, **kwargs: P.kwargs) -> Request[T]:
        _, *arguments = signature.bind(self, *args, **kwargs).arguments.items()
        return Request(self.access_point, name, dict(arguments))

    return request


class Schedd:
    """Makes requests to the schedd of an access point: ``Schedd(access_point).cores().wait(60)``. It never changes.

    Each method has the parameters of the operation of the same name, and returns a :class:`Request` for its result.
    :class:`~condor_futures.access_point.helper.words.Operations` describes the operations.
    """

    def __init__(self, access_point: AccessPoint) -> None:
        self.access_point = access_point

    submit = _request(Operations.submit)
    submit_dag = _request(Operations.submit_dag)
    retrieve = _request(Operations.retrieve)
    remove = _request(Operations.remove)
    hold = _request(Operations.hold)
    release = _request(Operations.release)
    edit = _request(Operations.edit)
    query = _request(Operations.query)
    look = _request(Operations.look)
    past = _request(Operations.past)
    cores = _request(Operations.cores)
    examine = _request(Operations.examine)
    offers = _request(Operations.offers)
    store_credentials = _request(Operations.store_credentials)
