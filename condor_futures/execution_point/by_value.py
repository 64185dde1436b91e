"""Pickles functions and classes by value where the other side cannot import them: in the client, and in a job.

It is long because each kind of object that Python itself cannot pickle has a method.

It extends cloudpickle, which knows many other kinds of objects. :mod:`.rebuilding` has what the pickles call.
"""

import functools
import io
import sys
import types
import typing
import uuid
from enum import Enum

import cloudpickle
from cloudpickle.cloudpickle import _is_registered_pickle_by_value, _whichmodule

from . import rebuilding
from .code import finder

TYPE_CHECKING = False  # as in the modules that every job imports
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Pickler"]

_TYPING = tuple(
    kind
    for kind in (getattr(typing, name, None) for name in ("TypeVar", "ParamSpec", "TypeVarTuple", "NewType"))
    if isinstance(kind, type)
)
_ALIAS = getattr(typing, "TypeAliasType", None)

#: A function that uses one of these may look up any variable of its module.
_LOOKS_UP = frozenset(["__main__", "eval", "exec", "get_type_hints", "globals", "modules", "signature", "vars"])
#: Bytes of one variable that goes along only because a function may look it up.
_LARGEST_LOOKED_UP = 10 << 20
#: Variables of a notebook itself.
_NOTEBOOK = frozenset(["In", "Out", "exit", "get_ipython", "open", "quit"])

_class_dict = type.__dict__["__dict__"].__get__
_class_bases = type.__dict__["__bases__"].__get__


def _key(obj: object) -> str:
    key = rebuilding.key_of(obj)
    if key is None:
        key = uuid.uuid4().hex
        rebuilding.remember(key, obj)
    return key


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles by value what is in ``__main__``, in no module, or in a module without a file.

    Attributes:
        modules: the names of modules that functions import while they run.

    """

    #: Functions of the main program are pickled without the variables that they use.
    bare = False

    def __init__(
        self, file: "Any", protocol: "int | None" = None, buffer_callback: "Any" = None, looks_up: bool = True
    ) -> None:
        super().__init__(file, protocol, buffer_callback=buffer_callback)
        self._looks_up = looks_up
        self.modules = set()  # type: set[str]
        self._reducers = {}  # type: dict[type, Any]
        self._pickled = {}  # type: dict[int, dict[str, bytes]]

    def another(self, file: "Any") -> "Pickler":
        """Return another pickler that pickles in the same way, and no variables that are only looked up."""
        return type(self)(file, self.proto, looks_up=False)

    def imports(self, module: "Any") -> bool:
        """Return whether the other side imports *module*."""
        if module.__name__ == "__main__" or _is_registered_pickle_by_value(module):
            return False
        return getattr(module, "__spec__", None) is not None or getattr(module, "__file__", None) is not None

    def whole(self, module: "Any") -> bool:
        """Return whether the other side imports *module* from the same file as this process."""
        return module.__name__.partition(".")[0] in finder.names and self.imports(module)

    def dump(self, obj: "Any") -> None:
        try:
            super().dump(obj)
        finally:
            # They refer to this pickler, which would otherwise stay, with all that it has pickled, until the garbage
            # collector runs.
            self._reducers.clear()

    def reducer_override(self, obj: "Any") -> "Any":
        kind = type(obj)
        try:
            reduce = self._reducers[kind]
        except KeyError:
            reduce = self._reducers[kind] = self.reducer(kind)
        return reduce(obj) if reduce is not None else NotImplemented

    def reducer(self, kind: "Any") -> "Any":  # noqa: PLR0911 - a table of kinds
        """Return what reduces objects of the class *kind*; None if they are pickled as elsewhere."""
        if issubclass(kind, type):
            return self._reduce_class
        if kind is types.FunctionType:
            return self._reduce_function
        if issubclass(kind, types.ModuleType):
            return self._reduce_module
        if issubclass(kind, Enum) and not self._named(kind):
            return self._reduce_member
        if kind in _REDUCERS:
            return functools.partial(_REDUCERS[kind], self)
        if kind in self.dispatch_table and kind not in _TYPING:
            return None
        of_object = object  # type: Any
        if kind.__reduce__ is of_object.__reduce__ and kind.__reduce_ex__ is of_object.__reduce_ex__:
            name = _SENTINELS.get(kind.__name__) if kind.__module__ == "dataclasses" else None
            return None if name is None else lambda _: name
        return self._reduce_by_variable

    # Names.

    def _named(self, obj: "Any", name: "str | None" = None) -> bool:
        """Return whether the other side finds *obj* by its name in a module that it imports."""
        name = str(name or getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None))
        module = sys.modules.get(_whichmodule(obj, name) or "")
        if module is None or not self.imports(module) or _found(module, name) is not obj:
            return False
        return module.__name__ != "__main__" or self.is_of_script(name.partition(".")[0], obj)

    def is_of_script(self, _name: str, _obj: object) -> bool:
        """Return whether importing the script sets its variable of this name to the object."""
        return True

    # Functions and modules.

    def _reduce_module(self, obj: "Any") -> "Any":
        if self.imports(obj):
            return rebuilding.imported, (obj.__name__,)
        # The module is created before its variables are set, because it may refer to itself.
        variables = {name: value for name, value in vars(obj).items() if name != "__builtins__"}
        return rebuilding.travelled_module, (obj.__name__,), variables, None, None, rebuilding.set_variables

    def _reduce_code(self, obj: "Any") -> "Any":
        # cloudpickle replaces the file's name by a constant, so that pickles are equal. A remote traceback would then
        # not name the files.
        _, parts = self.dispatch_table[types.CodeType](obj)
        constant = "<dynamic-code>"
        return rebuilding.make_code, tuple(obj.co_filename if type(p) is str and p == constant else p for p in parts)

    def _reduce_cell(self, obj: "Any") -> "Any":
        try:  # the contents may refer to the function, and several functions may share the cell
            return rebuilding.make_cell, (), (obj.cell_contents,), None, None, rebuilding.set_cell
        except ValueError:
            return rebuilding.make_cell, ()

    def _reduce_cached(self, obj: "Any") -> "Any":
        if self._named(obj):
            return obj.__qualname__
        return rebuilding.cached, (obj.__wrapped__, obj.cache_parameters(), _key(obj))

    def _reduce_cached_property(self, obj: "Any") -> "Any":
        return functools.cached_property, (obj.func,), {"attrname": obj.attrname}  # it has a lock up to Python 3.11

    def _reduce_dispatching_method(self, obj: "Any") -> "Any":
        # It has a cache of weak references from Python 3.13 on.
        state = obj.func, obj.dispatcher
        return rebuilding.dispatching_method, (), state, None, None, rebuilding.set_dispatching_method

    def _reduce_function(self, obj: "Any") -> "Any":
        if self._named(obj):
            return NotImplemented
        if isinstance(getattr(obj, "registry", None), types.MappingProxyType):  # functools.singledispatch made it
            return (
                rebuilding.dispatching,
                (obj.__name__, _key(obj)),
                dict(obj.registry),
                None,
                None,
                rebuilding.register_all,
            )
        code, variables = obj.__code__, obj.__globals__
        module = sys.modules.get(variables.get("__name__", ""))  # type: Any
        namespace = self.globals_ref.setdefault(id(variables), {})
        own = module is not None and vars(module) is variables
        if own and self.whole(module):
            namespace = module.__name__
            if namespace == "__main__":
                self.is_of_script("", obj)
        elif not namespace:
            namespace.update(
                {
                    name: variables[name]
                    for name in ("__package__", "__name__", "__path__", "__file__")
                    if name in variables
                }
            )
        key = _key(obj) if own and _is_constant(obj, module) else None
        slots = {
            name: getattr(obj, name)
            for name in ("__qualname__", "__annotations__", "__kwdefaults__", "__defaults__", "__module__", "__doc__")
        }
        if hasattr(obj, "__type_params__"):
            slots["__type_params__"] = obj.__type_params__
        names, looks_up, attributes, modules = names_in(code)
        self.modules |= modules
        # The other side has the variables of modules that it imports, and of the main program if they come anyway.
        there = isinstance(namespace, str) or (self.bare and own and module.__name__ == "__main__")
        used = {} if there else {name: variables[name] for name in names if name in variables}
        looked_up = self._looked_up(variables) if looks_up and own and self._looks_up and not there else {}
        state = dict(vars(obj)), slots, used, _submodules(used, attributes), looked_up
        return (
            rebuilding.make_function,
            (key, code, namespace, obj.__name__, obj.__closure__),
            state,
            None,
            None,
            rebuilding.set_function,
        )

    def _looked_up(self, variables: "dict[str, Any]") -> "dict[str, bytes]":
        """Pickle each of the *variables* that can be pickled: a function may look it up by its name."""
        if id(variables) not in self._pickled:
            found = {}  # type: dict[str, bytes]
            self._pickled[id(variables)] = found
            for name, value in list(variables.items()):
                file = Bounded(_LARGEST_LOOKED_UP)
                try:
                    if name not in _NOTEBOOK and (callable(value) or not name.startswith("_")):
                        self.another(file).dump(value)
                        found[name] = b"".join(file.parts)
                except Exception:
                    pass
        return self._pickled[id(variables)]

    # Classes.

    def _reduce_class(self, obj: "Any") -> "Any":
        if type(obj) is type and obj.__module__ == "builtins":
            return _reduce_builtin(obj)
        if self._named(obj):
            return NotImplemented
        attributes = dict(_class_dict(obj))
        namespace = {"__module__": attributes.pop("__module__", None), "__qualname__": obj.__qualname__}
        slots = attributes.get("__slots__")
        if slots is not None:
            namespace["__slots__"] = slots
            for name in [slots] if isinstance(slots, str) else list(slots):
                mangled = "_%s%s" % (obj.__name__.lstrip("_"), name) if _is_private(name) else name
                attributes.pop(mangled, None)
        for name, value in list(attributes.items()):
            # The first kind is __dict__ and __weakref__; the second comes with _fields_ of ctypes.
            if type(value) is types.GetSetDescriptorType or type(value).__module__ == "_ctypes":
                del attributes[name]
        attributes.pop("__annotate_func__", None)  # its closure refers to the namespace of the class (Python 3.14)
        registered = None
        if attributes.pop("_abc_impl", None) is not None:
            from _abc import _get_dump  # type: ignore[import-not-found]

            registered = [one for one in (reference() for reference in _get_dump(obj)[0]) if one is not None]
        bases = _class_bases(obj)
        meta = type(obj) if type(obj) is not type(bases[0]) else None
        arguments = [_key(obj), meta, obj.__name__, bases, namespace]
        members = {}  # type: dict[str, Any]
        if issubclass(obj, Enum):
            members = {one._name_: one for one in obj._member_map_.values()}
            # Combinations of flags are made again when they are needed.
            by_number = {value: one for value, one in obj._value2member_map_.items() if members.get(one._name_) is one}
            attributes["_value2member_map_"] = by_number
            arguments.append({name: _arguments(one) for name, one in members.items()})
        module = sys.modules.get(obj.__module__)  # type: Any
        variable = obj.__name__ if module is not None and vars(module).get(obj.__name__) is obj else None
        state = attributes, registered, {name: vars(one) for name, one in members.items()}, variable
        return rebuilding.make_class, tuple(arguments), state, None, None, rebuilding.set_class

    def _reduce_member(self, obj: "Any") -> "Any":
        if obj._name_ is not None and type(obj)._member_map_.get(obj._name_) is obj:
            return rebuilding.member, (type(obj), obj._name_)
        return NotImplemented

    # Other objects.

    def _reduce_by_variable(self, obj: "Any") -> "Any":
        """Reduce an object that is pickled by the name of a variable, if the other side has no such variable."""
        kind = type(obj)
        reduced = obj.__reduce_ex__(self.proto)
        if not isinstance(reduced, str) or self._named(obj, reduced):
            return reduced
        if kind in _TYPING:
            return self._reduce_typing(obj)
        if _ALIAS is not None and kind is _ALIAS:
            keywords = {"type_params": obj.__type_params__}
            return rebuilding.make_typing, (_key(obj), "TypeAliasType", "", (obj.__name__, obj.__value__), keywords)
        attributes = dict(getattr(obj, "__dict__", {}))
        slots = {}
        for cls in kind.__mro__:
            names = cls.__dict__.get("__slots__", ())
            for name in [names] if isinstance(names, str) else names:
                if name not in ("__dict__", "__weakref__") and hasattr(obj, name):
                    slots[name] = getattr(obj, name)
        return rebuilding.make_named, (_key(obj), kind, (attributes, slots))

    def _reduce_typing(self, obj: "Any") -> "Any":
        kind, module = type(obj).__name__, obj.__module__
        arguments = (obj.__name__,)  # type: tuple[Any, ...]
        keywords = {}  # type: dict[str, Any]
        if kind == "NewType":
            arguments += (obj.__supertype__,)
        if kind == "TypeVar":
            arguments += obj.__constraints__
        for name in ("bound", "covariant", "contravariant", "infer_variance"):
            value = getattr(obj, "__%s__" % name, None)
            if value and kind in ("TypeVar", "ParamSpec"):
                keywords[name] = value
        if getattr(obj, "has_default", bool)():
            keywords["default"] = obj.__default__
        return rebuilding.make_typing, (_key(obj), kind, module, arguments, keywords)


_REDUCERS = {
    types.CodeType: Pickler._reduce_code,
    types.CellType: Pickler._reduce_cell,
    functools._lru_cache_wrapper: Pickler._reduce_cached,
    functools.cached_property: Pickler._reduce_cached_property,
    functools.singledispatchmethod: Pickler._reduce_dispatching_method,
}
_BUILTIN = {value: name for name, value in vars(types).items() if type(value) is type}


def _reduce_builtin(cls: type) -> "Any":
    """Reduce a class of the interpreter, of which some have no name in ``builtins``."""
    for value in (None, Ellipsis, NotImplemented):
        if cls is type(value):
            return type, (value,)
    return (getattr, (types, _BUILTIN[cls])) if cls in _BUILTIN else NotImplemented


def _submodules(variables: "dict[str, Any]", names: "frozenset[str]") -> "list[Any]":
    """Return the modules of packages that a function reaches as attributes: they are there once they are imported."""
    found = []
    for module in variables.values():
        if isinstance(module, types.ModuleType) and hasattr(module, "__path__"):
            prefix = module.__name__ + "."
            for name in [name for name in list(sys.modules) if name.startswith(prefix)]:
                if set(name[len(prefix) :].split(".")) <= names:
                    found.append(sys.modules[name])  # noqa: PERF401
    return found


#: The values of ``dataclasses`` that code compares by identity, by the name of their type.
_SENTINELS = {
    "_MISSING_TYPE": "MISSING",
    "_HAS_DEFAULT_FACTORY_CLASS": "_HAS_DEFAULT_FACTORY",
    "_KW_ONLY_TYPE": "KW_ONLY",
}


class TooLargeError(Exception):
    """An object is larger than its :class:`Bounded` file."""


class Bounded:
    """A file that takes only so many bytes."""

    def __init__(self, most: float) -> None:
        self.parts = []  # type: list[bytes]
        self._room = most

    def write(self, data: "Any") -> int:
        self.parts.append(bytes(data))
        self._room -= len(self.parts[-1])
        if self._room < 0:
            raise TooLargeError
        return len(self.parts[-1])


def _found(module: "Any", name: str) -> "Any":
    found = module
    for part in name.split("."):
        try:
            found = vars(found)[part] if isinstance(found, (type, types.ModuleType)) else getattr(found, part)
        except (AttributeError, KeyError, TypeError):
            try:
                found = getattr(found, part)
            except Exception:
                return None
        if type(found) is staticmethod:
            found = found.__func__
    return found


def _is_private(name: str) -> bool:
    return name.startswith("__") and not name.endswith("__")


def _is_constant(function: "Any", module: "Any") -> bool:
    """Return whether *function* stays as it is, so that a second pickle may refer to the object of the first."""
    if _found(module, function.__qualname__) is not function:
        return False
    try:
        parts = [cell.cell_contents for cell in function.__closure__ or ()] + list(vars(function).values())
    except ValueError:
        return False
    return all(
        isinstance(part, (types.FunctionType, types.BuiltinFunctionType, type, types.ModuleType)) for part in parts
    )


def _arguments(member: "Any") -> "tuple[Any, ...]":
    """Return the arguments for the ``__new__`` of the type that the members of an enum have, such as ``int``."""
    make = getattr(member, "__getnewargs__", None)
    if make is not None:
        return tuple(make())
    kind = type(member)._member_type_
    if kind is object or getattr(kind, "__new__", None) is object.__new__:
        return ()
    return member._value_ if isinstance(member._value_, tuple) else (member._value_,)


_names_of_code = {}  # type: dict[Any, tuple[dict[str, None], bool, frozenset[str], frozenset[str]]]


def names_in(code: "Any") -> "tuple[dict[str, None], bool, frozenset[str], frozenset[str]]":
    """Return the names of globals that *code* uses, whether it may look up others, all names, and what it imports."""
    found = _names_of_code.get(code)
    if found is None:
        import dis

        names = {}  # type: dict[str, None]
        modules = set()
        for instruction in dis.get_instructions(code):
            # The body of a class takes its variables by LOAD_NAME.
            if "GLOBAL" in instruction.opname or instruction.opname == "LOAD_NAME":
                names[str(instruction.argval)] = None
            elif instruction.opname == "IMPORT_NAME":
                modules.add(str(instruction.argval))
        looks_up, attributes = not _LOOKS_UP.isdisjoint(code.co_names), frozenset(code.co_names)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                inner = names_in(constant)
                names.update(inner[0])
                looks_up, attributes, modules = looks_up or inner[1], attributes | inner[2], modules | inner[3]
        if len(_names_of_code) > 10000:
            _names_of_code.clear()
        found = _names_of_code[code] = names, looks_up, attributes, frozenset(modules)
    return found


def dumps(value: object, protocol: int, buffer_callback: "Any" = None) -> bytes:
    """Pickle *value*."""
    file = io.BytesIO()
    Pickler(file, protocol, buffer_callback).dump(value)
    return file.getvalue()
