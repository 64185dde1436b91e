"""Starts, queries and stops a pool's daemons; the module ``pool`` decides when."""

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
    """The daemons of one pool."""

    files: PoolFiles
    release: HTCondorRelease

    def environment(self) -> dict[str, str]:
        """Return a copy of this process's environment in which HTCondor's programs use this pool."""
        # _CONDOR_NAME overrides a setting of the pool's own file. If this process runs as a job, CONDOR_INHERIT and
        # similar variables make a daemon believe that it is a child of the job's daemon. Only our own variables are
        # kept, and the marks by which the condor_procd of that daemon finds its descendants.
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CONDOR_", "_CONDOR_")) or name.startswith(("CONDOR_FUTURES_", "_CONDOR_ANCESTOR_"))
        }
        path = self.release.search_path(kept.get("PATH", os.defpath))
        return {**kept, "CONDOR_CONFIG": str(self.files.config), "PATH": path}

    def ask(self, tool: str, *arguments: str) -> str:
        """Run one of HTCondor's tools on this pool, and return its output.

        Raises:
            PersonalPoolError: the daemons do not respond.

        """
        # The bindings cannot be used here, because they have one configuration for the whole process.
        command = [str(self.release.tool(tool)), *arguments]
        try:
            answer = subprocess.run(
                command, env=self.environment(), capture_output=True, text=True, timeout=_TOOL_TIMEOUT, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise PersonalPoolError(
                f"The personal pool in {self.files.directory} does not respond to {tool}."
            ) from error
        return answer.stdout

    def ask_queue(self, *arguments: str) -> str:
        """Return the output of ``condor_q`` with *arguments*; nothing if the collector knows no schedd.

        Raises:
            PersonalPoolError: the collector or the schedd does not respond.

        """
        schedds = self.ask("condor_status", "-schedd", "-af", "Name").split()
        if not schedds:
            return ""
        try:
            return self.ask("condor_q", *arguments)
        except PersonalPoolError:
            # The file with the schedd's address is empty if the schedd started on a full disk. Not by its name in any
            # case: with condor_ids, the pool knows root by the port that only this file has.
            return self.ask("condor_q", "-name", schedds[0], *arguments)

    def wait_until_ready(self, master: Process, deadline: float) -> bool:
        """Wait until the collector has a slot and the schedd responds; return False if the master exits or time is up.

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
        """Start the daemons, and wait until they are ready.

        Raises:
            PersonalPoolError: the daemons are not ready by the deadline; they are stopped then.

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
        """Stop the daemons and all jobs, in about a second; do nothing if there are none.

        Raises:
            PersonalPoolError: a process does not exit, although it was killed.

        """
        record = self.files.read_record()
        if record and record.master.is_alive:
            tree = processes.pool_processes(self.files.directory) | {record.master}
            # HTCondor's fast shutdown: the daemons stop their jobs, then exit. Remaining processes are killed below.
            record.master.send(signal.SIGQUIT)
            processes.wait_for(tree, _GRACE)
        survivors = processes.end(self.files.directory, record.master.pid if record else None)
        if survivors:
            pids = ", ".join(str(process.pid) for process in survivors)
            raise PersonalPoolError(
                f"The processes {pids} of the personal pool in {self.files.directory} do not exit; kill them by hand."
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
                # Ctrl-C in the terminal must not reach the daemons.
                start_new_session=True,
            )
        # The module `processes` waits for this child; Popen would warn if the pool outlives this process.
        child.returncode = 0
        # unshare becomes condor_master by exec, so this is the process id of the master.
        master = Process.of(child.pid)
        if master:
            self.files.write_record(PoolRecord(master, self.release))
        if not (master and self.wait_until_ready(master, deadline)):
            raise self._not_ready(master)

    def _answer(self) -> bool:
        try:
            # The startd's and the schedd's advertisements in the collector; then the schedd itself.
            return bool(self.ask("condor_status", "-af", "Name") and self.ask_queue("-totals"))
        except PersonalPoolError:
            pass
        return False

    def _not_ready(self, master: Process | None) -> PersonalPoolError:
        what = "did not become ready in time" if master and master.is_alive else "exited during its start"
        log = self.files.log / "MasterLog"
        lines: list[str] = []
        for path in (log, self.files.log / "master.out"):
            with contextlib.suppress(OSError):
                lines += path.read_text(errors="replace").splitlines()[-4:]
        first = f"The personal pool in {self.files.directory} {what}; the last lines of {log} and master.out are:"
        return PersonalPoolError("\n  ".join([first, *lines]))
