"""Which values of submit commands are learned, and beside which commands they cannot be."""

from __future__ import annotations

import pytest

from condor_futures.submit.automatic import ATTRIBUTES, automatic, check_automatic
from condor_futures.submit.command_names import attribute_of
from condor_futures.submit.description import check_submit_commands, describe


@pytest.mark.parametrize("value", ["auto", "AUTO", " auto "])
def test_a_learned_request_is_the_default_of_the_site_until_it_is_known(tmp_path, value):
    commands = check_submit_commands({"RequestMemory": value, "request_disk": "1GB"})
    assert automatic(commands) == ("request_memory",)
    paths = {"runner": tmp_path, "directory": tmp_path, "event_log": tmp_path}
    description = describe(commands, session_id="s", **paths)
    assert "request_memory" not in description
    assert description["request_disk"] == "1GB"
    assert describe({**commands, "request_memory": "122"}, session_id="s", **paths)["request_memory"] == "122"


def test_the_attributes_are_those_of_the_commands():
    assert {attribute_of(command): attribute_of(command) for command in ATTRIBUTES} == {
        attribute.lower(): attribute.lower() for attribute in ATTRIBUTES.values()
    }


@pytest.mark.parametrize(
    ("commands", "dag", "words"),
    [
        ({"request_cpus": "auto"}, False, "request_cpus cannot be 'auto'"),
        ({"request_fpgas": "Auto"}, False, "request_fpgas cannot be 'auto'"),
        ({"request_memory": "auto"}, True, "needs a CondorExecutor"),
        ({"request_memory": "auto", "retry_request_memory": "2GB"}, False, "omit retry_request_memory"),
        ({"request_memory": "auto", "retry_request_memory_max": "2GB"}, False, "omit retry_request_memory_max"),
        ({"request_disk": "auto", "retry_request_disk": "2GB"}, False, "omit retry_request_disk"),
    ],
)
def test_what_cannot_be_learned_is_refused(commands, dag, words):
    with pytest.raises(ValueError, match=words):
        check_automatic(commands, dag=dag)


def test_other_combinations_are_taken():
    check_automatic({"request_memory": "auto", "request_disk": "auto", "request_cpus": "2", "max_retries": "3"})
    check_automatic({"request_memory": "auto", "retry_request_disk": "2GB"})
    check_automatic({"request_memory": "2GB", "retry_request_memory": "4GB"}, dag=True)
