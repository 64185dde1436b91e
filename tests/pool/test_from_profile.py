"""Executors from profiles, on a real pool."""

from __future__ import annotations

import pytest

from condor_futures import AccessPointError, CondorExecutor

pytestmark = pytest.mark.pool


def test_executor_is_what_its_profile_says(pool, tmp_path, monkeypatch):
    """Arguments beside the profile override it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "condor_futures" / "profiles.toml"
    file.parent.mkdir()
    file.write_text(
        '[institute]\naccess_point = "personal"\nspool = false\nmax_workers = 3\n'
        "request_memory = '64MB'\npriority = 5\n'MY.Project' = '\"theory\"'\n"
    )
    with CondorExecutor.from_profile("institute", request_memory="96MB") as executor:
        assert executor._max_workers == 3
        assert executor.submit(pow, 2, 5).result() == 32
        [job] = pool.history(executor, 1)
    assert (job["RequestMemory"], job["JobPrio"], job["Project"]) == (96, 5, "theory")
    assert "StageInStart" not in job  # it was not spooled


def test_profile_of_cern_is_understood(release, monkeypatch):
    """The test lacks only the access point of the profile."""
    monkeypatch.setenv("CONDOR_CONFIG", "ONLY_ENV")
    with pytest.raises(AccessPointError, match="nobody@nowhere"):
        CondorExecutor.from_profile("cern", access_point=("127.0.0.1:1", "nobody@nowhere"))
