"""The parents of calls: what is not a line of the file does no harm."""

from __future__ import annotations

from condor_futures.session.call_parents import FILE, append_parents, read_parents


def test_parents_are_read_as_they_were_appended(tmp_path):
    append_parents(tmp_path, [("c000001", ["c000000"]), ("c000002", [])])
    append_parents(tmp_path, [("c000003", ["c000001", "c000002"])])
    assert read_parents(tmp_path) == {"c000001": ["c000000"], "c000003": ["c000001", "c000002"]}
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_without_parents_there_is_no_file(tmp_path):
    append_parents(tmp_path, [("c000000", [])])
    assert list(tmp_path.iterdir()) == []
    assert read_parents(tmp_path) == read_parents(tmp_path / "nowhere") == {}


def test_other_lines_do_no_harm(tmp_path):
    (tmp_path / FILE).write_bytes(b"\n\xff\nc000001\nc000002 c000000 ")
    assert read_parents(tmp_path) == {"c000002": ["c000000"]}
