"""Find or install HTCondor, and start and stop personal pools.

>>> from condor_futures.personal import PersonalPool, find_htcondor, install
>>> release = find_htcondor() or install()
>>> with PersonalPool() as pool:
...     pool.status().running
True
"""

from condor_futures.personal.files import default_pool_directory
from condor_futures.personal.install import Progress, install
from condor_futures.personal.pool import PersonalPool, PoolStatus
from condor_futures.personal.release import HTCondorRelease, find_htcondor

__all__ = [
    "HTCondorRelease",
    "PersonalPool",
    "PoolStatus",
    "Progress",
    "default_pool_directory",
    "find_htcondor",
    "install",
]
