"""Where a session may be."""

from __future__ import annotations

import re

import pytest
from submit_language import expanded

from condor_futures.session.finding import check_session_directory
from condor_futures.submit.description import describe


@pytest.mark.parametrize("name", ["a$$(b)", "$$([1+1])", "a$(DOLLAR)", "$(a$(b))", "a\nb", "a\\", "\udcff"])
@pytest.mark.parametrize("within", [".", "deeper"])
def test_session_directory_that_htcondor_cannot_take_is_refused(tmp_path, name, within):
    """In one sentence, which names it."""
    directory = tmp_path / name / within
    with pytest.raises(ValueError, match=re.escape(f"a session cannot be in {str(directory)!r}: HTCondor")):
        check_session_directory(directory)


@pytest.mark.parametrize(
    "name", ["a b", "a$(b)", "a$$b", "a,b", "a'b", 'a"b', "ä", "a#b", "a\\b", "a;b", "*", "-a", "a "]
)
def test_session_directory_that_htcondor_can_take_is_not_refused(tmp_path, name):
    """Jobs ran in each of these (25.14)."""
    check_session_directory(tmp_path / name)
    description = describe(
        {}, session_id="1", runner=tmp_path / name / "runner", directory=tmp_path / name, event_log=tmp_path
    )
    assert expanded("executable", description["executable"]) == str(tmp_path / name / "runner")
