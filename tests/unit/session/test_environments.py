"""The archives of Python environments in a session."""

import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace

import pytest
from environments import MODULE, make_conda, make_venv, pack

from condor_futures.errors import CondorFuturesError
from condor_futures.options.python_environment import python_environment
from condor_futures.session.environments import store_environment
from condor_futures.session.session import Session


@pytest.fixture
def session(tmp_path):
    made = Session.create(tmp_path / "session")
    yield made
    made.remove()


def stored(session, source):
    environment = python_environment(source)
    store_environment(session, environment)
    store_environment(session, environment)
    return session.environments / environment.name


def test_an_archive_is_not_copied(session, tmp_path):
    path = pack(make_conda(tmp_path / "env"), tmp_path / "my env.tar.gz")
    assert stored(session, path).readlink() == path


def test_another_owner_of_the_jobs_gets_a_copy(session, tmp_path):
    """Root's jobs run as a user who may not be able to read root's files."""
    path = pack(make_conda(tmp_path / "env"), tmp_path / "env.tar.gz")
    session.record = replace(session.record, owner=os.getuid())
    copy = stored(session, path)
    assert not copy.is_symlink()
    assert copy.read_bytes() == path.read_bytes()


def test_a_venv_works_where_it_is_unpacked(session, tmp_path):
    """Its scripts name it in their first lines, and absolute links point into it."""
    made = make_venv(tmp_path / "env")
    says = f"import sys, {MODULE}; print(sys.prefix, {MODULE}.ANSWER)\n"
    (made / "bin" / "says").write_text(f"#!{made}/bin/python\n{says}")
    (made / "bin" / "long").write_text(f"#!/bin/sh\n'''exec' \"{made}/bin/python\" \"$0\" \"$@\"\n' '''\n{says}")
    (made / "bin" / "inner").symlink_to(made / "bin" / "says")
    for name in ("says", "long"):
        (made / "bin" / name).chmod(0o755)
    there = tmp_path / "there"
    with tarfile.open(stored(session, made)) as archive:
        archive.extraction_filter = lambda member, _: member  # Python 3.14 would choose another
        archive.extractall(there)
    made.rename(tmp_path / "away")
    for name in ("says", "long", "inner"):
        path = {**os.environ, "PATH": f"{there}/bin:{os.environ['PATH']}", "PYTHONPATH": ""}
        done = subprocess.run([there / "bin" / name], env=path, capture_output=True, text=True, check=True)
        assert done.stdout == f"{there} 42\n"


def test_modes_and_links_of_zip_files_are_kept(session, tmp_path):
    path = tmp_path / "env.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name, mode, content in (
            (f"bin/python{sys.version_info[0]}.{sys.version_info[1]}", stat.S_IFREG | 0o755, "#!/bin/sh\n"),
            ("bin/python", stat.S_IFLNK | 0o777, f"python{sys.version_info[0]}.{sys.version_info[1]}"),
            ("lib/", stat.S_IFDIR | 0o755, ""),
            ("lib/a.txt", 0, "text"),
        ):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            made.writestr(info, content)
    with tarfile.open(stored(session, path)) as archive:
        archive.extraction_filter = lambda member, _: member
        archive.extractall(tmp_path / "there")
    assert (tmp_path / "there/bin/python").readlink().name == f"python{sys.version_info[0]}.{sys.version_info[1]}"
    assert os.access(tmp_path / "there/bin/python", os.X_OK)
    assert (tmp_path / "there/lib/a.txt").read_text() == "text"


def test_a_directory_that_cannot_be_read(session, tmp_path, monkeypatch):
    made = make_venv(tmp_path / "env")

    def fail(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("condor_futures.session.environments._without_place", fail)
    with pytest.raises(CondorFuturesError, match=r"env' in python_environment cannot be packed into .*: Permission"):
        stored(session, made)
    assert list(session.environments.iterdir()) == []


def test_pixi_unpack_goes_with_the_archive(session, tmp_path, monkeypatch):
    (tmp_path / "pixi-unpack").write_text("#!/bin/sh\n")
    (tmp_path / "pixi-unpack").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    made = tmp_path / "made"
    (made / "channel" / "linux-64").mkdir(parents=True)
    (made / "pixi-pack.json").write_text("{}")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    (made / "channel" / "linux-64" / f"python-{version}.4-h1_0.conda").write_text("")
    path = pack(made, tmp_path / "environment.tar")
    with tarfile.open(stored(session, path)) as archive:
        assert archive.getnames() == ["pixi-unpack", "environment.tar"]
