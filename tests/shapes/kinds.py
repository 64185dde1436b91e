# ruff: noqa: E501 - a definition that fits on a line is on one
"""Kinds of definitions: what a module or a script may have, and a call of it.

It is long because it is one table.

``f_`` is the function that is called. In the arguments and in the check, which looks at the value in the client, ``@`` stands
for the module. Each ``_`` after the name of a definition becomes a number, so that a module can have any of the kinds
several times.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of definitions.

    Attributes:
        definition: the text of them.
        arguments: those of the call.
        check: an expression of the value ``v``.
        only: the places of definitions that it can have; all, if it is empty.

    """

    definition: str
    arguments: str = ""
    check: str = ""
    only: frozenset[str] = frozenset()

    def text(self, number: int, prefix: str) -> tuple[str, str, str]:
        """Return the definition, the arguments and the check with *number*, for a module that *prefix* names."""
        parts = (textwrap.dedent(part).strip() for part in (self.definition, self.arguments, self.check))
        definition, *others = (re.sub(r"(?<=\b[A-Za-z])_(?!\w)", f"_{number}", part) for part in parts)
        return (definition, *(part.replace("@", prefix) for part in others))


#: Places in a package, whose modules have a file beside them and neighbours.
PACKAGES = frozenset({"package", "relative", "namespace", "developed", "zip"})
MODULES = PACKAGES | {"module", "odd name", "path", "replaced", "reexported"}

KINDS = {
    # Functions.
    "function": Kind("def f_(x): return x + 1", "3"),
    "variable": Kind("V_ = {'a': [1]}\ndef f_(x): return V_, x", "[2]"),
    "recursion": Kind("def g_(n): return f_(n - 1)\ndef f_(n): return 1 if n < 1 else n * g_(n)", "4"),
    "defaults": Kind("D_ = object()\ndef f_(x=D_, *, y=[D_]): return x is D_, y[0] is D_, f_.__defaults__[0] is D_"),
    "closure": Kind("def g_(n):\n    def inner(x): return n + x\n    return inner\nf_ = g_(3)", "4"),
    "shared cell": Kind(
        """
        def g_():
            n = 0
            def add(x):
                nonlocal n
                n += x
                return n
            def get(): return n
            return add, get
        def f_(pair): return pair[0](2), pair[1]()
        """,
        "@g_()",
    ),
    "lambda": Kind("f_ = lambda x: x * 2", "4"),
    "partial": Kind("import functools\ndef g_(a, b, *, c): return a, b, c\nf_ = functools.partial(g_, 1, c=[2])", "3"),
    "bound method": Kind(
        """
        class C_:
            def __init__(self): self.n = 1
            def m(self, x): return self.n + x, type(self) is C_
        f_ = C_().m
        """,
        "2",
    ),
    "classmethod": Kind("class C_:\n    @classmethod\n    def m(cls, x): return cls is C_, x\nf_ = C_.m", "2"),
    "staticmethod": Kind(
        "class C_:\n    @staticmethod\n    def m(x): return C_.m(x - 1) if x else 'end'\nf_ = C_.m", "2"
    ),
    "callable instance": Kind(
        """
        class C_:
            __slots__ = ("n",)
            def __init__(self, n): self.n = n
            def __call__(self, x): return self.n * x, isinstance(self, C_)
        f_ = C_(4)
        """,
        "2",
    ),
    "decorated": Kind(
        """
        import functools
        def w_(function):
            @functools.wraps(function)
            def wrapper(*a): return "w", function(*a)
            return wrapper
        @w_
        def f_(x): return x, f_.__name__, f_.__wrapped__(1)
        """,
        "1",
    ),
    "decorator with arguments": Kind(
        """
        import functools
        R_ = {}
        def w_(key):
            def decorate(function):
                R_[key] = function
                return function
            return decorate
        @w_("a")
        def g_(x): return x + 1
        @w_("b")
        def h_(x): return x + 2
        def f_(x): return [R_[key](x) for key in sorted(R_)], R_["a"] is g_
        """,
        "1",
    ),
    "decorating class": Kind(
        """
        import functools
        class W_:
            def __init__(self, function):
                functools.update_wrapper(self, function)
                self.function = function
            def __call__(self, *args): return self.function(*args)
            def __get__(self, instance, owner): return functools.partial(self, instance)
        class C_:
            @W_
            def m(self, x): return type(self) is C_, x
        def f_(c, x): return c.m(x)
        """,
        "@C_(), 2",
    ),
    "cached": Kind(
        "import functools\n@functools.lru_cache\ndef f_(n): return n if n < 2 else f_(n - 1) + f_(n - 2)", "9"
    ),
    "cache": Kind(
        """
        import functools
        class C_:
            @functools.cached_property
            def size(self): return [len("abc")]
            @functools.lru_cache(maxsize=None)
            def m(self): return object()
        def f_(c): return c.size is c.size, c.m() is c.m()
        """,
        "@C_()",
    ),
    "singledispatch": Kind(
        """
        import functools
        class C_: ...
        @functools.singledispatch
        def f_(x): return "other"
        @f_.register
        def _(x: list): return [f_(one) for one in x]
        @f_.register(C_)
        def _(x): return "C"
        """,
        "[1, @C_(), []]",
    ),
    "singledispatchmethod": Kind(
        """
        import functools
        class C_:
            @functools.singledispatchmethod
            def m(self, x): return "other"
            @m.register
            def _(self, x: int): return "int", type(self) is C_
        def f_(c): return c.m(1), c.m("a")
        """,
        "@C_()",
    ),
    "partialmethod": Kind(
        """
        import functools
        class C_:
            def m(self, a, b): return a, b
            n = functools.partialmethod(m, 1)
        def f_(c): return c.n(2)
        """,
        "@C_()",
    ),
    "identity": Kind("def g_(x): return x\ndef f_(h): return h is g_, {g_: 1}[h]", "@g_"),
    "function that comes back": Kind("def g_(x): return x\ndef f_(): return g_", "", "v is @g_"),
    "attributes of a function": Kind(
        "def f_(x):\n    f_.calls = f_.calls + [x]\n    return f_.calls\nf_.calls = [0]", "1"
    ),
    "local": Kind("def f_(x):\n    import json\n    class L: y = x\n    return json.dumps([L.y, (lambda: x)()])", "3"),
    "generator": Kind("def g_(n):\n    for i in range(n): yield from [i, i]\ndef f_(n): return list(g_(n))", "3"),
    "context manager": Kind(
        """
        import contextlib
        S_ = []
        @contextlib.contextmanager
        def g_(x):
            S_.append(x)
            try: yield S_
            finally: S_.pop()
        def f_(x):
            with g_(x) as one: return list(one), S_ is one
        """,
        "3",
    ),
    "coroutine": Kind("import asyncio\nasync def g_(x): return x\ndef f_(x): return asyncio.run(g_(x))", "4"),
    "thread": Kind(
        """
        import threading
        L_ = threading.Lock()
        T_ = threading.local()
        def g_(x):
            with L_: T_.x = x
        def f_(x):
            one = threading.Thread(target=g_, args=(x,))
            one.start()
            one.join()
            return hasattr(T_, "x"), L_.locked()
        """,
        "4",
        only=MODULES,
    ),
    "operator": Kind("import operator\nf_ = operator.itemgetter(1)", "[1, 2]"),
    "generic function": Kind(
        "import typing\nT_ = typing.TypeVar('T_')\ndef f_(x: T_) -> T_: return f_.__annotations__['x'] is T_", "1"
    ),
    # Names.
    "looked up": Kind("def g_(x): return x * 2\ndef f_(n): return globals()[n](2), eval(n + '(3)')", "@g_.__name__"),
    "module": Kind(
        """
        import sys
        def g_(x): return x * 3
        def f_(n): return getattr(sys.modules[__name__], n)(2), sys.modules[g_.__module__].g_ is g_
        """,
        "@g_.__name__",
    ),
    "type hints": Kind(
        """
        import typing
        class C_: ...
        def g_(a: "C_", b: "list[C_]") -> "typing.Optional[C_]": ...
        def f_():
            hints = typing.get_type_hints(g_)
            return sorted(hints), hints["a"] is C_, hints["b"].__args__[0] is C_
        """
    ),
    "signature": Kind(
        "import inspect\ndef g_(a, *, b=2): ...\ndef f_(): return str(inspect.signature(g_)), inspect.signature(f_).parameters == {}"
    ),
    "source": Kind("import inspect\ndef f_(): return inspect.getsource(f_).count('getsource')", only=MODULES),
    "global statement": Kind(
        "N_ = 1\ndef g_():\n    global N_\n    N_ += 1\n    return N_\ndef f_(): return g_(), g_(), N_"
    ),
    "variable set later": Kind("def f_(): return L_\nL_ = [1]"),
    "variable that main() sets": Kind("L_ = None\ndef m_():\n    global L_\n    L_ = 5\nm_()\ndef f_(): return L_"),
    "exec": Kind("N_ = {}\nexec('def g(x): return x + 1', N_)\nf_ = N_['g']", "3"),
    "future annotations": Kind("def g_(a: 'Unknown') -> 'int | Nothing': ...\ndef f_(): return g_.__annotations__"),
    # Classes.
    "instance": Kind(
        """
        class C_:
            K = 2
            def __init__(self, x): self.x = x
            def __eq__(self, other): return type(self) is type(other) and self.x == other.x
            def __hash__(self): return hash(self.x)
            def __repr__(self): return f"C({self.x})"
            @property
            def twice(self): return self.K * self.x
            @twice.setter
            def twice(self, value): self.x = value / self.K
            @staticmethod
            def make(x): return C_(x)
            @classmethod
            def name(cls): return cls.__name__.partition("_")[0]
        def f_(c): return c, c.twice, c.make(3), c.name(), type(c) is C_, {C_(5): 1}[c]
        """,
        "@C_(5)",
        "v[0] == @C_(5), type(v[0]) is @C_",
    ),
    "class": Kind("class C_: x = 1\ndef f_(c): return c is C_, c.x, c", "@C_", "v[2] is @C_"),
    "nested class": Kind(
        """
        class O_:
            class I:
                def __init__(self): self.x = 1
                class J: ...
        def f_(i, j): return type(i) is O_.I, i.x, type(j) is O_.I.J, O_.I.J.__qualname__.count(".")
        """,
        "@O_.I(), @O_.I.J()",
    ),
    "super": Kind(
        """
        class A_:
            def m(self): return ["A"]
        class B_(A_):
            def m(self): return ["B", *super().m()]
        class D_(A_):
            def m(self): return ["D", __class__ is D_, *super().m()]
        class C_(B_, D_):
            def m(self): return super(C_, self).m()
        def f_(c): return c.m(), [one.__name__[0] for one in C_.__mro__]
        """,
        "@C_()",
    ),
    "subclass hook": Kind(
        """
        class B_:
            seen = []
            def __init_subclass__(cls, arg, **k):
                super().__init_subclass__(**k)
                B_.seen.append(arg)
            def m(self): return "B"
        class C_(B_, arg=3):
            def m(self): return "C" + super().m()
        def f_(c): return c.m(), B_.seen, B_.__subclasses__() == [C_]
        """,
        "@C_()",
    ),
    "metaclass": Kind(
        """
        class M_(type):
            made = []
            def __new__(m, n, b, ns, *, k): return super().__new__(m, n, b, ns)
            def __init__(cls, n, b, ns, *, k): M_.made.append(k)
            def __prepare__(name, bases, k): return {"k": k}
        class C_(metaclass=M_, k=1):
            __slots__ = ("x",)
            def __init__(self): self.x = 2
        def f_(c): return c.x, M_.made, hasattr(c, "__dict__"), C_.k
        """,
        "@C_()",
    ),
    "metaclass of singletons": Kind(
        """
        class M_(type):
            made = {}
            def __call__(cls, *args):
                if cls not in M_.made: M_.made[cls] = super().__call__(*args)
                return M_.made[cls]
        class C_(metaclass=M_):
            def __reduce__(self): return C_, ()
        def f_(c): return c is C_(), len(M_.made)
        """,
        "@C_()",
    ),
    "metaclass with operators": Kind(
        """
        class M_(type):
            def __iter__(cls): return iter(cls.items)
            def __len__(cls): return 0
            def __getattr__(cls, name):
                if name.startswith("__"): raise AttributeError(name)
                return name.upper()
            def __eq__(cls, other): return cls is other
            def __hash__(cls): return 7
        class C_(metaclass=M_): items = [1]
        def f_(c): return list(c), c.word, c is C_
        """,
        "@C_",
    ),
    "registry": Kind(
        """
        import abc
        R_ = {}
        class B_(abc.ABC):
            def __init_subclass__(cls, name=None, **k):
                super().__init_subclass__(**k)
                R_[name] = cls
            @abc.abstractmethod
            def m(self): ...
        class C_(B_, name="c"):
            def m(self): return 1
        class D_(B_, name="d"):
            def m(self): return 2
        def f_(c):
            try: B_()
            except TypeError: return type(c) is R_["c"], sorted(R_), R_["d"]().m(), isinstance(c, B_)
        """,
        "@C_()",
    ),
    "virtual subclass": Kind(
        """
        import abc
        class A_(abc.ABC): ...
        @A_.register
        class V_: ...
        class H_(abc.ABC):
            @classmethod
            def __subclasshook__(cls, other): return hasattr(other, "quack")
        class Q_:
            def quack(self): ...
        def f_(v, q): return isinstance(v, A_), isinstance(q, H_), isinstance(v, H_), issubclass(Q_, H_)
        """,
        "@V_(), @Q_()",
    ),
    "descriptor": Kind(
        """
        class D_:
            def __set_name__(self, owner, name): self.names = [*getattr(self, "names", []), name]
            def __get__(self, one, owner): return self if one is None else one.__dict__.get(self.names[0], 0)
            def __set__(self, one, value):
                if value < 0: raise ValueError(self.names)
                one.__dict__[self.names[0]] = value
        class C_:
            x = D_()
        def f_(c):
            c.x += 1
            return c.x, C_.x.names, type(C_.x) is D_
        """,
        "@C_()",
    ),
    "slots": Kind(
        """
        class B_:
            __slots__ = ("__b", "a")
            def __init__(self): self.a, self.__b = 1, 2
            def b(self): return self.__b
        class C_(B_):
            __slots__ = "d", "__weakref__"
        def f_(c):
            import weakref
            return c.a, c.b(), hasattr(c, "d"), hasattr(c, "__dict__"), weakref.ref(c)() is c
        """,
        "@C_()",
    ),
    "slots and a dictionary": Kind(
        """
        class C_:
            __slots__ = ("a", "__dict__")
            def __getstate__(self): return {"a": self.a, "b": self.b}
            def __setstate__(self, state):
                for name, value in state.items(): setattr(self, name, value)
        def g_():
            c = C_()
            c.a, c.b = 1, 2
            return c
        def f_(c): return c.a, vars(c)
        """,
        "@g_()",
        "type(v[1])",
    ),
    "__getattr__": Kind(
        """
        class C_:
            def __init__(self, inner): self.inner = inner
            def __getattr__(self, name):
                if name.startswith("__") or name == "inner": raise AttributeError(name)
                return getattr(self.inner, name)
        def f_(c): return c.upper(), type(c) is C_
        """,
        "@C_('a')",
    ),
    "__new__ with arguments": Kind(
        """
        class C_(tuple):
            def __new__(cls, a, b): return super().__new__(cls, (a, b))
            def __getnewargs__(self): return tuple(self)
        class I_(int):
            def __new__(cls, n, *, unit):
                one = super().__new__(cls, n)
                one.unit = unit
                return one
            def __getnewargs_ex__(self): return (int(self),), {"unit": self.unit}
        def f_(c, i): return c, type(c) is C_, i + 1, i.unit, type(i) is I_
        """,
        "@C_(1, 2), @I_(3, unit='m')",
    ),
    "subclasses of builtins": Kind(
        """
        import collections
        class L_(list): ...
        class D_(dict):
            def __missing__(self, key): return key
        class O_(collections.OrderedDict): ...
        class F_(collections.defaultdict): ...
        class S_(str): ...
        def f_(l, d, o, s): return l, d["x"], d, list(o), s, [type(one) for one in (l, d, o, s)] == [L_, D_, O_, S_]
        """,
        "@L_([1]), @D_(a=1), @O_(b=2), @S_('a')",
    ),
    "instance of itself in a class": Kind(
        """
        class C_:
            one = None
            def other(self): return C_.one.one
        C_.one = C_()
        def f_(): return C_.one is C_.one.other(), type(C_.one) is C_
        """
    ),
    "class changed later": Kind(
        """
        class C_:
            def m(self): return 1
        def m_(self): return 2
        C_.m = m_
        setattr(C_, "x y", 3)
        def f_(c): return c.m(), getattr(C_, "x y")
        """,
        "@C_()",
    ),
    "mixin of a local class": Kind(
        "def g_(base):\n    class C(base):\n        def m(self): return type(self).__name__, base.__name__\n    return C\nc_ = g_(dict)()\ndef f_(): return c_.m(), c_"
    ),
    "class of type()": Kind(
        "C_ = type('C_', (), {'m': lambda self: 1})\ndef f_(c): return c.m(), type(c) is C_", "@C_()"
    ),
    "protocol": Kind(
        """
        import typing
        @typing.runtime_checkable
        class P_(typing.Protocol):
            def m(self) -> int: ...
        class C_(P_):
            def m(self): return 1
        class O_:
            def m(self): return 2
        def f_(c, o): return isinstance(c, P_), isinstance(o, P_), isinstance(3, P_), c.m()
        """,
        "@C_(), @O_()",
    ),
    "generic": Kind(
        """
        import typing
        T_ = typing.TypeVar("T_", bound="int")
        class G_(typing.Generic[T_]):
            def __init__(self, x: T_): self.x = x
        class H_(G_[int]): ...
        A_ = G_[int]
        def f_(g, h): return g.x, A_(2).x, G_.__parameters__ == (T_,), type(h) is H_, H_.__orig_bases__ == (G_[int],)
        """,
        "@G_(1), @H_(2)",
    ),
    "ParamSpec": Kind(
        """
        import typing
        P_ = typing.ParamSpec("P_")
        T_ = typing.TypeVar("T_")
        def w_(function: typing.Callable[P_, T_]) -> typing.Callable[P_, T_]:
            def inner(*args: P_.args, **keywords: P_.kwargs) -> T_: return function(*args, **keywords)
            return inner
        @w_
        def g_(x): return x
        def f_(p): return p is P_, g_(1)
        """,
        "@P_",
    ),
    "NewType": Kind(
        "import typing\nN_ = typing.NewType('N_', int)\ndef f_(x: N_, n) -> N_: return n is N_, N_(x + 1), f_.__annotations__['x'] is N_",
        "@N_(7), @N_",
    ),
    "NamedTuple": Kind(
        """
        import typing, collections
        N_ = typing.NewType("N_", int)
        class P_(typing.NamedTuple):
            n: N_
            y: int = 2
            def m(self): return self.n + self.y
        Q_ = collections.namedtuple("Q_", "a b", defaults=[1])
        def f_(p, q): return tuple(p), p.m(), type(p._replace(y=3)) is P_, tuple(q), type(q) is Q_, p
        """,
        "@P_(@N_(1)), @Q_(2)",
        "type(v[-1]) is @P_",
    ),
    "TypedDict": Kind(
        """
        import typing
        class T_(typing.TypedDict, total=False):
            a: int
            b: "T_"
        def f_(t): return t, sorted(typing.get_type_hints(T_)), T_.__total__, sorted(T_.__optional_keys__)
        """,
        "@T_(a=1)",
    ),
    "dataclass": Kind(
        """
        import dataclasses, typing
        N_ = typing.NewType("N_", int)
        @dataclasses.dataclass(order=True)
        class D_:
            n: N_
            l: list = dataclasses.field(default_factory=list)
            k: typing.ClassVar[int] = 3
            i: dataclasses.InitVar[int] = 4
            def __post_init__(self, i): self.l.append(i)
        def f_(d):
            kept = [one.name for one in dataclasses.fields(d)]
            return d.n, dataclasses.replace(d, n=N_(2), i=1).l, d < D_(N_(9)), dataclasses.asdict(d), kept, d == D_(N_(1))
        """,
        "@D_(@N_(1))",
    ),
    "frozen dataclass": Kind(
        """
        import dataclasses
        @dataclasses.dataclass(frozen=True, slots=True)
        class D_:
            a: int = 3
            b: "D_ | None" = None
        @dataclasses.dataclass(frozen=True, kw_only=True)
        class E_(D_):
            c: tuple = ()
        def f_(d, e):
            try: d.a = 2
            except dataclasses.FrozenInstanceError: return d.b.a, {D_(1): 5}[D_(1)], hasattr(d, "__dict__"), e.c, e == E_(c=(1,))
        """,
        "@D_(1, @D_(2)), @E_(c=(1,))",
    ),
    "enum": Kind(
        """
        import enum
        class E_(enum.Enum):
            A = 1, "a"
            B = 2, "b"
            C = A
            def __init__(self, n, t): self.t = t
            @classmethod
            def first(cls): return next(iter(cls))
            @property
            def up(self): return self.t.upper()
        T_ = {E_.A: 5}
        def f_(e): return e.t, e is E_.A, T_[e], E_((2, "b")) is E_.B, E_.C is e, E_.first() is e, e.up, list(E_.__members__), e
        """,
        "@E_.A",
        "v[-1] is @E_.A",
    ),
    "flag": Kind(
        """
        import enum
        class F_(enum.Flag):
            R = enum.auto()
            W = enum.auto()
            RW = R | W
            def can(self, other): return other in self
        class I_(enum.IntFlag):
            A = 1
            B = 4
        def f_(r, rw, i): return r | F_.W is F_.RW, (r | F_.W) is F_.RW, rw is F_.RW, rw.can(r), (~r).value, F_(3), i & 4, I_(5) == i, F_(0)
        """,
        "@F_.R, @F_.R | @F_.W, @I_.A | @I_.B",
        "v[5] is @F_.RW",
    ),
    "enum of another type": Kind(
        """
        import enum
        class N_(enum.IntEnum):
            ONE = 1
            TWO = enum.auto()
        class S_(str, enum.Enum):
            A = "a"
            @classmethod
            def _missing_(cls, value): return cls.A
        class B_(bytes, enum.Enum):
            def __new__(cls, value, label):
                made = bytes.__new__(cls, [value])
                made._value_ = value
                made.label = label
                return made
            X = (1, "ex")
        E_ = enum.Enum("E_", "P Q", module=__name__)
        def f_(n, s, b, e): return n is N_.ONE, N_(2) + 1, s is S_.A, S_("x") is s, b is B_.X, b.label, bytes(b), e is E_.P
        """,
        "@N_.ONE, @S_.A, @B_.X, @E_.P",
    ),
    "enum with functions": Kind(
        """
        import enum, functools
        def g_(x): return x + 1
        class E_(enum.Enum):
            G = functools.partial(g_)
            def __call__(self, x): return self.value(x)
        class A_(enum.Enum):
            _ignore_ = ["i"]
            i = 1
            def __str__(self): return "A!"
            X = {"a": [1]}
        def f_(name, a):
            e = E_[name]
            return e(1), e is E_.G, str(a), a.value, a is A_.X
        """,
        "'G', @A_.X",
    ),
    # Singletons.
    "sentinel": Kind(
        """
        class S_:
            def __reduce__(self): return "X_"
        X_ = S_()
        class R_:
            __slots__ = ("n",)
            def __reduce_ex__(self, protocol): return "Y_"
        Y_ = R_()
        Y_.n = 3
        def f_(x, y): return x is X_, y is Y_, y.n, x
        """,
        "@X_, @Y_",
        "v[-1] is @X_",
    ),
    "singleton by __new__": Kind(
        """
        class S_:
            one = None
            def __new__(cls):
                if cls.one is None: cls.one = super().__new__(cls)
                return cls.one
        S_()
        def f_(s): return s is S_(), s is S_.one
        """,
        "@S_()",
    ),
    "class as a sentinel": Kind("class M_: ...\ndef f_(x, y=M_): return x is M_, y is M_, x", "@M_", "v[-1] is @M_"),
    "interned": Kind(
        """
        class C_:
            all = {}
            def __new__(cls, name): return cls.all.setdefault(name, object.__new__(cls))
            def __init__(self, name): self.name = name
            def __reduce__(self): return C_, (self.name,)
        A_ = C_("a")
        def f_(a): return a is A_, a is C_("a"), sorted(C_.all), a
        """,
        "@A_",
        "v[-1] is @A_",
    ),
    "copyreg": Kind(
        """
        import copyreg
        class C_:
            def __init__(self, f): self.f = f
        def g_(n): return C_(lambda: n)
        copyreg.pickle(C_, lambda c: (g_, (c.f(),)))
        def f_(c): return c.f(), type(c) is C_
        """,
        "@g_(4)",
    ),
    # Errors.
    "error": Kind(
        """
        class E_(ValueError): ...
        def f_(x): raise E_(x, [2])
        """,
        "1",
    ),
    "error with a __reduce__": Kind(
        """
        class E_(ValueError):
            def __init__(self, a, b):
                super().__init__(a)
                self.b = b
            def __reduce__(self): return E_, (self.args[0], self.b)
        def f_(x): raise E_(x, 2)
        """,
        "1",
    ),
    "error with a keyword": Kind(
        """
        class E_(Exception):
            def __init__(self, a, *, code=None):
                super().__init__(a)
                self.code = code
        def f_(x):
            try: raise E_(x, code=3)
            except E_ as error: return error.code, error.args, type(error) is E_
        """,
        "1",
    ),
    "error among the arguments": Kind(
        "class E_(KeyError): ...\ndef f_(x):\n    try: raise x\n    except E_ as error: return error is x, repr(error)[:2], error",
        "@E_('a')",
        "type(v[-1]) is @E_",
    ),
    "error of a subclass": Kind(
        """
        class E_(Exception):
            code = 1
            def __str__(self): return f"{self.code} {self.args}"
        class H_(E_): code = 2
        def f_(): raise H_("a") from E_("b")
        """,
    ),
    # Pickling in a call.
    "pickle": Kind(
        """
        import pickle
        class P_:
            def __init__(self): self.x = [1]
        def g_(): ...
        def f_(p):
            again = pickle.loads(pickle.dumps(p))
            return type(again) is P_, again.x, pickle.loads(pickle.dumps(g_)) is g_, pickle.loads(pickle.dumps(P_)) is P_
        """,
        "@P_()",
    ),
    "copy": Kind(
        """
        import copy
        class P_:
            def __init__(self): self.x, self.me = [1], self
        def f_(p):
            again = copy.deepcopy(p)
            return type(again) is P_, again.me is again, again.x is p.x, copy.copy(p).me is p
        """,
        "@P_()",
    ),
    "one object twice": Kind(
        "class C_: ...\ndef f_(pair): return pair[0] is pair[1][0]", "(lambda c: (c, [c]))(@C_())"
    ),
    "cycle": Kind(
        """
        class C_:
            def __init__(self): self.me, self.f = self, self.m
            def m(self): return self.me is self
        def f_(c): return c.f(), c.me is c, c.f.__self__ is c
        """,
        "@C_()",
    ),
    "subprocess": Kind(
        "import multiprocessing\ndef g_(q, x): q.put(x)\ndef f_(x):\n    context = multiprocessing.get_context('fork')\n    q = context.SimpleQueue()\n    p = context.Process(target=g_, args=(q, x))\n    p.start()\n    p.join()\n    return q.get()",
        "3",
    ),
    # Packages.
    "data file": Kind(
        """
        import importlib.resources, pkgutil
        from pathlib import Path
        def f_():
            text = importlib.resources.files(__package__).joinpath("data/table.txt").read_text()
            return text, pkgutil.get_data(__name__, "data/table.txt"), Path(__file__).name.startswith("m"), __package__
        """,
        only=PACKAGES,
    ),
    "neighbour in a call": Kind(
        """
        def f_():
            from .neighbour import X
            from . import neighbour as other
            import importlib
            third = importlib.import_module(".neigh" + "bour", __package__)
            return X is other.X, third is other, other.__name__.rpartition(".")[2]
        """,
        only=PACKAGES,
    ),
    "neighbour at the top": Kind(
        "from .neighbour import X, double\nfrom . import neighbour\ndef f_(x): return x is X, double(2), neighbour.double is double",
        "@X",
        only=PACKAGES,
    ),
    "submodules by their names": Kind(
        """
        import pkgutil, importlib
        def f_():
            package = importlib.import_module(__package__)
            return sorted(one.name for one in pkgutil.iter_modules(package.__path__) if one.name == "neighbour")
        """,
        only=PACKAGES,
    ),
    "module __getattr__": Kind(
        "def __getattr__(name):\n    if name == 'LAZY': return 5\n    raise AttributeError(name)\ndef f_():\n    import sys\n    return sys.modules[__name__].LAZY",
        only=MODULES,
    ),
    "TYPE_CHECKING": Kind(
        "import typing\nif typing.TYPE_CHECKING:\n    from nowhere import Thing\ndef f_(x: 'Thing'): return x", "1"
    ),
    "optional import": Kind(
        """
        try: import nothing_ as n_
        except ImportError: n_ = None
        def f_():
            try: import nowhere
            except ImportError as error: return n_, error.name
        """
    ),
}
