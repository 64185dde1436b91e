"""The tables of submit commands are consistent with each other and with the executors."""

from __future__ import annotations

import inspect

from condor_futures import CondorExecutor, DagExecutor
from condor_futures.submit.commands import ALIASES, COMMANDS, KNOWN, NEWER, OPTIONS, OWNED, OWNED_ATTRIBUTES


def test_aliases_lead_to_first_names() -> None:
    """No alias is an alias of an alias, and each leads to a command."""
    assert set(ALIASES.values()) <= COMMANDS
    assert not COMMANDS & ALIASES.keys()
    assert NEWER.keys() <= COMMANDS
    assert OWNED.keys() - {"request_gpu_memory", "request_gpus_memory"} <= COMMANDS


def test_names_are_in_small_letters():
    """Submit commands are case-insensitive, and the lookup uses small letters."""
    assert all(name == name.lower() for name in (*KNOWN, *OWNED, *OWNED_ATTRIBUTES))


def test_an_attribute_that_is_owned_has_a_command_that_says_why():
    """The command may also be one whose files the executor keeps."""
    assert set(OWNED_ATTRIBUTES.values()) <= COMMANDS


def test_the_executors_own_keywords_are_known_as_such():
    """Otherwise, the advice about a misspelled keyword would not name them."""
    constructor = set(inspect.signature(CondorExecutor).parameters) - {"submit_commands"}
    derived = set(inspect.signature(CondorExecutor.with_options).parameters) - {"self", "submit_commands"}
    dag = set(inspect.signature(DagExecutor).parameters)
    assert {
        **dict.fromkeys(constructor - derived, "CondorExecutor() only"),
        **dict.fromkeys((constructor - derived) & dag, "CondorExecutor() and DagExecutor() only"),
        **dict.fromkeys(derived - constructor, "with_options() only"),
        **dict.fromkeys(constructor & derived, "CondorExecutor() and its with_options()"),
    } == OPTIONS
