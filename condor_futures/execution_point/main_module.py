"""The script of the client in a job: imported under the name ``__mp_main__``, as multiprocessing's spawn does.

It is imported when a pickle refers to one of its definitions. If that fails, the definitions are those that came by
value with the script.
"""

import os
import sys

from . import rebuilding
from .code import finder

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    from typing import Any

NAMES = frozenset(["__main__", "__mp_main__"])
"""The names of the script's module: in the client, and in a job."""
DEFINITIONS = ".main"
"""The file that has the definitions by value: a ``marshal`` of ``{name: pickle}``."""
SCRIPT = ".script"
"""The directory of the script."""


class MainModule:
    """The script in this process.

    Attributes:
        script: the name of the script's file; if it was started with ``python -m``, its module after a minus.
        failure: why it could not be imported; None if it was, or was not needed.

    """

    def __init__(self) -> None:
        self.script = ""
        self.failure = None  # type: str | None
        self._loaded = False

    def stand_in(self, module: "Any") -> None:
        """Let *module*, the ``__main__`` of this process, import the script when somebody asks for a definition."""
        rebuilding.use_main(module)
        if self.script:
            module.__getattr__ = self._definition

    def _definition(self, name: str) -> "Any":
        if name.startswith("__") or self._loaded:
            raise AttributeError("module '__main__' has no attribute %r" % name)
        self.load()
        return getattr(sys.modules["__main__"], name)

    def load(self) -> None:
        """Import the script, unless that has been done."""
        if self._loaded or not self.script:
            return
        self._loaded = True
        module = self._new()
        try:
            exec(self._code(module), vars(module))  # noqa: S102
        except BaseException as error:
            self.failure = "%s: %s" % (type(error).__name__, error)
            module = self._rebuild(error)
        rebuilding.note_variables(vars(module))

    def _new(self) -> "Any":
        module = type(sys)("__mp_main__")
        sys.modules["__main__"] = sys.modules["__mp_main__"] = module
        rebuilding.use_main(module)
        return module

    def _code(self, module: "Any") -> "Any":
        finder.unpack()
        if self.script.startswith("-"):
            name = self.script[1:]
            from importlib.util import find_spec

            spec = find_spec(name)
            if spec is None or spec.loader is None:
                raise ModuleNotFoundError("No module named %r" % name, name=name)
            module.__spec__, module.__file__, module.__package__ = spec, spec.origin, spec.parent
            return spec.loader.get_code(name)  # type: ignore[attr-defined]
        module.__file__ = os.path.join(finder.directory, SCRIPT, self.script)
        with open(module.__file__, "rb") as file:
            return compile(file.read(), module.__file__, "exec")

    def _rebuild(self, error: BaseException) -> "Any":
        """Return a module that has the definitions that came by value."""
        import marshal

        from .unpickling import loads

        module = self._new()
        with open(os.path.join(finder.directory, DEFINITIONS), "rb") as file:
            pickles = marshal.loads(file.read())  # noqa: S302
        errors = {}
        for name, data in pickles.items():
            try:
                vars(module)[name] = loads([data])
            except Exception as why:
                errors[name] = why
                if isinstance(why, ImportError):
                    vars(module)[name] = _Missing(why)

        def missing(name: str) -> "Any":
            if name.startswith("__"):
                raise AttributeError(name)
            raise errors.get(name) or AttributeError(
                "the definition of %r is missing: its script cannot be imported in the job (%s)" % (name, error)
            )

        module.__getattr__ = missing
        return module

    def set_variables(self, pickles: "dict[str, bytes]") -> None:
        """Set variables of the script as in the client, if importing the script has set them otherwise."""
        from .unpickling import dumps, loads

        self.load()
        module = sys.modules["__mp_main__"]
        namespace = vars(module)
        count = len(pickles) + 1
        while len(pickles) < count:  # unpickling one variable may call functions that use others
            count, failed = len(pickles), {}
            for name, data in pickles.items():
                try:
                    value = loads([data])
                    if name not in namespace or not _is_equal(namespace[name], value, dumps):
                        rebuilding.set_variables(module, {name: value})
                except Exception:
                    failed[name] = data  # perhaps the import has set it
            pickles = failed


class _Missing:
    """A variable of the script whose value cannot be imported here: it raises this error when it is used."""

    def __init__(self, error: ImportError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> "Any":
        if name.startswith("__"):
            raise AttributeError(name)
        raise self._error

    def __call__(self, *_: object, **__: object) -> "Any":
        raise self._error


def _is_equal(one: "Any", other: "Any", dumps: "Any") -> bool:
    if type(one) is not type(other):
        return False
    return [bytes(part) for part in dumps(one)] == [bytes(part) for part in dumps(other)]


#: Of this process, and of those that it forks.
main_module = MainModule()
