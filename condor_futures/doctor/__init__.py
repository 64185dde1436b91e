"""Find out what works between this user, the access point and the pool, and what to do about the rest.

This code runs in the thread that calls :func:`examine`: that of the command ``condor-futures doctor``, or one of the
user's program. It asks the helper process about the access point, and an executor runs the probe job. The judgements
are pure functions: they turn facts into findings, each with a sentence.
"""

from condor_futures.doctor.examination import examine
from condor_futures.doctor.findings import Finding, Level

__all__ = ["Finding", "Level", "examine"]
