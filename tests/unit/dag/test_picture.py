"""Pictures of a DAG."""

from __future__ import annotations

from condor_futures import shell
from condor_futures.dag.picture import COLOURS


def test_a_picture_without_a_suffix_is_where_it_was_wanted(new_dag, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")  # no Graphviz
    dag = new_dag()
    dag.submit(abs, -1)
    assert b"<svg" in dag.draw(tmp_path / "picture").read_bytes()


def test_a_picture_shows_dollars_as_they_are(new_dag, tmp_path, monkeypatch):
    """They do not start mathematics."""
    monkeypatch.setenv("PATH", str(tmp_path))  # without Graphviz
    dag = new_dag()
    dag.submit(shell("gzip -d $1_ | awk '{print $2}'"), 1)
    drawn = dag.draw(tmp_path / "graph.svg").read_text()
    assert "$1_ | awk '{print $2}'" in drawn


def test_a_node_is_shown_in_the_worst_state_of_its_calls(new_dag):
    """The picture names the function and the number of calls."""
    dag = new_dag()
    good, bad = dag.map(abs, [1, 2], chunksize=2).futures
    dag.submit(shell('echo "it"'), bad)
    good.resolve(1, None)
    bad.resolve(None, ValueError())
    first, second = [line for line in dag.dot().splitlines() if "[label=" in line]
    assert first == f'  b000000 [label="abs ×2", fillcolor="{COLOURS["failed"]}", tooltip="b000000: failed"];'  # noqa: RUF001
    assert second.startswith(r'  b000001 [label="echo \"it\"", fillcolor="#ffffff"')
    assert "  b000000 -> b000001;" in dag.dot()
