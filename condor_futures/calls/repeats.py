"""Warns of what several calls repeat although they need not: the numbers of one random generator, and large arguments.

One call alone is no mistake. So the second call that takes the same object brings the warning, once in each session.
"""

from __future__ import annotations

import contextlib
import itertools
import pickle
import sys
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from condor_futures.calls.culprit import path_to
from condor_futures.errors import CondorFuturesWarning
from condor_futures.execution_point import by_value
from condor_futures.execution_point.unpickling import PROTOCOL

__all__ = ["Generator", "Repeats", "is_generator"]

#: Arguments of so many bytes should be shared.
LARGE: Final = 10_000_000
#: So many generators, and large arguments, of the last calls are remembered.
REMEMBERED: Final = 64
#: The depth to which the items of a list or dictionary are compared.
_DEPTH: Final = 3
_ATOMS: Final = (int, float, complex, bool, str, bytes, type(None))
_PACKAGE: Final = __name__.partition(".")[0]


def is_generator(kind: type) -> bool:
    """Return whether objects of the class *kind* are random generators of Python or numpy, whose state is pickled."""
    # A program that has a generator has imported its module.
    pythons, numpys = sys.modules.get("random"), sys.modules.get("numpy.random")
    classes = [getattr(pythons, "Random", None)]
    if numpys is not None:
        classes += [getattr(numpys, "Generator", None), getattr(numpys, "RandomState", None)]
    return issubclass(kind, tuple(one for one in classes if isinstance(one, type)))


class Generator:
    """A random generator in a pickle.

    Attributes:
        generator: the generator.
        state: a hash of the state that was pickled; equal to no other if it is unknown.

    """

    __slots__ = ("_what", "generator", "state")

    def __init__(self, generator: object, what: Callable[[], str]) -> None:
        """Remember the state of *generator*; *what* returns the expression that leads to it."""
        self.generator = generator
        try:
            self.state: object = hash(pickle.dumps(generator, PROTOCOL))
        except Exception:  # noqa: BLE001 - a class of the user's, which only cloudpickle can pickle
            self.state = object()  # equal to no other
        self._what = what

    @property
    def path(self) -> str:
        """The expression that leads to the generator, such as ``"function global variable 'rng'"``."""
        return self._what()


class Repeats:
    """What the last calls of a session took. Any thread may use it: at worst, a warning is given twice."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._generators: deque[tuple[object, object]] | None = deque(maxlen=REMEMBERED)
        self._large: deque[tuple[int, object]] | None = deque(maxlen=REMEMBERED)
        self._small: deque[int] = deque(maxlen=REMEMBERED)

    def look_at(self, *parts: Sequence[Generator]) -> None:
        """Warn if an earlier call took one of the generators in the *parts* of a call in the same state.

        Two calls that draw from their copies then draw the same numbers.
        """
        known = self._generators
        if known is None or not any(parts):
            return
        generators = list(itertools.chain(*parts))
        for one in generators:
            if any(one.generator is other and one.state == state for other, state in list(known)):
                self._generators = None
                _warn(
                    "several calls get a copy of the same random generator in the same state, so that they may draw "
                    f"the same numbers: {one.path}; make a generator in each call, from a seed that is an argument, "
                    "such as random.Random(seed) or numpy.random.default_rng(seed)"
                )
                return
        # The generator stays in memory, so that no other one has its address.
        known.extend((one.generator, one.state) for one in generators)

    def look_at_large(
        self, args: Sequence[object], kwargs: Mapping[str, object], segments: Sequence[bytes | memoryview]
    ) -> None:
        """Warn if an earlier call took one of these arguments, whose pickle is large, too."""
        known = self._large
        if known is None:
            return
        for obj, is_large in _parts(args, kwargs, segments):
            mark = _mark(obj)
            if not any(key == id(obj) and _matches(obj, mark, of) for key, of in list(known)):
                known.append((id(obj), mark))
            elif is_large or self._is_large(obj):
                self._large = None
                where = _path(obj, args, kwargs)
                _warn(
                    f"several calls take the same object of more than 10 MB, {where}, which is pickled, stored and "
                    "sent for each call; share it once, by executor.share(), and pass what share() returns"
                )
                return

    def _is_large(self, obj: object) -> bool:
        """Pickle *obj* to learn whether it is large: only once, because a warning follows, or it is remembered."""
        if id(obj) in self._small:
            return False
        with contextlib.suppress(Exception):  # such as that of a future, which the pickler of calls would take
            try:
                by_value.Pickler(by_value.Bounded(LARGE), PROTOCOL, looks_up=False).dump(obj)
            except by_value.TooLargeError:
                return True
        self._small.append(id(obj))
        return False


def _parts(
    args: Sequence[object], kwargs: Mapping[str, object], segments: Sequence[bytes | memoryview]
) -> Iterator[tuple[object, bool]]:
    """Yield the parts of the arguments that may be large, and whether they are: arrays at any depth, and arguments."""
    for segment in segments[1:]:
        view = memoryview(segment)
        if view.nbytes > LARGE:
            yield _owner(view.obj), True
    if memoryview(segments[0]).nbytes > LARGE:
        for obj in (*args, *kwargs.values()):
            if not (type(obj) in _ATOMS and sys.getsizeof(obj) < LARGE):
                yield obj, False


def _owner(obj: Any) -> object:
    """Return the array that *obj* is a view of, as a whole: pickling an array that is stored by columns makes one."""
    base: Any = getattr(obj, "base", None)
    while type(base) is type(obj) and base.nbytes == obj.nbytes:
        obj, base = base, base.base
    return obj


def _path(obj: object, args: Sequence[object], kwargs: Mapping[str, object]) -> str:
    def is_it(part: object) -> bool:
        return part is obj or (type(part) is type(obj) and _owner(part) is obj)

    return path_to(is_it, ((args, "args"), (kwargs, "kwargs"))) or "an argument"


def _mark(obj: object) -> object:
    """Return what distinguishes *obj* from a later object at its address, without keeping it in memory."""
    try:
        return weakref.ref(obj)
    except TypeError:
        return _sample(obj)


def _matches(obj: object, mark: object, of: object) -> bool:
    return of() is obj if isinstance(of, weakref.ref) else mark == of


def _sample(obj: Any, depth: int = _DEPTH) -> object:
    """Return some of the contents of a list, a dictionary, a text or bytes."""
    if isinstance(obj, (str, bytes, bytearray)):
        middle = len(obj) // 2
        return len(obj), obj[:64], obj[middle : middle + 64]
    if type(obj) in _ATOMS:
        return obj
    if depth and obj and type(obj) in (list, tuple):
        return len(obj), *(_sample(obj[at], depth - 1) for at in (0, len(obj) // 2, -1))
    if depth and obj and type(obj) is dict:
        return len(obj), *(_sample(item, depth - 1) for item in (next(iter(obj.items())), next(reversed(obj.items()))))
    return id(obj)


def _warn(message: str) -> None:
    """Warn with the line of the user's program that made the call."""
    level, frame = 1, sys._getframe()  # noqa: SLF001 - the only way to find that line before Python 3.12
    while (caller := frame.f_back) is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] != _PACKAGE:
            break
        level, frame = level + 1, caller
    warnings.warn(message, CondorFuturesWarning, stacklevel=level)
