"""Modules that are pickled by value: a process has one namespace for each, even if its parts are in several pickles.

The client pickles a module, and a function wrapped by ``functools``, as calls of functions in this module. For
functions that are pickled by value, :data:`REPLACEMENTS` replaces functions of cloudpickle. The state is in this
module: ``_modules`` and ``_received``.
"""

import sys

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def cached(function: "Callable[..., object]", parameters: "dict[str, Any]") -> "Callable[..., object]":
    """Rebuild a function under ``functools.lru_cache`` that is pickled by value, with an empty cache."""
    import functools

    return functools.lru_cache(**parameters)(function)  # type: ignore[no-any-return]


def dispatching(name: str) -> "Callable[..., object]":
    """Rebuild a function under ``functools.singledispatch`` that is pickled by value, still without implementations.

    The implementations are registered later, because they may call the function.
    """
    import functools

    def function(_thing: "object") -> None: ...

    function.__name__ = name
    return functools.singledispatch(function)


def register_all(function: "Any", implementations: "dict[type, Any]") -> None:
    """Register the implementations of a function that :func:`dispatching` made."""
    import functools

    for kind in implementations:
        function.register(kind, implementations[kind])
    functools.update_wrapper(function, implementations[object])


# The modules that are pickled by value. They are not in sys.modules, for two reasons. Modules in sys.modules count as
# importable, so an instance of one of their classes would be pickled by name, for a job that may not have the module.
# And ``import`` in a call would find only the part of a module that its functions need, instead of raising a helpful
# error.
_modules = {}  # type: dict[str, Any]
# Their received variables, each with the contents of its value on arrival.
_received = {}  # type: dict[str, dict[str, tuple[object, list[object] | None]]]


def travelled_module(name: str) -> "Any":
    """Return the only module with this *name* that is pickled by value. A new one has no variables yet.

    Its namespace is the globals of its functions, from whichever pickle.
    """
    if name not in _modules:
        _modules[name] = type(sys)(name)
        vars(_modules[name]).clear()  # removes __doc__ and others that are None: only received or set variables count
        vars(_modules[name]).update(__name__=name, __builtins__=__builtins__)
    return _modules[name]


def set_variables(module: "Any", variables: "dict[str, Any]") -> None:
    """Set a module's variables as in the client. Variables that the initializer or a call has set since are kept."""
    _set_variables(vars(module), variables)


def _set_variables(namespace: "dict[str, Any]", variables: "dict[str, Any]") -> None:
    received = _received.setdefault(namespace.get("__name__", ""), {})
    for name, value in variables.items():
        if _is_unchanged(namespace, received, name):
            namespace[name] = value
            received[name] = value, None


def _is_unchanged(namespace: "dict[str, Any]", received: "dict[str, Any]", name: str) -> bool:
    if name not in received or name not in namespace:
        return name not in received and name not in namespace
    value, contents = received[name]
    return namespace[name] is value and (contents is None or list(map(id, contents)) == list(map(id, _contents(value))))


def _contents(value: "Any") -> "list[object]":
    """Return the contents of *value*, to detect later changes."""
    try:
        if isinstance(value, dict):
            return list(value) + list(value.values())
        if isinstance(value, (list, set)):
            return list(value)
        if isinstance(value, (type, type(sys))) or not isinstance(value.__dict__, dict):
            return []  # a class is never set again, and a module has a record of its own
        return list(vars(value)) + list(vars(value).values())
    except Exception:  # the value has no __dict__, or the user's class defines an unusual one
        return []


def _make_function(code: "Any", namespace: "dict[str, Any]", *rest: "Any") -> "Any":
    """Like cloudpickle's, but the globals are those of the function's module."""
    from cloudpickle.cloudpickle import _make_function as make_function

    variables = vars(travelled_module(namespace.get("__name__", "")))
    _set_variables(variables, namespace)
    return make_function(code, variables, *rest)


def _function_setstate(function: "Any", state: "tuple[dict[str, Any], dict[str, Any]]") -> None:
    """Like cloudpickle's, but keep variables that the initializer or a call has set."""
    from cloudpickle.cloudpickle import _function_setstate as set_state

    attributes, slots = state
    set_state(function, (attributes, dict(slots, __globals__={})))
    _set_variables(function.__globals__, slots["__globals__"])


def _dynamic_subimport(name: str, variables: "dict[str, Any]") -> "Any":
    """Like cloudpickle's, with which other jobs pickle a module."""
    module = travelled_module(name)
    set_variables(module, variables)
    return module


#: Replacements for cloudpickle's functions with these names, for unpickling a call's function and arguments.
REPLACEMENTS = {
    "_make_function": _make_function,
    "_function_setstate": _function_setstate,
    "dynamic_subimport": _dynamic_subimport,
}


def note_contents() -> None:
    """Record the contents of the received variables, at the end of a pickle: only then the contents are complete."""
    for received in _received.values():
        for name, (variable, contents) in received.items():
            if contents is None:
                received[name] = variable, _contents(variable)
