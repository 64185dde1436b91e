"""The files of a DAG: none of them is a file of the session, and the newest counts."""

from __future__ import annotations

import json

import pytest

from condor_futures import DagExecutor, sessions
from condor_futures.dag.files import DagFiles, read_manifest
from condor_futures.errors import CondorFuturesError


@pytest.mark.parametrize("name", ["session", "event_log", "runner", "bundles"])
def test_no_file_of_a_dag_is_one_of_its_session(tmp_path, name):
    """The name of the DAG does not matter."""
    with DagExecutor(name, tmp_path / "dag") as dag:
        theirs = {path.name for path in dag.directory.iterdir()}
        files = DagFiles(dag.directory, name)
        kinds = [kind for kind, value in vars(DagFiles).items() if isinstance(value, property) and kind != "rescue"]
        ours = [getattr(files, kind).name for kind in kinds]
    assert len(ours) == len(set(ours))
    assert theirs.isdisjoint(ours)


def test_the_latest_rescue_dag_counts(tmp_path):
    files = DagFiles(tmp_path, "work")
    assert files.rescue is None
    for number in ("001", "010", "002"):
        (tmp_path / f"work.dag.rescue{number}").touch()
    (tmp_path / "work.dag.rescue011.old").touch()
    assert files.rescue == tmp_path / "work.dag.rescue010"


def test_what_is_known_without_the_nodes(new_dag):
    """A list of sessions shows these facts."""
    dag = new_dag("work", access_point="personal")
    dag.submit(abs, -1)
    [info] = [info for info in sessions(dag.directory) if info.directory == dag.directory]
    assert (info.dag, info.access_point) == ("", None)
    dag.write()
    about = read_manifest(dag.directory)
    assert (about["name"], about["access_point"]) == ("work", "personal")
    [info] = [info for info in sessions(dag.directory) if info.directory == dag.directory]
    assert (info.dag, info.access_point) == ("work", "personal")


def test_a_manifest_counts_only_with_its_dag(tmp_path):
    """A DAG that was not written completely does not count."""
    (tmp_path / "work.dag.json").write_text(json.dumps({"name": "work"}))
    with pytest.raises(CondorFuturesError, match="no DAG was written to"):
        read_manifest(tmp_path)
    (tmp_path / "work.dag").touch()
    assert read_manifest(tmp_path) == {"name": "work"}
