"""Workflows in live mode: shell commands, order without data, categories, clusters, unused values."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from concurrent.futures import Future

import pytest
from support import until

import condor_futures
from condor_futures import CondorExecutor, DependencyError, PayloadError, ShellError, procid, shell


def test_a_shell_command_is_a_call(executor):
    future = executor.submit(shell('printf "%s\\n" c a b | sort | head -n "$1"'), 2)
    done = future.result()
    assert (done.returncode, done.stdout) == (0, "a\nb\n")
    assert future.stdout() == "a\nb\n"


def test_shell_commands_are_swept(executor):
    greetings = [done.stdout for done in executor.map(shell('echo "hello $1"'), ["you", 'it\'s "me"'])]
    assert greetings == ["hello you\n", 'hello it\'s "me"\n']


def test_a_shell_command_that_fails_raises_with_the_end_of_its_standard_error(executor):
    with pytest.raises(ShellError, match="no such flag") as caught:
        executor.submit(shell("echo so far; echo no such flag >&2; exit 4")).result()
    assert type(caught.value) is ShellError
    assert (caught.value.returncode, caught.value.stdout) == (4, "so far\n")


def test_what_a_shell_command_returned_is_an_argument(executor):
    done = executor.submit(shell("seq 3"))
    assert executor.submit(lambda done: sum(map(int, done.stdout.split())), done).result() == 6


def test_after_is_order_without_data(executor, tmp_path):
    """A diamond of shell commands that share only a file."""
    book = tmp_path / "book"
    write = shell(f'echo "$1" >> {book}')
    top = executor.submit(write, "top")
    sides = [executor.with_options(after=top).submit(write, side) for side in ("left", "right")]
    bottom = executor.with_options(after=sides).submit(write, "bottom")
    bottom.result()
    lines = book.read_text().split()
    assert lines[0] == "top"
    assert sorted(lines[1:3]) == ["left", "right"]
    assert lines[3:] == ["bottom"]


def test_what_comes_after_a_failure_is_not_submitted(executor):
    failed = executor.submit(shell("exit 1"))
    after = executor.with_options(after=[failed])
    futures = [after.submit(pow, 2, 2), *after._intake.submit_chunks(pow, iter([(1, 1), (2, 2)]), 2, None)][0:1]
    cancelled: Future[int] = Future()
    orphan = executor.with_options(after=cancelled).submit(pow, 2, 3)
    cancelled.cancel()
    for future, cause in [(futures[0], ShellError), (orphan, condor_futures.CancelledError)]:
        with pytest.raises(DependencyError) as caught:
            future.result()
        assert isinstance(caught.value.__cause__, cause)
        assert future.job_id is None


def test_after_holds_for_every_call_of_a_chunk(executor):
    first = executor.submit(shell("exit 1"))
    values = executor.with_options(after=first).map(pow, range(4), range(4), chunksize=2)
    with pytest.raises(DependencyError):
        next(values)


def test_after_and_arguments_go_together(executor):
    one, other = executor.submit(pow, 2, 3), executor.submit(pow, 3, 2)
    assert executor.with_options(after=one).submit(lambda x: x + 1, other).result() == 10


def test_a_category_has_at_most_so_many_jobs_in_the_queue(new_executor, pool):
    """The events show it from outside: between submission and end of any job, there are never more than two others."""
    executor = new_executor()
    executor.categories["adder"] = 2
    adder = executor.with_options(category="adder")
    slow = [adder.submit(shell("sleep 0.3"), n) for n in range(6)]
    free = [executor.submit(pow, n, 2) for n in range(6)]
    most, ended = 0, threading.Event()
    slow[-1].add_done_callback(lambda _: ended.set())
    while not ended.is_set():
        states = Counter(future.state for future in slow)
        most = max(most, sum(states[state] for state in ("idle", "running", "completed")))
        ended.wait(0.01)
    assert most == 2
    assert [future.result() for future in free] == [n * n for n in range(6)]
    for future in slow:
        future.result()
    # Jobs with other options did not wait: the last of the slow jobs entered the queue after all of the free ones.
    number = [tuple(map(int, future.job_id.split("."))) for future in (*free, slow[-1])]
    assert max(number) == number[-1]


def test_a_limit_that_is_raised_counts_at_once(new_executor):
    executor = new_executor()
    executor.categories["one"] = 1
    futures = [executor.with_options(category="one").submit(shell("sleep 60")) for _ in range(3)]
    until(lambda: Counter(future.state for future in futures)["running"] == 1)
    assert Counter(future.state for future in futures)["pending"] == 2
    executor.categories["one"] = 3
    until(lambda: Counter(future.state for future in futures)["running"] == 3)
    for future in futures:
        future.cancel()


def test_a_cluster_is_one_cluster_and_each_call_knows_its_number(executor, pool):
    futures = executor.submit_cluster(lambda a, *, b: (a, b), ["file", procid], b={"n": procid}, count=5)
    assert [future.result() for future in futures] == [(["file", n], {"n": n}) for n in range(5)]
    clusters, numbers = zip(*(future.job_id.split(".") for future in futures), strict=True)
    assert len(set(clusters)) == 1
    assert list(numbers) == list("01234")


def test_a_cluster_waits_for_what_it_depends_on_and_stays_one(executor):
    base = executor.submit(pow, 10, 2)
    futures = executor.submit_cluster(lambda base, n: base + n, base, procid, count=12)
    assert [future.result() for future in futures] == [100 + n for n in range(12)]
    assert len({future.job_id.split(".")[0] for future in futures}) == 1


def test_a_cluster_across_bundle_directories_stays_one(new_executor):
    """A directory has at most a thousand bundles. This does not split a cluster."""
    executor = new_executor()
    for _ in range(997):  # numbers of bundles, which are not given out again
        next(executor._engine.numbers.bundles)
    futures = executor.submit_cluster(pow, procid, 2, count=6)
    assert [future.result() for future in futures] == [n * n for n in range(6)]
    assert len({future.job_id.split(".")[0] for future in futures}) == 1
    assert len({future.bundle.directory for future in futures}) == 2


def test_one_bad_job_of_a_cluster_harms_no_other(executor):
    futures = executor.submit_cluster(lambda n: 1 / (n - 1), procid, count=3)
    assert [futures[0].result(), futures[2].result()] == [-1.0, 1.0]
    with pytest.raises(ZeroDivisionError):
        futures[1].result()


def test_a_cluster_respects_its_category(new_executor):
    executor = new_executor()
    executor.categories["few"] = 3
    few = executor.with_options(category="few")
    futures = [*few.submit_cluster(pow, procid, 1, count=3), *few.submit_cluster(pow, procid, 1, count=2)]
    assert [future.result() for future in futures] == [0, 1, 2, 0, 1]
    with pytest.raises(ValueError, match="4 jobs exceeds the limit of the category 'few': 3 jobs in the queue"):
        few.submit_cluster(pow, procid, 1, count=4)


def test_a_cluster_that_became_larger_than_its_category_goes_alone(new_executor):
    executor = new_executor()
    executor.categories["few"] = 3
    blocker: Future[int] = Future()
    few = executor.with_options(category="few", after=blocker)
    futures = few.submit_cluster(pow, procid, 1, count=3)
    executor.categories["few"] = 1
    blocker.set_result(0)
    assert [future.result() for future in futures] == [0, 1, 2]


def test_procid_has_no_value_elsewhere(executor):
    with pytest.raises(PayloadError, match=r"\(args, kwargs\)\[0\]\[0\] cannot be pickled: procid has a value only in"):
        executor.submit(pow, procid, 2).result()


@pytest.mark.parametrize(("count", "error"), [(0, ValueError), (-1, ValueError), ("3", TypeError), (5000, ValueError)])
def test_a_count_that_is_none_is_refused(executor, count, error):
    with pytest.raises(error, match=r"count|a cluster of"):
        executor.submit_cluster(pow, 1, 2, count=count)


def test_a_cluster_that_is_larger_than_its_category_is_refused(executor):
    executor.categories["two"] = 2
    with pytest.raises(
        ValueError, match="a cluster of 5 jobs exceeds the limit of the category 'two': 2 jobs in the queue"
    ):
        executor.with_options(category="two").submit_cluster(pow, procid, 1, count=5)
    del executor.categories["two"]


def test_a_value_that_is_not_wanted_is_not_brought_back(executor):
    quiet = executor.with_options(discard_result=True)
    future = quiet.submit(bytes, 1_000_000)
    assert future.result() is None
    assert future.bundle.path("outcomes").stat().st_size < 1000
    with pytest.raises(ZeroDivisionError):
        quiet.submit(lambda: 1 / 0).result()
    assert quiet.with_options(discard_result=False).submit(pow, 2, 2).result() == 4


def test_any_submit_command_for_one_call(executor, pool):
    """The commands are for an executor, a derived executor, or one call.

    Lists and mappings arrive in HTCondor's form.
    """
    special = executor.with_options(
        environment={"NOTE": 'it\'s "so"'}, **{"MY.Tags": ["a", 'b "c"'], "+Run": {"number": 7}, "MY.Flag": True}
    )
    future = special.with_options(priority=3).submit(shell('echo "$NOTE"'))
    assert future.result().stdout == 'it\'s "so"\n'
    this = f"ClusterId == {future.job_id.split('.')[0]}"  # still in the queue, or already in the history
    [ad] = until(lambda: pool.ads("condor_q", this) or pool.ads("condor_history", this))
    assert (ad["Tags"], ad["Run"], ad["Flag"], ad["JobPrio"]) == (["a", 'b "c"'], {"number": 7}, True, 3)


def test_an_executor_from_a_submit_file(pool, tmp_path):
    """The commands of the file apply, and further arguments override them."""
    file = tmp_path / "fit.sub"
    (tmp_path / "data").write_text("4")
    file.write_text(
        f"""
        executable = fit.sh
        where = {tmp_path}
        transfer_input_files = $(where)/data
        environment = "A=1 B=2"
        +Project = "fits"
        priority = 2
        queue 10
        """
    )
    with CondorExecutor.from_submit_file(file, access_point="personal", warm=0, Prio=5, batch_name="mine") as executor:
        future = executor.submit(shell('echo "$A$B $(cat data)"; cat "$_CONDOR_JOB_AD"'))
        lines = future.result().stdout.splitlines()
    assert lines[0] == "12 4"
    assert {'Project = "fits"', "JobPrio = 5", 'JobBatchName = "mine"'} <= set(lines)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"after": 3}, TypeError, "not iterable|after must be"),
        ({"after": ["x"]}, TypeError, "after must be a future or an iterable of futures, not str"),
        ({"category": 3}, TypeError, "category must be a str"),
    ],
)
def test_wrong_options_are_refused(executor, options, error, sentence):
    with pytest.raises(error, match=sentence):
        executor.with_options(**options)


def test_wrong_limits_are_refused(executor):
    for category, limit, error in [("x", 0, ValueError), ("x", "3", TypeError), (3, 3, TypeError)]:
        with pytest.raises(error):
            executor.categories[category] = limit


def test_packages_and_archives_travel_and_can_be_imported(executor, tmp_path):
    """A Python that the call starts can import them too."""
    package = tmp_path / "shippedpackage"
    package.mkdir()
    (package / "__init__.py").write_text("from .deep import NAME\n")
    (package / "deep.py").write_text("NAME = 'package'\n")
    (tmp_path / "shippedmodule.py").write_text("NAME = 'module'\n")
    archive = tmp_path / "shipped.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped/__init__.py", "NAME = 'zip'\n")

    def look():
        modules = ("shippedpackage", "shippedmodule", "zipped")
        names = [importlib.import_module(name).NAME for name in modules]
        code = f"import {', '.join(modules)}; print({', '.join(f'{name}.NAME' for name in modules)})"
        return names, subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=True
        ).stdout

    with_code = executor.with_options(ship=["auto", package, tmp_path / "shippedmodule.py", archive])
    assert with_code.submit(look).result() == (["package", "module", "zip"], "package module zip\n")
    unspooled = with_code.with_options(spool=False)
    assert unspooled.submit(look).result() == (["package", "module", "zip"], "package module zip\n")


def test_what_ship_cannot_find_is_told_at_once(executor, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the file .* in ship does not exist"):
        executor.with_options(ship=[tmp_path / "no.zip"])
    with pytest.raises(ModuleNotFoundError):
        executor.with_options(ship=["no_such_module"])
    with pytest.raises(TypeError, match="ship must be 'auto', or a list"):
        executor.with_options(ship=tmp_path)


@pytest.mark.parametrize("spool", [True, False])
def test_output_files_go_where_a_mapping_says(executor, tmp_path, spool):
    place = tmp_path / "it's_here.txt"
    executor = executor.with_options(spool=spool)
    named = executor.with_options(transfer_output_files="made.txt", transfer_output_remaps={"made.txt": place})
    named.submit(shell("echo made > made.txt")).result()
    assert place.read_text() == "made\n"
    with pytest.raises(ValueError, match="end names"):
        executor.with_options(transfer_output_remaps={"a b": "c"})
