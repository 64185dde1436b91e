"""The text of a pool's configuration."""

import dataclasses
import re
from pathlib import Path

from condor_futures.personal.configuration import PoolConfiguration
from condor_futures.personal.release import HTCondorRelease

PREFIX = Path("/opt/htcondor")
RELEASE = HTCondorRelease(
    PREFIX, PREFIX / "bin", PREFIX / "sbin", PREFIX / "libexec", PREFIX / "lib", "25.14.1", "PATH"
)


def settings(**options):
    text = PoolConfiguration(
        **{"directory": Path("/p"), "release": RELEASE, "slots": 3, "user": "ann", **options}
    ).text()
    return dict(re.findall(r"^(\w+) *= *(.*)$", text, flags=re.MULTILINE))


def test_the_release_and_the_directory_are_named():
    """The pool uses nothing of the machine's own configuration."""
    found = settings()
    assert found["RELEASE_DIR"] == "/opt/htcondor"
    assert found["LIBEXEC"] == "/opt/htcondor/libexec"
    assert found["LOCAL_DIR"] == "/p"
    assert found["NUM_CPUS"] == "3"
    assert found["LOCAL_CONFIG_FILE"] == found["LOCAL_CONFIG_DIR"] == found["USER_CONFIG_FILE"] == ""


def test_only_the_user_is_let_in_and_only_from_this_machine():
    """Every authorization names the one user, and every socket is on the loopback interface."""
    found = settings()
    assert found["POOL_USER"] == "ann@$(UID_DOMAIN)"
    assert {value for name, value in found.items() if name.startswith("ALLOW_")} == {"$(POOL_USER)"}
    assert found["SEC_DEFAULT_AUTHENTICATION"] == "REQUIRED"
    assert found["NETWORK_INTERFACE"] == "127.0.0.1"
    assert found["BIND_ALL_INTERFACES"] == "False"


def test_condor_ids_only_where_needed():
    """An ordinary user's pool has none."""
    assert "CONDOR_IDS" not in settings()
    assert settings(condor_ids="1.1")["CONDOR_IDS"] == "1.1"


def test_the_pools_own_settings_win():
    """They come last, and HTCondor uses the last value."""
    assert settings(extra={"NEGOTIATOR_INTERVAL": "60"})["NEGOTIATOR_INTERVAL"] == "60"


def test_expressions_reach_htcondor_as_they_are():
    """HTCondor keeps the braces of the template."""
    assert settings()["JOB_DEFAULT_REQUESTDISK"] == "MAX({10, (TransferInputSizeMB+1) * 1.25}) * 1024"


def test_bindings_do_not_refuse_an_older_pool():
    """Only its owner on this machine can use it. Newer daemons need no exception."""
    older = dataclasses.replace(RELEASE, version="23.9.6")
    assert settings(release=older)["SEC_FS_ENFORCE_CHANNEL_BINDING"] == "False"
    assert "SEC_FS_ENFORCE_CHANNEL_BINDING" not in settings()
