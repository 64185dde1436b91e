"""A warm job: its bundle stays open, and it makes the calls that the client hands to it through the line.

It is long because one object knows of each call whether it waits, is in the pipe, has begun or has ended.

``BUNDLE.calls`` came with the job as usual, but has no calls. Its head has, as ``line``, a directory of the access
point that belongs to this bundle alone. Each attempt of the job gives itself a name, and makes two files there:
``NAME.calls`` is empty, and ``NAME.outcomes`` has a *hello* frame. The client appends to the first, and the job reads
it as it grows:

- *function* frames, numbered in their order; the *outcome* frames of other calls whose values the next call takes;
  *call* frames, with the names of the shared objects that are in the directory (``fetching``);
- *cancel*: nobody waits for this call any more; its process is killed if it runs;
- *recall*: the last of the calls that have not begun are handed to another job; the job replies with *returned*;
- *stack*: somebody wants to know where a call is; the job replies with *stack*: its ``text``, or ``refused`` and why;
- *leave*: there is nothing more to do.

The job appends to ``NAME.outcomes`` the *outcome* frames of the calls; *returned* with the keys of calls that it has
not begun and will not make (with ``leaving`` if it takes no others); *left*, at the end. The output and error of the
calls are in ``NAME.stdout`` and ``NAME.stderr``, and are there before the outcome.

The supervisor alone uses the line. It passes the calls to its child as tokens in a pipe: the process that reads a token
has the call, so the supervisor can take back exactly the calls that have not begun.
"""

import fcntl
import mmap
import os
import select
import signal
import sys
import termios
import time
from collections import OrderedDict, deque

from . import reporting
from .bundle import NO_LINE
from .child import STAGE_SIZE, Child
from .exchange import LARGEST, Exchange
from .forking import await_child, fork, handle, how_it_died, new_stage, stage_of
from .frames import read_frames
from .line import NO_SPACE, PASSING, PIECE, LineError
from .stacks import Stack, register

TYPE_CHECKING = False  # typing takes milliseconds to import, in every job; type checkers know this name.
if TYPE_CHECKING:
    from typing import Any, BinaryIO, NoReturn

    from .bundle import Bundle
    from .frames import Header

POLL_SHARE, POLL_SHORTEST, POLL_LONGEST = 0.02, 0.0003, 0.25
"""The line is read again after this share of the time since something last happened; these are bounds, in seconds."""
PATIENCE = 60.0
"""Seconds for which a job without calls tries to use a broken line again, before it leaves."""
REPORT_PAUSE = 0.1
"""Seconds between two reports of a call."""
KILLED_PAUSE = 0.5
"""Seconds until it is believed that only the child was killed, and not the job."""
_TOKEN = 8  # bytes


class _Child(Child):
    """The process that makes the calls whose tokens it reads."""

    def serve(
        self, bundle: "Bundle", functions: str, queue: str, tokens: int, done: int, reports: "mmap.mmap"
    ) -> "NoReturn":
        from .unpickling import current_call

        current_call.bundle = bundle
        whole = queue == bundle.calls  # the values that the calls take come last
        if whole:
            bundle.find_parents()
        reporting.reporter.memory = reports
        failed = self.initialize(bundle)
        known = []  # type: list[tuple[str, Any]]
        loaded = {}  # type: dict[int, Any]
        limit, made = bundle.head.get("max_tasks_per_child"), 0
        with open(functions, "rb") as functions_file, open(queue, "rb") as queue_file:
            while not (limit and made == limit):
                self._enter("idle")
                token = _take(tokens, wait=True)
                if token is None or self.is_stopping():
                    break
                queue_file.seek(token)
                frames = read_frames(queue_file, bundle.secret)
                if not whole:
                    bundle.parents.clear()
                start = token
                header, segments = next(frames)
                while header["kind"] == "outcome":
                    bundle.parents[header["call"]] = (queue, start)
                    start = queue_file.tell()
                    header, segments = next(frames)
                if failed:
                    bundle.report(header["call"], "initializer", failed["pickled"], **failed["details"])
                else:
                    read_functions(functions_file, bundle.secret, known, header["function"] + 1)
                    reporting.reporter.call = header["call"]
                    self.call(bundle, header, segments, known, loaded)
                made += 1
                del frames, header, segments
                try:
                    os.write(done, b".")
                except BlockingIOError:
                    pass  # the supervisor has enough of them to wake
        self.leave()


def read_functions(file: "BinaryIO", secret: bytes, known: "list[tuple[str, Any]]", count: int) -> None:
    """Read functions until *count* are known. No further: the supervisor may be writing the next one."""
    if len(known) < count:
        for header, content in read_frames(file, secret):
            if header["kind"] == "function":
                known.append((header.get("name", ""), content))
            if len(known) == count:
                break


def _take(tokens: int, wait: bool = False) -> "int | None":
    """Take a token; None if there is none, or if *wait*, at the end of the pipe."""
    poll = select.poll()
    poll.register(tokens, select.POLLIN)
    while True:
        if wait:
            poll.poll()
        try:
            token = os.read(tokens, _TOKEN)
        except BlockingIOError:
            if wait:
                continue  # the supervisor took it
            return None
        return int.from_bytes(token, "big") if token else None


class WarmJob:
    """The supervisor of a warm job."""

    longest_pause = POLL_LONGEST

    def __init__(self, bundle: "Bundle", refusal: "dict[str, Any] | None", settings: "dict[str, Any]") -> None:
        self.bundle = bundle
        self.refusal = refusal  # what to report of each call, because none can be made here
        self.warm, self.lifetime = settings.get("warm", 0.0), settings.get("lifetime", 0.0)
        self.functions = os.path.abspath(bundle.key + ".functions")
        self.queue = os.path.abspath(bundle.key + ".queue")
        self.exchange = self.prepare(bundle, settings["directory"])
        self.began = self.idle_since = time.monotonic()
        self.leaving = False
        # The calls without an outcome, in the order of their tokens; the tokens that are not in the pipe yet; and where
        # the frames of the next call begin.
        self.outstanding = OrderedDict()  # type: OrderedDict[str, int]
        self.taken, self.give = os.pipe()
        self.done, self.tell = os.pipe()
        for descriptor in (self.taken, self.give, self.done, self.tell):
            os.set_blocking(descriptor, False)
        self.ready = deque()  # type: deque[int]
        self.objects = {}  # type: dict[int, Any]  # the shared objects of these calls, by their tokens
        self.first = None  # type: int | None
        self.stage = new_stage()
        self.reports, self.reported, self.report_due = mmap.mmap(-1, reporting.REPORT_SIZE), 0, 0.0
        self.child = self.told = None  # type: int | None  # told: the child to which a signal was passed on
        self.failed_start = False
        self.stacks = -1  # the file to which the child writes its stack, if it has one
        self.asked = None  # type: Stack | None
        self.terminated = None  # type: int | None

    def prepare(self, bundle: "Bundle", directory: str) -> Exchange:
        """Make the files of the sandbox, and the files on the access point when the line works."""
        exchange = Exchange(bundle, directory, self.ended)
        exchange.fetcher.want(bundle.head.get("shared", {}))
        # An earlier attempt may have left its files, where the job runs in its spool directory.
        for name in (self.functions, self.queue):
            open(name, "wb").close()
        return exchange

    def ended(self, call: str) -> None:
        """Note that a call has an outcome."""
        self.outstanding.pop(call, None)
        self.idle_since = time.monotonic()

    # The calls.

    def take(self, header: "Header", data: bytes) -> None:
        """Do what a frame of the client asks for."""
        kind = header["kind"]
        if kind == "function":
            self.keep(self.functions, data)
        elif kind in ("call", "outcome"):
            start = self.keep(self.queue, data)
            self.first = start if self.first is None else self.first
            if kind == "call":
                place, self.first = self.first, None
                self.take_call(header, place)
        elif kind == "cancel":
            self.cancel(header["call"])
        elif kind == "recall":
            back = self.take_back()
            for call, place in back[: -header["calls"]]:
                self.hand(call, place)
            self.give_back(back[-header["calls"] :])
        elif kind == "stack":
            self.ask_stack(header["call"])
        elif kind == "leave":
            self.leaving = True

    def take_call(self, header: "Header", place: int) -> None:
        """Have a call made whose frames begin at *place* of the queue."""
        if self.leaving:
            self.exchange.say(kind="returned", calls=[header["call"]], leaving=True)
        elif self.refusal:
            self.bundle.report(header["call"], "python", **self.refusal)
        else:
            if header.get("shared"):
                self.objects[place] = header["shared"]
                self.exchange.fetcher.want(header["shared"])
            self.hand(header["call"], place)

    def keep(self, name: str, data: bytes) -> int:
        """Append a frame to a file of the sandbox; return where it begins."""
        start = os.path.getsize(name)

        def append() -> None:
            os.truncate(name, start)
            with open(name, "ab") as file:
                file.write(data)

        self.bundle.when_there_is_room(append, len(data))
        return start

    def hand(self, call: str, place: int) -> None:
        """Let the child make a call, after those that it has."""
        self.outstanding[call] = place
        self.idle_since = time.monotonic()
        self.ready.append(place)
        self.fill()

    def fill(self) -> None:
        """Put as many tokens into the pipe as it takes, up to a call whose objects are not here yet."""
        while self.ready and not self.exchange.fetcher.lacks(self.objects.get(self.ready[0], ())):
            try:
                os.write(self.give, self.ready[0].to_bytes(_TOKEN, "big"))  # all of it or nothing: see pipe(7)
            except BlockingIOError:
                break
            self.objects.pop(self.ready.popleft(), None)

    def in_pipe(self) -> int:
        count = bytearray(4)
        fcntl.ioctl(self.taken, termios.FIONREAD, count)
        return int.from_bytes(count, sys.byteorder) // _TOKEN

    def take_back(self) -> "list[tuple[str, int]]":
        """Take all calls that have not begun out of the pipe."""
        places = set(self.ready)
        self.ready.clear()
        while True:
            place = _take(self.taken)
            if place is None:
                break
            places.add(place)
        calls = [(call, place) for call, place in self.outstanding.items() if place in places]
        for call, _ in calls:
            del self.outstanding[call]
        return calls

    def give_back(self, calls: "list[tuple[str, int]]") -> None:
        """Return *calls*, which were taken back, to the client; it waits for a reply even if there are none."""
        self.exchange.say(kind="returned", calls=[call for call, _ in calls], leaving=self.leaving)

    def begun(self) -> "str | None":
        """The call that has begun and has no outcome; the child must be stopped, or have ended."""
        self.exchange.all_outcomes()
        count = len(self.outstanding) - self.in_pipe() - len(self.ready)
        return next(iter(self.outstanding)) if count > 0 else None

    def cancel(self, call: str) -> None:
        """Do not make a call; if it has begun, kill its process."""
        if call not in self.outstanding:
            return
        back = self.take_back()
        rest = [(one, place) for one, place in back if one != call]
        if len(rest) == len(back) and self.child is not None:
            # Stopped first: it might begin another call meanwhile, which would be killed instead.
            os.kill(self.child, signal.SIGSTOP)
            _, status = os.waitpid(self.child, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                self.died(status)
            elif self.begun() == call:
                try:
                    os.killpg(self.child, signal.SIGKILL)  # with the processes that the call started
                except OSError:
                    pass
                os.kill(self.child, signal.SIGKILL)  # the call may have moved it to another group
                os.waitpid(self.child, 0)
                self.child = None
                self.exchange.cut_torn()
                self.outstanding.pop(call, None)
            else:
                os.kill(self.child, signal.SIGCONT)
        for one, place in rest:
            self.hand(one, place)

    # The stack of the call that runs.

    def ask_stack(self, call: str) -> None:
        """Ask the child for the stack of *call*, which the child makes."""
        if self.child is None or stage_of(self.stage) != call:
            self.exchange.say(kind="stack", call=call, refused="waits" if call in self.outstanding else "ended")
        elif self.asked is None or self.asked.call != call or self.asked.child != self.child:
            try:
                self.asked = Stack(call, self.child, self.stacks)
            except OSError:
                self.exchange.say(kind="stack", call=call, refused="handler")

    def answer_stack(self) -> None:
        """Send the stack that the client has asked for, once it is written."""
        asked = self.asked
        if asked is None:
            return
        if self.child != asked.child or stage_of(self.stage) != asked.call:
            self.asked = None  # what is written may be the stack of the next call
            self.exchange.say(kind="stack", call=asked.call, refused="ended")
            return
        text = asked.look()
        if text is not None and stage_of(self.stage) == asked.call:
            self.asked = None
            self.exchange.say(kind="stack", call=asked.call, text=text)

    def open_stacks(self) -> None:
        """Make the file to which the child writes its stack; it has no name, so it is never transferred."""
        name = os.path.abspath(self.bundle.key + ".stack")
        try:
            # Appending, so that what is written after the file was emptied begins at its start.
            self.stacks = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.unlink(name)
        except OSError:
            pass  # the disk is full: the next child may have one

    # The child.

    def watch_child(self) -> None:
        """Start the child if there is none; report the call that killed it."""
        if self.child is not None:
            child, status = os.waitpid(self.child, os.WNOHANG)
            if child:
                self.died(status)
        elif self.is_child_wanted():
            self.stage[:STAGE_SIZE] = b"start".ljust(STAGE_SIZE)
            if self.stacks < 0:
                self.open_stacks()
            self.child = fork(self.make_calls)
            handle(self.stop)

    def is_child_wanted(self) -> bool:
        """Whether a child can be started, and has something to do, or may get it."""
        if self.refusal is not None or self.exchange.fetcher.lacks(self.bundle.head.get("shared", ())):
            return False
        return bool(self.outstanding) or not (self.leaving or self.failed_start)

    def make_calls(self) -> None:
        """Make calls, in the child, until the pipe ends."""
        os.close(self.give)
        if self.stacks >= 0:
            register(self.stacks)
        self.exchange.close()  # a call that looks for open sockets does not find the line
        _Child(self.stage).serve(self.bundle, self.functions, self.queue, self.taken, self.tell, self.reports)

    def died(self, status: int) -> None:
        """Report the call in which the child ended with the wait status *status*."""
        self.child = None
        if self.terminated is not None:
            return  # it was killed with this process, and its call is made by another job
        at = stage_of(self.stage)
        self.exchange.cut_torn()
        call = self.begun()
        calls = [call] if call is not None else self.not_begun() if at in ("start", "initializer") else []
        if calls and status == signal.SIGKILL:
            # Perhaps the whole job is being killed, this process next: then the call is made again elsewhere.
            time.sleep(KILLED_PAUSE)
            if self.terminated is not None:
                return
        for call in calls:
            self.bundle.report(call, "crashed", **dict(how_it_died(status), stage=at))
        self.exchange.all_outcomes()

    def not_begun(self) -> "list[str]":
        """The calls that end with a child that did not come as far as to take one: the next child would not either."""
        rest = self.take_back()
        self.failed_start = not rest
        self.outstanding.update(rest[:1])
        for call, place in rest[1:]:
            self.hand(call, place)
        return [call for call, _ in rest[:1]]

    def stop(self, number: int, _: object) -> None:
        """HTCondor's soft kill (eviction, hold, removal): pass the signal on to the child."""
        self.terminated = number
        self.exchange.hurry()
        self.tell_child(number)

    def tell_child(self, number: int) -> None:
        self.stage[STAGE_SIZE] = 1
        self.told = self.child
        if self.child is not None:
            try:
                os.kill(self.child, number)
            except ProcessLookupError:
                pass

    def die(self, number: int) -> "NoReturn":
        """Die of the signal, without an outcome for the call that runs: other jobs make it. Others count."""
        if self.child is not None:
            if self.told != self.child:  # it was started after the signal came
                self.tell_child(number)
            os.close(self.give)  # a child with a handler, which an earlier call has left, may be waiting for a call
            try:
                os.waitpid(self.child, 0)
            except ChildProcessError:
                pass
        self.exchange.last()
        self.keep_files()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(1)

    def keep_files(self) -> None:
        """Keep the checkpoint files of the call that was running; those of a warm job are on the access point."""

    # The loop.

    def run(self) -> int:
        """Make calls until there is no reason to stay; return the job's exit status."""
        self.exchange.say(kind="hello", bundle=self.bundle.key, host=os.uname()[1])
        handle(self.stop)
        frames = self.begin()
        if frames is None:
            return NO_LINE
        while True:
            for header, data in frames:
                self.take(header, data)
            if self.terminated is not None:
                self.die(self.terminated)
            self.fill()
            self.watch_child()
            if not self.leaving and self.is_over():
                self.leaving = True
                self.give_back(self.take_back())
            if not self.outstanding and self.may_leave():
                return self.end()
            self.pass_report_on()
            self.answer_stack()
            if not self.exchange.fetch():
                self.sleep()
            frames = self.exchange.try_exchange()

    def pass_report_on(self) -> None:
        """Tell the client how far the call has got; not more often than anybody would look."""
        now = time.monotonic()
        if now >= self.report_due and self.exchange.broken is None:  # later, only the last report is of interest
            self.reported, found = reporting.read(self.reports, self.reported)
            if found is not None:
                self.report_due = now + REPORT_PAUSE
                self.exchange.say(kind="report", **found)

    def begin(self) -> "list[tuple[Header, bytes]] | None":
        """Say hello, and return the first frames; None if the line cannot be used."""
        frames = []  # type: list[tuple[Header, bytes]]
        while True:
            code = NO_SPACE
            try:
                frames += self.exchange.exchange()
                if self.exchange.broken is None:
                    return frames
            except LineError as error:
                self.exchange.failed(error)
                code = error.code
            if self.terminated is not None:
                self.die(self.terminated)
            # After any other error, the directory cannot be reached.
            if code not in PASSING or self.exchange.broken_for() > PATIENCE:
                return None
            time.sleep(max(self.exchange.retry - time.monotonic(), 0.0))

    def sleep(self) -> None:
        """Wait for the child, or until it is time to read again."""
        silence = time.monotonic() - self.exchange.active
        pause = min(max(POLL_SHARE * silence, POLL_SHORTEST), self.longest_pause)
        if select.select([self.done], [], [], pause)[0]:  # poll() would round up to milliseconds
            self.exchange.active = time.monotonic()
            try:
                os.read(self.done, 4096)
            except BlockingIOError:
                pass

    def is_over(self) -> bool:
        """Whether the job takes no more calls, for a reason of its own."""
        now = time.monotonic()
        idle = not self.outstanding and now - self.idle_since > self.warm
        return idle or now - self.began > self.lifetime or self.exchange.size() > LARGEST

    def may_leave(self) -> bool:
        """Empty the files that are not needed, as the child makes no call; return whether the job can end."""
        if self.exchange.copied > PIECE:
            self.exchange.forget()
        if self.first is None and os.path.getsize(self.queue) > PIECE:
            os.truncate(self.queue, 0)
        # Outcomes that cannot get through come by file transfer.
        return (self.leaving and not self.exchange.behind()) or self.exchange.broken_for() > PATIENCE

    def dismiss_child(self) -> None:
        """Let the child leave as a worker process does."""
        os.close(self.give)
        if self.child is not None:
            number, _ = await_child(self.child, self.stage)  # its threads may take their time
            self.child = None
            handle(self.stop)
            self.terminated = self.terminated or number or None
        if self.terminated is not None:
            self.die(self.terminated)

    def end(self) -> int:
        """Let the child leave, and say goodbye."""
        self.dismiss_child()
        self.exchange.say(kind="left")
        self.exchange.last()
        self.exchange.forget()
        return 0


def serve(bundle: "Bundle", refusal: "dict[str, Any] | None" = None) -> int:
    """Make the calls that the client hands to this job; *refusal* is what to report of each instead."""
    return WarmJob(bundle, refusal, bundle.head["line"]).run()
