"""Rebuilds objects that are pickled by value: functions, classes, and the namespaces that functions share.

It is long because it has a part for each kind of object, and they share the keys.

:mod:`.by_value` pickles them as calls of the functions in this module. An object that may arrive in several pickles
has a key: the process in which it was defined makes the key, and every process has one object for each key. Classes are
made without running the code of their bases and metaclasses again, because it has run where the class was defined.
The state is in this module: ``_objects``, ``_modules`` and ``_received``.
"""

import sys

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Objects by key, and keys by the identity of the object. The references are weak if the object allows it.
_objects = {}  # type: dict[str, Any]
_keys = {}  # type: dict[int, tuple[str, Any]]


def remember(key: str, obj: "Any") -> "Any":
    """Record that *obj* has the *key*; return *obj*."""
    from _weakref import ref

    place = id(obj)

    def forget(_: object) -> None:
        _objects.pop(key, None)
        _keys.pop(place, None)

    try:
        reference = ref(obj, forget)  # type: Any
    except TypeError:

        def reference() -> "Any":
            return obj

    _objects[key] = reference
    _keys[place] = (key, reference)
    return obj


def find(key: str) -> "Any":
    """Return the object with this *key*; None if this process has none."""
    reference = _objects.get(key)
    return reference() if reference is not None else None


def key_of(obj: "Any") -> "str | None":
    """Return the key of *obj*; None if it has none."""
    key, reference = _keys.get(id(obj), ("", None))
    return key if reference is not None and reference() is obj else None


# Modules.

# The modules that are pickled by value, with the ``__main__`` of a job among them. The others are not in sys.modules,
# for two reasons. Modules in sys.modules count as importable, so an instance of one of their classes would be pickled
# by name, for a job that may not have the module. And ``import`` in a call would find only the part of a module that
# its functions need, instead of raising a helpful error.
_modules = {}  # type: dict[str, Any]
# Their received variables, each with the contents of its value on arrival.
_received = {}  # type: dict[str, dict[str, tuple[object, list[object] | None]]]


def use_main(module: "Any") -> None:
    """Let *module* be the namespace of functions of ``__main__``."""
    _modules["__main__"] = module


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


def note_variables(namespace: "dict[str, Any]") -> None:
    """Record the variables of a script that has just been imported, to detect later changes."""
    _received[namespace["__name__"]] = {name: (value, _contents(value)) for name, value in namespace.items()}


def _set_variables(namespace: "dict[str, Any]", variables: "dict[str, Any]") -> None:
    received = _received.setdefault(namespace.get("__name__", ""), {})
    for name, value in variables.items():
        if _is_unchanged(namespace, received, name):
            namespace[name] = value
            received[name] = value, None


def _is_unchanged(namespace: "dict[str, Any]", received: "dict[str, Any]", name: str) -> bool:
    if name not in received or name not in namespace:
        return name not in received and (name not in namespace or name in _DUNDERS)
    value, contents = received[name]
    return namespace[name] is value and (contents is None or list(map(id, contents)) == list(map(id, _contents(value))))


#: A module has these from the start.
_DUNDERS = frozenset(["__doc__", "__package__", "__loader__", "__spec__", "__file__", "__path__"])


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


def note_contents() -> None:
    """Record the contents of the received variables, at the end of a pickle: only then the contents are complete."""
    for received in _received.values():
        for name, (variable, contents) in received.items():
            if contents is None:
                received[name] = variable, _contents(variable)


# Functions.


def make_code(*parts: "Any") -> "Any":
    return type(make_code.__code__)(*parts)


def make_cell() -> "Any":
    """Make an empty cell of a closure."""
    value = None
    cell = (lambda: value).__closure__[0]  # type: ignore[index]
    del cell.cell_contents
    return cell


def set_cell(cell: "Any", contents: "tuple[Any]") -> None:
    cell.cell_contents = contents[0]


def imported(name: str) -> "Any":
    """Import the module with this *name*, which may be one of a package, or the script."""
    if name == "__main__":
        from .main_module import main_module

        main_module.load()
    __import__(name)
    return sys.modules[name]


#: Made in this pickle: their state is still to be set.
_unfinished = []  # type: list[Any]


def make_function(
    key: "str | None", code: "Any", namespace: "dict[str, Any] | str", name: str, closure: "Any"
) -> "Any":
    """Make a function, unless there is one with this *key*. *namespace* is its globals, or the name of its module."""
    function = find(key) if key else None
    if function is None:
        variables = vars(imported(namespace)) if isinstance(namespace, str) else namespace
        variables.setdefault("__builtins__", __builtins__)
        make = type(make_function)  # type: Any
        function = make(code, variables, name, None, closure)
        _unfinished.append(function)
        if key:
            remember(key, function)
    return function


def _make_function_here(
    key: "str | None", code: "Any", namespace: "dict[str, Any] | str", name: str, closure: "Any"
) -> "Any":
    """Like :func:`make_function`, in a job: functions of a module share its namespace, from whichever pickle."""
    if isinstance(namespace, dict) and "__name__" in namespace:
        variables = vars(travelled_module(namespace["__name__"]))
        _set_variables(variables, namespace)
        namespace = variables
    return make_function(key, code, namespace, name, closure)


def set_function(function: "Any", state: "Any") -> None:
    """Set the attributes of a function that was made for this pickle, and the variables that it refers to.

    *state* has the attributes, what is settable of the function itself, the variables, the modules of packages that are
    to be imported, and the pickles of variables that the function may only look up.
    """
    attributes, slots, variables, _, _ = state
    if variables:
        function.__globals__.update(variables)
    _finish_function(function, attributes, slots)


def _set_function_here(function: "Any", state: "Any") -> None:
    """Like :func:`set_function`, in a job, but keep variables that the initializer or a call has set."""
    attributes, slots, variables, _, looked_up = state
    if variables:
        _set_variables(function.__globals__, variables)
    _finish_function(function, attributes, slots)
    if key_of(function) is not None and function.__qualname__ == function.__name__:
        # A call finds the function in its module, as pickle does.
        _set_variables(function.__globals__, {function.__name__: function})
    if looked_up:
        from .unpickling import loads

        remaining = dict(looked_up)
        looked_up.clear()  # other functions of the pickle share it
        for name, data in remaining.items():
            try:
                _set_variables(function.__globals__, {name: loads([data])})
            except Exception:
                pass  # nobody knows whether the function uses it


def _finish_function(function: "Any", attributes: "dict[str, Any]", slots: "dict[str, Any]") -> None:
    if _take_unfinished(function):
        function.__dict__.update(attributes)
        for name, value in slots.items():
            setattr(function, name, value)


def _take_unfinished(obj: object) -> bool:
    for index, other in enumerate(_unfinished):
        if other is obj:
            del _unfinished[index]
            return True
    return False


def cached(
    function: "Callable[..., object]", parameters: "dict[str, Any]", key: "str | None" = None
) -> "Callable[..., object]":
    """Rebuild a function under ``functools.lru_cache`` that is pickled by value, with an empty cache."""
    import functools

    made = find(key) if key else None
    if made is None:
        made = functools.lru_cache(**parameters)(function)
        if key:
            remember(key, made)
    return made  # type: ignore[no-any-return]


def dispatching(name: str, key: "str | None" = None) -> "Callable[..., object]":
    """Rebuild a function under ``functools.singledispatch`` that is pickled by value, still without implementations.

    The implementations are registered later, because they may call the function.
    """
    import functools

    def function(_thing: "object") -> None: ...

    made = find(key) if key else None
    if made is None:
        function.__name__ = name
        made = functools.singledispatch(function)
        if key:
            remember(key, made)
    return made


def register_all(function: "Any", implementations: "dict[type, Any]") -> None:
    """Register the implementations of a function that :func:`dispatching` made."""
    import functools

    for kind in implementations:
        if function.registry.get(kind) is not implementations[kind]:
            function.register(kind, implementations[kind])
    functools.update_wrapper(function, implementations[object])


def dispatching_method() -> "Any":
    """Make a method under ``functools.singledispatchmethod``, still without a function."""
    import functools

    return functools.singledispatchmethod.__new__(functools.singledispatchmethod)


def set_dispatching_method(method: "Any", state: "tuple[Any, Any]") -> None:
    function, dispatcher = state
    method.__init__(function)
    method.dispatcher = dispatcher


# Classes.


def make_class(
    key: str,
    meta: "type | None",
    name: str,
    bases: "tuple[type, ...]",
    namespace: "dict[str, Any]",
    members: "dict[str, tuple[Any, ...]] | None" = None,
) -> "Any":
    """Make a class without attributes, unless there is one with this *key*.

    Neither ``__init_subclass__`` of its bases runs, nor the ``__new__`` and ``__init__`` of its metaclass, nor
    ``__set_name__``: they ran when the class was defined, and all that they set arrives as state.

    Args:
        key: of the class.
        meta: its metaclass; None if it is that of its first base.
        name: its name.
        bases: its bases.
        namespace: what is to be there when the class is made: ``__slots__`` among others.
        members: the members of an enum: by name, the arguments that the ``__new__`` of their type takes.

    """
    cls = find(key)
    if cls is not None:
        return cls
    meta = meta or type(bases[0])
    make = _make_quietly
    if "_ctypes" in [one.__module__ for one in meta.__mro__]:
        make = _make_plainly  # otherwise it would have no layout (Python 3.13)
    try:
        cls = make(meta, name, bases, dict(namespace))
    except TypeError:  # a metaclass of another extension module
        cls = _make_plainly(meta, name, bases, dict(namespace))
    _unfinished.append(cls)
    if members is not None:
        made = {}
        for one, arguments in members.items():
            kind = next((base for base in cls.__mro__[1:] if "__new__" in vars(base) and not _is_enum(base)), object)
            made[one] = kind.__new__(cls, *arguments)
            made[one].__dict__["_name_"] = one  # its hash
        type.__setattr__(cls, "_member_map_", made)
    return remember(key, cls)


def _is_enum(cls: type) -> bool:
    return "_member_map_" in vars(cls)


def _make_plainly(meta: "type", name: str, bases: "tuple[type, ...]", namespace: "dict[str, Any]") -> "Any":
    return meta(name, bases, namespace)


def _make_quietly(meta: type, name: str, bases: "tuple[type, ...]", namespace: "dict[str, Any]") -> "Any":
    # A base that stands in for the others and has no hook would need their layout, and would be among the
    # __subclasses__ of their bases until the garbage collector runs. So each hook is away for some microseconds, in
    # which no other thread may define a subclass.
    hooks = []
    try:
        for one in {one for base in bases for one in base.__mro__[:-1]}:
            hook = vars(one).get("__init_subclass__")
            if hook is not None:
                try:
                    type.__setattr__(one, "__init_subclass__", classmethod(_do_nothing))
                except TypeError:  # of an extension module
                    continue
                hooks.append((one, hook))
        cls = type.__new__(meta, name, bases, namespace)  # type: Any
    finally:
        for one, hook in hooks:
            type.__setattr__(one, "__init_subclass__", hook)
    abc = sys.modules.get("abc")
    if abc is not None and issubclass(meta, abc.ABCMeta):
        from _abc import _abc_init  # type: ignore[import-not-found]

        _abc_init(cls)
    return cls


def _do_nothing(*_: object, **__: object) -> None: ...


def member(cls: "Any", name: str) -> "Any":
    """Return the member of an enum, whose class may not be complete yet."""
    return type.__getattribute__(cls, "_member_map_")[name]


def set_class(cls: "Any", state: "Any") -> None:
    """Set the attributes of a class that was made for this pickle.

    *state* has the attributes, the virtual subclasses of an abstract class, the attributes of the members of an enum,
    and the name of the variable of its module that the class is the value of, if it is.
    """
    attributes, registered, members, _ = state
    if not _take_unfinished(cls):
        return
    for name, values in members.items():
        member(cls, name).__dict__.update(values)
    for name, value in attributes.items():
        _set_attribute(cls, name, value)
    if "__firstlineno__" in attributes:  # setting any attribute of these removes it (Python 3.13)
        _set_attribute(cls, "__firstlineno__", attributes["__firstlineno__"])
    for subclass in registered or ():
        from _abc import _abc_register

        _abc_register(cls, subclass)


def _set_attribute(cls: "Any", name: str, value: object) -> None:
    try:
        type.__setattr__(cls, name, value)
    except TypeError:  # its metaclass is one of an extension module
        setattr(cls, name, value)


def _set_class_here(cls: "Any", state: "Any") -> None:
    """Like :func:`set_class`, in a job: a call finds the class in its module, as ``pickle`` does."""
    set_class(cls, state)
    if state[3] is not None:
        set_variables(travelled_module(cls.__module__), {state[3]: cls})


# Other objects.


def make_typing(key: str, kind: str, module: str, arguments: "tuple[Any, ...]", keywords: "dict[str, Any]") -> "Any":
    """Make a ``TypeVar`` or another object of ``typing`` that has a name, unless there is one with this *key*."""
    import typing

    made = find(key)
    if made is None:
        made = getattr(typing, kind)(*arguments, **keywords)
        try:
            made.__module__ = module
        except AttributeError:
            pass  # of an alias
        remember(key, made)
    return made


def make_named(key: str, cls: "Any", state: "Any") -> "Any":
    """Make an object that its class pickles by the name of a variable, unless there is one with this *key*."""
    made = find(key)
    if made is None:
        made = remember(key, cls.__new__(cls))
        attributes, slots = state
        if attributes:
            made.__dict__.update(attributes)
        for name, value in slots.items():
            object.__setattr__(made, name, value)
    return made


def finish(since: int) -> None:
    """End a pickle that began when *since* objects were unfinished: those that it made twice get no state."""
    del _unfinished[since:]
    note_contents()


def begin() -> int:
    """Begin a pickle; return how many objects are unfinished."""
    return len(_unfinished)


# Pickles of earlier versions, whose functions cloudpickle itself rebuilds: a client attaches to their sessions.


def _make_cloudpickled(code: "Any", namespace: "dict[str, Any]", *rest: "Any") -> "Any":
    from cloudpickle.cloudpickle import _make_function

    variables = vars(travelled_module(namespace.get("__name__", "")))
    _set_variables(variables, namespace)
    return _make_function(code, variables, *rest)


def _set_cloudpickled(function: "Any", state: "tuple[dict[str, Any], dict[str, Any]]") -> None:
    from cloudpickle.cloudpickle import _function_setstate

    attributes, slots = state
    _function_setstate(function, (attributes, dict(slots, __globals__={})))
    _set_variables(function.__globals__, slots["__globals__"])


def _import_cloudpickled(name: str, variables: "dict[str, Any]") -> "Any":
    module = travelled_module(name)
    set_variables(module, variables)
    return module


#: Replacements for functions of cloudpickle, for unpickling the function and the arguments of such a call in a job.
OF_CLOUDPICKLE = {
    "_make_function": _make_cloudpickled,
    "_function_setstate": _set_cloudpickled,
    "dynamic_subimport": _import_cloudpickled,
}

#: Replacements for the functions with these names, for unpickling the function and the arguments of a call in a job.
REPLACEMENTS = {"make_function": _make_function_here, "set_function": _set_function_here, "set_class": _set_class_here}
