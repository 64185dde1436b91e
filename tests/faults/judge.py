"""Decides what became of each call, whether that is right, and whether the faults explain an error.

The evidence is the clients' journal, the monkey's notes, and the files that the calls wrote. The judge never asks the
executor under test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.workload import digest, read_journal

#: Seconds that the client may take to notice that an outcome has arrived. If it has just given the call to another job,
#: it cancels the call there, which may take the second time.
NOTICED, STOPPED = 0.5, 2.0
#: Seconds for which a fault may still have an effect: a killed schedd restarts, or a slot is lost.
AFTERMATH = 30.0


@dataclass
class Injected:
    """One injected fault.

    Attributes:
        name: the name of the fault.
        began, ended: seconds since the epoch.
        bundles: the bundles that the fault was aimed at; None if it had no particular target.
        excuses: the names of the error classes that the fault explains.
        reruns: whether the fault explains that running calls are run again.
        warm: the number of warm jobs that were running.

    """

    name: str
    began: float
    ended: float
    bundles: Sequence[str] | None
    excuses: Sequence[str]
    reruns: bool
    warm: int = 0


@dataclass
class Call:
    """One call, according to the journal."""

    key: str
    name: str
    kind: str
    parents: list[str]
    retries: int
    planned: float
    bundle: str | None = None
    cancelled: bool = False
    #: When the call first ended as planned. From then on, it must not run again.
    settled: float | None = None
    #: The last client's report of how the call ended, and the reports of all clients.
    end: dict[str, Any] | None = None
    ends: list[dict[str, Any]] = field(default_factory=list)
    #: When it was made, and the bundle of the job that made it, as the call itself has noted.
    made: list[tuple[float, str]] = field(default_factory=list)
    #: When warm jobs were given the call, and when an outcome of theirs was first seen in the session directory.
    given: list[float] = field(default_factory=list)
    arrived: float | None = None

    def hit_by(self, fault: Injected) -> bool:
        """Return whether the fault was aimed at this call, or had no target while this call was under way."""
        if fault.bundles is not None:
            bundles = {self.bundle, *(end.get("bundle") for end in self.ends), *(bundle for _, bundle in self.made)}
            return not bundles.isdisjoint(fault.bundles)
        return self.planned <= fault.ended + AFTERMATH and (self.settled is None or self.settled >= fault.began)


class Verdict:
    """The verdict on one run: ``lost``, ``wrong``, ``hung`` and (made) ``again`` list calls, each with the reason."""

    def __init__(self, directory: Path, faults: Sequence[Injected]) -> None:
        self.faults = faults
        self.calls: dict[str, Call] = {}
        self.never_made: list[str] = []
        self.lost: list[tuple[Call, str]] = []
        self.wrong: list[tuple[Call, str]] = []
        self.hung: list[tuple[Call, str]] = []
        self.again: list[tuple[Call, str]] = []
        self.generations = 0
        self._read(read_journal(directory))
        self._made = {path.name: path.read_text().splitlines() for path in (directory / "made").iterdir()}
        for call in self.calls.values():
            for line in self._made.get(call.name, ()):
                began, _, bundle = line.partition(" ")
                call.made.append((float(began), bundle))
        self._read_lines(directory / "lines")
        for call in self.calls.values():
            self._judge_again(call)
            self._judge_end(call)
            self._judge_made(call)

    def _read(self, journal: Iterable[dict[str, Any]]) -> None:
        submitted: set[str] = set()
        for line in journal:
            match line["event"]:
                case "plan":
                    fields = {name: line[name] for name in ("key", "name", "kind", "parents", "retries")}
                    self.calls[line["key"]] = Call(planned=line["t"], **fields)
                case "submitted":
                    submitted.update(line["keys"])
                    for key in line["keys"]:
                        self.calls[key].bundle = line["bundle"]
                case "refused":
                    for key in line["keys"]:
                        self.never_made.append(self.calls.pop(key).name)
                case "cancel":
                    self.calls[line["key"]].cancelled = True
                case "attached":
                    self._attached(line, submitted)
                case "ended":
                    self._ended(self.calls[line["key"]], line)

    def _attached(self, line: dict[str, Any], submitted: set[str]) -> None:
        self.generations += 1
        for key in set(self.calls) - set(line["keys"]):
            call = self.calls[key]
            if key not in submitted:  # the client was killed during the submission, before it wrote the call
                self.never_made.append(self.calls.pop(key).name)
            elif not call.cancelled and call.end is None:
                self.lost.append((call, "the session does not know it any more"))
        submitted.update(line["keys"])
        for call in self.calls.values():
            if not (call.cancelled and call.key not in line["keys"]):
                call.end = None  # the new client has to report it

    def _ended(self, call: Call, line: dict[str, Any]) -> None:
        call.end = line
        call.ends.append(line)
        if self._is_as_meant(call, line):
            call.settled = call.settled or line["t"]
        elif self._tampered(call):
            call.settled = None  # its outcome is gone: it may run again, and other faults may hit it then

    def _is_as_meant(self, call: Call, end: dict[str, Any]) -> bool:
        if end["how"] == "value":
            return (
                call.kind in ("value", "retried") and end["name"] == call.name and end["digest"] == self._digest(call)
            )
        if end["how"] == "error":
            if call.kind == "raises":
                return end["kinds"][0] == "LookupError" and end["args"] == str((call.name,))
            if call.kind == "crashes":
                return end["kinds"][0] == "JobCrashedError" and "SIGKILL" in end["text"]
        return False

    def _digest(self, call: Call) -> str:
        return digest(call.name, [self._digest(self.calls[key]) for key in call.parents])

    def _judge_end(self, call: Call) -> None:
        end = call.end
        if end is None:
            if not call.cancelled:
                self.hung.append((call, "it has not ended"))
            return
        for each in call.ends:
            if each["how"] == "value" and not self._is_as_meant(call, each):
                self.wrong.append((call, f"its value is {each['name']} {each['digest']}"))
        if self._is_as_meant(call, end) or end["how"] == "value":
            return
        if end["how"] == "cancelled":
            if not call.cancelled:
                self.wrong.append((call, "nobody has cancelled it"))
        elif not self._explained(call, end):
            before = f"; before: {call.ends[0]}" if call.settled else ""
            self.wrong.append((call, f"no fault explains its {end['kinds'][0]}: {end['text']}{before}"))

    def _explained(self, call: Call, end: dict[str, Any]) -> bool:
        if end["kinds"][0] == "DependencyError":
            parents = [self.calls[key].ends for key in call.parents]
            return any(each["how"] != "value" for ends in parents for each in ends)
        if "is refused" in end["text"] and any(self._tampered(self.calls[key]) for key in call.parents):
            return True  # the child received the value from its parent's file
        return any(set(end["kinds"]) & set(fault.excuses) and call.hit_by(fault) for fault in self.faults)

    def _tampered(self, call: Call) -> bool:
        return any(fault.bundles and call.bundle in fault.bundles for fault in self.faults)

    def _read_lines(self, file: Path) -> None:
        for line in file.read_text().splitlines() if file.exists() else ():
            kind, key, when, _ = line.split()
            call = self.calls.get(key)
            if call is not None and kind == "call":
                call.given.append(float(when))
            elif call is not None and call.arrived is None:
                call.arrived = float(when)

    def _judge_again(self, call: Call) -> None:
        """Look for a call that was made again after it had an outcome that counts."""
        if self._tampered(call):
            return  # its outcome was destroyed
        made, arrived = [began for began, _ in call.made], call.arrived
        for times, known, what in (
            (made, call.settled, "it was made again after its client knew its outcome"),
            (made, arrived and arrived + STOPPED, "it was made again after its outcome had arrived"),
            (
                call.given,
                arrived and arrived + NOTICED,
                "it was given to a job after its outcome had arrived",
            ),
        ):
            if known is not None and times and max(times) > known:
                self.again.append((call, f"{what}, {max(times) - known:.2f} s too late"))

    def _judge_made(self, call: Call) -> None:
        made = len(call.made)
        allowed = 1 + call.retries + sum(fault.reruns and call.hit_by(fault) for fault in self.faults)
        if made > allowed:
            self.wrong.append((call, f"it was made {made} times, and at most {allowed} are explained"))
        elif made == 0 and call.settled is not None and not self._killed(call):
            self.wrong.append((call, "it ended as meant, but was never made"))

    def _killed(self, call: Call) -> bool:
        """Return whether a fault killed the job of this call, which was to kill its own Python."""
        return call.kind == "crashes" and any("JobCrashedError" in f.excuses and call.hit_by(f) for f in self.faults)

    def never_submitted_but_made(self) -> list[str]:
        """Return the calls that ran although their submission did not finish."""
        return [name for name in self.never_made if name in self._made]

    @property
    def bad(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.lost or self.wrong or self.hung or self.again or self.never_submitted_but_made())

    def table(self) -> str:
        """Return the table of faults.

        Its columns are: fault, times injected, warm jobs that ran then, calls in flight, lost, wrong, hung, and made
        again although they had an outcome. A bad call counts for each fault that hit it.
        """
        rows = [("fault", "injected", "warm jobs", "calls in flight", "lost", "wrong", "hung", "made again")]
        times = Counter(fault.name for fault in self.faults)
        for name in sorted(times):
            these = [fault for fault in self.faults if fault.name == name]
            hit = [sum(call.hit_by(fault) for call in self.calls.values()) for fault in these]
            bad = [
                len({call.key for call, _ in calls for fault in these if call.hit_by(fault)})
                for calls in (self.lost, self.wrong, self.hung, self.again)
            ]
            warm = sum(fault.warm for fault in these)
            rows.append((name, *map(str, (times[name], warm, sum(hit), *bad))))
        warm = sum(fault.warm for fault in self.faults)
        ends = map(len, (self.lost, self.wrong, self.hung, self.again))
        totals = (len(self.faults), warm, len(self.calls), *ends)
        rows.append(("all", *map(str, totals)))
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        lines = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
        ]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join(lines)

    def ends(self) -> str:
        """Return how many calls ended in each way."""
        counts = Counter(
            "not" if call.end is None else call.end["how"] if call.end["how"] != "error" else call.end["kinds"][0]
            for call in self.calls.values()
        )
        return ", ".join(f"{how} {count}" for how, count in counts.most_common())
