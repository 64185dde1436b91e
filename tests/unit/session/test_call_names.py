"""The names of calls in a session: what is not a line of the file does no harm."""

from __future__ import annotations

from condor_futures.session.call_names import FILE, append_names, read_names


def test_names_are_read_as_they_were_appended(tmp_path):
    append_names(tmp_path, [("c000000", "fit-0"), ("c000001", "fit of ä")])
    append_names(tmp_path, [("c000002", "fit-2")])
    assert read_names(tmp_path) == {"c000000": "fit-0", "c000001": "fit of ä", "c000002": "fit-2"}
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_without_names_there_is_no_file(tmp_path):
    append_names(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
    assert read_names(tmp_path) == read_names(tmp_path / "nowhere") == {}


def test_names_can_be_shown_whatever_is_in_the_file(tmp_path):
    append_names(tmp_path, [("c000000", "half \ud800")])
    with (tmp_path / FILE).open("ab") as file:
        file.write(b"c000001 \x1b[31mred\xff\n\nc000002\nc000003 tor")
    names = read_names(tmp_path)
    assert names.keys() == {"c000000", "c000001", "c000003"}
    assert all(name.isprintable() for name in names.values())
