"""Nodes become the files that condor_submit_dag reads."""

from __future__ import annotations

from environments import make_venv

from condor_futures import procid


def test_a_limit_of_no_call_is_warned_of(new_dag, caplog):
    dag = new_dag()
    dag.categories.update(adder=1, other=2)
    dag.with_options(category="other").submit(abs, -1)
    dag.with_options(category="ader").submit(abs, -1)
    dag.write()
    assert [record.getMessage() for record in caplog.records] == [
        "no call of the DAG work is of the category adder, which has a limit"
    ]


def written(dag):
    return dag.write().read_text(), [path.read_text() for path in sorted(dag.directory.glob("jobs-*.sub"))]


def test_nodes_of_the_same_options_share_a_description(new_dag):
    dag = new_dag()
    dag.map(abs, [1, 2])
    dag.with_options(priority=3).submit(abs, 3)
    text, descriptions = written(dag)
    assert len(descriptions) == 2
    jobs = [line.split()[1:3] for line in text.splitlines() if line.startswith("JOB ")]
    assert [name for name, _ in jobs] == ["b000000", "b000001", "b000002"]
    assert jobs[0][1] == jobs[1][1] != jobs[2][1]
    assert "priority = 3" in descriptions[1]


def test_the_jobs_of_a_cluster_have_the_bundles_from_the_first_one_on(new_dag):
    dag = new_dag()
    dag.submit(abs, 1)
    dag.submit_cluster(abs, procid, count=3)
    text, (_, cluster) = written(dag)
    assert "queue 3\n" in cluster
    assert "bundle = b$INT(number,%06d)" in cluster
    assert 'first="1"' in text


def test_what_dagman_is_told_of_a_node(new_dag):
    dag = new_dag(retries=2)
    dag.categories["disk"] = 4
    first = dag.submit(abs, 1)
    options = dag.with_options(category="disk", pre_script=["/bin/echo", "$RETRY"], post_script="/bin/true")
    options.submit(abs, first)
    lines = written(dag)[0].splitlines()
    assert "PARENT b000000 CHILD b000001" in lines
    assert "RETRY b000001 2" in lines
    assert "CATEGORY b000001 disk" in lines
    assert "MAXJOBS disk 4" in lines
    assert "SCRIPT PRE b000001 /bin/echo $RETRY" in lines
    assert "SCRIPT POST b000001 /bin/true" in lines


def test_a_job_on_hold_is_removed_unless_the_user_releases_it(new_dag):
    """Otherwise, DAGMan would wait for it for ever."""
    dag = new_dag()
    dag.submit(abs, 1)
    dag.with_options(periodic_release="NumHolds < 3").submit(abs, 2)
    _, (plain, released) = written(dag)
    assert "periodic_remove = JobStatus == 5\n" in plain
    assert "periodic_remove" not in released


def test_environments_and_containers(new_dag, tmp_path):
    dag = new_dag(access_point="personal", python_environment=make_venv(tmp_path / "env"))
    name = dag._intake.options.environment.name
    dag.submit(abs, 1)
    dag.with_options(container_image="docker://debian", python_environment=False).submit(abs, 1)
    _, (plain, contained) = written(dag)
    assert f"arguments = $(bundle) {name}\n" in plain
    assert f"../../environments/{name}" in plain
    assert "should_transfer_files = IF_NEEDED" in plain
    assert "arguments = $(bundle)\n" in contained
    assert "environments/" not in contained
    assert "should_transfer_files = YES" in contained
