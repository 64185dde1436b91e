"""A job that makes the calls of one bundle, and through the line lets the client have each outcome as its call ends.

Like a warm job it has a directory on the access point, for output, reports, *cancel* and *stack* frames too; but all
its calls are in ``BUNDLE.calls``, and nobody hands it others. All outcomes are also in ``BUNDLE.outcomes``, which
HTCondor transfers at the end. So such a job never waits for the line, and does without it where it does not work.

If HTCondor runs the job again, the new attempt does not make the calls of which an earlier attempt has written an
outcome that counts. The files of attempts are therefore numbered.
"""

import json
import os

from .exchange import BACKLOG, LARGEST, Exchange
from .frames import MAGIC, TAG_SIZE, skim
from .line import PASSING, PIECE, LineError
from .warm import WarmJob

TYPE_CHECKING = False  # typing takes milliseconds to import, in every job; type checkers know this name.
if TYPE_CHECKING:
    from .bundle import Bundle
    from .frames import Header
    from .line import Line

PATIENCE = 20.0
"""Seconds that a reply may take, as while the shadow stands still. The child makes its calls meanwhile."""
LAST = 1 << 20
"""At the end, outcomes up to this many bytes still go through the line; larger ones come as a file just as soon."""
DOESNT_EXIST = -3
"""Chirp's code for a file that is not there (``src/condor_chirp/chirp_protocol.h``)."""


class StreamingExchange(Exchange):
    """Writes the outcomes, but keeps none of them for a line that does not work, or that is too slow."""

    def __init__(self, bundle: "Bundle", directory: str, job: "StreamingJob") -> None:
        super().__init__(bundle, directory, job.ended)
        self.directory = directory
        self.patience = PATIENCE
        self.numbered = False
        self.made = set()  # type: set[str]  # the calls of which earlier attempts have written an outcome

    def _open(self, line: "Line") -> None:
        if not self.numbered:
            self.look_back(line)
            self.numbered = True
        super()._open(line)

    def look_back(self, line: "Line") -> None:
        """Find the outcomes of earlier attempts, and the number of this one."""
        line.check()
        number = 0
        while True:
            self.path = os.path.join(self.directory, "%016x" % number)
            try:
                descriptor = line.open(self.path + ".outcomes", "r")
            except LineError as error:
                if error.code != DOESNT_EXIST:
                    raise
                return
            self.read_keys(line, descriptor)
            line.close_file(descriptor)
            number += 1

    def read_keys(self, line: "Line", descriptor: int) -> None:
        """Add the keys of the outcomes in a file. Values are passed over."""
        offset, needed = 0, PIECE
        while True:
            data = line.read(descriptor, needed, offset)
            at = 0
            while data[at : at + 4] == MAGIC:
                size = int.from_bytes(data[at + 4 : at + 8], "big")
                head = data[at + 8 : at + 8 + size]
                if len(head) < size:
                    break
                header = json.loads(head.decode())
                at += 8 + size + sum(header["segments"]) + TAG_SIZE
                if at > len(data) and not line.read(descriptor, 1, offset + at - 1):
                    return  # the attempt ended while it wrote this
                if header["kind"] == "outcome" and self.bundle.counts(header) and not header.get("retry"):
                    self.made.add(header["call"])
            if not at and (len(data) < needed or needed > PIECE):
                return
            needed = PIECE if at else 16 * PIECE  # a header may have a message and a traceback
            offset += at

    def give_up(self) -> None:
        """Have the outcomes come by file transfer alone."""
        self.given_up = True
        self.unsent.clear()

    def complain(self, error: LineError) -> None:
        """Say nothing: all outcomes come at the end of the job."""
        if error.code not in PASSING and not (self.numbered and error.code == 0):
            self.give_up()  # there is no line, or the directory cannot be reached

    def next_outcomes(self) -> bool:
        more = super().next_outcomes()
        size = sum(len(part) for part in self.unsent)
        if size > BACKLOG or self.sent + size > LARGEST:
            self.give_up()
        return more

    def last(self) -> None:
        self.all_outcomes()
        if sum(len(part) for part in self.unsent) <= LAST:
            super().last()


class StreamingJob(WarmJob):
    """The supervisor of such a job."""

    longest_pause = 1.0  # seconds; only a cancelled call is noticed later

    def prepare(self, bundle: "Bundle", directory: str) -> Exchange:
        self.functions = self.queue = bundle.calls
        self.stream = StreamingExchange(bundle, directory, self)
        return self.stream

    def begin(self) -> "list[tuple[Header, bytes]] | None":
        """Hand all calls to the child that have no outcome."""
        self.leaving = True
        frames = self.exchange.try_exchange()
        done = self.bundle.reported() | self.stream.made
        for kind, call, place in self.bundle.index():
            if kind == "call" and call not in done:
                self.hand(call, place)
        return frames

    def take(self, header: "Header", _: bytes) -> None:
        if header["kind"] == "cancel":
            self.cancel(header["call"])
        elif header["kind"] == "stack":
            self.ask_stack(header["call"])

    def not_begun(self) -> "list[str]":
        rest = self.take_back()
        self.outstanding.update(rest)
        return [call for call, _ in rest]

    def keep_files(self) -> None:
        if os.path.isdir(self.bundle.checkpoints):
            from . import checkpoints

            checkpoints.pack(self.bundle)

    def may_leave(self) -> bool:
        return True

    def end(self) -> int:
        self.dismiss_child()
        self.exchange.say(kind="left")
        self.exchange.last()
        with open(self.bundle.outcomes, "rb") as file:
            crashed = any(header.get("result") == "crashed" for header, _, _ in skim(file))
        return self.bundle.status(not crashed)


def serve(bundle: "Bundle") -> int:
    """Make the calls of *bundle*; return the exit status of the job."""
    return StreamingJob(bundle, None, bundle.head["stream"]).run()
