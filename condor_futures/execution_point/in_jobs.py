"""``condor_futures`` in a job, which needs neither HTCondor's bindings nor an installed package.

Scripts import the package and its modules. What calls use is here: ``checkpoint_file``, ``report``, ``shell`` and the
errors. The rest is imported from an installed package when a call uses it.
"""

import sys
from concurrent.futures import (  # noqa: F401
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    BrokenExecutor,
    CancelledError,
    Future,
    TimeoutError,  # noqa: A004
    as_completed,
    wait,
)

from condor_futures_execution_point.checkpoints import checkpoint_file  # type: ignore[import-not-found]  # noqa: F401
from condor_futures_execution_point.reporting import report  # type: ignore[import-not-found]  # noqa: F401
from condor_futures_execution_point.shell import ShellError, shell  # type: ignore[import-not-found]  # noqa: F401

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    from typing import Any

_runner = __path__[0].rpartition("/")[0]  # type: ignore[name-defined]  # noqa: F821


def _installed() -> "Any":
    """Return the installed package, which takes the place of this module; None if there is none."""
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec(__name__, [place for place in sys.path if place != _runner])
    if spec is None or spec.origin is None:  # a directory of this name without __init__.py is not the package
        return None
    own = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == __name__}
    sys.path.remove(_runner)
    try:
        __import__(__name__)
    except BaseException:
        sys.modules.update(own)
        raise
    finally:
        sys.path.insert(0, _runner)
    return sys.modules[__name__]


class _Later:
    """A part of the package that a call may use if the package is installed where the job runs."""

    def __init__(self, name: str) -> None:
        self._name = name

    def _get(self) -> "Any":
        package = sys.modules[__name__]
        if not hasattr(package, "__version__"):
            package = _installed()
        if package is None:
            raise RuntimeError(
                "condor_futures.%s cannot be used in this job, where condor_futures is not installed" % self._name
            )
        module, _, name = self._name.rpartition(".")
        if module:
            __import__("%s.%s" % (__name__, module))
            package = sys.modules["%s.%s" % (__name__, module)]
        return getattr(package, name)

    def __getattr__(self, name: str) -> "Any":
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._get(), name)

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self._get()(*args, **kwargs)

    def __getitem__(self, _: object) -> "_Later":
        return self

    def __or__(self, _: object) -> "_Later":
        return self

    __ror__ = __or__

    def __mro_entries__(self, _: object) -> "tuple[()]":
        return ()

    def __instancecheck__(self, _: object) -> bool:
        return False

    def __repr__(self) -> str:
        return "condor_futures.%s" % self._name

    def __reduce__(self) -> "tuple[Any, ...]":
        return getattr, (sys.modules[__name__], self._name)


class _Modules:
    """Finds the modules of the package that are not here, after all other finders. A module has all names."""

    @staticmethod
    def find_spec(name: str, *_: object) -> "Any":
        if not name.startswith(__name__ + ".") or hasattr(sys.modules.get(__name__), "__version__"):
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, _Modules, is_package=True)  # type: ignore[arg-type]

    @staticmethod
    def create_module(_: object) -> None:
        return None

    @staticmethod
    def exec_module(module: "Any") -> None:
        def find(name: str) -> "Any":
            if name.startswith("__"):
                raise AttributeError("module %r has no attribute %r" % (module.__name__, name))
            return _Later("%s.%s" % (module.__name__.partition(".")[2], name))

        module.__getattr__ = find


sys.meta_path.append(_Modules)


def __getattr__(name: str) -> "Any":
    if name.startswith("__"):
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    __import__(__name__ + ".errors")
    found = getattr(sys.modules[__name__ + ".errors"], name, None) or _Later(name)
    globals()[name] = found
    return found
