"""A Kerberos realm for the tests: a real MIT KDC from Debian's packages, on a port of this machine."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import until

from condor_futures.personal.debian import library_closure

_PACKAGES = ("krb5-kdc", "krb5-admin-server", "krb5-user")
# The machine's own loader belongs to the machine's own C library.
_THE_MACHINES_OWN = {"libc6", "libgcc-s1"}

_KRB5_CONF = """\
[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    rdns = false
[realms]
    {realm} = {{
        kdc = 127.0.0.1:{port}
    }}
"""

_KDC_CONF = """\
[kdcdefaults]
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {realm} = {{
        database_module = db
        database_name = {directory}/principal
        key_stash_file = {directory}/stash
        acl_file = {directory}/acl
        max_life = 24h
    }}
[dbmodules]
    db_module_dir = {modules}
    db = {{
        db_library = db2
    }}
"""

_WRAPPER = """\
#!/bin/sh
export LD_LIBRARY_PATH='{libraries}' KRB5_CONFIG='{directory}/krb5.conf' KRB5_KDC_PROFILE='{directory}/kdc.conf'
exec '{program}' "$@"
"""


class Realm:
    """A running KDC, with its programs in `bin`, which any account may run."""

    name = "CONDOR.FUTURES"

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self._directory = directory

    def add(self, account) -> Path:
        """Register the account. Return its keytab, with which it can get tickets without a password."""
        keytab = self._directory / f"{account.pw_name}.keytab"
        for query in (f"addprinc -randkey {account.pw_name}", f"ktadd -k {keytab} -norandkey {account.pw_name}"):
            _run([self.bin / "kadmin.local", "-r", self.name, "-q", query])
        os.chown(keytab, account.pw_uid, account.pw_gid)
        return keytab


@contextmanager
def realm(directory: Path) -> Iterator[Realm]:
    """A realm whose KDC runs while the context lasts. Every account may enter *directory*."""
    programs = _install(directory)
    port = _free_port()
    values = {"realm": Realm.name, "directory": directory, "port": port, "modules": programs.modules}
    (directory / "krb5.conf").write_text(_KRB5_CONF.format(**values))
    (directory / "kdc.conf").write_text(_KDC_CONF.format(**values))
    (directory / "bin").mkdir()
    for name, program in programs.items():
        wrapper = directory / "bin" / name
        wrapper.write_text(_WRAPPER.format(libraries=programs.libraries, directory=directory, program=program))
        wrapper.chmod(0o755)
    realm = Realm(directory)
    _run([realm.bin / "kdb5_util", "-r", realm.name, "create", "-s", "-P", secrets.token_hex(16)])
    with (directory / "krb5kdc.log").open("w") as log:
        kdc = subprocess.Popen([realm.bin / "krb5kdc", "-n", "-r", realm.name], stdout=log, stderr=log)
    try:
        until(lambda: kdc.poll() is not None or _listens(port))
        assert kdc.poll() is None, (directory / "krb5kdc.log").read_text()
        yield realm
    finally:
        kdc.terminate()
        kdc.wait(20)


class _Programs(dict[str, str]):
    libraries = ""
    modules = ""


def _install(directory: Path) -> _Programs:
    """Unpack MIT Kerberos from the machine's own Debian release into *directory*. Nothing else changes."""
    names = ("kinit", "klist", "kdestroy", "krb5kdc", "kadmin.local", "kdb5_util")
    packages = directory / "packages"
    packages.mkdir()
    if not shutil.which("apt-get"):
        pytest.skip("the KDC comes from Debian's packages, and this machine has no apt-get")
    skipped = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    depends = ["apt-cache", "depends", "--recurse", *skipped, *_PACKAGES]
    if subprocess.run(depends, capture_output=True, check=False).returncode != 0:
        _run(["apt-get", "-q", "update"])  # a fresh machine has no list of packages
    closure = set(library_closure(_run(depends), _PACKAGES)) - _THE_MACHINES_OWN
    # As root, apt would switch to a user who cannot write here.
    download = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *sorted(closure)]
    if subprocess.run(download, cwd=packages, capture_output=True, check=False).returncode != 0:
        _run(["apt-get", "-q", "update"])  # the list is older than the archive
        _run(download, cwd=packages)
    tree = directory / "mit"
    for package in packages.glob("*.deb"):
        _run(["dpkg-deb", "-x", package, tree])
    found = _Programs((name, str(next(tree.glob(f"usr/*bin/{name}")))) for name in names)
    libraries = next(tree.glob("usr/lib/*/krb5")).parent
    found.libraries = f"{libraries}:{tree / 'lib' / libraries.name}"
    found.modules = str(next(libraries.glob("krb5/plugins/kdb")))
    return found


def _run(command: list[str | Path], **options) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False, **options)
    assert done.returncode == 0, f"{command[0]}: {done.stderr}{done.stdout}"
    return done.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
