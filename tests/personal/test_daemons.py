"""The environment in which HTCondor's programs run for a pool."""

import os
from pathlib import Path

from condor_futures.personal.daemons import Daemons
from condor_futures.personal.files import PoolFiles
from condor_futures.personal.release import HTCondorRelease


def test_another_pools_environment_does_not_reach_this_one(monkeypatch):
    """A personal pool can be used within a job of another pool, and beside a machine's own HTCondor."""
    foreign = ["CONDOR_CONFIG", "CONDOR_IDS", "CONDOR_INHERIT", "_CONDOR_SCHEDD_HOST"]
    kept = ["CONDOR_FUTURES_SETTING", "_CONDOR_ANCESTOR_4711", "HOME"]
    for name in (*foreign, *kept):
        monkeypatch.setenv(name, "outside")
    monkeypatch.setenv("PATH", "/usr/bin")
    prefix = Path("/opt/condor")
    release = HTCondorRelease(
        prefix, prefix / "bin", prefix / "sbin", prefix / "libexec", prefix / "lib", "25.14.1", "PATH"
    )
    found = Daemons(PoolFiles(Path("/p")), release).environment()
    assert found["CONDOR_CONFIG"] == "/p/condor_config"
    assert found["PATH"] == "/opt/condor/bin:/opt/condor/sbin:/usr/bin"
    assert not set(foreign[1:]) & set(found)
    assert [found[name] for name in kept] == ["outside"] * 3
    assert os.environ["CONDOR_CONFIG"] == "outside"
