"""The lines of a submit file, which messages name."""

from __future__ import annotations

import pytest

from condor_futures.submit.submit_lines import SubmitText

TEXT = """\
# x = 0
x = 1
if false
    X = 2
endif
 y = a \\
   # a comment between
   b
environment @=end
x = 3
@end
+Z = 4
queue n in (
 x = 5
)
"""


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("x", "1", 2),
        ("X", "2", 4),
        ("x", None, 4),
        ("x", "7", 4),
        ("y", "a b", 6),
        ("environment", "x = 3", 9),
        ("MY.z", None, 12),
    ],
)
def test_a_setting_has_the_number_of_its_first_line(name, value, line):
    assert SubmitText("a.sub", TEXT).where(name, value) == f"a.sub, line {line}"


def test_what_another_file_sets_has_no_line():
    """It was included."""
    assert SubmitText("a.sub", TEXT).where("other") == "a.sub"


def test_the_queue_statement_has_a_line():
    assert SubmitText("a.sub", TEXT).queue == "a.sub, line 13"
    assert SubmitText("a.sub", TEXT).after_queue() is None
    assert SubmitText("a.sub", f"{TEXT}\n\nrank = 1").after_queue() == (18, "rank = 1")


def test_the_statement_that_stops_the_parser_is_found():
    wrong = SubmitText("a.sub", "a = 1\n\nb = \\\n bad\nc = 2").wrong_statement(lambda text: "bad" not in text)
    assert wrong is not None
    assert (wrong.line, wrong.text) == (3, "b =  bad")
    assert SubmitText("a.sub", "a = 1").wrong_statement(lambda _: True) is None
