"""Installing HTCondor: the real archive, interruptions, two installations at once, and every kind of failure."""

import os
import subprocess
import sys

import pytest
from docstrings import docstrings, run

from condor_futures.errors import InstallError
from condor_futures.personal import find_htcondor, install
from condor_futures.personal import install as install_module
from condor_futures.personal.release import installed_releases_directory

CODE = "from condor_futures.personal import install; install(lambda step, share: print(step, flush=True))"


@pytest.fixture
def fresh(tmp_path, monkeypatch, data_home):
    """An empty ``XDG_DATA_HOME``, on a machine where an installation has just succeeded."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return installed_releases_directory()


def start():
    return subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True)


def found():
    return find_htcondor({"PATH": "", "XDG_DATA_HOME": os.environ["XDG_DATA_HOME"]})


def test_an_installed_htcondor_is_found_and_runs(data_home):
    """The programs use the libraries that came with them, without any help from the environment."""
    release = find_htcondor({"PATH": "", "XDG_DATA_HOME": str(data_home)})
    assert release.source == "installed"
    assert int(release.version.split(".")[0]) >= 25
    listing = subprocess.run(["ldd", release.tool("condor_schedd")], capture_output=True, text=True, check=True)
    libraries = [line for line in listing.stdout.splitlines() if "=>" in line]
    assert libraries
    assert all(str(release.prefix) in line for line in libraries)


def test_a_second_install_returns_the_first(data_home, monkeypatch):
    """It returns at once, without asking the archive."""
    monkeypatch.setenv("XDG_DATA_HOME", str(data_home))
    steps = []
    assert install(lambda *step: steps.append(step)).source == "installed"
    assert steps == []


def test_the_example_of_install_does_what_it_says(data_home, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(data_home))
    name = "condor_futures.personal.install.install"
    run(docstrings(pool=True)[name])


def test_a_killed_install_counts_for_nothing_and_two_at_once_are_one(fresh):
    """The next installation removes the remains of the killed one.

    An installation that begins meanwhile waits, says so, and returns its result.
    """
    with start() as killed:
        for line in killed.stdout:
            if line.startswith("Adapting"):
                killed.kill()
    assert found() is None
    assert list(fresh.glob(".install-*"))
    with start() as first:
        assert first.stdout.readline().startswith("Reading")
        with start() as second:
            assert second.communicate()[0].splitlines() == ["Another install is running; waiting for it"]
        first.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert sorted(path.name for path in fresh.iterdir()) == [found().version, "install.lock"]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty ``XDG_DATA_HOME``, in which no failure leaves anything."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    yield tmp_path
    directory = installed_releases_directory()
    assert [path.name for path in directory.iterdir()] == ["install.lock"]


def sources(tmp_path, monkeypatch, text):
    """Give apt these sources instead of the machine's."""
    (tmp_path / "x.list").write_text(text)
    configuration = tmp_path / "apt.conf"
    configuration.write_text(f'Dir::Etc::sourcelist "{tmp_path}/x.list";\nDir::Etc::sourceparts "/dev/null";\n')
    monkeypatch.setenv("APT_CONFIG", str(configuration))


def test_without_apt(empty, monkeypatch):
    """The error says what is missing, and names the alternatives."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InstallError, match=r"no apt-get.*conda install"):
        install()


def test_without_debian_in_apts_configuration(empty, monkeypatch):
    """The installation does not ask a third party's archive."""
    sources(empty, monkeypatch, "deb http://tools.example.com/apt tools main\n")
    with pytest.raises(InstallError, match=r"archive.*put condor_master on PATH"):
        install()


def test_an_archive_that_does_not_answer(empty, monkeypatch):
    """Our error includes apt's own error, for each suite that was tried."""
    sources(empty, monkeypatch, "deb file:/nonexistent/debian bookworm main\n")
    with pytest.raises(InstallError, match=r"(?s)forky: apt-get update failed: .*nonexistent.*sid: .*conda install"):
        install()


def test_an_archive_with_an_old_htcondor(empty, monkeypatch):
    """The error names the version that the archive has."""
    sources(empty, monkeypatch, "deb http://deb.example.org/debian bookworm main\n")
    stubs = empty / "stubs"
    stubs.mkdir()
    for name, script in (("apt-get", "exit 0"), ("apt-cache", "echo '  Candidate: 23.9.6+dfsg-2'")):
        (stubs / name).write_text(f"#!/bin/sh\n{script}\n")
        (stubs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{stubs}:{os.environ['PATH']}")
    with pytest.raises(InstallError, match=r"HTCondor 25 or later .*testing: it has HTCondor 23\.9\.6"):
        install()


def test_without_room(empty, monkeypatch):
    """The error says how much room is needed."""
    monkeypatch.setattr(sys.modules[install_module.__module__], "_NEEDED_BYTES", 10**18)
    with pytest.raises(InstallError, match=r"MB are needed.*XDG_DATA_HOME"):
        install()


def test_a_place_that_cannot_be_written(tmp_path, monkeypatch):
    """A file is in the place of the directory."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    with pytest.raises(InstallError, match="cannot be written"):
        install()


def test_elsewhere_than_on_linux(tmp_path, monkeypatch):
    """HTCondor can only be installed on Linux."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(InstallError, match="Linux only"):
        install()
