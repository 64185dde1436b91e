"""The times of the probe job, from the logs that HTCondor writes."""

from __future__ import annotations

from pathlib import Path

from condor_futures.doctor.probe import Times, read_events, times_of

LOGS = Path(__file__).parents[2] / "event_logs"


def test_the_events_of_a_log():
    events = read_events(LOGS / "good_spooled.log")
    names = [name for name, _, _ in events]
    assert (names[0], "EXECUTE" in names, "JOB_TERMINATED" in names) == ("SUBMIT", True, True)
    executes = next(time for name, time, _ in events if name == "EXECUTE")
    times = times_of(events, executes + 0.5, 100.0)
    assert times.match is not None
    assert times.transfer is not None
    assert times.start is not None


def test_a_log_that_is_not_there_has_no_events(tmp_path):
    (tmp_path / "empty").touch()
    assert read_events(tmp_path / "none") == []
    assert read_events(tmp_path / "empty") == []


def test_a_job_without_a_transfer():
    """The schedd is on the machine of the job."""
    events = [("SUBMIT", 10.0, 0), ("EXECUTE", 11.5, 0), ("JOB_TERMINATED", 12.0, 0)]
    assert times_of(events, 11.75, 2.5) == Times(match=1.5, transfer=None, start=0.25, total=2.5)


def test_a_job_without_a_log():
    assert times_of([], 11.75, 2.5) == Times(total=2.5)


def test_the_clock_of_another_machine_is_not_believed():
    """Whole seconds may make an order look wrong, which counts as no time at all."""
    events = [("SUBMIT", 10.0, 0), ("EXECUTE", 11.0, 0)]
    assert times_of(events, 3611.0, 2.0).start is None
    assert times_of(events, 10.5, 2.0).start == 0.0
