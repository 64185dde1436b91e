"""Options that DAGMan cannot carry out are refused before anything is written."""

from __future__ import annotations

import pytest

from condor_futures import DagExecutor
from condor_futures.dag.checks import (
    check_access_point,
    check_name,
    check_settings,
    command_line,
    warn_of_old_dagman,
)


@pytest.mark.parametrize("name", ["x y", "it's", 'a"b', "a$(X)b", "a$$(b)", "a@(X)", "a|b", "a\\", "a\\/b"])
def test_directories_that_dagman_cannot_take_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="choose another one"):
        DagExecutor("work", f"{tmp_path}/{name}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "words", "sentence"),
    [
        ("pre_script", ["$RETURN"], r"DAGMan has no macro '\$RETURN' for .* runs before the job"),
        ("pre_script", ["$HOME"], r"DAGMan has no macro '\$HOME'"),
        ("post_script", ["$RETURN_CODE", "x"], r"\$RETRY, \$RETURN, \$SUCCESS"),
        ("post_script", ["x", "y\\"], "backslash"),
    ],
)
def test_script_arguments_that_end_a_dag_are_refused(new_dag, kind, words, sentence):
    """By default, DAGMan aborts the whole DAG when it reaches the script."""
    dag = new_dag()
    dag.with_options(pre_script=["/bin/true", "$retry", "a$b\\", "c"], post_script=["/bin/true", "$Return", "$JOBID"])
    with pytest.raises(ValueError, match=sentence):
        dag.with_options(**{kind: ["/bin/true", *words]})


@pytest.mark.parametrize(("version", "warned"), [("25.9.0", True), ("24.0.14", True), ("25.14.0", False), ("?", False)])
def test_a_dagman_that_removes_the_rest_of_a_cluster_is_warned_of(caplog, version, warned):
    warn_of_old_dagman(f"$CondorVersion: {version} 2026-03-01 BuildID: 1 $")
    assert ("removes the others" in caplog.text) is warned


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "ä", "a/b", "a" * 201])
def test_names_that_could_be_taken_for_something_else_are_refused(name):
    with pytest.raises(ValueError, match=r"^the name of a DAG has"):
        check_name("a DAG", name)


@pytest.mark.parametrize("name", ["a", "1", "_", "run-7.b_c", "a" * 200])
def test_other_names_are_not(name):
    check_name("a DAG", name)


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"DAGMAN_MAX_JOBS_IDLE": "many"}, ValueError, "is a whole number, not 'many'"),
        ({"DAGMAN_ALLOW_EVENTS": [1]}, TypeError, "is a number, a bool or a str, not list"),
        ({"A = B": 1}, ValueError, "has a name such as"),
        ({"DAGMAN_CONFIG": "a\nb"}, ValueError, "must fit on one line"),
        ({"DAGMAN_CONFIG": "a\\"}, ValueError, "must fit on one line"),
    ],
)
def test_settings_that_dagman_would_end_of_are_refused(settings, error, sentence):
    with pytest.raises(error, match=sentence):
        check_settings(settings)


def test_other_settings_are_left_to_dagman():
    """The other settings are expressions, macros, and names unknown here."""
    settings = {"DAGMAN_MAX_JOBS_IDLE": "10 * 10", "DAGMAN_MAX_SUBMITS_PER_INTERVAL": "$(LIMIT)", "DAGMAN_NEW": "x"}
    assert check_settings(settings) == settings


@pytest.mark.parametrize("access_point", ["ap1", ("cm", "ap1"), 3])
def test_dagman_runs_here(access_point):
    with pytest.raises(TypeError, match="DAGMan runs beside its schedd"):
        check_access_point(access_point)


def test_a_script_is_a_program_that_can_be_run(tmp_path, monkeypatch):
    """The path is absolute, because DAGMan runs the script in the DAG's directory."""
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "script"
    with pytest.raises(ValueError, match="there is no script 'script x'; pass its arguments as further items"):
        command_line("script x", "before")
    script.touch()
    with pytest.raises(ValueError, match=r"cannot be executed; chmod \+x"):
        command_line("script", "before")
    script.chmod(0o755)
    assert command_line(["script", 7, "$RETRY"], "before") == (str(script), "7", "$RETRY")
    assert command_line([], "before") == ()
    with pytest.raises(ValueError, match="blanks and quotation marks separate its words"):
        command_line(["script", "two words"], "before")
