"""The events of a job that has no log of its own."""

from __future__ import annotations

from condor_futures.calls.bundle import Bundle
from condor_futures.options.options import Options
from condor_futures.resolving.kept_logs import keep_logs
from condor_futures.state_machine import states

LOG = """\
000 (001.000.000) 2026-11-21 11:28:25.940 Job submitted from host: <127.0.0.1:9618>
    bundle=b000000
...
012 (001.000.000) 2026-11-21 11:28:26.940 Job was held.
	first
...
000 (002.000.000) 2026-11-21 11:28:27.940 Job submitted from host: <127.0.0.1:9618>
    bundle=b000001
...
000 (001.000.000) 2026-11-21 11:29:25.940 Job submitted from host: <127.0.0.1:9618>
    bundle=b000002
...
009 (001.000.000) 2026-11-21 11:29:26.940 Job was aborted.
	second
...
"""


def kept(directory, key):
    (directory / "event_log").write_text(LOG)
    (directory / "kept").mkdir(exist_ok=True)
    options = Options({}, spool=True, keep_logs=directory / "kept")
    keep_logs(Bundle(key, directory, options, {}, states.Job(key, spooled=True, job_id="1.0")), directory / "event_log")
    return (directory / "kept" / "1.0.log").read_text()


def test_events_are_those_of_the_job_and_of_no_other_that_had_its_id(tmp_path):
    first, second = kept(tmp_path, "b000000"), kept(tmp_path, "b000002")
    assert "first" in first
    assert "second" in second
    assert first.count("...\n") == second.count("...\n") == 2
