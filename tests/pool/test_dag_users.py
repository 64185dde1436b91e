"""DAGs on an access point whose daemons run as root, as at a real site: an ordinary user's, and root's own."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from support import Pool

from condor_futures import DagExecutor
from condor_futures.personal import PersonalPool, identity

pytestmark = [pytest.mark.pool, pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root")]


@pytest.fixture
def public_directory():
    """A directory that everyone may enter."""
    directory = Path(tempfile.mkdtemp(prefix="condor-futures-site-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def test_an_ordinary_user_has_its_dag_driven_as_itself(public_release, user, public_directory):
    """DAGMan and all jobs run as the user, and HTCondor transfers the files."""
    text = """
        import os
        from condor_futures import DagExecutor
        with DagExecutor("mine", "dag") as dag:
            uids = dag.map(lambda _: os.getuid(), range(3))
            both = dag.submit(lambda uids: (sorted(uids), os.getuid()), uids)
            dag.run()
            print(both.result(100))
    """
    site = {"ALLOW_READ": "*", "ALLOW_WRITE": "*"}
    pool = PersonalPool(public_directory / "pool", release=public_release, root_mode="condor_ids", config=site, slots=4)
    try:
        pool.start()
        done = user.run(text, {"PATH": pool.environment()["PATH"], "CONDOR_CONFIG": str(pool.config_file)})
        assert done.returncode == 0, done.stderr
        uid = user.account.pw_uid
        assert done.stdout.strip() == repr(([uid] * 3, uid))
        assert {ad["Owner"] for ad in Pool(pool).ads("condor_history")} == {user.name}
        assert Pool(pool).ads("condor_q") == []
    finally:
        pool.stop()


def test_root_without_user_namespaces(public_release, public_directory, monkeypatch):
    """Root's jobs run as another account, which gets access to the files that they need.

    Root can still attach to the DAG.
    """
    monkeypatch.setenv("XDG_STATE_HOME", str(public_directory))
    monkeypatch.setenv("PATH", f"{public_release.bin}:{os.environ['PATH']}")
    monkeypatch.setattr(identity, "_user_namespaces_work", lambda: False)
    with DagExecutor("theirs", public_directory / "dag", access_point="personal") as dag:
        one = dag.submit(os.getuid)
        broken = dag.submit(lambda uid, path: uid + int(Path(path).read_text()), one, public_directory / "number")
        dag.run()
        assert one.result(100) == 1
        assert isinstance(broken.exception(100), FileNotFoundError)
        (public_directory / "number").write_text("5")
        assert dag.run()[1].result(100) == 6
    assert [future.result(1) for future in DagExecutor.attach(public_directory / "dag").futures] == [1, 6]
