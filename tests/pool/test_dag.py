"""Workflows that DAGMan runs: values, order, options, pictures."""

from __future__ import annotations

import itertools
import os
import re
import time
from pathlib import Path

import pytest

from condor_futures import DagExecutor, DependencyError, JobCrashedError, JobError, PayloadError, procid
from condor_futures.session import names

pytestmark = pytest.mark.pool


def note(path, text="x"):
    """Write a line to a file, so that the test can count calls."""
    with Path(path).open("a") as file:
        file.write(f"{text}\n")


def lines(path):
    return Path(path).read_text().split() if Path(path).exists() else []


@pytest.mark.parametrize("local", [True, False], ids=["local", "HTCondor"])
def test_a_workflow(new_dag, tmp_path, local):
    """A diamond, a map and its sum, futures at any depth, an order without values, and a result that nobody uses."""
    dag = new_dag()
    top = dag.submit(pow, 2, 3)
    left, right = dag.submit(pow, top, 2), dag.submit(pow, 3, top)
    bottom = dag.submit(lambda **parts: sorted(parts["of"]["x"]), of={"x": (left, [right][0])})
    squares = dag.map(lambda n: print("square of", n) or n * n, range(7), chunksize=3)
    total = dag.submit(sum, squares)
    mark = tmp_path / "mark"
    first = dag.with_options(discard_result=True).submit(lambda: time.sleep(0.5) or note(mark) or 1)
    second = dag.with_options(after=first).submit(lines, mark)
    with pytest.raises(RuntimeError, match=r"is not running yet, .* call run\(\)"):
        bottom.result()
    with dag:
        assert dag.run(local=local) == dag.futures
        assert bottom.result(100) == [64, 6561]
        assert total.result(100) == sum(n * n for n in range(7))
        assert list(squares) == [n * n for n in range(7)]
        assert second.result(100) == ["x"]
        assert first.result() is None
        assert squares.futures[4].stdout() == "square of 4\n"
    assert dag.counts() == {"done": 14}
    assert all(future.job_id for future in dag.futures) is not local


@pytest.mark.parametrize("local", [True, False], ids=["local", "HTCondor"])
def test_a_failure_fails_exactly_its_descendants(new_dag, local):
    """The cause is the parent's exception. All other calls run."""
    dag = new_dag()
    fine = dag.submit(pow, 2, 2)
    failing = dag.submit(lambda x: x / 0, fine)
    child = dag.submit(max, failing, fine)
    grandchild = dag.submit(abs, child)
    later = dag.with_options(after=[failing]).submit(abs, -1)
    sibling = dag.submit(abs, fine)
    crashing = dag.submit(os._exit, 7)
    dag.run(local=local)
    assert sibling.result(100) == 4
    assert isinstance(failing.exception(100), ZeroDivisionError)
    assert "in <lambda>" in str(failing.exception().__cause__)
    for descendant, cause in ((child, failing), (grandchild, child), (later, failing)):
        assert isinstance(descendant.exception(100), DependencyError)
        assert descendant.exception().__cause__ is cause.exception()
        assert descendant.job_id is None
    assert isinstance(crashing.exception(100), JobCrashedError)
    assert crashing.exception().exit_status == 7


@pytest.mark.parametrize("local", [True, False], ids=["local", "HTCondor"])
def test_retries_make_only_what_failed_again(new_dag, tmp_path, local):
    """DAGMan retries a node of three calls for the one that raised. A call that raises too often fails."""
    dag = new_dag(retries=2)

    def unreliable(n):
        note(tmp_path / f"calls{n}")
        print("call", n)
        if n == 1 and len(lines(tmp_path / "calls1")) < 3:
            raise OSError("try again")
        return n

    values = dag.map(unreliable, range(3), chunksize=3)
    doubled = dag.submit(lambda all_of_them: [2 * n for n in all_of_them], values)
    hopeless = dag.with_options(retries=1).submit(lambda: note(tmp_path / "hopeless") or 1 / 0)
    dag.run(local=local)
    assert doubled.result(100) == [0, 2, 4]
    assert [future.stdout() for future in values.futures] == ["", "call 1\n", ""], "not the last output"
    assert isinstance(hopeless.exception(100), ZeroDivisionError)
    assert [len(lines(tmp_path / name)) for name in ("calls0", "calls1", "calls2", "hopeless")] == [1, 3, 1, 2]
    dag.shutdown()
    with DagExecutor.attach(dag.directory) as again:  # it reads what the last attempt left
        assert [future.result(60) for future in again.futures[:3]] == [0, 1, 2]
        assert [future.stdout() for future in again.futures[:3]] == ["", "call 1\n", ""]


@pytest.mark.parametrize("local", [True, False], ids=["local", "HTCondor"])
def test_a_category_limits_how_many_run_at_once(new_dag, tmp_path, local):
    """The limit is DAGMan's MAXJOBS, and no more jobs run at a time."""
    dag = new_dag(max_workers=6)
    dag.categories["adder"] = 2

    def busy(n):
        note(tmp_path / "times", f"{time.time()},1")
        time.sleep(0.7)
        note(tmp_path / "times", f"{time.time()},-1")
        return n

    values = dag.with_options(category="adder").map(busy, range(5))
    text = dag.write().read_text()
    assert "\nMAXJOBS adder 2\n" in text
    assert len(re.findall(r"^CATEGORY b\d+ adder$", text, re.MULTILINE)) == 5
    dag.run(local=local)
    assert list(values) == list(range(5))
    events = sorted(tuple(map(float, line.split(","))) for line in lines(tmp_path / "times"))
    assert max(itertools.accumulate(change for _, change in events)) <= 2


@pytest.mark.parametrize("local", [True, False], ids=["local", "HTCondor"])
def test_scripts_run_before_and_after(new_dag, tmp_path, local):
    """The pre script prepares, and the post script judges. DAGMan passes its macros to each."""
    prepare, judge = tmp_path / "prepare", tmp_path / "judge"
    prepare.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/prepared\n')
    judge.write_text(f'#!/bin/sh\necho "$1:$2" >> {tmp_path}/judged\ntest "$1" != 0 -o "$2" = 1\n')
    for script in (prepare, judge):
        script.chmod(0o755)
    dag = new_dag()
    prepared = dag.with_options(pre_script=[prepare, "$NODE"]).submit(lambda: lines(tmp_path / "prepared"))
    # The script fails a node the first time although the job succeeded, and accepts a node whose call raised.
    judged = dag.with_options(post_script=[judge, "$RETURN", "$RETRY"], retries=1)
    well = judged.submit(lambda: note(tmp_path / "well"))
    raised = judged.submit(lambda: 1 / 0)
    after = dag.with_options(after=raised).submit(abs, -3)
    refused = dag.with_options(pre_script="/bin/false").submit(abs, -1)
    child = dag.submit(abs, refused)
    dag.run(local=local)
    assert prepared.result(100) == ["b000000"]
    assert well.result(100) is None
    assert isinstance(raised.exception(100), ZeroDivisionError)
    assert after.result(100) == 3
    assert sorted(lines(tmp_path / "judged")) == ["0:0", "0:1", "1:0"]
    assert len(lines(tmp_path / "well")) == 2, "a node that the script rejects runs again"
    assert type(refused.exception(100)) is JobError
    assert "PRE" in str(refused.exception())
    assert child.exception(100).__cause__ is refused.exception()


@pytest.mark.parametrize("local", [True, False], ids=["local", "HTCondor"])
def test_submit_commands_and_files_reach_the_jobs(pool, new_dag, tmp_path, local):
    """The options apply to the DAG, or to a derived executor. Jobs can import shipped packages."""
    (tmp_path / "data.txt").write_text("twelve")
    package = tmp_path / "dag_shipped"
    package.mkdir()
    (package / "__init__.py").write_text("ANSWER = 42\n")
    dag = new_dag(**{"MY.Flavour": '"long"'})
    read = dag.with_options(
        transfer_input_files=[tmp_path / "data.txt"], request_memory="64MB", environment={"A": "b c"}
    )
    text = read.submit(lambda: (Path("data.txt").read_text(), os.environ["A"]))

    def answer():
        import dag_shipped

        return dag_shipped.ANSWER

    found = dag.with_options(ship=[package]).submit(lambda _: answer(), text)
    dag.run(local=local)
    assert text.result(100) == ("twelve", "b c")
    assert found.result(100) == 42
    dag.shutdown()
    if local:
        return
    constraint = f'CondorFuturesSession == "{dag._driver.graph.session.id}" && JobUniverse == 5'
    ads = {ad["CondorFuturesBundle"]: ad for ad in pool.ads("condor_history", constraint)}
    assert [ads[key]["RequestMemory"] for key in ("b000000", "b000001")] == [64, 128]
    assert {ad["Flavour"] for ad in ads.values()} == {"long"}


@pytest.mark.parametrize("local", [True, False], ids=["local", "HTCondor"])
def test_output_files_come_back(new_dag, tmp_path, local):
    """Files come back to the job's directory, or where a remap says.

    For a directory with a trailing slash, its content does.
    """

    def make():
        for name in ("tree", "many"):
            Path(name).mkdir()
        for name in ("made.txt", "other.txt", "tree/leaf.txt", "many/one.txt"):
            note(name)

    dag = new_dag(transfer_output_files=["made.txt", "other.txt", "tree", "many/"])
    future = dag.with_options(transfer_output_remaps={"other.txt": tmp_path / "here.txt"}).submit(make)
    dag.run(local=local)
    future.result(100)
    assert lines(tmp_path / "here.txt") == ["x"]
    place = dag.directory / "bundles/000"
    found = sorted(str(path.relative_to(place)) for path in place.rglob("*.txt"))
    assert found == ["made.txt", "one.txt", "tree/leaf.txt"]


def test_a_site_with_other_settings_of_dagman(new_dag, tmp_path, monkeypatch):
    """The DAG's own configuration overrides the site's.

    The nodes' log is where the client reads it, although it may be below /tmp.
    """
    monkeypatch.setenv("_CONDOR_DAGMAN_DEFAULT_NODE_LOG", str(tmp_path / "elsewhere.log"))
    monkeypatch.setenv("_CONDOR_DAGMAN_AVOID_SLASH_TMP", "True")
    dag = new_dag()
    future = dag.submit(divmod, 1, 0)
    dag.run()
    assert isinstance(future.exception(100), ZeroDivisionError)
    assert future.job_id is not None
    assert not (tmp_path / "elsewhere.log").exists()


@pytest.mark.parametrize("local", [True, False], ids=["local", "HTCondor"])
def test_parents_in_other_directories(new_dag, monkeypatch, local):
    """No directory has more than 1,000 bundles (here 2), and values come from all of them."""
    monkeypatch.setattr(names, "BUNDLES_PER_DIRECTORY", 2)
    dag = new_dag()
    total = dag.submit(sum, dag.map(abs, range(5)))
    # The node's own input file makes HTCondor transfer all of them into one sandbox.
    again = dag.with_options(transfer_input_files=__file__).submit(sum, [total, *dag.futures])
    dag.run(local=local)
    assert again.result(100) == 30
    assert len(list((dag.directory / "bundles").iterdir())) == 4


@pytest.mark.parametrize("local", [True, False], ids=["local", "HTCondor"])
def test_a_cluster_is_one_node(pool, new_dag, tmp_path, local):
    """Each job has its number. If one fails, the others continue, and only that one runs again."""
    dag = new_dag()
    top = dag.submit(pow, 2, 4)

    def square(n, offset):
        time.sleep(0 if n == 1 else 1)
        note(tmp_path / f"square{n}")
        if n == 1 and len(lines(tmp_path / "square1")) < 2:
            raise OSError("not the first time")
        return n * n + offset

    squares = dag.submit_cluster(square, procid, offset=top, count=3)
    total = dag.submit(sum, squares)
    dag.run(local=local)
    assert isinstance(squares[1].exception(100), OSError)
    assert [squares[0].result(100), squares[2].result(100)] == [16, 20]
    assert total.exception(100).__cause__ is squares[1].exception()
    if not local:
        assert len({future.job_id.split(".")[0] for future in squares}) == 1
    assert dag.run(local=local)[-1].result(100) == 16 + 17 + 20
    assert [len(lines(tmp_path / f"square{n}")) for n in range(3)] == [1, 2, 1]


def test_a_cancelled_call_is_removed_and_its_descendants_fail(new_dag):
    """The test cancels a call before it runs, or while it runs."""
    dag = new_dag()
    before, during = dag.submit(time.sleep, 300), dag.submit(time.sleep, 300)
    children = [dag.submit(str, before), dag.submit(str, during)]
    fine = dag.submit(abs, -1)
    assert before.cancel()
    dag.run()
    assert fine.result(100) == 1
    assert during.cancel()
    for child in children:
        assert isinstance(child.exception(100), DependencyError)


def test_pictures(new_dag, tmp_path):
    """Pictures are Graphviz text or image files, with states as colours. DAGMan also keeps one."""
    dag = new_dag()
    top = dag.submit(pow, 2, 3)
    squares = dag.map(abs, [top, -2, -3], chunksize=3)
    wrong = dag.submit(divmod, squares, 0)
    dag.submit(str, wrong)
    before = dag.dot()
    assert 'b000001 [label="abs \u00d73", fillcolor="#ffffff"' in before
    assert "b000000 -> b000001;" in before
    dag.run()
    dag.shutdown()
    colours = dict(re.findall(r'(b\d+) \[.*fillcolor="(#\w+)"', dag.dot()))
    assert list(colours.values()) == ["#a9d99a", "#a9d99a", "#f4a3a3", "#f4a3a3"]
    for kind, begin in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        assert dag.draw(tmp_path / f"graph.{kind}").read_bytes().startswith(begin)
    assert "digraph" in (dag.directory / "work.dot").read_text()


def test_graphviz_draws_where_it_is_installed(new_dag, tmp_path, monkeypatch):
    """Graphviz's dot reads the graph, and our error passes on its error message."""
    dag = new_dag()
    dag.submit(abs, 1)
    (tmp_path / "dot").write_text('#!/bin/sh\ntest "$1" = -Tsvg || { echo no such kind >&2; exit 1; }\ncat > "$3"\n')
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert dag.draw(tmp_path / "graph.svg").read_text() == dag.dot()
    with pytest.raises(ValueError, match="no such kind"):
        dag.draw(tmp_path / "graph.gog")


def test_what_is_wrong_is_said_before_anything_is_submitted(new_dag, executor, tmp_path):
    """The error also says what to do."""
    with pytest.raises(ValueError, match="letters, digits"):
        DagExecutor("a b", tmp_path / "x")
    with pytest.raises(TypeError, match="condor_submit_dag"):
        DagExecutor("a", tmp_path / "x", access_point="ap@example.org")
    with pytest.raises(TypeError, match="did you mean 'request_memory'"):
        DagExecutor("a", tmp_path / "x", request_memroy=1)
    with pytest.raises(ValueError, match="retries must be at least 0"):
        DagExecutor("a", tmp_path / "x", retries=-1)
    dag = new_dag()
    with pytest.raises(PayloadError, match="own calls only"):
        dag.submit(abs, executor.submit(abs, 1))
    with pytest.raises(PayloadError, match=r"\[0\] cannot be pickled"):
        dag.submit(abs, (n for n in ()))
    with pytest.raises(TypeError, match="own calls only"):
        dag.with_options(after=executor.submit(abs, 1))
    with pytest.raises(ValueError, match="there is no script"):
        dag.with_options(pre_script="./prepare --all")
    with pytest.raises(ValueError, match="count must be greater than 0"):
        dag.submit_cluster(abs, 1, count=0)
    with pytest.raises(ValueError, match="chunksize"):
        dag.map(abs, [1], chunksize=0)
