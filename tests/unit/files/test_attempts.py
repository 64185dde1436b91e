"""The attempts of a warm job are found by their files of outcomes."""

from __future__ import annotations

import os

from condor_futures.files.attempts import find_attempts


def test_the_attempt_that_wrote_last_comes_last(tmp_path):
    names = [f"{number:016x}" for number in (3, 1, 2)]
    for time, name in enumerate(names):
        (tmp_path / f"{name}.outcomes").touch()
        os.utime(tmp_path / f"{name}.outcomes", ns=(time, time))
    assert find_attempts(tmp_path) == names
    os.utime(tmp_path / f"{names[0]}.outcomes", ns=(9, 9))
    assert find_attempts(tmp_path) == [*names[1:], names[0]]


def test_other_names_are_none(tmp_path):
    """The file of outcomes is made last, so an attempt that has only the others has not begun."""
    for name in ("0" * 16 + ".calls", "0" * 15 + ".outcomes", "0" * 17 + ".outcomes", "0" * 15 + "G.outcomes"):
        (tmp_path / name).touch()
    (tmp_path / ("f" * 16 + ".outcomes.new")).touch()
    assert find_attempts(tmp_path) == []


def test_a_link_to_nothing_is_found_and_not_followed(tmp_path):
    """It is refused when it is opened."""
    (tmp_path / ("a" * 16 + ".outcomes")).symlink_to(tmp_path / "nothing")
    assert find_attempts(tmp_path) == ["a" * 16]
