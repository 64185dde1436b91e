"""A pool's daemons: start them, ask them, stop them.  Who may do that, and when, is decided in ``pool``."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass

from condor_futures.errors import PersonalPoolError
from condor_futures.personal import processes
from condor_futures.personal.configuration import PoolConfiguration
from condor_futures.personal.files import PoolFiles, PoolRecord
from condor_futures.personal.identity import Identity
from condor_futures.personal.processes import Process
from condor_futures.personal.release import HTCondorRelease

__all__ = ["Daemons"]

_TOOL_TIMEOUT = 5.0  # s; a tool takes 0.01 s when the daemons are well
_GRACE = 8.0  # s from asking the daemons to stop to killing them; they take about 1 s


@dataclass(frozen=True, slots=True)
class Daemons:
    """The daemons of the pool with these files, run by this release."""

    files: PoolFiles
    release: HTCondorRelease

    def environment(self) -> dict[str, str]:
        """A copy of this process's environment in which HTCondor's programs use this pool."""
        # _CONDOR_NAME overrides a setting of the pool's own file; CONDOR_INHERIT and its like make a daemon believe
        # that it is the child of the one that runs this process as a job. Kept are only our own variables, and the
        # marks by which that one's condor_procd knows its descendants.
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CONDOR_", "_CONDOR_")) or name.startswith(("CONDOR_FUTURES_", "_CONDOR_ANCESTOR_"))
        }
        path = self.release.search_path(kept.get("PATH", os.defpath))
        return {**kept, "CONDOR_CONFIG": str(self.files.config), "PATH": path}

    def ask(self, tool: str, *arguments: str) -> str:
        """The answer of one of HTCondor's tools about this pool.

        Raises:
            PersonalPoolError: the daemons do not answer.

        """
        # Not the bindings: they have one configuration for the whole process.
        command = [str(self.release.tool(tool)), *arguments]
        try:
            answer = subprocess.run(
                command, env=self.environment(), capture_output=True, text=True, timeout=_TOOL_TIMEOUT, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise PersonalPoolError(
                f"{tool} gets no answer from the personal pool in {self.files.directory}."
            ) from error
        return answer.stdout

    def wait_until_ready(self, master: Process, deadline: float) -> bool:
        """Wait until a slot is in the collector and the schedd answers; false when the master ends, or time does.

        Args:
            master: the pool's ``condor_master``.
            deadline: on the clock of :func:`time.monotonic`.

        """
        while master.is_alive:
            if (self.files.log / ".schedd_address").exists() and self._answer():
                return True
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
            processes.reap(master.pid)
        return False

    def start(self, identity: Identity, configuration: PoolConfiguration, deadline: float) -> None:
        """Start them, and wait until they are ready.

        Raises:
            PersonalPoolError: they do not become ready by the deadline; then none is left.

        """
        for used in (self.files.directory, self.release.sbin, self.release.libexec):
            identity.check_reachable(used)
        self.files.make(identity)
        self.files.config.write_text(configuration.text())
        try:
            self._launch(identity, deadline)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End them and all jobs, in about a second; nothing happens when there are none.

        Raises:
            PersonalPoolError: the kernel does not end some process.

        """
        record = self.files.read_record()
        if record and record.master.is_alive:
            tree = processes.pool_processes(self.files.directory) | {record.master}
            # HTCondor's fast shutdown: the daemons end their jobs and themselves. What does not end is killed below.
            record.master.send(signal.SIGQUIT)
            processes.wait_for(tree, _GRACE)
        survivors = processes.end(self.files.directory, record.master.pid if record else None)
        if survivors:
            pids = ", ".join(str(process.pid) for process in survivors)
            raise PersonalPoolError(
                f"Processes {pids} of the personal pool in {self.files.directory} do not end; end them by hand."
            )
        self.files.forget()

    def _launch(self, identity: Identity, deadline: float) -> None:
        with (self.files.log / "master.out").open("wb") as output:
            child = subprocess.Popen(
                [*identity.command, str(self.release.tool("condor_master")), "-f"],
                env={**self.environment(), processes.POOL_MARK: str(self.files.directory)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for its user's program, not for the daemons.
                start_new_session=True,
            )
        # It is waited for in `processes`; Popen would warn of a persistent pool, which outlives this process.
        child.returncode = 0
        # unshare becomes condor_master by exec: this is the master's own process id.
        master = Process.of(child.pid)
        if master:
            self.files.write_record(PoolRecord(master, self.release))
        if not (master and self.wait_until_ready(master, deadline)):
            raise self._not_ready(master)

    def _answer(self) -> bool:
        try:
            # The startd's and the schedd's advertisements in the collector; then the schedd itself.
            if self.ask("condor_status", "-af", "Name") and self.ask("condor_status", "-schedd", "-af", "Name"):
                self.ask("condor_q", "-totals")
                return True
        except PersonalPoolError:
            pass
        return False

    def _not_ready(self, master: Process | None) -> PersonalPoolError:
        what = "is not ready in time" if master and master.is_alive else "ended at once"
        log = self.files.log / "MasterLog"
        lines: list[str] = []
        for path in (log, self.files.log / "master.out"):
            with contextlib.suppress(OSError):
                lines += path.read_text(errors="replace").splitlines()[-4:]
        first = f"The personal pool in {self.files.directory} {what}; {log} and master.out beside it end:"
        return PersonalPoolError("\n  ".join([first, *lines]))
