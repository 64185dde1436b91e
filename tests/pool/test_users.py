"""An ordinary user on an access point whose daemons run as root, as at a real site."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from support import Pool

from condor_futures.personal import PersonalPool

pytestmark = [pytest.mark.pool, pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root")]


@pytest.mark.parametrize("spool", [True, False])
def test_an_ordinary_user_has_its_calls_made_as_itself(public_release, user, spool):
    """The pool's daemons run as root. The session and the jobs belong to the user."""
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
        done = user.run(text, {"PATH": pool.environment()["PATH"], "CONDOR_CONFIG": str(pool.config_file)})
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [str(user.account.pw_uid)] * 2
        owners = {ad["Owner"] for ad in Pool(pool).ads("condor_history")}
        assert owners == {user.name}
        assert Pool(pool).ads("condor_q") == []
    finally:
        pool.stop()
        shutil.rmtree(directory)
    assert list((user.home / ".local/state/condor_futures/sessions").iterdir()) == []
