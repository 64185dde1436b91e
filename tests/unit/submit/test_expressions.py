"""Sizes, times and expressions that HTCondor could not read are refused. All others are accepted."""

from __future__ import annotations

import os
import subprocess

import pytest

from condor_futures.submit.description import check_submit_commands, merge

TAKEN = {
    "request_memory": [
        *("4GB", "4 GB", "4g", "1.5GB", ".5GB", "4096K", "4TB", "4096", "5.", "0", "1e3"),
        *("4GB, 8 GB", "4096,8192", "1024,4GB", "4GB, max({RequestMemory * 2, 8192})"),
        *("60*60", "MemoryUsage * 2", "undefined", "ifThenElse(isUndefined(MemoryUsage), 512, MemoryUsage)"),
    ],
    "request_disk": ["20GB", "DiskUsage", "1GB, 4GB"],
    "retry_request_disk": ["4GB", "4GB, 8GB"],
    "retry_request_memory": ["4GB", "4GB, 8 GB", "4096,8192", "{4096, 8192}", "max({RequestMemory * 2, 4096})"],
    "request_cpus": ["1", "1.5", "RequestMemory / 2048"],
    "request_gpus": ["0", "2"],
    "allowed_execute_duration": ["3600", "60 * 60", "undefined", "600 * (NumJobStarts + 1)"],
    "requirements": ['TARGET.Machine != "a" && (Memory > 5 || true)', '"C:\\path"', "x =?= undefined"],
    "rank": ["Memory // the more, the better", "-Memory", "'odd name' + 1"],
    "periodic_hold": ["JobStatus == 2 && time() - EnteredCurrentStatus > 3600"],
    "MY.A": ['"text"', '{1, "x"}', "[a = 1]", '"it\\"s"', '"/* no comment */"', "TARGET.x"],
}
"""Values that condor_submit accepts, by submit command."""


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in TAKEN.items() for text in texts])
def test_what_htcondor_takes_is_taken(name: str, text: str) -> None:
    """The value stays unchanged."""
    assert check_submit_commands({name: text}) == {name: text}


@pytest.mark.pool
def test_condor_submit_takes_them_too(release, tmp_path) -> None:
    """Otherwise, the test above would prove nothing."""
    file = tmp_path / "one.sub"
    command = [release.bin / "condor_submit", "-dry-run", tmp_path / "one.ad", file]
    environment = {**os.environ, "CONDOR_CONFIG": os.devnull}
    for name, texts in TAKEN.items():
        for text in texts:
            file.write_text(f"executable = /bin/true\n{name} = {text}\nqueue\n")
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("4GiB", "4GB"),
        ("4000MiB", "4000MB"),
        ("1.5 gigabytes", "1.5GB"),
        ("1,5GB", "1.5GB"),
        ("4 G", None),
        ("4XB", ""),
        ("4PB", ""),
        ("1_000", ""),
        ("(1", ""),
    ],
)
@pytest.mark.parametrize("name", ["request_memory", "request_disk"])
def test_a_size_that_htcondor_cannot_read_is_refused(name: str, given: str, meant: str | None) -> None:
    """The error names the nearest valid size."""
    if meant is None:
        assert check_submit_commands({name: given}) == {name: given}
        return
    with pytest.raises(ValueError, match=f"^{name} must be a size such as '4GB', or an expression, not ") as refused:
        check_submit_commands({name: given})
    assert str(refused.value).endswith(f"; did you mean '{meant}'?" if meant else f"not {given!r}")


def test_each_size_of_a_list_is_checked() -> None:
    """The list has one size for each retry."""
    for name in ("retry_request_memory", "retry_request_disk", "request_memory", "request_disk"):
        with pytest.raises(ValueError, match="not '8GiB'; did you mean '8GB'"):
            check_submit_commands({name: "4GB, 8GiB"})


@pytest.mark.parametrize("name", ["request_memory", "request_disk", "retry_request_memory", "request_cpus"])
def test_nobody_can_ask_for_less_than_nothing(name: str) -> None:
    """HTCondor would accept the value, and find no slot for the job, or any slot."""
    with pytest.raises(ValueError, match=f"{name} must be a .*at least 0"):
        check_submit_commands({name: -1})


def test_memory_in_which_nothing_runs_is_warned_of(caplog) -> None:
    """A bare number is MiB. The warning comes once, not again for derived executors."""
    commands = check_submit_commands({"request_memory": 4})
    assert [record.getMessage() for record in caplog.records] == [
        "request_memory=4 requests 4 MiB; write '4GB' for gigabytes"
    ]
    caplog.clear()
    merge(commands, {"request_cpus": 2})
    for fine in ("4GB", 512, "RequestCpus * 2048", "4M"):
        check_submit_commands({"request_memory": fine})
    assert not caplog.records
    check_submit_commands({"request_memory": int(2.5e9)})  # which was meant in bytes
    assert "requests 2384 TiB; a number without a unit is in MiB" in caplog.text


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("1h", 3600),
        ("90 min", 5400),
        ("1h30m", 5400),
        ("2 days", 172800),
        ("12:00:00", 43200),
        ("1-00:00:00", 86400),
        ("1:30", None),  # minutes, or hours?
        ("soon", None),
        ("true", None),
    ],
)
def test_a_time_is_in_seconds(given: str, seconds: int | None) -> None:
    """Formats of other systems are refused, and the error has the time in seconds."""
    sentence = r"^allowed_job_duration must be a number of seconds, or an expression, not "
    with pytest.raises(ValueError, match=sentence) as no:
        check_submit_commands({"allowed_job_duration": given})
    assert str(no.value).endswith(f"not {given!r}" + (f"; did you mean {seconds}?" if seconds else ""))


def test_a_time_may_be_an_attribute_of_the_job() -> None:
    """Its case does not matter, and it may come from the executor that this one is derived from."""
    base = check_submit_commands({"MY.Patience": 60, "allowed_job_duration": "patience"})
    assert merge(base, {"allowed_execute_duration": "Patience"})["allowed_execute_duration"] == "Patience"


@pytest.mark.parametrize("name", ["requirements", "rank", "periodic_remove", "on_exit_hold", "request_gpus", "MY.A"])
@pytest.mark.parametrize("text", ["Memory >", "(1", "a b", "x = 3"])
def test_what_is_no_expression_is_refused(name: str, text: str) -> None:
    """The error comes before anything is submitted."""
    with pytest.raises(ValueError, match=f"the submit command '{name}' must be a ClassAd expression, not "):
        check_submit_commands({name: text})


def test_a_string_that_lacks_its_quotation_marks_is_told_of_them() -> None:
    """Missing quotation marks are the most common mistake in a custom attribute."""
    with pytest.raises(ValueError, match=r"must be a ClassAd expression, not 'dark matter'; .*: '\"dark matter\"'$"):
        check_submit_commands({"MY.Project": "dark matter"})


@pytest.mark.parametrize("text", ["$(memory)GiB", "$$([1 +])", "$ENV(MEMORY)", "4 // GiB"])
def test_what_is_read_by_other_rules_is_left_to_htcondor(text: str) -> None:
    """HTCondor expands macros first."""
    for name in ("request_memory", "requirements", "allowed_execute_duration", "MY.A"):
        assert check_submit_commands({name: text}) == {name: text}
