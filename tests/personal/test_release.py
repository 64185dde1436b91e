"""Finding an installation of HTCondor on this machine."""

import pytest

from condor_futures.errors import PersonalPoolError
from condor_futures.personal import HTCondorRelease, find_htcondor
from condor_futures.personal.release import installed_releases_directory


def program(path, version="25.14.1"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '$CondorVersion: {version} 2026-01-01 $'\n")
    path.chmod(0o755)


def htcondor(prefix, version="25.14.1"):
    for name in ("bin/condor_version", "bin/condor_q", "sbin/condor_master", "libexec/condor/condor_shared_port"):
        program(prefix / name, version)
    (prefix / "lib" / "condor").mkdir(parents=True)


def test_on_path(tmp_path):
    """An installation on PATH is found, with its layout and version."""
    htcondor(tmp_path)
    found = find_htcondor({"PATH": f"/nowhere:{tmp_path}/sbin", "XDG_DATA_HOME": str(tmp_path)})
    assert found == HTCondorRelease(
        tmp_path,
        tmp_path / "bin",
        tmp_path / "sbin",
        tmp_path / "libexec" / "condor",
        tmp_path / "lib" / "condor",
        "25.14.1",
        "PATH",
    )


def test_an_ordinary_users_path_lacks_sbin(tmp_path):
    """The daemons beside the tools are found through the tools."""
    htcondor(tmp_path)
    found = find_htcondor({"PATH": f"{tmp_path}/bin", "XDG_DATA_HOME": str(tmp_path)})
    assert found.tool("condor_master") == tmp_path / "sbin" / "condor_master"


def test_clients_alone_do_not_count(tmp_path):
    """Without condor_master, there is nothing to start."""
    program(tmp_path / "bin" / "condor_q")
    program(tmp_path / "bin" / "condor_version")
    assert find_htcondor({"PATH": f"{tmp_path}/bin", "XDG_DATA_HOME": str(tmp_path)}) is None


def test_the_newest_installed_one_that_runs(tmp_path):
    """Versions are compared by number.

    The search skips installations that do not run, and remains of an interrupted one.
    """
    environment = {"PATH": "", "XDG_DATA_HOME": str(tmp_path)}
    directory = installed_releases_directory(environment)
    assert find_htcondor(environment) is None
    for version in ("25.9.0", "25.14.1", ".install-x"):
        htcondor(directory / version / "usr", version)
    htcondor(directory / "26.1.0" / "usr")
    (directory / "26.1.0" / "usr" / "bin" / "condor_version").write_text("#!/bin/sh\nexit 1\n")
    found = find_htcondor(environment)
    assert (found.version, found.source) == ("25.14.1", "installed")


def test_a_missing_program_is_named(tmp_path):
    """The error says which installation lacks which program."""
    htcondor(tmp_path)
    found = HTCondorRelease.at(tmp_path, source="PATH")
    with pytest.raises(PersonalPoolError, match=r"HTCondor 25\.14\.1 .* has no program condor_nonsense"):
        found.tool("condor_nonsense")


def test_search_path_puts_the_release_first(tmp_path):
    """It appears in the path only once."""
    htcondor(tmp_path)
    found = HTCondorRelease.at(tmp_path, source="PATH")
    path = f"{tmp_path}/bin:{tmp_path}/sbin"
    assert found.search_path(f"/usr/bin:{tmp_path}/bin") == f"{path}:/usr/bin"
    assert found.search_path() == path
