"""The process that makes the calls; its parent is the supervisor."""

import os
import sys
import time

from .bundle import NoObjectError
from .main_module import main_module
from .unpickling import NoValueError, current_call, dumps, loads

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    import mmap
    from typing import Any, NoReturn

    from .bundle import Bundle
    from .frames import Header, Segments

_LONGEST_TEXT = 1 << 18  # characters; JSON may need six times as many bytes
STAGE_SIZE = 128
"""Size in bytes of the memory in which a child records its stage: the key of a call, or a word.

One more byte follows. The supervisor sets it before it passes on a signal with which HTCondor stops the job.
"""


def _initialize(segments: "Segments") -> None:
    initializer, initargs = loads(segments)
    initializer(*initargs)


def _position(descriptor: int) -> "int | None":
    try:
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    except OSError:
        return None


def _cpu_time() -> float:
    """Return the CPU seconds of this process, and of the processes that it started and waited for."""
    times = os.times()  # in hundredths of a second; good enough for other processes
    return time.process_time() + times[2] + times[3]


def _peak() -> "int | None":
    """Return the largest memory of this process since it began, or since the kernel forgot it, in bytes.

    The module resource, which knows it too, takes a millisecond to import.
    """
    try:
        status = os.open("/proc/self/status", os.O_RDONLY)
        try:
            text = os.read(status, 4096)
        finally:
            os.close(status)
        return int(text.split(b"VmHWM:", 1)[1].split(None, 1)[0]) << 10
    except (OSError, ValueError, IndexError):
        return None  # it is not Linux, or a container hides it


def _forget_peak() -> "int | None":
    """Let the kernel forget the peak of the calls before, and return 0. If it does not, return the peak until now."""
    try:
        control = os.open("/proc/self/clear_refs", os.O_WRONLY)
        try:
            os.write(control, b"5")  # only the peak, see proc(5)
        finally:
            os.close(control)
    except OSError:
        return _peak()
    return 0


class _Meter:
    """Measures a call, from now on. This takes 20 microseconds of a call."""

    def __init__(self) -> None:
        self.peak = _forget_peak()
        self.cpu, self.started = _cpu_time(), time.time()

    def read(self) -> "dict[str, Any]":
        """Return what the header of the outcome says of it."""
        ended, cpu, peak = time.time(), _cpu_time() - self.cpu, _peak()
        if peak is not None and (self.peak is None or peak <= self.peak):
            peak = None  # the largest since the process began may be that of an earlier call
        return {"started": self.started, "ended": ended, "usage": [round(cpu, 6), peak]}


class Child:
    """The process that makes the calls. It records its stage in ``stage``, memory shared with its supervisor."""

    def __init__(self, stage: "mmap.mmap") -> None:
        self.stage = stage
        self.pid = os.getpid()

    def run(self, bundle: "Bundle") -> None:
        current_call.bundle = bundle
        bundle.find_parents()
        functions = []  # type: list[tuple[str, Segments]]
        loaded = {}  # type: dict[int, Any]
        done = bundle.reported()
        limit = bundle.head.get("max_tasks_per_child")
        failed = self.initialize(bundle)
        if self.is_stopping():
            self.leave()
        if failed:
            for key in bundle.call_keys():
                if key not in done:
                    bundle.report(key, "initializer", failed["pickled"], **failed["details"])
            return
        made = 0
        for header, segments in bundle.frames(done):
            if header["kind"] == "function":
                functions.append((header.get("name", ""), segments))
            else:
                if (limit and made == limit) or self.is_stopping():
                    self.leave()
                self.call(bundle, header, segments, functions, loaded)
                made += 1

    def initialize(self, bundle: "Bundle") -> "dict[str, Any] | None":
        """Call the initializer, if there is one; return what to report if it raises."""
        if not bundle.initializer:
            return None
        self._enter("initializer")
        try:
            _initialize(bundle.initializer)
        except BaseException as error:
            details = self._exception(error)
            return {"pickled": details.pop("pickled"), "details": details}
        self._flush()  # what it printed is not the first call's
        return None

    def call(
        self,
        bundle: "Bundle",
        header: "Header",
        segments: "Segments",
        functions: "list[tuple[str, Segments]]",
        loaded: "dict[int, Any]",
    ) -> None:
        """Make one call, and report its outcome."""
        key = header["call"]
        current_call.number = header.get("number")
        current_call.key, current_call.checkpoints = key, None
        self._enter(key)
        name = ""
        out, err, meter = _position(1), _position(2), _Meter()
        try:
            index = header["function"]
            name, pickled_function = functions[index]
            if index not in loaded:
                loaded[index] = loads(pickled_function)
            args, kwargs = loads(segments)
            value = loaded[index](*args, **kwargs)
            del args, kwargs
            pickled = dumps(None if bundle.head.get("discard") else value)
            result, details = "value", {}
        except NoValueError as error:
            # The client that waited for the other call has already failed this call. A client that attaches reads this.
            result, details, pickled = "dependency", {"parent": error.args[0]}, []
        except NoObjectError as error:
            result, details, pickled = "shared", {"object": error.args[0], "reason": error.args[1]}, []
        except BaseException as error:
            if self.is_stopping() and os.getpid() == self.pid:
                self.leave()  # the handler of the signal raised it, and the job runs again: no outcome
            result, details = "exception", self._exception(error)
            pickled = details.pop("pickled")
            if self._is_retried(bundle, error):
                details["retry"] = True
        self._flush()
        if os.getpid() != self.pid:
            os._exit(0)  # the call forked, and this is the copy: only the original process reports the outcome
        if main_module.failure is not None:
            details["script"], main_module.failure = main_module.failure, None  # once is enough
        details.update(meter.read(), stdout=[out, _position(1)], stderr=[err, _position(2)])
        details.update(submitted=header.get("submitted"), function=name)
        try:
            bundle.report(key, result, pickled, **details)
        except OSError as error:
            # For example a full disk. The call fails, which is not a crash. Reporting the failure needs little space.
            error = OSError(error.errno, f"{error.strerror} (on the execution point, writing the outcome of the call)")
            details.update(self._exception(error))
            bundle.report(key, "exception", details.pop("pickled"), **details)
        current_call.forget(keep=bool(details.get("retry")))

    @staticmethod
    def _is_retried(bundle: "Bundle", error: BaseException) -> bool:
        try:
            retried = bundle.retried()
            return retried is not None and isinstance(error, loads(retried))
        except Exception:  # the classes cannot be unpickled here: the call's own exception counts
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
        """Return the exception as text, and pickled if it can be pickled and unpickled again."""
        import traceback

        kind = type(error)
        try:
            text = "".join(traceback.format_exception(kind, error, error.__traceback__ and error.__traceback__.tb_next))
        except Exception:
            text = "%s (its traceback cannot be formatted)\n" % kind.__name__
        try:
            message = str(error)
        except Exception:
            message = "(str() of the exception failed)"
        # The texts are in the header of the outcome, whose size is limited; the exception itself is not.
        about = {"message": message[:_LONGEST_TEXT], "traceback": text[-_LONGEST_TEXT:]}
        try:
            # Frames cannot be pickled. The method of the base class works even if the exception refuses new attributes.
            BaseException.with_traceback(error, None)
            pickled = dumps(error)
            loads(pickled)
        except BaseException as why:
            pickled = []
            # Only the first line: from Python 3.14 on, notes about the pickled object follow.
            about["unpicklable"] = traceback.format_exception_only(type(why), why)[0].strip()[:_LONGEST_TEXT]
        name = "%s.%s" % (kind.__module__, kind.__qualname__)
        return dict(about, pickled=pickled, type_name=name)

    def _enter(self, stage: str) -> None:
        self.stage[:STAGE_SIZE] = stage.encode().ljust(STAGE_SIZE)

    def is_stopping(self) -> bool:
        """Whether HTCondor stops the job: then no other call begins."""
        return self.stage[STAGE_SIZE] != 0

    def leave(self) -> "NoReturn":
        """Exit normally. The stage distinguishes this from an ``os._exit(0)`` of a call."""
        from atexit import _run_exitfuncs as run_exit_functions

        self._enter("left")
        try:
            if "threading" in sys.modules:
                from threading import _shutdown as wait_for_threads  # type: ignore[attr-defined]

                wait_for_threads()  # those of the calls, as a worker process does
            run_exit_functions()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            # Not sys.exit: the calling frames are the supervisor's, and finalizing the interpreter takes milliseconds.
            os._exit(0)
