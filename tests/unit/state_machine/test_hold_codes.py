"""HTCondor's numbers."""

from __future__ import annotations

import pytest

from condor_futures.state_machine import hold_codes
from condor_futures.state_machine.hold_codes import JobStatus


def test_states_are_numbered_as_the_bindings_do():
    """The bindings have no states above 7 (25.14)."""
    htcondor2 = pytest.importorskip("htcondor2")
    assert {status.name: status.value for status in htcondor2.JobStatus}.items() <= {
        status.name: status.value for status in JobStatus
    }.items()


def test_no_two_reasons_of_holds_have_one_code():
    codes = [
        hold_codes.NO_OUTPUT,
        hold_codes.NO_INITIAL_DIRECTORY,
        hold_codes.SPOOLING_INPUT,
        hold_codes.OUT_OF_RESOURCES,
        *hold_codes.POLICIES,
        *hold_codes.TIME_LIMITS,
    ]
    assert len(set(codes)) == len(codes)
