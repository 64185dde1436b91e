"""Submit commands that wait for an exit status that no job has are refused. All others keep HTCondor's meaning."""

from __future__ import annotations

import re

import pytest

from condor_futures import CondorExecutor, DagExecutor
from condor_futures.execution_point import bundle
from condor_futures.submit.description import check_submit_commands, retried
from condor_futures.submit.exit_statuses import DAG_STATUSES, STATUSES, check_exit_statuses

TAKEN = [
    ("on_exit_remove", "(ExitBySignal == False) && (ExitCode == 0)"),
    ("on_exit_remove", "ExitCode =?= 0 || NumJobCompletions > 5"),
    ("on_exit_remove", "ExitCode =!= 3"),
    ("on_exit_remove", "NumJobCompletions > 3"),
    ("on_exit_remove", "ExitBySignal == False"),
    ("on_exit_remove", "Unknown == 3"),  # HTCondor puts the job on hold
    ("on_exit_remove", "ExitCode <= 255"),
    ("on_exit_remove", "member(ExitCode, {0, 127})"),
    ("on_exit_remove", "MY.ExitCode == 0"),
    ("on_exit_remove", "$(when)"),
    ("on_exit_hold", "ExitBySignal || ExitCode != 0"),
    ("on_exit_hold", "(ExitCode == 3) && (NumJobStarts > 2)"),
    ("on_exit_hold", "time() - JobCurrentStartDate < 60"),
    ("on_exit_hold_reason", '"the call had ExitCode == 7"'),
    ("on_exit_hold_reason", 'strcat("exit status ", ExitCode)'),
    ("on_exit_hold_subcode", "ExitCode"),
    ("periodic_release", "HoldReasonCode == 3 && ExitCode == 3 && NumJobStarts < 3"),
    ("periodic_release", "JobStatus == 5 && NumHolds < 7"),
    ("retry_until", "ExitCode == 127"),
    ("retry_until", "127"),
    ("retry_until", "NumJobCompletions > 2"),
    ("success_exit_code", "0"),
    ("rank", "ExitCode == 7"),  # no policy
]


@pytest.mark.parametrize(("name", "text"), TAKEN)
def test_what_has_a_meaning_is_taken(name: str, text: str) -> None:
    """The commands of ordinary submit files are among these."""
    check_exit_statuses(check_submit_commands({name: text}))


@pytest.mark.parametrize(
    ("name", "text", "number"),
    [
        ("on_exit_remove", "ExitCode == 7", 7),
        ("on_exit_remove", "ExitCode != 85", 85),
        ("on_exit_remove", "exitcode =?= 0 || EXITCODE =?= 85", 85),
        ("on_exit_remove", "(ExitCode =!= 85)", 85),
        ("on_exit_remove", "77 == ExitCode", 77),
        ("on_exit_remove", "ExitCode == -1", -1),
        ("on_exit_remove", "MY.ExitCode==7", 7),
        ("MY.OnExitRemove", "ExitCode == 7", 7),
        ("on_exit_hold", "ExitCode == 1", 1),
        ("MY.onexithold", "ExitCode == 42", 42),
        ("on_exit_hold", "ExitCode >= 128", 128),
        ("on_exit_hold", "member(ExitCode, {3, 7})", 7),
        ("on_exit_hold_reason", 'ifThenElse(ExitCode == 99, "no input", "unknown")', 99),
        ("on_exit_hold_subcode", "ifThenElse(ExitCode == 99, 1, 2)", 99),
        ("periodic_release", "ExitCode == 134", 134),
        ("periodic_remove", "JobStatus == 5 && ExitCode == 5", 5),
        ("retry_until", "85", 85),
        ("retry_until", "ExitCode == 9", 9),
    ],
)
@pytest.mark.parametrize("more", [{}, {"max_retries": "3"}], ids=["alone", "max_retries"])
def test_a_status_that_no_job_has_is_refused(name: str, text: str, number: int, more: dict[str, str]) -> None:
    """The error lists the statuses that jobs have, and says what to do."""
    message = (
        f"{name} compares the job's exit status with {number}, but a job exits only with 0 (each call has an outcome, "
        "also if it raised an exception), 3 (a call killed its process or exited), 4 (a call raised one of "
        "retry_exceptions) or 127 (there is no Python); to retry calls, use max_retries and retry_exceptions"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_exit_statuses(check_submit_commands({name: text, **more}))


@pytest.mark.parametrize("text", ["7", "85", "1", "-1", "3"])
def test_success_is_status_0(text: str) -> None:
    """A job whose calls succeeded exits with it, so any other number would retry it."""
    for name in ("success_exit_code", "JobSuccessExitCode", "MY.JobSuccessExitCode"):
        with pytest.raises(ValueError, match=rf"^[\w.]+ must be 0, not {text}: a job that succeeded exits with"):
            check_exit_statuses(check_submit_commands({name: text, "max_retries": 3}))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("on_exit_remove", "false"),
        ("on_exit_remove", "0"),
        ("on_exit_remove", "ExitCode > 0"),
        ("on_exit_remove", "ExitBySignal"),
        ("on_exit_remove", "ExitCode == 3 || ExitCode == 4"),
        ("on_exit_remove", "MY.ExitCode == 3"),
        ("on_exit_remove", "ExitCode != 0 && NumJobCompletions > 3"),
        ("MY.OnExitRemove", "false"),
        ("on_exit_hold", "true"),
        ("on_exit_hold", "ExitCode == 0"),
        ("on_exit_hold", "!ExitBySignal"),
    ],
)
def test_a_job_that_succeeded_ends(name: str, text: str) -> None:
    """It would run again without end, or go on hold with its outcomes."""
    with pytest.raises(ValueError, match=r"(is false|is true) for a job that exits with status 0, so .*; \w"):
        check_exit_statuses(check_submit_commands({name: text}))


def test_retries_have_an_end() -> None:
    """Then HTCondor combines its own condition with on_exit_remove. An attribute replaces both."""
    for limit in ({"max_retries": 3}, {"success_exit_code": 0}, {"retry_until": 127}):
        check_exit_statuses(check_submit_commands({"on_exit_remove": "false", **limit}))
        with pytest.raises(ValueError, match=r"^MY.OnExitRemove is false for a job that exits with status 0"):
            check_exit_statuses(check_submit_commands({"MY.OnExitRemove": "false", **limit}))


def test_an_exception_fails_a_job_of_a_dag_only() -> None:
    """Its status is 1. There are no retry_exceptions."""
    check_exit_statuses({"on_exit_hold": "ExitCode == 1", "retry_until": "1"}, dag=True)
    message = (
        r"only with 0 \(each call returned\), 1 \(a call raised an exception\), 3 .*; to retry calls, use max_retries$"
    )
    with pytest.raises(ValueError, match=message):
        check_exit_statuses({"on_exit_hold": "ExitCode == 4"}, dag=True)


def test_the_statuses_are_the_runners() -> None:
    """The runner's module travels to the execution point, so it shares no constants with this one."""
    assert {bundle.CRASHED, bundle.RETRY} < set(STATUSES)
    assert {bundle.CRASHED, bundle.RAISED} < set(DAG_STATUSES)


def test_a_job_with_the_attribute_has_its_outcomes_again() -> None:
    """A retry makes only the calls that have none, whichever way on_exit_remove is written."""
    assert all(map(retried, ({"on_exit_remove": "x"}, {"MY.OnExitRemove": "x"}, {"retry_until": "3"})))
    assert not retried({"on_exit_hold": "x", "request_cpus": "1"})


def test_executors_refuse_them_before_anything_exists(tmp_path) -> None:
    """The constructors do, also for a submit file, whose name and line are told."""
    with pytest.raises(ValueError, match=r"^on_exit_remove compares"):
        CondorExecutor(on_exit_remove="ExitCode == 7", session=tmp_path / "session")
    with pytest.raises(ValueError, match=r"^retry_until compares"):
        DagExecutor("dag", tmp_path / "dag", retry_until=7)
    file = tmp_path / "job.sub"
    file.write_text("max_retries = 3\nsuccess_exit_code = 85\nqueue\n")
    with pytest.raises(ValueError, match=rf"^success_exit_code in {file}, line 2, must be 0, not 85"):
        CondorExecutor.from_submit_file(file, session=tmp_path / "session")
    assert not (tmp_path / "session").exists()
    assert not (tmp_path / "dag").exists()


def test_a_dag_refuses_them_later(tmp_path) -> None:
    """Like a constructor; removing a command may be wrong, too."""
    dag = DagExecutor("dag", tmp_path / "dag", max_retries=2, on_exit_remove="false")
    with pytest.raises(ValueError, match=r"^on_exit_remove is false for a job"):
        dag.with_options(max_retries=None)
    with pytest.raises(ValueError, match=r"^on_exit_hold compares"):
        dag.with_options(on_exit_hold="ExitCode == 77")
