"""The macros that a submit file defines are expanded; those of HTCondor stay."""

from __future__ import annotations

import pytest

from condor_futures.submit.macros import Macros, used_names


def expanded(value: str, *variables: str, many: bool = True, **defined: str) -> str:
    return Macros(defined, variables, many=many).expand(value, "value in a.sub, line 1,")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("$(a)$(b)", "1$(b)"),
        ("$(b:$(a)) $(a:2)", "$(b:1) 1"),
        ("$$(a) $ENV(a) $(Cluster)", "$$(a) $ENV(a) $(Cluster)"),
        ("$INT(a,%02d)$INT(b)", "01$INT(b)"),
        ("$INT($(a))", "$INT(1)"),
        ("$(c)", "1-$(Cluster)"),
        ("$F(c)", "1-$(Cluster)"),
        ("$CHOICE(a,x,y) $CHOICE(0,x,y)", "y $CHOICE(0,x,y)"),
    ],
)
def test_only_the_macros_of_the_file_are_expanded(value, text):
    assert expanded(value, a="1", c="$(a)-$(Cluster)") == text


@pytest.mark.parametrize("value", ["$(x)", "$(Process)", "$INT(Step)", "$(y)", "$INT(y)", "$(z:$(x))"])
def test_what_differs_between_jobs_is_refused(value):
    with pytest.raises(ValueError, match=r"value in a.sub, line 1, uses .*, which the queue statement sets"):
        expanded(value, "x", y="$(x)")


@pytest.mark.parametrize("value", ["$(a)", "$INT(a)", "$INT(word)", "$FOO(word)", "$INT(id)"])
def test_what_cannot_be_expanded_is_refused(value):
    with pytest.raises(ValueError, match=r"value in a.sub, line 1, uses .*cannot be expanded here"):
        expanded(value, a="$(b)", b="$(a)", word="x y", id="$(Cluster)")


def test_one_job_has_the_number_0():
    assert expanded("$(Process) $(Cluster).$(Process) [$(Item)]", many=False) == "0 $(Cluster).$(Process) []"


def test_names_in_the_arguments_of_functions_are_used():
    assert used_names("$CHOICE(a,b) $CHOICE(c,x,y) $ENV(HOME) $(d:$(e))") == {"a", "b", "c", "d", "e"}
