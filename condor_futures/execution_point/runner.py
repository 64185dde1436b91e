"""What a job runs on the execution point: unpickle, call, write one outcome per call, always exit reporting.

This one file needs nothing but Python: it imports nothing of ours and only the standard library, and its syntax
is Python 3.6's, so that an old Python gets as far as saying that it is too old.  It travels in a zip
file that also holds the client's own cloudpickle (:mod:`condor_futures.execution_point.packing` packs it).

**Frames.**  Calls and outcomes travel in files that are sequences of frames::

    MAGIC (4 bytes) | length of the header (4 bytes, big-endian) | header (JSON) | segments | tag (32 bytes)

``header["segments"]`` has the lengths of the segments: a pickle (protocol 5), then its out-of-band buffers (PEP 574).
The tag is a BLAKE2b keyed with the session's secret over all that comes before it in the frame, and the header names
session and call, so that an outcome cannot be altered, cut short or passed off as another call's.

``BUNDLE.calls`` is a *bundle* frame (which carries the secret), perhaps one of *retried* exceptions, then *function*
and *call* frames, then the *outcome* frames of the calls that these take values from, as they came;
``BUNDLE.outcomes`` has one *outcome* frame per call, appended as each call ends: a frame is whole or it does not count.
Where HTCondor may run the job again, the outcomes come along, and calls that have one which is to stay are not made
again, unless the bundle's header says ``afresh``. It may name ``parents``, further files of outcomes to take values
from, and may be ``strict``: then the job fails if a call does.

**Supervision.**  The job's first process makes no calls.  It forks a child that does; when the child dies, it writes
that call's outcome (signal or exit status) and forks again for the rest of the bundle.  So the job ends
normally with all its outputs whatever the calls do: a declared output that is missing would put the job on hold with
code 12/2, whose reason hides the signal (HTCondor 25.14).
"""

# The module signal makes enums of its constants, for half a millisecond a job.
import _signal as signal  # type: ignore[import-not-found]
import errno
import json
import mmap
import os
import pickle
import sys
import time

try:  # OpenSSL takes 6 ms to load, and every job would pay; CPython's own BLAKE2 is the same function.
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

TYPE_CHECKING = False  # typing takes milliseconds to import, in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, BinaryIO, NoReturn, Union

    Buffer = Union[bytes, bytearray, memoryview]
    Header = dict[str, Any]
    Segments = list[Union[bytes, bytearray]]
    Frame = tuple[Header, Segments]

MAGIC = b"CFf1"
TAG_SIZE = 32
PROTOCOL = 5
BOOT = "import sys; sys.path[0] = sys.argv[1]; import condor_futures_runner; condor_futures_runner.main(sys.argv[1:])"
"""What starts this module from the zip file: running the zip file itself would import runpy, which takes 3 ms a job."""
CRASHED = 3
"""Exit status of a job in which a call killed its Python: non-zero, so that ``max_retries`` applies."""
RETRY = 4
"""Exit status of a job in which a call raised one of ``retry_exceptions``, for the same reason."""
RAISED = 1
"""Exit status of a *strict* job in which a call raised; what watches it (DAGMan) knows nothing of outcomes."""
STAGE_SIZE = 128
"""Bytes in which a child tells what it is at: the key of a call, or a word."""
ROOM_PATIENCE, BUNDLE_PATIENCE = 30.0, 300.0
"""Seconds for which an outcome waits for room on a full disk, and for which all values of one process do."""


class FrameError(ValueError):
    """A frame is cut short, was altered, or is not one of this session's."""


def write_frame(file: "BinaryIO", secret: bytes, header: "Header", segments: "Iterable[Buffer]" = ()) -> None:
    """Write one frame; *segments* are bytes-like and are not copied."""
    views = [memoryview(segment).cast("B") for segment in segments]
    head = json.dumps(dict(header, segments=[view.nbytes for view in views])).encode()
    tag = blake2b(key=secret, digest_size=TAG_SIZE)
    for part in [MAGIC, len(head).to_bytes(4, "big"), head] + views:
        tag.update(part)
        file.write(part)
    file.write(tag.digest())


def read_frames(file: "BinaryIO", secret: "bytes | None" = None) -> "Iterator[Frame]":
    """Yield ``(header, segments)`` of each frame; without a *secret*, take the one in the first frame's header.

    Raises :class:`FrameError` where a frame is not whole or not authentic; the frames before it were yielded. What is
    appended from now on does not count.
    """
    end = _size(file)
    while file.tell() < end:
        start, head, header = _read_header(file, end)
        try:
            if secret is None:
                secret = bytes.fromhex(header["secret"])
            tag = blake2b(key=secret, digest_size=TAG_SIZE)
        except (ValueError, KeyError, TypeError) as error:
            raise FrameError("its header cannot be read") from error
        try:
            segments = _read_segments(file, header["segments"])
        except MemoryError as error:
            raise FrameError("it is larger than the memory that there is") from error
        for part in [start, head] + segments:
            tag.update(part)
        # A keyed BLAKE2 tag is compared as a whole, not byte by byte: nobody can measure how far a forgery got.
        if blake2b(tag.digest(), key=secret).digest() != blake2b(file.read(TAG_SIZE), key=secret).digest():
            raise FrameError("it is cut short, or was altered")
        yield header, segments


def _size(file: "BinaryIO") -> int:
    here = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(here)
    return size


def _read_segments(file: "BinaryIO", sizes: "list[int]") -> "Segments":
    # The buffers can be written to, so that an array of them is as writable as the one that was pickled.
    segments = [file.read(size) for size in sizes[:1]]  # type: Segments
    for size in sizes[1:]:
        buffer = bytearray(size)
        file.readinto(buffer)  # type: ignore[attr-defined]
        segments.append(buffer)
    return segments


def _read_header(file: "BinaryIO", end: int) -> "tuple[bytes, bytes, Header]":
    """Read a frame as far as its segments; the file, which ends at *end*, has all that the header says there is.

    The header is read before it can be known for a forgery, so nothing is allocated because it says so.
    """
    start = file.read(8)
    size = int.from_bytes(start[4:], "big")
    if len(start) < 8 or start[:4] != MAGIC or size > end - file.tell():
        raise FrameError("it is not a frame, or it is cut short")
    head = file.read(size)
    try:
        header = json.loads(head.decode())
        sizes = header["segments"]
        well = type(sizes) is list and all(type(size) is int and size >= 0 for size in sizes)
    except (ValueError, KeyError, TypeError, RecursionError):
        well = False
    if not well:
        raise FrameError("its header cannot be read")
    if sum(sizes) + TAG_SIZE > end - file.tell():
        raise FrameError("it is cut short, or claims to be larger than it is")
    return start, head, header


def skim(file: "BinaryIO") -> "Iterator[tuple[Header, int, int]]":
    """Yield the header of each whole frame, and where the frame begins and ends; stop at a torn one.

    The segments are passed over, and nothing is authenticated: for whoever wrote the file, or copies frames of it.
    """
    size = _size(file)
    while True:
        start = file.tell()
        try:
            _, _, header = _read_header(file, size)
        except FrameError:
            return
        end = file.tell() + sum(header["segments"]) + TAG_SIZE
        file.seek(end)
        yield header, start, end


def dumps(value: object) -> "list[Buffer]":
    """Pickle to ``[pickle, *buffers]``: by reference where that is possible, with cloudpickle where it is not."""
    buffers = []  # type: list[pickle.PickleBuffer]
    try:
        data = pickle.dumps(value, PROTOCOL, buffer_callback=buffers.append)
    except Exception:
        import cloudpickle

        del buffers[:]
        data = cloudpickle.dumps(value, PROTOCOL, buffer_callback=buffers.append)
    return [data, *(buffer.raw() for buffer in buffers)]


_bundle = None  # type: _Bundle | None


class _NoValueError(Exception):
    """A call takes the value of another one, whose key is the argument, and that is not there."""


def value_of_call(key: str) -> object:
    """The value of the call *key*, whose outcome was appended to the bundle's calls, or is in a file beside them.

    A future among a call's arguments is pickled as a reference to this function: see
    :mod:`condor_futures.calls.pickling`.
    """
    assert _bundle is not None
    if key not in _bundle.parents:
        raise _NoValueError(key)
    name, start = _bundle.parents[key]
    with open(name, "rb") as file:
        file.seek(start)
        try:
            header, segments = next(read_frames(file, _bundle.secret))
        except FrameError as error:  # (a class that the client cannot import)
            raise ValueError("the value of the call %s, an argument, is refused: %s" % (key, error)) from None
    if header.get("result") != "value":
        raise _NoValueError(key)
    return _loads(segments)


_number = None  # type: int | None


def number_in_cluster() -> "int | None":
    """The number of the call within its cluster: what ``condor_futures.procid`` among its arguments is pickled as."""
    return _number


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
    from cloudpickle import cloudpickle

    variables = vars(travelled_module(namespace.get("__name__", "")))
    _set_variables(variables, namespace)
    return cloudpickle._make_function(code, variables, *rest)


def _function_setstate(function: "Any", state: "tuple[dict[str, Any], dict[str, Any]]") -> None:
    """As cloudpickle's, but what the initializer or a call has set stays."""
    from cloudpickle import cloudpickle

    attributes, slots = state
    cloudpickle._function_setstate(function, (attributes, dict(slots, __globals__={})))
    _set_variables(function.__globals__, slots["__globals__"])


def _dynamic_subimport(name: str, variables: "dict[str, Any]") -> "Any":
    """As cloudpickle's, with which other jobs pickle a module."""
    module = travelled_module(name)
    set_variables(module, variables)
    return module


# Where the makers of classes have the name by which cloudpickle knows a class again.
_TRACKER_ID = {"_make_skeleton_class": 4, "_make_skeleton_enum": 5}


class Unpickler(pickle.Unpickler):
    """Leaves a class alone that travels by value and is here already.

    cloudpickle would set all its attributes again, as they were where it was pickled (3.1): what an initializer or an
    earlier call has set on it, or the client itself, would be gone.
    """

    def __init__(self, *args: "Any", **kwargs: "Any") -> None:
        super().__init__(*args, **kwargs)
        self._made = []  # type: list[type]

    def find_class(self, module: str, name: str) -> "Any":
        found = super().find_class(module, name)
        if module == "cloudpickle.cloudpickle":
            # What this gives must not know the unpickler, which remembers it: all that was unpickled would be garbage
            # to be collected, instead of going when the call has ended.
            if name in _TRACKER_ID:
                return _make_class(found, _TRACKER_ID[name], self._made)
            if name == "_class_setstate":
                return _set_class_state(found, self._made)
        return found


def _make_class(make: "Any", tracker_id: int, made: "list[type]") -> "Callable[..., type]":
    """As cloudpickle's *make*, for a class that is not here yet; others are found."""

    def find_or_make(*args: "Any") -> "Any":
        from cloudpickle import cloudpickle

        cls = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(args[tracker_id])
        if cls is None:
            cls = make(*args)
            made.append(cls)
        return cls

    return find_or_make


def _set_class_state(set_state: "Any", made: "list[type]") -> "Callable[[type, Any], type]":
    """As cloudpickle's *set_state*, for the classes that were *made* for this pickle."""

    def set_state_if_made(cls: "Any", state: "Any") -> "Any":
        return set_state(cls, state) if any(one is cls for one in made) else cls

    return set_state_if_made


_OURS = {
    "_make_function": _make_function,
    "_function_setstate": _function_setstate,
    "dynamic_subimport": _dynamic_subimport,
}


class _CallUnpickler(Unpickler):
    """Finds this module under the name that the client pickled: the package itself is not needed here."""

    def find_class(self, module: str, name: str) -> "Any":
        if module in ("condor_futures.execution_point.runner", "condor_futures.runner"):
            return globals()[name]
        if module == "cloudpickle.cloudpickle" and name in _OURS:
            return _OURS[name]
        return super().find_class(
            "condor_futures_shell"
            if module in ("condor_futures.execution_point.shell", "condor_futures.shell")
            else module,
            name,
        )


def _loads(segments: "Sequence[Buffer]") -> "Any":
    import io

    value = _CallUnpickler(io.BytesIO(segments[0]), buffers=segments[1:]).load()
    for came in _came.values():  # only now everything is in it that came
        for name, (variable, contents) in came.items():
            if contents is None:
                came[name] = variable, _contents(variable)
    return value


def _initialize(segments: "Segments") -> None:
    initializer, initargs = _loads(segments)
    initializer(*initargs)


def _nearby(name: str) -> str:
    """Where a file of other bundle's is: transferred, or, where nothing is, in its own directory."""
    here = os.path.basename(name)
    return os.path.abspath(here if os.path.exists(here) else name)


class _Bundle:
    """One bundle: its calls in the sandbox, and the outcomes written so far."""

    def __init__(self, key: str) -> None:
        # Absolute, because a call may change the working directory.
        self.key = key
        self.calls = os.path.abspath(key + ".calls")
        self.outcomes = os.path.abspath(key + ".outcomes")
        with open(self.calls, "rb") as file:
            self.head, self.initializer = next(read_frames(file))
        self.secret = bytes.fromhex(self.head["secret"])
        self.session = self.head["session"]
        self.patience = BUNDLE_PATIENCE
        self._index = None  # type: list[tuple[str, str, int]] | None
        self._reported, self._whole = set(), 0  # type: set[str], int
        self.parents = {}  # type: dict[str, tuple[str, int]]
        self.parent_files = [self.calls] + [_nearby(name) for name in self.head.get("parents", ())]

    def index(self) -> "list[tuple[str, str, int]]":
        """Kind, key and place of its functions and calls: looked up once, for all processes that make them."""
        if self._index is None:
            self._index = []
            with open(self.calls, "rb") as file:
                for header, start, _ in skim(file):
                    if header["kind"] in ("function", "call"):
                        self._index.append((header["kind"], header.get("call", ""), start))
                    elif header["kind"] == "outcome":
                        break  # the parents' outcomes come last
        return self._index

    def frames(self, done: "set[str]") -> "Iterator[Frame]":
        with open(self.calls, "rb") as file:
            for _, call, start in self.index():
                if call not in done:
                    file.seek(start)
                    for frame in read_frames(file, self.secret):
                        yield frame
                        break

    def reported(self) -> "set[str]":
        """The keys of the calls that have an outcome; only what is new is read."""
        with open(self.outcomes, "rb") as file:
            file.seek(self._whole)
            for header, _, end in skim(file):
                self._reported.add(str(header.get("call")))
                self._whole = end
        return set(self._reported)

    def call_keys(self) -> "list[str]":
        """The keys of all its calls, in order."""
        return [call for kind, call, _ in self.index() if kind == "call"]

    def retried(self) -> "tuple[type[BaseException], ...]":
        """What a call may raise for the job to be run again."""
        with open(self.calls, "rb") as file:
            for header, segments in read_frames(file, self.secret):
                if header["kind"] == "retried":
                    return _loads(segments)  # type: ignore[no-any-return]
                if header["kind"] != "bundle":
                    break
        return ()

    def status(self, well: bool) -> int:
        """The exit status of the job; *well* if none of the calls killed its process."""
        with open(self.outcomes, "rb") as file:
            again = any(header.get("retry") for header, _, _ in skim(file))
        if not well:
            return CRASHED
        if again:
            return RETRY
        return RAISED if self.head.get("strict") and not self.all_well() else 0

    def find_parents(self) -> None:
        """Where the outcomes are of the calls that those of this bundle take values from."""
        for name in self.parent_files:
            with open(name, "rb") as file:
                for header, start, _ in skim(file):
                    if header.get("kind") == "outcome":
                        key = str(header.get("call"))
                        self.parents.setdefault(key, (name, start))  # the first counts, as for the client

    def counts(self, header: "Header") -> bool:
        """Whether an outcome of an earlier attempt stands; a strict bundle is tried again for what raised."""
        result = header.get("result")
        return result == "value" or (result == "exception" and not self.head.get("strict"))

    def all_well(self) -> bool:
        """Whether every outcome is a value."""
        with open(self.outcomes, "rb") as file:
            return all(header.get("result") == "value" for header, _, _ in skim(file))

    def report(self, call: str, result: str, segments: "Sequence[Buffer]" = (), **details: object) -> None:
        """Append the outcome of *call*: one frame, with one tag over all of it."""
        header = dict(details, kind="outcome", session=self.session, call=call, result=result, host=os.uname()[1])
        end = os.path.getsize(self.outcomes) if os.path.exists(self.outcomes) else 0

        def append() -> None:
            try:
                with open(self.outcomes, "ab") as file:
                    write_frame(file, self.secret, header, segments)
            except BaseException:
                # After it was closed: closing writes what could not be written before.
                os.truncate(self.outcomes, end)
                raise

        # A disk that stays full does not delay each value of a bundle; an error takes little room, and is to be told.
        patience = min(ROOM_PATIENCE, self.patience) if result == "value" else ROOM_PATIENCE
        self._when_there_is_room(append, sum(memoryview(part).nbytes for part in segments), patience)

    def _when_there_is_room(self, write: "Callable[[], None]", size: int = 0, patience: float = ROOM_PATIENCE) -> None:
        """Call *write*; on a full disk that can hold *size* bytes, again and again for *patience* seconds.

        A job may share its disk with what comes and goes: in the spool directory, say, where it runs if access point
        and execution point have one file system.
        """
        began = None
        while True:
            try:
                write()
            except OSError as error:
                began = began or time.monotonic()  # not before: writing may take longer than that
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) or time.monotonic() >= began + patience:
                    raise
                disk = os.statvfs(os.path.dirname(self.outcomes))
                if size >= disk.f_blocks * disk.f_frsize:
                    raise
            else:
                return
            time.sleep(1)
            self.patience -= 1

    def cut_torn(self) -> None:
        """Cut off what a child left of an outcome that it was writing when it died: it would hide those after it."""
        with open(self.outcomes, "r+b") as file:
            whole = self._whole
            file.seek(whole)
            for _, _, end in skim(file):
                whole = end
            file.truncate(whole)

    def keep_what_counts(self) -> None:
        """Before an attempt: keep what counts of an earlier one; drop what this one is for, and a torn last frame."""
        kept = []
        self._reported, self._whole = set(), 0
        if os.path.exists(self.outcomes) and not self.head.get("afresh"):
            with open(self.outcomes, "rb") as file:
                try:
                    for frame in read_frames(file, self.secret):  # extend() would lose the frames before a torn one
                        if self.counts(frame[0]) and not frame[0].get("retry"):
                            # What it printed is gone: this attempt writes to the same two files, from the beginning.
                            kept.append((dict(frame[0], stdout=[0, 0], stderr=[0, 0]), frame[1]))  # noqa: PERF401
                except FrameError:
                    pass

        def rewrite() -> None:
            with open(self.outcomes + ".new", "wb") as file:
                for header, segments in kept:
                    write_frame(file, self.secret, header, segments)

        self._when_there_is_room(rewrite)
        os.rename(self.outcomes + ".new", self.outcomes)


def sandbox(key: str) -> "Iterator[_Bundle]":
    """A source of bundles: the one that came with the job, then nothing more.

    A source is an iterable of :class:`_Bundle`; another one may fetch bundles from the access point for as long as
    there are any.
    """
    yield _Bundle(key)


def _position(descriptor: int) -> "int | None":
    try:
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    except OSError:
        return None


class _Child:
    """The process that makes the calls; in ``stage``, which they share, its supervisor sees what it is at."""

    def __init__(self, stage: "mmap.mmap") -> None:
        self.stage = stage
        self.pid = os.getpid()

    def run(self, bundle: _Bundle) -> None:
        global _bundle  # noqa: PLW0603 - value_of_call(), which unpickling calls, has no other way to know it
        _bundle = bundle
        bundle.find_parents()
        functions = []  # type: list[Segments]
        loaded = {}  # type: dict[int, Any]
        done = bundle.reported()
        limit = bundle.head.get("max_tasks_per_child")
        if bundle.initializer:
            self._enter("initializer")
            try:
                _initialize(bundle.initializer)
            except BaseException as error:
                failed = self._exception(error)
                pickled = failed.pop("pickled")
                for key in bundle.call_keys():
                    if key not in done:
                        bundle.report(key, "initializer", pickled, **failed)
                return
            self._flush()  # what it printed is not the first call's
        made = 0
        for header, segments in bundle.frames(done):
            if header["kind"] == "function":
                functions.append(segments)
            else:
                if limit and made == limit:
                    self.leave()
                self._call(bundle, header, segments, functions, loaded)
                made += 1

    def _call(
        self,
        bundle: _Bundle,
        header: "Header",
        segments: "Segments",
        functions: "list[Segments]",
        loaded: "dict[int, Any]",
    ) -> None:
        global _number  # noqa: PLW0603 - number_in_cluster(), which unpickling calls, has no other way to know it
        key = header["call"]
        _number = header.get("number")
        self._enter(key)
        out, err, started = _position(1), _position(2), time.time()
        try:
            index = header["function"]
            if index not in loaded:
                loaded[index] = _loads(functions[index])
            args, kwargs = _loads(segments)
            value = loaded[index](*args, **kwargs)
            del args, kwargs
            pickled = dumps(None if bundle.head.get("discard") else value)
            result, details = "value", {}
        except _NoValueError as error:
            # The client that waited for the other call has failed this one already; it is for whoever attaches.
            result, details, pickled = "dependency", {"parent": error.args[0]}, []
        except BaseException as error:
            result, details = "exception", self._exception(error)
            pickled = details.pop("pickled")
            if self._is_retried(bundle, error):
                details["retry"] = True
        self._flush()
        if os.getpid() != self.pid:
            os._exit(0)  # the call forked, and this is the copy: the outcome is the original's to tell
        details.update(started=started, ended=time.time(), stdout=[out, _position(1)], stderr=[err, _position(2)])
        try:
            bundle.report(key, result, pickled, **details)
        except OSError as error:
            # A full disk, say. That is this call's failure, not a crash, and to tell it takes little room.
            error = OSError(error.errno, f"{error.strerror} (where the job ran, for what the call returned or raised)")
            details.update(self._exception(error))
            bundle.report(key, "exception", details.pop("pickled"), **details)

    @staticmethod
    def _is_retried(bundle: _Bundle, error: BaseException) -> bool:
        try:
            return isinstance(error, bundle.retried())
        except Exception:  # the classes cannot be had here: the call's own exception is what counts
            import traceback

            traceback.print_exc()
            return False

    @staticmethod
    def _flush() -> None:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass  # the call may have closed or replaced it

    def _exception(self, error: BaseException) -> "dict[str, Any]":
        """The exception pickled, if it can be (and unpickled again), and in any case as text."""
        import traceback

        kind = type(error)
        try:
            text = "".join(traceback.format_exception(kind, error, error.__traceback__ and error.__traceback__.tb_next))
        except Exception:
            text = "%s (its traceback cannot be formatted)\n" % kind.__name__
        try:
            message = str(error)
        except Exception:
            message = "(its text cannot be had)"
        about = {"message": message, "traceback": text}
        try:
            # Frames cannot be pickled. (An exception may refuse to have its attributes set.)
            BaseException.with_traceback(error, None)
            pickled = dumps(error)
            _loads(pickled)
        except BaseException as why:
            pickled = []
            # The first line: from Python 3.14 on, notes follow that say what was being pickled.
            about["unpicklable"] = traceback.format_exception_only(type(why), why)[0].strip()
        name = "%s.%s" % (kind.__module__, kind.__qualname__)
        return dict(about, pickled=pickled, type_name=name)

    def _enter(self, stage: str) -> None:
        self.stage[:] = stage.encode().ljust(STAGE_SIZE)

    def leave(self) -> "NoReturn":
        """End well; the supervisor tells this from a call's own ``os._exit(0)`` by the stage."""
        import atexit

        self._enter("left")
        try:
            if "threading" in sys.modules:
                sys.modules["threading"]._shutdown()  # waits for the calls' own threads, as a worker process does
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            # Not sys.exit: the frames above are the supervisor's, and taking the interpreter down costs milliseconds.
            os._exit(0)


def _fork(bundles: "Iterable[_Bundle]", stage: "mmap.mmap") -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        import faulthandler

        faulthandler.enable()  # A segmentation fault then leaves the Python stack in the job's standard error.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setpgid(0, 0)  # or a call that kills its process group, as `kill 0` in a script does, took us with it
        # What the calls see as __main__ is theirs, not this file.
        sys.modules["__main__"] = type(sys)("__main__")
        child = _Child(stage)
        for bundle in bundles:
            child.run(bundle)
        child.leave()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    os._exit(CRASHED)


def supervise(bundle: _Bundle) -> bool:
    """Have the calls of *bundle* made; True if none of them killed its process."""
    bundle.keep_what_counts()
    calls = bundle.call_keys()
    stage = mmap.mmap(-1, STAGE_SIZE)  # not a file: the disk may be full
    well = True
    while True:
        before = bundle.reported()
        if len(before) == len(calls):
            return well
        stage[:] = b"start".ljust(STAGE_SIZE)
        child = _fork([bundle], stage)

        def stop(number: int, _: object, child: int = child) -> None:
            # HTCondor's soft kill (eviction, hold, removal): pass it on and die of it. No outcome: the job runs again.
            try:
                os.kill(child, number)
                os.waitpid(child, 0)
            except (ProcessLookupError, ChildProcessError):
                pass  # it had just ended
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

        signal.signal(signal.SIGTERM, stop)
        _, status = os.waitpid(child, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        at = stage[:].decode().strip()
        bundle.cut_torn()
        after = bundle.reported()
        if at == "left" and len(after) > len(before):  # so this comes to an end
            continue
        well = False
        details = {"stage": at}  # type: dict[str, Any]
        if os.WIFSIGNALED(status):
            details["signal"] = os.WTERMSIG(status)
        else:
            details["exit_status"] = os.WEXITSTATUS(status)
        # A child that died inside a call takes that call with it. One that died outside any, but made some, may have
        # died of what they left behind; one that made none would do so again.
        if at in calls and at not in after:
            lost = [at]
        else:
            lost = [call for call in calls if call not in after] if after == before else []
        for call in lost:
            bundle.report(call, "crashed", **details)


def _check_python(bundle: _Bundle, argv: "list[str]") -> None:
    """Leave for the client's version of Python where there is one; otherwise report the mismatch."""
    here = "%d.%d" % sys.version_info[:2]
    wanted = bundle.head["python"]
    moved = os.environ.pop("CONDOR_FUTURES_PYTHON", None)
    if here == wanted:
        return
    if moved is None:
        os.environ["CONDOR_FUTURES_PYTHON"] = here
        try:
            os.execvp("python" + wanted, ["python" + wanted, "-c", BOOT] + argv)
        except OSError:
            pass
    bundle.keep_what_counts()
    for key in bundle.call_keys():
        bundle.report(key, "python", here=here, wanted=wanted, executable=sys.executable)
    sys.exit(RAISED if bundle.head.get("strict") else 0)


def _import_from(places: "list[str]") -> None:
    """Let the calls, and the Pythons that they start, import what came with the job."""
    sys.path[1:1] = places
    os.environ["PYTHONPATH"] = os.pathsep.join(places + list(filter(None, [os.environ.get("PYTHONPATH")])))


def main(argv: "list[str]") -> "NoReturn":
    """Run the bundle that ``argv[1]`` names; exit status 0, :data:`CRASHED`, :data:`RETRY` or :data:`RAISED`.

    ``argv[0]`` is the zip file that this module comes from, and stands first in ``sys.path``.
    """
    # Both absolute: a call may change the working directory.
    sys.path[0] = os.path.abspath(argv[0])
    status = 0
    for bundle in sandbox(argv[1]):
        _check_python(bundle, argv)
        _import_from([os.getcwd()] + [os.path.abspath(archive) for archive in bundle.head.get("archives", ())])
        if bundle.head.get("scratch"):
            os.chdir(os.environ.get("_CONDOR_SCRATCH_DIR", "."))
        status = bundle.status(supervise(bundle)) or status
    os._exit(status)  # nothing was printed here, and taking the interpreter down costs milliseconds
