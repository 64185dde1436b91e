"""Modules that travel by value: one namespace each for a process, whatever pickles its parts come in.

The client pickles a module, and what ``functools`` made of a function, as calls of functions that are here; and what
cloudpickle makes of functions that travel by value is made by :data:`REPLACEMENTS` instead. The state is this
module's own: ``_modules`` and ``_came``.
"""

import sys

TYPE_CHECKING = False  # typing takes milliseconds to import, in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def cached(function: "Callable[..., object]", parameters: "dict[str, Any]") -> "Callable[..., object]":
    """What a function under ``functools.lru_cache`` is pickled as, where it travels by value; without its cache."""
    import functools

    return functools.lru_cache(**parameters)(function)  # type: ignore[no-any-return]


def dispatching(name: str) -> "Callable[..., object]":
    """What a function under ``functools.singledispatch`` is pickled as, where it travels by value; still empty, because
    its implementations may call it.
    """
    import functools

    def function(_thing: "object") -> None: ...

    function.__name__ = name
    return functools.singledispatch(function)


def register_all(function: "Any", implementations: "dict[type, Any]") -> None:
    """Fill what :func:`dispatching` has made."""
    import functools

    for kind in implementations:
        function.register(kind, implementations[kind])
    functools.update_wrapper(function, implementations[object])


# The modules that travel by value. They are not in sys.modules: there they would be taken for what can be imported, so
# that a value of one of their classes would be pickled by name, for a job that may not have them; and ``import`` within
# a call would find the part of a module that functions brought along, instead of an error that says what to do.
_modules = {}  # type: dict[str, Any]
# What came of their variables, and what was in it when it had come.
_came = {}  # type: dict[str, dict[str, tuple[object, list[object] | None]]]


def travelled_module(name: str) -> "Any":
    """What a module that travels by value is pickled as: the only one of this *name*, still without its variables.

    Its namespace is the globals of its functions, whichever pickle they come in.
    """
    if name not in _modules:
        _modules[name] = type(sys)(name)
        vars(_modules[name]).clear()  # of __doc__ and others that are None: what is there has come, or was set by calls
        vars(_modules[name]).update(__name__=name, __builtins__=__builtins__)
    return _modules[name]


def set_variables(module: "Any", variables: "dict[str, Any]") -> None:
    """Give a module the variables that it has at the client; what the initializer or a call has set since stays."""
    _set_variables(vars(module), variables)


def _set_variables(namespace: "dict[str, Any]", variables: "dict[str, Any]") -> None:
    came = _came.setdefault(namespace.get("__name__", ""), {})
    for name, value in variables.items():
        if _is_as_it_came(namespace, came, name):
            namespace[name] = value
            came[name] = value, None


def _is_as_it_came(namespace: "dict[str, Any]", came: "dict[str, Any]", name: str) -> bool:
    if name not in came or name not in namespace:
        return name not in came and name not in namespace
    value, contents = came[name]
    return namespace[name] is value and (contents is None or list(map(id, contents)) == list(map(id, _contents(value))))


def _contents(value: "Any") -> "list[object]":
    """What is in *value*, so that it can be seen whether other things were put there."""
    try:
        if isinstance(value, dict):
            return list(value) + list(value.values())
        if isinstance(value, (list, set)):
            return list(value)
        if isinstance(value, (type, type(sys))) or not isinstance(value.__dict__, dict):
            return []  # (a class is never set again, and a module has a record of its own)
        return list(vars(value)) + list(vars(value).values())
    except Exception:  # there is no such attribute; or it is the user's, and may be odd
        return []


def _make_function(code: "Any", namespace: "dict[str, Any]", *rest: "Any") -> "Any":
    """As cloudpickle's, but the globals are those of the function's module."""
    from cloudpickle.cloudpickle import _make_function as make_function

    variables = vars(travelled_module(namespace.get("__name__", "")))
    _set_variables(variables, namespace)
    return make_function(code, variables, *rest)


def _function_setstate(function: "Any", state: "tuple[dict[str, Any], dict[str, Any]]") -> None:
    """As cloudpickle's, but what the initializer or a call has set stays."""
    from cloudpickle.cloudpickle import _function_setstate as set_state

    attributes, slots = state
    set_state(function, (attributes, dict(slots, __globals__={})))
    _set_variables(function.__globals__, slots["__globals__"])


def _dynamic_subimport(name: str, variables: "dict[str, Any]") -> "Any":
    """As cloudpickle's, with which other jobs pickle a module."""
    module = travelled_module(name)
    set_variables(module, variables)
    return module


#: What stands in for cloudpickle's functions of these names, where a call's function and arguments are unpickled.
REPLACEMENTS = {
    "_make_function": _make_function,
    "_function_setstate": _function_setstate,
    "dynamic_subimport": _dynamic_subimport,
}


def note_contents() -> None:
    """Note what is in the variables that came; at the end of a pickle, for only then everything is in it that came."""
    for came in _came.values():
        for name, (variable, contents) in came.items():
            if contents is None:
                came[name] = variable, _contents(variable)
