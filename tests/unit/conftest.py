"""What the unit tests share: they need no HTCondor daemon, and no property test is judged by the clock."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A slow or busy machine is no failure; what is too slow for a test to wait for, pytest-timeout stops.
settings.register_profile("condor_futures", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("condor_futures")
