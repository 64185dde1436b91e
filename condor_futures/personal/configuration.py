"""The text of a personal pool's ``condor_config``; nothing in this module inspects the machine.

Every setting has a comment with its reason, which is also written into the file. The times were measured with HTCondor
25.14.1 on two cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from condor_futures.personal.release import HTCondorRelease

__all__ = ["PoolConfiguration"]


@dataclass(frozen=True)
class PoolConfiguration:
    """The settings that differ between pools.

    Attributes:
        directory: the pool's directory; the daemons write only below it.
        release: the HTCondor to run.
        slots: the number of cores that the pool offers; may be more than the machine has.
        user: the account that may use the pool, as the daemons see it.
        condor_ids: ``uid.gid`` that HTCondor's programs use when root starts them, or ``None``.
        extra: settings that are written last, and so take precedence.

    """

    directory: Path
    release: HTCondorRelease
    slots: int
    user: str
    condor_ids: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Return the text of the file.

        >>> places = [Path("/usr", name) for name in ("", "bin", "sbin", "libexec", "lib")]
        >>> release = HTCondorRelease(*places, version="25.14.1", source="PATH")
        >>> print(PoolConfiguration(Path("/tmp/pool"), release, slots=4, user="me").text())
        # Written by condor_futures ...
        use ROLE: Personal
        ...
        """
        release = self.release
        condor_ids = f"CONDOR_IDS = {self.condor_ids}\n" if self.condor_ids else ""
        extra = "".join(f"{name} = {value}\n" for name, value in self.extra.items())
        return _TEMPLATE.format(
            directory=self.directory,
            prefix=release.prefix,
            bin=release.bin,
            sbin=release.sbin,
            libexec=release.libexec,
            lib=release.lib,
            slots=self.slots,
            user=self.user,
            condor_ids=condor_ids,
            extra=extra,
        )


_TEMPLATE = """\
# Written by condor_futures at each start of the pool; changes made here are lost.
use ROLE: Personal

# --- Where everything is. Nothing outside this file is read: neither the machine's configuration nor the user's.
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR =
USER_CONFIG_FILE =
RELEASE_DIR = {prefix}
BIN = {bin}
SBIN = {sbin}
LIBEXEC = {libexec}
LIB = {lib}
LOCAL_DIR = {directory}
LOG = $(LOCAL_DIR)/log
SPOOL = $(LOCAL_DIR)/spool
EXECUTE = $(LOCAL_DIR)/execute
LOCK = $(LOCAL_DIR)/lock
RUN = $(LOCAL_DIR)/run
ETC = $(LOCAL_DIR)/etc
MASTER_ADDRESS_FILE = $(LOG)/.master_address
COLLECTOR_ADDRESS_FILE = $(LOG)/.collector_address
SCHEDD_ADDRESS_FILE = $(LOG)/.schedd_address
STARTD_ADDRESS_FILE = $(LOG)/.startd_address
# Whom root's programs become. Without it and without an account "condor" they refuse to run.
{condor_ids}
# --- Reachable from this machine only, on one port that the kernel chooses: any number of pools live side by side.
CONDOR_HOST = 127.0.0.1
NETWORK_INTERFACE = 127.0.0.1
# By default daemons listen on all interfaces, whatever NETWORK_INTERFACE says.
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
# (Not COLLECTOR_PORT = 0: where this file is the client's configuration, another pool that is named without a port
# would have that port too, and the bindings and tools would take this pool's address file for it.)
COLLECTOR_HOST = $(CONDOR_HOST):0
USE_SHARED_PORT = True
# The bindings and tools authenticate by the file system (FS); nobody will use certificates.
COLLECTOR_BOOTSTRAP_SSL_CERTIFICATE = False

# --- Only the pool's own user may use it: authenticated by the file system, which needs no keys.
SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_DEFAULT_AUTHENTICATION_METHODS = FS
POOL_USER = {user}@$(UID_DOMAIN)
ALLOW_READ = $(POOL_USER)
ALLOW_WRITE = $(POOL_USER)
ALLOW_DAEMON = $(POOL_USER)
ALLOW_NEGOTIATOR = $(POOL_USER)
ALLOW_ADMINISTRATOR = $(POOL_USER)
ALLOW_ADVERTISE_MASTER = $(POOL_USER)
ALLOW_ADVERTISE_STARTD = $(POOL_USER)
ALLOW_ADVERTISE_SCHEDD = $(POOL_USER)

# --- Access point and slots share one file system and one set of accounts, so that should_transfer_files = IF_NEEDED
# means no transfer: twice the throughput. Fixed names, because a host name changes with the network.
UID_DOMAIN = personal
FILESYSTEM_DOMAIN = personal
TRUST_UID_DOMAIN = True

# --- One slot that is divided as jobs ask.
NUM_CPUS = {slots}
NUM_SLOTS = 1
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
# Small defaults (MB, and kB of disk; HTCondor's for disk is 1 GB), so that each core gets a job even where there is
# little memory or disk.
JOB_DEFAULT_REQUESTMEMORY = 128
JOB_DEFAULT_REQUESTDISK = MAX({{10, (TransferInputSizeMB+1) * 1.25}}) * 1024
# Jobs see the machine as the user does. By default root's startd gives each job a /tmp of its own, which would hide a
# pool, or a session, that lies in /tmp.
MOUNT_UNDER_SCRATCH =
# Nobody competes for the machine: no job is ever preempted.
NEGOTIATOR_CONSIDER_PREEMPTION = False

# --- Latency. HTCondor's defaults suit thousands of machines; here each costs seconds per job.
# Starters of 25.x often lose a race with the shadow, are told to try again, and sleep 5 s: a job took 9.5 s, not 2.0 s.
GUIDANCE_KEEP_CALM_AND = True
# Match at once, and again at once: back to back a job took 20 s.
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 0
NEGOTIATOR_MIN_INTERVAL = 0
SCHEDD_INTERVAL = 1
# Its default of 5 s costs up to 6 s per job.
SCHEDD_MIN_INTERVAL = 0
# Start as many jobs at a time as there are; the default is one a time.
JOB_START_COUNT = 100
UPDATE_INTERVAL = 2
# Do not wait to remove what is finished.
JOB_IS_FINISHED_INTERVAL = 0
# A spooled job that was retrieved leaves the queue when its leave_in_queue is next looked at: by default once a minute.
PERIODIC_EXPR_INTERVAL = 1
# By default it looks so rarely that looking takes 1 % of its time: with 100 jobs every 4 s.
PERIODIC_EXPR_TIMESLICE = 0.1
# What a job's shadow waits for an execution point that it has lost, before the job runs again; 40 minutes by default,
# for networks that break. Here only a startd that was killed can be lost, and its jobs are then lost with it.
JOB_DEFAULT_LEASE_DURATION = 60
# The same for a slot whose schedd was killed while it kept the claim for its next job: it is lost after six of these,
# by default half an hour, in which nobody's job gets it (seen with 25.14).
ALIVE_INTERVAL = 10
# In a user namespace the startd waits 3 s per job, one after the other, without it.
USE_PROCD = True

# --- DAGMan. It looks at its nodes' log every second, not every five: each node that waits for another waits as long.
DAGMAN_USER_LOG_SCAN_INTERVAL = 1
# By default it refuses a DAG below /tmp, which is where tests and trials are.
DAGMAN_AVOID_SLASH_TMP = False
# A DAGMan that was held and is released starts at once, not after five minutes.
SCHEDULER_UNIVERSE_COOL_DOWN_DURATION = 2

# --- Times in event logs with milliseconds and without ambiguity.
DEFAULT_USERLOG_FORMAT_OPTIONS = ISO_DATE, SUB_SECOND

# --- The pool's own settings.
{extra}"""
