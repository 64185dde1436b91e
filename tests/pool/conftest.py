"""What an ordinary user and root's daemons need, on one machine."""

import shutil
import tempfile
from pathlib import Path

import pytest
from users import User

from condor_futures.personal import install


@pytest.fixture(scope="session")
def public_release():
    """An HTCondor that every user may enter; root's own usually lies below /root."""
    directory = Path(tempfile.mkdtemp(prefix="condor-futures-release-"))
    directory.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(directory))
        yield install()
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def user():
    """Somebody else than root."""
    directory = Path(tempfile.mkdtemp(prefix="condor-futures-user-"))
    directory.chmod(0o755)
    yield User(directory)
    shutil.rmtree(directory)
