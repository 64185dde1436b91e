"""The names of functions, and those of calls, which are made from the arguments: ``with_options(name="fit-{0}")``."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from string import Formatter
from typing import Final

from condor_futures.calls.procid import ProcId
from condor_futures.session.call_names import clean
from condor_futures.session.shared_objects import SharedObject

__all__ = ["Naming", "display_name"]

_HELP: Final = (
    "such as name='fit-{0}', where {0} is the first argument of the call and {seed} its keyword argument seed"
)


@dataclass(frozen=True)
class Naming:
    """Names calls.

    Attributes:
        template: a format string, see :meth:`str.format`.
        positions: the positional arguments of the call that it uses, from 0 on.
        keywords: the keyword arguments that it uses.

    """

    template: str
    positions: frozenset[int]
    keywords: frozenset[str]

    @classmethod
    def parse(cls, template: object) -> Naming:
        """Check *template*.

        Raises:
            TypeError: it is not a str.
            ValueError: it is empty, or not a format string.

        >>> Naming.parse("fit-{0}-{method}").name(["a", 2], {"method": "slow"})
        'fit-a-slow'
        >>> Naming.parse("fit-{}").positions
        frozenset({0})
        >>> Naming.parse("fit-{0")
        Traceback (most recent call last):
        ValueError: name='fit-{0' is not a format string: expected '}' before end of string; use one such as ...

        """
        if not isinstance(template, str):
            raise TypeError(f"name must be a format string, {_HELP}; not {type(template).__name__}")
        if not template.strip():
            raise ValueError(f"name must not be empty; use a format string, {_HELP}")
        try:
            fields = list(_fields(template))
        except ValueError as error:
            raise ValueError(f"name={template!r} is not a format string: {error}; use one {_HELP}") from None
        automatic = fields.count("")
        positions = {int(field) for field in fields if field.isdecimal()}
        if automatic and positions:
            raise ValueError(f"name={template!r} has both {{}} and numbers; number all fields, {_HELP}")
        keywords = {field for field in fields if field and not field.isdecimal()}
        return cls(template, frozenset(positions or range(automatic)), frozenset(keywords))

    def check(self, count: int, keywords: Collection[str] = ()) -> None:
        """Check that a call with *count* positional arguments, and with these *keywords*, can be named.

        Raises:
            ValueError: the call does not have an argument that the name uses.

        >>> Naming.parse("fit-{1}").check(1)
        Traceback (most recent call last):
        ValueError: name='fit-{1}' uses the argument {1}, but the call has ...

        """
        missing = [str(position) for position in sorted(self.positions) if position >= count]
        missing += sorted(self.keywords.difference(keywords))
        if missing:
            has = f"{count} positional argument" + ("" if count == 1 else "s")
            words = ", ".join(sorted(keywords)) or "no"
            raise ValueError(
                f"name={self.template!r} uses the argument {{{missing[0]}}}, but the call has {has} (from 0 on) and "
                f"{words} keyword arguments"
            )

    def name(self, args: Sequence[object], kwargs: Mapping[str, object], number: int | None = None) -> str | None:
        """Return the name of the call with these arguments; None if nothing that can be printed is in it.

        Args:
            args: the positional arguments.
            kwargs: the keyword arguments.
            number: the number of the call in its cluster, which ``procid`` stands for.

        Raises:
            ValueError: an argument is missing, is not known yet, or cannot be formatted.

        """
        self.check(len(args), kwargs)
        used = {str(position): args[position] for position in self.positions}
        used.update((keyword, kwargs[keyword]) for keyword in self.keywords)
        for field, value in used.items():
            if isinstance(value, (Future, SharedObject)):
                what = "a future, whose value is not known yet" if isinstance(value, Future) else "a shared object"
                # Not a TypeError: the call may take it, and only the name cannot.
                raise ValueError(f"name={self.template!r} cannot use the argument {{{field}}}: it is {what}")  # noqa: TRY004
        if number is not None:
            args = [number if isinstance(value, ProcId) else value for value in args]
            kwargs = {key: number if isinstance(value, ProcId) else value for key, value in kwargs.items()}
        try:
            return clean(self.template.format(*args, **kwargs)) or None
        except Exception as error:  # of the arguments' own code too
            raise ValueError(
                f"name={self.template!r} does not suit the arguments of the call: {type(error).__name__}: {error}"
            ) from error


def display_name(fn: object) -> str:
    """Return the name of a function for displays; the name of its class if it has none.

    >>> def outer():
    ...     return lambda: 1
    >>> [display_name(fn) for fn in (len, str.upper, outer(), functools.partial(pow, 2), functools.partialmethod(len))]
    ['len', 'str.upper', '<lambda>', 'pow', 'partialmethod']

    """
    while isinstance(fn, functools.partial):
        fn = fn.func
    try:
        name = getattr(fn, "__qualname__", None)
    except Exception:  # noqa: BLE001 - of the object's own code
        name = None
    return clean((name if isinstance(name, str) else type(fn).__qualname__).rpartition("<locals>.")[2])


def _fields(template: str) -> Iterator[str]:
    """Yield the arguments that *template* uses, also in its format specifications.

    >>> list(_fields("{0.name}-{1[a]:{width}}"))
    ['0', '1', 'width']

    """
    for _, field, specification, conversion in Formatter().parse(template):
        if field is not None:
            if conversion not in (None, "a", "r", "s"):
                raise ValueError(f"unknown conversion !{conversion}")
            yield re.split(r"[.\[]", field, maxsplit=1)[0]
            yield from _fields(specification or "")
