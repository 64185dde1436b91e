"""An executor can take its submit commands from an existing submit file."""

from __future__ import annotations

from pathlib import Path

import pytest

from condor_futures.submit.submit_file import read_submit_file


@pytest.fixture
def read(tmp_path):
    def read(text: str) -> dict[str, str]:
        path = tmp_path / "analysis.sub"
        path.write_text(text)
        return read_submit_file(path)

    return read


def test_what_says_how_to_run_is_taken_and_what_is_run_is_left_out(read):
    """The executor owns the rest."""
    commands = read("""
        # a comment
        universe = vanilla
        executable = fit.sh
        arguments = $(Process) 7
        output = out.$(Process)
        log = fit.log
        max_materialize = 10
        materialize_max_idle = 5
        request_memory = 2GB
        if version >= 8.1
            request_cpus = 2
        endif
        requirements = (OpSys == "LINUX") && \\
            HasSingularity
        +JobFlavour = "tomorrow"
        Prio = 3
        queue 100
    """)
    assert commands == {
        "request_memory": "2GB",
        "request_cpus": "2",
        "requirements": '(OpSys == "LINUX") && HasSingularity',
        "MY.JobFlavour": '"tomorrow"',
        "priority": "3",
    }


def test_macros_of_the_file_are_put_in_and_those_of_htcondor_stay(read):
    commands = read("""
        base = /data
        dir = $(base)/2026
        transfer_input_files = $(dir)/geometry.db, $ENV(HOME)/x
        batch_name = cluster $(Cluster)
        queue
    """)
    assert commands == {
        "transfer_input_files": "/data/2026/geometry.db, $ENV(HOME)/x",
        "batch_name": "cluster $(Cluster)",
    }


@pytest.mark.parametrize(
    "text",
    [
        "N = 10\nrequest_cpus = 2\nqueue $(N)",
        "N = 10\nrequest_cpus = 2\nqueue $(N) name from names.txt",
        "debug = true\nif $(debug)\n  request_cpus = 2\nendif\nqueue",
        "debug = true\nif defined debug\n  request_cpus = 2\nendif\nqueue",
        "n = 5\narguments = $INT(n, %03d) $CHOICE(n, list)\nlist = a, b\nrequest_cpus = 2\nqueue",
        "n = 5\nrequest_cpus = 2\narguments = $(seed:$(n))\nqueue",
        "request_cpus = 2\nqueue arguments from (\n 1 2\n)",
    ],
)
def test_macros_of_what_is_left_out_are_no_mistakes(read, text):
    """Macros may be in the queue statement, in conditions, functions and defaults."""
    assert read(text) == {"request_cpus": "2"}


@pytest.mark.parametrize("value", ["$ENV(HOME)", "$$(Memory)", "$RANDOM_CHOICE(memory,home)", "$(elsewhere:7)"])
def test_names_that_are_no_macros_of_the_file_stay(read, value):
    """Examples are an environment variable, an attribute of the execution point, a word of a list, and a default."""
    assert read(f"memory = 5\nhome = /x\nbatch_name = $(memory)$(home) {value}\nqueue") == {
        "batch_name": f"5/x {value}"
    }


def test_commands_that_are_left_out_are_macros_too(read):
    """In the executor's own description, they would have the executor's values."""
    assert read("""
        initialdir = /data
        executable = fit.sh
        RequestMemory = 2GB
        transfer_input_files = $(initialdir)/$(executable).cfg
        +Memory = "$(RequestMemory)"
        queue
    """) == {
        "request_memory": "2GB",
        "transfer_input_files": "/data/fit.sh.cfg",
        "MY.Memory": '"2GB"',
    }


def test_relative_files_are_in_the_initial_directory(read):
    """The files are the client's, by HTCondor's rules. An image or a URL is elsewhere."""
    commands = read("""
        base = /data
        iwd = $(base)/2026
        transfer_input_files = "a.root, /b.root, dir/, https://example.org/c, $ENV(HOME)/d"
        transfer_output_files = e.root
        transfer_output_remaps = "e.root = $(Cluster).$(Process).root; f = /g; h = https://example.org/h"
        container_image = image.sif
        queue
    """)
    assert commands == {
        "transfer_input_files": "/data/2026/a.root, /b.root, /data/2026/dir/, https://example.org/c, $ENV(HOME)/d",
        "transfer_output_files": "e.root",
        "transfer_output_remaps": '"e.root = /data/2026/$(Cluster).$(Process).root; f = /g; h = https://example.org/h"',
        "container_image": "/data/2026/image.sif",
    }
    assert read("container_image = docker://debian\niwd = /x\nqueue") == {"container_image": "docker://debian"}


def test_without_an_initial_directory_output_goes_to_the_current_one(read):
    """condor_submit does the same. As a string, the executor would take it relative to the session's directory."""
    assert read('transfer_output_remaps = "e.root=out/e.root"\nqueue') == {
        "transfer_output_remaps": f'"e.root = {Path.cwd()}/out/e.root"'
    }


@pytest.mark.parametrize(
    "queue",
    [
        "in (a b)",
        "2 in (a b)",
        "matching *.dat",
        "from items.txt",
        "in(a b)",
        "2*3 Item in (a, b)",
        "$(n) other Item from (\n a b\n)",
        "other, Item from (\n a b\n)",
        "5",
    ],
)
def test_items_of_every_kind_of_queue_statement_are_per_job(read, queue):
    with pytest.raises(ValueError, match=r"transfer_input_files in .* uses \$\(item\), which the queue statement sets"):
        read(f"n = 2\nbatch_name = $(n)\ntransfer_input_files = $(item)\nqueue {queue}")


@pytest.mark.parametrize(
    "macro", ["$(Process)", "$(ProcId)", "$(Step)", "$(Row)", "$(ItemIndex)", "$INT(Process,%03d)"]
)
def test_what_htcondor_counts_is_per_job(read, macro):
    """Such a macro is refused, unless the file defines it, or it is a part of the job's id."""
    with pytest.raises(ValueError, match="which the queue statement sets"):
        read(f"transfer_input_files = {macro}.root\nqueue 5")
    assert read("Step = 3\nbatch_name = $(Step) $(ClusterId)_$(ProcId)\nqueue") == {
        "batch_name": "3 $(ClusterId)_$(ProcId)"
    }


@pytest.mark.parametrize("given", ["initialdir = run$(Process)\n{}queue 5", "{}queue initialdir in (a b)"])
def test_directory_that_differs_between_jobs_has_no_common_files(read, given):
    with pytest.raises(ValueError, match=r"initialdir.*which the queue statement sets"):
        read(given.format("transfer_input_files = a.root\n"))
    assert read(given.format("transfer_input_files = /a.root\n")) == {"transfer_input_files": "/a.root"}


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("request_memry = 2GB\nqueue", TypeError, "did you mean 'request_memory'"),
        ("universe = grid\nqueue", ValueError, "is for the grid universe"),
        ("batch_name = $(run)\nqueue run in (1, 2)", ValueError, r"\$\(run\), which the queue statement sets"),
        ("n = 5\nrequest_memory = $INT(n,%d)\nqueue", ValueError, "cannot be expanded here"),
        ("queue request_memory from (\n1\n2\n)", ValueError, r"the queue statement in .* sets request_memory"),
        ("queue x, Prio from (\n1 2\n)", ValueError, r"the queue statement in .* sets priority"),
        ("unused = 3\nrequest_memory = 1\nqueue", TypeError, "no submit command 'unused'"),
        ("a = x.dat\nbatch_name = $F(a)\nqueue", ValueError, "cannot be expanded here"),
        ("a = $(b)\nb = $(a)\nbatch_name = $(a)\nqueue", ValueError, "cannot be expanded here"),
        ("request cpus 1\nqueue", ValueError, "cannot read the submit file"),
        ("request_cpus = 1\nqueue 2\nrequest_cpus = 8\nqueue", ValueError, "continues after its queue statement"),
    ],
)
def test_what_cannot_be_taken_over_is_told(read, text, error, sentence):
    with pytest.raises(error, match=sentence):
        read(text)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_submit_file(tmp_path / "no.sub")


def test_what_comes_to_nothing_is_warned_of(read, caplog):
    """There is no warning about commands that the executor replaces by its own options."""
    assert read("executable = a\narguments = b\noutput_destination = root://eos//dir\nqueue") == {}
    assert [record.message.partition(" in ")[0] for record in caplog.records] == ["ignored output_destination"]
