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
        older = _OLDER_SERVER if int(release.version.partition(".")[0]) < _SAME_DIRECTORY else ""
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
            older=older,
            extra=extra,
        )


#: Daemons and bindings from this version on agree on the name of the directory for FS authentication.
_SAME_DIRECTORY = 25

_OLDER_SERVER = """\
# Newer bindings expect another name of the directory in which a client proves who it is, and refuse these daemons.
SEC_FS_ENFORCE_CHANNEL_BINDING = False
"""

_TEMPLATE = """\
# Written by condor_futures at each start of the pool; changes made here are lost.
use ROLE: Personal

# --- Locations. HTCondor reads only this file: neither the machine's configuration nor the user's.
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
# By default in the spool directory. If that is full when the schedd starts, root's tools do not find the schedd.
SCHEDD_SUPER_ADDRESS_FILE = $(LOG)/.schedd_address.super
SCHEDD_DAEMON_AD_FILE = $(LOG)/.schedd_classad
# The account that HTCondor's programs use when root starts them. Without this setting and without an account "condor"
# they do not start.
{condor_ids}
# --- The pool is reachable only from this machine. The kernel chooses its one port, so that several pools can run.
CONDOR_HOST = 127.0.0.1
NETWORK_INTERFACE = 127.0.0.1
# By default daemons listen on all interfaces, whatever NETWORK_INTERFACE says.
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
# Not COLLECTOR_PORT = 0: if this file is the client's configuration, another pool that is named without a port would
# get port 0 too, and the bindings and tools would use this pool's address file for that pool.
COLLECTOR_HOST = $(CONDOR_HOST):0
USE_SHARED_PORT = True
# The bindings and tools authenticate with the file system (FS), so no certificates are needed.
COLLECTOR_BOOTSTRAP_SSL_CERTIFICATE = False

# --- Only the pool's owner may use the pool. Authentication with the file system needs no keys.
SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_DEFAULT_AUTHENTICATION_METHODS = FS
{older}POOL_USER = {user}@$(UID_DOMAIN)
ALLOW_READ = $(POOL_USER)
ALLOW_WRITE = $(POOL_USER)
ALLOW_DAEMON = $(POOL_USER)
ALLOW_NEGOTIATOR = $(POOL_USER)
ALLOW_ADMINISTRATOR = $(POOL_USER)
ALLOW_ADVERTISE_MASTER = $(POOL_USER)
ALLOW_ADVERTISE_STARTD = $(POOL_USER)
ALLOW_ADVERTISE_SCHEDD = $(POOL_USER)

# --- Access point and slots share one file system and one set of accounts, so HTCondor transfers no files for
# should_transfer_files = IF_NEEDED, which doubles the throughput. The names are fixed, because the host name changes
# with the network.
UID_DOMAIN = personal
FILESYSTEM_DOMAIN = personal
TRUST_UID_DOMAIN = True

# --- One partitionable slot, from which each job gets what it requests.
NUM_CPUS = {slots}
NUM_SLOTS = 1
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
# Small defaults (memory in MB, disk in kB; HTCondor's default for disk is 1 GB), so that each core gets a job even on a
# machine with little memory or disk.
JOB_DEFAULT_REQUESTMEMORY = 128
JOB_DEFAULT_REQUESTDISK = MAX({{10, (TransferInputSizeMB+1) * 1.25}}) * 1024
# Jobs see the same directories as the user. By default root's startd gives each job its own /tmp, which would hide a
# pool or a session in /tmp.
MOUNT_UNDER_SCRATCH =
# The pool has one user, so it never preempts a job.
NEGOTIATOR_CONSIDER_PREEMPTION = False

# --- Latency. HTCondor's defaults are made for thousands of machines; here each of them costs seconds per job.
# Without this setting, starters of 25.x often lose a race with the shadow, must retry, and first sleep 5 s: a job took
# 9.5 s, not 2.0 s.
GUIDANCE_KEEP_CALM_AND = True
# Negotiate at once, and again at once: with the defaults, a job that followed another job took 20 s.
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 0
NEGOTIATOR_MIN_INTERVAL = 0
SCHEDD_INTERVAL = 1
# The default of 5 s costs up to 6 s per job.
SCHEDD_MIN_INTERVAL = 0
# Start up to 100 jobs at a time; the default is one job at a time.
JOB_START_COUNT = 100
UPDATE_INTERVAL = 2
# Remove completed jobs without a delay.
JOB_IS_FINISHED_INTERVAL = 0
# After the client has retrieved a spooled job, the job leaves the queue when the schedd next evaluates leave_in_queue:
# by default once a minute.
PERIODIC_EXPR_INTERVAL = 1
# By default the evaluation may take 1 % of the schedd's time: with 100 jobs it runs every 4 s.
PERIODIC_EXPR_TIMESLICE = 0.1
# The time that a shadow waits for a lost execution point before the job runs again. The default is 40 minutes, for
# network failures. Here an execution point is lost only if its startd was killed, and then its jobs are lost too.
JOB_DEFAULT_LEASE_DURATION = 60
# The same for a slot whose schedd was killed while the schedd kept the claim for its next job: the claim is lost after
# six of these intervals, by default half an hour, and until then no job gets the slot (seen with 25.14).
ALIVE_INTERVAL = 10
# Without this setting, the startd in a user namespace waits 3 s for each job, one job after the other.
USE_PROCD = True

# --- DAGMan. DAGMan reads the log of its nodes every second, not every five seconds: a node that waits for another node
# waits that long.
DAGMAN_USER_LOG_SCAN_INTERVAL = 1
# By default DAGMan refuses a DAG below /tmp, but tests and trials are there.
DAGMAN_AVOID_SLASH_TMP = False
# A DAGMan job that is released after a hold starts at once, not after five minutes.
SCHEDULER_UNIVERSE_COOL_DOWN_DURATION = 2

# --- Times in event logs have milliseconds and are unambiguous.
DEFAULT_USERLOG_FORMAT_OPTIONS = ISO_DATE, SUB_SECOND

# --- The pool's own settings.
{extra}"""
