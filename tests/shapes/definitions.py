"""Objects of many shapes, and calls that use them: the beginning of scripts that compare two executors."""

import abc
import ctypes
import dataclasses
import enum
import functools
import pickle
import sys
import typing
from typing import Generic, NamedTuple, NewType, Protocol, TypedDict, TypeVar

RunId = NewType("RunId", int)
T = TypeVar("T")
P = typing.ParamSpec("P")


def next_run(run: RunId) -> RunId:
    return RunId(run + 1)


def callback(function: typing.Callable[P, T]) -> typing.Callable[P, T]:
    return function


class Point(NamedTuple):
    run: RunId
    y: int = 2


def moved(point: Point):
    return point.run, point._replace(y=5), Point(RunId(1)) == point


@dataclasses.dataclass
class Track:
    run: RunId
    hits: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True, frozen=True)
class Frozen:
    a: int = 3


def fields(track):
    required = dataclasses.fields(track)[0].default is dataclasses.MISSING
    return track, required, Track(RunId(3)), dataclasses.replace(track)


def frozen(one):
    return one, Frozen(4), hasattr(one, "__dict__"), {one: 1}[Frozen()]


class Registered:
    made: typing.ClassVar[list] = []

    def __init_subclass__(cls, arg, **keywords):
        super().__init_subclass__(**keywords)
        cls.arg = arg
        Registered.made.append(cls.__name__)


class First(Registered, arg=1):
    def about(self):
        return type(self).arg, Registered.made


class Second(Registered, Generic[T], arg=[2]):
    def about(self):
        return type(self).arg, Registered.made, Second[int].__origin__ is Second


def about(*things):
    return [thing.about() for thing in things]


class Plugin(abc.ABC):
    def __init_subclass__(cls, title, **keywords):
        super().__init_subclass__(**keywords)
        PLUGINS[title] = cls

    @abc.abstractmethod
    def about(self): ...


PLUGINS = {}


class Twice(Plugin, title="twice"):
    def about(self):
        return Plugin.__subclasses__() == [Twice], PLUGINS["twice"] is Twice, Outer.Inner.Innermost.__qualname__


class Outer:
    class Inner:
        class Innermost: ...


class Tools:
    @staticmethod
    def double(x):
        return 2 * x


def static(function):
    return function is Tools.double, function(2)


class Meta(type):
    count = 0

    def __new__(mcs, name, bases, namespace, *, need):
        Meta.count += 1
        return super().__new__(mcs, name, bases, namespace)

    def __init__(cls, name, bases, namespace, *, need):
        cls.need = need

    def __setattr__(cls, name, value):
        if name == "fixed":
            raise TypeError("fixed")
        super().__setattr__(name, value)


class Needs(metaclass=Meta, need=4):
    fixed = 1


def needs():
    return Needs.need, Needs.fixed, Meta.count


class Descriptor:
    def __set_name__(self, owner, name):
        self.names = [*getattr(self, "names", ()), name]

    def __get__(self, instance, owner):
        return self.names


class Described:
    one = Descriptor()


def described():
    return Described().one


class Mood(enum.Enum):
    GOOD = (1, "g")
    BAD = (2, "b")

    def __init__(self, number, letter):
        self.number = number
        self.letter = letter


WEIGHTS = {Mood.GOOD: 1, Mood.BAD: 2}


def moods(mood):
    return mood, mood.number, mood is Mood.GOOD, Mood((2, "b")), list(Mood), Mood["BAD"].letter, WEIGHTS[mood]


class Planet(bytes, enum.Enum):
    def __new__(cls, value, label):
        made = bytes.__new__(cls, [value])
        made._value_ = value
        made.label = label
        return made

    X = (1, "ex")
    Y = (2, "why")


def planets(planet):
    return planet is Planet.X, planet.label, Planet(2).name, bytes(Planet.Y)


class Permission(enum.Flag):
    R = enum.auto()
    W = enum.auto()


def flags(one, both):
    return one | Permission.W, both, ~one, one in both, Permission(3)


class Number(enum.IntEnum):
    ONE = 1
    UNO = 1
    TWO = 2


def numbers(number):
    return number, number is Number.ONE, Number(2) + 1


class Sentinel:
    def __reduce__(self):
        return "SENTINEL"


SENTINEL = Sentinel()


def sentinel(value):
    return value is SENTINEL


class Abstract(abc.ABC):
    @abc.abstractmethod
    def method(self):
        return "abstract"


class Concrete(Abstract):
    def method(self):
        return super().method()


@Abstract.register
class Virtual:
    pass


def abstract():
    names = sorted(Abstract.__abstractmethods__)
    return Concrete().method(), isinstance(Virtual(), Abstract), issubclass(int, Abstract), names


class Box(Generic[T]):
    def __init__(self, value: T):
        self.value = value


def boxes(box):
    return box.value, Box[int](3).value, Box.__parameters__ == (T,)


class Slotted:
    __slots__ = ("__b", "a")

    def __init__(self):
        self.a, self.__b = 1, 2

    def parts(self):
        return self.a, self.__b, hasattr(self, "__dict__")


def slotted(one):
    return one.parts(), Slotted().parts()


class Singleton:
    instance = None


Singleton.instance = Singleton()


def singleton(one):
    return one is Singleton.instance, Singleton.instance.instance is Singleton.instance


class Structure(ctypes.Structure):
    _fields_ = (("a", ctypes.c_int),)


def structure():
    return Structure(3).a


class Typed(TypedDict):
    a: int


class HasMethod(Protocol):
    def method(self) -> int: ...


def typed():
    return Typed(a=1), Typed.__annotations__, HasMethod._is_protocol


class WithCodeError(Exception):
    def __init__(self, text, code):
        super().__init__(text)
        self.code = code

    def __reduce__(self):
        return WithCodeError, (self.args[0], self.code)


def fail():
    raise WithCodeError("no", 3)


def fit_square(x):
    return x * x


def by_globals(name):
    return globals()[name](2)


def by_module(name):
    return getattr(sys.modules[__name__], name)(2)


def by_eval(text):
    return eval(text)


def annotated(one: "Track", two: "Mood") -> "Box":
    return one, two


def hints():
    return sorted(typing.get_type_hints(annotated))


def rmse(a):
    return a


def is_rmse(metric):
    return metric is rmse, {rmse: 1}.get(metric)


def timed(function):
    @functools.wraps(function)
    def timed_function(*args):
        return function(*args)

    return timed_function


@timed
def decorated(a):
    return a


def is_decorated(metric):
    return metric is decorated, metric(3)


def pickled_within(value):
    again = pickle.loads(pickle.dumps(value))
    return type(again) is type(value), again


@functools.lru_cache
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@functools.singledispatch
def describe(thing):
    return "thing"


@describe.register
def _(thing: list):
    return [describe(one) for one in thing]


class Cached:
    @functools.cached_property
    def size(self):
        return fibonacci(10)


def cached():
    return fibonacci(20), describe([1, [2]]), Cached().size


def body_of_class():
    class Local:
        x = WEIGHTS[Mood.GOOD]

    return Local.x


def a_value():
    return Mood.BAD, Point(RunId(3)), Track(RunId(1), [Frozen()]), Number.TWO, SENTINEL is not None


#: Calls: a name, a function, and its arguments.
CALLS = [
    ("NewType", next_run, RunId(7)),
    ("ParamSpec", callback, 3),
    ("NamedTuple with a NewType", moved, Point(RunId(1))),
    ("dataclass with a NewType", fields, Track(RunId(1))),
    ("dataclass with slots", frozen, Frozen()),
    ("__init_subclass__ with an argument", about, First(), Second()),
    ("__init_subclass__ of an abstract class", about, Twice()),
    ("a static method is itself", static, Tools.double),
    ("metaclass with a keyword", needs),
    ("__set_name__", described),
    ("enum with attributes", moods, Mood.GOOD),
    ("enum of bytes", planets, Planet.X),
    ("flags", flags, Permission.R, Permission.R | Permission.W),
    ("IntEnum with an alias", numbers, Number.UNO),
    ("__reduce__ returns a string", sentinel, SENTINEL),
    ("abstract classes", abstract),
    ("generic class", boxes, Box(2)),
    ("slots", slotted, Slotted()),
    ("instance of itself in a class", singleton, Singleton.instance),
    ("ctypes", structure),
    ("TypedDict, Protocol", typed),
    ("exception with a code", fail),
    ("globals()", by_globals, "fit_square"),
    ("sys.modules", by_module, "fit_square"),
    ("eval", by_eval, "fit_square(3) + WEIGHTS[Mood.BAD]"),
    ("get_type_hints", hints),
    ("a function is itself", is_rmse, rmse),
    ("a decorated function is itself", is_decorated, decorated),
    ("pickle in a call", pickled_within, Track(RunId(2))),
    ("pickle of a function in a call", pickled_within, rmse),
    ("functools", cached),
    ("the body of a class in a function", body_of_class),
    ("values", a_value),
]
