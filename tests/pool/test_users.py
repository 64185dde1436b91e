"""An ordinary user on an access point whose daemons run as root, as at a real site."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from support import Pool

from condor_futures.personal import PersonalPool, install

pytestmark = [pytest.mark.pool, pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root")]


def an_account():
    """An account that every Debian has, of nobody's."""
    for name in ("games", "www-data", "mail"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return pytest.skip("there is no account to be another user with")


def a_python_for(account):
    """An interpreter of this version that the account can run; root's own may lie below /root."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for candidate in (os.path.realpath(sys.executable), f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            subprocess.run([candidate, "-c", ""], user=account.pw_uid, group=account.pw_gid, cwd="/", check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    return pytest.skip(f"no {version} on this machine that another user may run")


@pytest.fixture
def home():
    """A directory of the account's, with what it needs to import."""
    account = an_account()
    path = Path(tempfile.mkdtemp(prefix="condor-futures-user-"))
    path.chmod(0o755)
    library = path / "library"
    import classad2
    import cloudpickle
    import htcondor2
    import platformdirs

    import condor_futures

    for module in (classad2, cloudpickle, htcondor2, platformdirs, condor_futures):
        source = Path(module.__file__).parent
        shutil.copytree(source, library / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    for libraries in Path(htcondor2.__file__).parent.parent.glob("htcondor*.libs"):
        shutil.copytree(libraries, library / libraries.name)
    own = path / "home"
    own.mkdir()
    os.chown(own, account.pw_uid, account.pw_gid)
    yield account, path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def public_release():
    """An HTCondor that every user may enter; root's own usually lies below /root."""
    directory = Path(tempfile.mkdtemp(prefix="condor-futures-release-"))
    directory.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(directory))
        yield install()
    shutil.rmtree(directory)


@pytest.mark.parametrize("spool", [True, False])
def test_an_ordinary_user_has_its_calls_made_as_itself(public_release, home, spool):
    """By a pool of root's daemons; its session and its jobs are its own."""
    account, path = home
    python = a_python_for(account)
    text = f"""
        import itertools, os
        from condor_futures import CondorExecutor
        with CondorExecutor(spool={spool}) as executor:
            assert list(executor.map(pow, range(20), itertools.repeat(2))) == [n * n for n in range(20)]
            print(executor.submit(os.getuid).result(), executor.submit(os.geteuid).result())
    """
    site = {"ALLOW_READ": "*", "ALLOW_WRITE": "*"}
    directory = Path(tempfile.mkdtemp(prefix="condor-futures-site-"))
    directory.chmod(0o755)
    pool = PersonalPool(directory / "pool", release=public_release, root_mode="condor_ids", config=site, slots=8)
    try:
        pool.start()
        done = subprocess.run(
            [python, "-c", textwrap.dedent(text)],
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            cwd=path / "home",
            env={
                "PATH": pool.environment()["PATH"],
                "CONDOR_CONFIG": str(pool.config_file),
                "HOME": str(path / "home"),
                "PYTHONPATH": str(path / "library"),
            },
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [str(account.pw_uid)] * 2
        owners = {ad["Owner"] for ad in Pool(pool).ads("condor_history")}
        assert owners == {account.pw_name}
        assert Pool(pool).ads("condor_q") == []
    finally:
        pool.stop()
        shutil.rmtree(directory)
    assert list((path / "home/.local/state/condor_futures/sessions").iterdir()) == []
