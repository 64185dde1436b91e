"""Modules and scripts of many shapes: their calls have in a job the values that they have in a process pool."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

import condor_futures

TESTS = Path(__file__).parents[2]

#: Definitions with a function ``f``, and the arguments of a call of it, in which ``@`` stands for the module. The names
#: end with a number, so that a module can have any of them several times.
SHAPES = {
    "function": ("def f#(x): return x + 1", "3"),
    "variable": ("V# = {'a': [1]}\ndef f#(x): return V#, x", "[2]"),
    "recursion": ("def g#(n): return f#(n - 1)\ndef f#(n): return 1 if n < 1 else n * g#(n)", "4"),
    "instance": (
        """
        class C#:
            K = 2
            def __init__(self, x): self.x = x
            def __eq__(self, other): return type(self) is type(other) and self.x == other.x
            def __repr__(self): return f"C({self.x})"
            @property
            def twice(self): return self.K * self.x
            @staticmethod
            def make(x): return C#(x)
            @classmethod
            def name(cls): return cls.__name__
        def f#(c): return c, c.twice, c.make(3), c.name(), type(c) is C#
        """,
        "@C#(5)",
    ),
    "nested": (
        """
        class O#:
            class I#:
                def __init__(self): self.x = 1
        def f#(i): return type(i) is O#.I#, i.x
        """,
        "@O#.I#()",
    ),
    "subclass": (
        """
        class B#:
            seen = []
            def __init_subclass__(cls, arg, **k):
                super().__init_subclass__(**k)
                B#.seen.append(arg)
            def m(self): return "B"
        class C#(B#, arg=3):
            def m(self): return "C" + super().m()
        def f#(c): return c.m(), B#.seen
        """,
        "@C#()",
    ),
    "metaclass": (
        """
        class M#(type):
            made = []
            def __new__(m, n, b, ns, *, k): return super().__new__(m, n, b, ns)
            def __init__(cls, n, b, ns, *, k): M#.made.append(k)
        class C#(metaclass=M#, k=1):
            __slots__ = ("x",)
            def __init__(self): self.x = 2
        def f#(c): return c.x, M#.made, hasattr(c, "__dict__")
        """,
        "@C#()",
    ),
    "enum": (
        """
        import enum
        class E#(enum.Enum):
            A = 1, "a"
            B = 2, "b"
            def __init__(self, n, t): self.t = t
        T# = {E#.A: 5}
        def f#(e): return e, e.t, e is E#.A, T#[e], E#((2, "b")) is E#.B
        """,
        "@E#.A",
    ),
    "dataclass": (
        """
        import dataclasses, typing
        N# = typing.NewType("N#", int)
        @dataclasses.dataclass(order=True)
        class D#:
            n: N#
            l: list = dataclasses.field(default_factory=list)
        def f#(d): return d, dataclasses.replace(d, n=N#(2)), d < D#(N#(9)), dataclasses.asdict(d)
        """,
        "@D#(@N#(1))",
    ),
    "decorated": (
        """
        import functools
        def w#(function):
            @functools.wraps(function)
            def wrapper(*a): return "w", function(*a)
            return wrapper
        @w#
        def f#(x): return x
        """,
        "1",
    ),
    "cached": ("import functools\n@functools.lru_cache\ndef f#(n): return n if n < 2 else f#(n - 1) + f#(n - 2)", "9"),
    "sentinel": (
        """
        class S#:
            def __reduce__(self): return "X#"
        X# = S#()
        def f#(x): return x is X#
        """,
        "@X#",
    ),
    "error": (
        """
        class E#Error(ValueError):
            def __init__(self, a, b):
                super().__init__(a)
                self.b = b
            def __reduce__(self): return E#Error, (self.args[0], self.b)
        def f#(x): raise E#Error(x, 2)
        """,
        "1",
    ),
    "looked up": ("def g#(x): return x * 2\ndef f#(n): return globals()[n](2), eval(n + '(3)')", "'g#'"),
    "identity": ("def g#(x): return x\ndef f#(h): return h is g#, {g#: 1}[h]", "@g#"),
    "generic": (
        """
        import typing
        T# = typing.TypeVar("T#")
        class G#(typing.Generic[T#]):
            def __init__(self, x: T#): self.x = x
        def f#(g): return g.x, G#[int](2).x, G#.__parameters__ == (T#,)
        """,
        "@G#(1)",
    ),
    "pickle": ("import pickle\nclass P#: x = 1\ndef f#(p): return type(pickle.loads(pickle.dumps(p))) is P#", "@P#()"),
    "local": ("def f#(x):\n    import json\n    class L: y = x\n    return json.dumps([L.y, (lambda: x)()])", "3"),
    "coroutine": ("import asyncio\nasync def g#(x): return x\ndef f#(x): return asyncio.run(g#(x))", "4"),
}
PLACES = ["script", "guard", "module", "package", "late"]


@dataclass(frozen=True)
class Part:
    """A definition, where it is, and how it is imported."""

    shape: str
    place: str
    by_name: bool


parts = st.builds(Part, st.sampled_from(sorted(SHAPES)), st.sampled_from(PLACES), st.booleans())


def files_of(parts, *, guard):
    """Return the files of a program with these parts, whose definitions use no others."""
    files = {"package/__init__.py": "", "package/sub/__init__.py": ""}
    top, guarded, calls = ["from compare import compare"], [], []
    for number, part in enumerate(parts):
        definition, arguments = (textwrap.dedent(text).strip().replace("#", str(number)) for text in SHAPES[part.shape])
        module, prefix = (
            {"module": f"m{number}", "package": f"package.sub.m{number}", "late": f"m{number}"}.get(part.place, ""),
            "",
        )
        if not module:
            (top if part.place == "script" or not guard else guarded).append(definition)
        else:
            files[module.replace(".", "/") + ".py"] = definition + "\n"
            if part.by_name:
                top.append(f"from {module} import *")
            else:
                top.append(f"import {module}")
                prefix = f"{module}."
        function, arguments = f"{prefix}f{number}", arguments.replace("@", prefix)
        if part.place == "late":
            top.append(f"def late{number}(x):\n    import {module} as m\n    return m.f{number}(x)")
            function = f"late{number}"
        calls.append(f"({json.dumps(f'{number} {part}')}, {function}, {arguments}),")
    end = "\n".join([*guarded, "compare([", *calls, "])"])
    end = "if __name__ == '__main__':\n" + textwrap.indent(end, "    ") if guard else end
    files["script.py"] = "\n".join([*top, end]) + "\n"
    return files


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a failure names its call: no need to look for a smaller one
)
@example(parts=[Part("subclass", "guard", by_name=False)], guard=True)  # a function by value, before anything by name
@given(parts=st.lists(parts, min_size=8, max_size=14), guard=st.booleans())
def test_a_program_of_any_shape_has_the_values_of_a_process_pool(parts, guard):
    path = [str(TESTS), str(TESTS / "shapes"), str(Path(condor_futures.__file__).parents[1])]
    with tempfile.TemporaryDirectory() as directory:
        for name, text in files_of(parts, guard=guard).items():
            file = Path(directory, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        done = subprocess.run(
            [sys.executable, "script.py"],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    for name, pool, job in json.loads(done.stdout):
        assert job == pool, (name, guard)
