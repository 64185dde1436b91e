"""Pickling and unpickling in a job, and the names by which pickles refer to this package.

Only :func:`found_here` maps such names, both in jobs and in the client. The client unpickles outcomes, and also calls
if a user inspects them.
"""

import pickle
import sys

from . import rebuilding
from .main_module import NAMES, main_module

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .bundle import Bundle
    from .frames import Buffer

PROTOCOL = 5


def dumps(value: object) -> "list[Buffer]":
    """Pickle to ``[pickle, *buffers]``, with pickle if possible. Nobody else can import the ``__main__`` of a job."""
    buffers = []  # type: list[pickle.PickleBuffer]
    try:
        data = pickle.dumps(value, PROTOCOL, buffer_callback=buffers.append)
    except Exception:
        data = b"__main__"
    if b"__main__" in data:
        from . import by_value

        del buffers[:]
        data = by_value.dumps(value, PROTOCOL, buffers.append)
    return [data, *(buffer.raw() for buffer in buffers)]


class CurrentCall:
    """Data that the current call may refer to: the values of other calls, shared objects, its number and its files."""

    bundle: "Bundle | None" = None
    number: "int | None" = None
    key: "str | None" = None
    checkpoints: "str | None" = None
    """The directory of its checkpoint files, once it has asked for one."""

    def __init__(self) -> None:
        self.objects = {}  # type: dict[tuple[str, bool], object]

    def forget(self, keep: bool) -> None:
        """Forget the call, which has ended, and remove its checkpoint files unless it is made again."""
        if self.checkpoints is not None and not keep:
            from .checkpoints import remove

            remove(self.checkpoints)
        self.key = self.checkpoints = None


#: The call that this process is making. The functions below, which unpickling calls, have no other way to know it.
current_call = CurrentCall()


class NoValueError(Exception):
    """A call takes the value of another call, which has none. The argument is the key of the other call."""


def value_of_call(key: str) -> object:
    """Return the value of the call *key*, from the end of the calls file, or from an outcome file beside it.

    A future among a call's arguments is pickled as a reference to this function: see
    :mod:`condor_futures.calls.pickling`.
    """
    assert current_call.bundle is not None
    segments = current_call.bundle.value_of(key)
    if segments is None:
        raise NoValueError(key)
    return loads(segments)


def shared_object(name: str, writable: bool = False) -> object:
    """Return the shared object *name*, which is the same object for all calls that this process makes.

    Arrays in it are read-only unless it is *writable*, so that a call cannot change them for the next call. A handle
    among a call's arguments is pickled as a reference to this function.
    """
    if (name, writable) not in current_call.objects:
        assert current_call.bundle is not None
        segments = list(current_call.bundle.shared_object(name))  # type: list[Buffer]
        if not writable:
            segments[1:] = [memoryview(segment).toreadonly() for segment in segments[1:]]
        current_call.objects[name, writable] = loads(segments)
    return current_call.objects[name, writable]


def number_in_cluster() -> "int | None":
    """Return the number of the call in its cluster. ``condor_futures.procid`` is pickled as a call of this function."""
    return current_call.number


# The name of this package in the client, and in a job.
_PACKAGES = ("condor_futures.execution_point", "condor_futures_execution_point")
# Later versions read the pickles of earlier ones, when they attach to or inspect sessions. Before 0.1.0 there were two
# modules instead of this package. In a job they belonged to no package, and in the client they were in the main one.
_SHELLS = ("condor_futures.shell", "condor_futures_shell")
_RUNNERS = ("condor_futures.runner", "condor_futures_runner")
_OF_RUNNER = {
    "value_of_call": "unpickling",
    "number_in_cluster": "unpickling",
    "cached": "rebuilding",
    "dispatching": "rebuilding",
    "register_all": "rebuilding",
    "travelled_module": "rebuilding",
    "set_variables": "rebuilding",
    "FrameError": "frames",
}
_RENAMED = {"shipped_modules": "rebuilding"}
_HERE = __name__.rpartition(".")[0]
# The modules with state. If a call clears sys.modules, they must not be imported again, without their state.
_WITH_STATE = {module.__name__: module for module in (sys.modules[__name__], rebuilding)}


def found_here(module: str, name: str) -> str:
    """Return the name in this process of the module to which a pickle refers with *module* and *name*."""
    if module.startswith("condor_futures"):
        package, _, part = module.rpartition(".")
        if package in _PACKAGES:
            return _HERE + "." + _RENAMED.get(part, part)
        if module in _SHELLS:
            return _HERE + ".shell"
        if module in _RUNNERS and name in _OF_RUNNER:
            return _HERE + "." + _OF_RUNNER[name]
    return module


# The position of the argument with cloudpickle's tracker id of a class, by the function that makes the class.
_TRACKER_ID = {"_make_skeleton_class": 4, "_make_skeleton_enum": 5}


class Unpickler(pickle.Unpickler):
    """Finds this package's objects under their names here, and does not change existing classes.

    cloudpickle 3.1 would set all attributes of a class that is pickled by value, even if it already exists. This would
    undo changes to the class by an initializer, by an earlier call, or by the client itself.
    """

    def __init__(self, *args: "Any", **kwargs: "Any") -> None:
        super().__init__(*args, **kwargs)
        self._made = []  # type: list[type]

    def load(self) -> "Any":
        begun = rebuilding.begin()
        try:
            return super().load()
        finally:
            rebuilding.finish(begun)

    def find_class(self, module: str, name: str) -> "Any":
        module = found_here(module, name)
        if module == "__mp_main__" and module not in sys.modules:
            module = "__main__"  # of the client, from a job that has imported its script
        if module in _WITH_STATE:
            return getattr(_WITH_STATE[module], name)
        found = super().find_class(module, name)
        if module == "cloudpickle.cloudpickle":
            # The returned function must not refer to the unpickler, which keeps it in its memo. In such a cycle, all
            # unpickled objects would wait for the garbage collector, instead of being freed when the call ends.
            if name in _TRACKER_ID:
                return _make_class(found, _TRACKER_ID[name], self._made)
            if name == "_class_setstate":
                return _set_class_state(found, self._made)
        return found


def _make_class(make: "Any", tracker_id: int, made: "list[type]") -> "Callable[..., type]":
    """Like cloudpickle's *make* for a new class. An existing class is returned unchanged."""

    def find_or_make(*args: "Any") -> "Any":
        from cloudpickle.cloudpickle import _DYNAMIC_CLASS_TRACKER_BY_ID

        cls = _DYNAMIC_CLASS_TRACKER_BY_ID.get(args[tracker_id])
        if cls is None:
            cls = make(*args)
            made.append(cls)
        return cls

    return find_or_make


def _set_class_state(set_state: "Any", made: "list[type]") -> "Callable[[type, Any], type]":
    """Like cloudpickle's *set_state*, but only for the classes that were *made* for this pickle."""

    def set_state_if_made(cls: "Any", state: "Any") -> "Any":
        return set_state(cls, state) if any(one is cls for one in made) else cls

    return set_state_if_made


class _CallUnpickler(Unpickler):
    """Uses the namespace of their module for functions that are pickled by value."""

    def find_class(self, module: str, name: str) -> "Any":
        if module in NAMES:
            main_module.load()
        elif module == "cloudpickle.cloudpickle" and name in rebuilding.OF_CLOUDPICKLE:
            return rebuilding.OF_CLOUDPICKLE[name]
        found = super().find_class(module, name)
        if name in rebuilding.REPLACEMENTS and found is getattr(rebuilding, name):
            return rebuilding.REPLACEMENTS[name]
        return found


class ScriptVariables(dict):  # type: ignore[type-arg]
    """Pickles of the variables of the script that functions in another pickle use, by name.

    They come before this pickle, in the same bytes: unpickling its objects may call its functions.
    """


def loads(segments: "Sequence[Buffer]") -> "Any":
    """Unpickle a function, arguments or a value for a call, in a job."""
    import io

    file = io.BytesIO(segments[0])
    unpickler = _CallUnpickler(file, buffers=segments[1:])
    value = unpickler.load()
    if type(value) is ScriptVariables:
        main_module.set_variables(value)
        return _CallUnpickler(file, buffers=segments[1:]).load()
    if file.tell() < len(segments[0]):  # in pickles of development versions before 0.2.0, the variables come last
        main_module.set_variables(unpickler.load())
    return value
