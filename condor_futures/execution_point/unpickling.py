"""Pickling and unpickling in a job, and the names by which pickles know what is ours.

:func:`found_here` is the only place that maps such names: for jobs and for the client, which unpickles outcomes and,
where somebody inspects them, calls.
"""

import pickle
import sys

from . import shipped_modules

TYPE_CHECKING = False  # typing takes milliseconds to import, in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .bundle import Bundle
    from .frames import Buffer

PROTOCOL = 5


def dumps(value: object) -> "list[Buffer]":
    """Pickle to ``[pickle, *buffers]``: by reference where that is possible, with cloudpickle where it is not."""
    buffers = []  # type: list[pickle.PickleBuffer]
    try:
        data = pickle.dumps(value, PROTOCOL, buffer_callback=buffers.append)
    except Exception:
        import cloudpickle

        del buffers[:]
        data = cloudpickle.dumps(value, PROTOCOL, buffer_callback=buffers.append)
    return [data, *(buffer.raw() for buffer in buffers)]


class CurrentCall:
    """What the call that is being made may refer to: the values of other calls, and its own number."""

    bundle: "Bundle | None" = None
    number: "int | None" = None


#: The process makes one call at a time. What unpickling calls has no other way to know it.
current_call = CurrentCall()


class NoValueError(Exception):
    """A call takes the value of another one, whose key is the argument, and that is not there."""


def value_of_call(key: str) -> object:
    """The value of the call *key*, whose outcome was appended to the bundle's calls, or is in a file beside them.

    A future among a call's arguments is pickled as a reference to this function: see
    :mod:`condor_futures.calls.pickling`.
    """
    assert current_call.bundle is not None
    segments = current_call.bundle.value_of(key)
    if segments is None:
        raise NoValueError(key)
    return loads(segments)


def number_in_cluster() -> "int | None":
    """The number of the call within its cluster: what ``condor_futures.procid`` among its arguments is pickled as."""
    return current_call.number


# The client's name of this package, and a job's.
_PACKAGES = ("condor_futures.execution_point", "condor_futures_execution_point")
# Pickles outlive the version that made them: later versions attach to sessions, and inspect them. Before 0.1.0 there
# were two modules instead, which were in no package in a job, and beside all others at the client.
_SHELLS = ("condor_futures.shell", "condor_futures_shell")
_RUNNERS = ("condor_futures.runner", "condor_futures_runner")
_OF_RUNNER = {
    "value_of_call": "unpickling",
    "number_in_cluster": "unpickling",
    "cached": "shipped_modules",
    "dispatching": "shipped_modules",
    "register_all": "shipped_modules",
    "travelled_module": "shipped_modules",
    "set_variables": "shipped_modules",
    "FrameError": "frames",
}
_HERE = __name__.rpartition(".")[0]
# The modules that have a state. A call may clear sys.modules; they would be imported again, and know nothing.
_WITH_STATE = {module.__name__: module for module in (sys.modules[__name__], shipped_modules)}


def found_here(module: str, name: str) -> str:
    """The module, as it is called in this process, of what a pickle knows as *name* of *module*."""
    if module.startswith("condor_futures"):
        package, _, part = module.rpartition(".")
        if package in _PACKAGES:
            return _HERE + "." + part
        if module in _SHELLS:
            return _HERE + ".shell"
        if module in _RUNNERS and name in _OF_RUNNER:
            return _HERE + "." + _OF_RUNNER[name]
    return module


# Where the makers of classes have the name by which cloudpickle knows a class again.
_TRACKER_ID = {"_make_skeleton_class": 4, "_make_skeleton_enum": 5}


class Unpickler(pickle.Unpickler):
    """Finds what is ours under the name that it has here, and leaves a class alone that travels by value and is here
    already.

    cloudpickle would set all its attributes again, as they were where it was pickled (3.1): what an initializer or an
    earlier call has set on it, or the client itself, would be gone.
    """

    def __init__(self, *args: "Any", **kwargs: "Any") -> None:
        super().__init__(*args, **kwargs)
        self._made = []  # type: list[type]

    def find_class(self, module: str, name: str) -> "Any":
        module = found_here(module, name)
        if module in _WITH_STATE:
            return getattr(_WITH_STATE[module], name)
        found = super().find_class(module, name)
        if module == "cloudpickle.cloudpickle":
            # What this gives must not know the unpickler, which remembers it: all that was unpickled would be garbage
            # to be collected, instead of going when the call has ended.
            if name in _TRACKER_ID:
                return _make_class(found, _TRACKER_ID[name], self._made)
            if name == "_class_setstate":
                return _set_class_state(found, self._made)
        return found


def _make_class(make: "Any", tracker_id: int, made: "list[type]") -> "Callable[..., type]":
    """As cloudpickle's *make*, for a class that is not here yet; others are found."""

    def find_or_make(*args: "Any") -> "Any":
        from cloudpickle.cloudpickle import _DYNAMIC_CLASS_TRACKER_BY_ID

        cls = _DYNAMIC_CLASS_TRACKER_BY_ID.get(args[tracker_id])
        if cls is None:
            cls = make(*args)
            made.append(cls)
        return cls

    return find_or_make


def _set_class_state(set_state: "Any", made: "list[type]") -> "Callable[[type, Any], type]":
    """As cloudpickle's *set_state*, for the classes that were *made* for this pickle."""

    def set_state_if_made(cls: "Any", state: "Any") -> "Any":
        return set_state(cls, state) if any(one is cls for one in made) else cls

    return set_state_if_made


class _CallUnpickler(Unpickler):
    """Gives functions that travel by value the namespace of their module."""

    def find_class(self, module: str, name: str) -> "Any":
        if module == "cloudpickle.cloudpickle" and name in shipped_modules.REPLACEMENTS:
            return shipped_modules.REPLACEMENTS[name]
        return super().find_class(module, name)


def loads(segments: "Sequence[Buffer]") -> "Any":
    """Unpickle what came for a call, in a job."""
    import io

    value = _CallUnpickler(io.BytesIO(segments[0]), buffers=segments[1:]).load()
    shipped_modules.note_contents()
    return value
