"""An executor can take its submit commands from an existing submit file."""

from __future__ import annotations

from pathlib import Path

import pytest

from condor_futures.submit.description import merge
from condor_futures.submit.submit_file import read_submit_file
from condor_futures.submit.values import said_in


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
        ("universe = grid\nqueue", ValueError, "the file is for the grid universe"),
        ("batch_name = $(run)\nqueue run in (1, 2)", ValueError, r"\$\(run\), which the queue statement sets"),
        ("n = x y\nrequest_memory = $INT(n,%d)\nqueue", ValueError, "cannot be expanded here"),
        ("n = 9\nlist = a,b\nbatch_name = $CHOICE(n,list)\nqueue", ValueError, "HTCondor finds no value"),
        ("n = $(Cluster)\nbatch_name = $INT(n)\nqueue", ValueError, "cannot be expanded here"),
        ("+TransferOutput = x\nqueue", ValueError, "must be a list of files in quotation marks"),
        ('+CondorFuturesSession = "x"\nqueue', TypeError, "line 1: an executor does not take"),
        ("request_memory = 4GiB\nqueue", ValueError, "line 1: .* did you mean '4GB'"),
        ("environment @=end\nA=1\n@end\n+A = a b\nqueue", ValueError, r"line 4: .*must be a ClassAd expression"),
        ("queue request_memory from (\n1\n2\n)", ValueError, r"the queue statement in .* sets request_memory"),
        ("queue x, Prio from (\n1 2\n)", ValueError, r"the queue statement in .* sets priority"),
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


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("request_cpus = 1\nrequest cpus 1\nqueue", 2),
        ("# x\n\nrank = a \\\n  + b\nif foo\nrank = c\nendif\nqueue", 5),
        ("a @=end\nx\n@end\ninclude : /no/such/file\nqueue", 4),
        ("if false\nb = 1\nendif\nrequest_memory = $(c)\nqueue c in (1 2)", 4),
        ("if true\nbatch_name = $(c)\nelse\nbatch_name = 2\nendif\nqueue c in (1 2)", 2),
        ("a = 1\nqueue\nb = 2", 3),
        ("a = 1\n\nqueue request_cpus from (\n1\n)", 3),
        ("a = 1\nrequest_memry = 1", 2),
        ("a = 1\nuniverse = grid", 2),
    ],
)
def test_messages_name_the_file_and_the_line(read, text, line):
    """condor_submit does the same."""
    with pytest.raises((TypeError, ValueError), match=rf"analysis\.sub.*line {line}\b"):
        read(text)


def test_functions_are_expanded_by_htcondor(read):
    """HTCondor replaces its own macros in their values later."""
    commands = read("""
        MY.JobId = "$(ClusterId).$(ProcId)"
        MY.Name = "htcondor--$F(MY.JobId)--"
        n = 7
        list = a, b, c
        x = 2.5
        path = /data/my run/b.root
        batch_name = $INT(n,%03d) $CHOICE(1,list) $REAL(x,%.2f) $Fn(path) $SUBSTR(list,0,1) $STRING(n)
        MY.Choice = "$CHOICE(1,d,e)"
        queue
    """)
    assert commands == {
        "MY.JobId": '"$(ClusterId).$(ProcId)"',
        "MY.Name": '"htcondor--$(ClusterId).$(ProcId)--"',
        "batch_name": "007 b 2.50 b a 7",
        "MY.Choice": '"$CHOICE(1,d,e)"',
    }


def test_a_file_with_one_job_has_the_number_0(read):
    """Otherwise, each job of ours would have another number, and the file means one input."""
    for queue in ("queue", "queue 1", "n = 1\nqueue $(n)", ""):
        assert read(
            f"transfer_input_files = /$INT(Process,%03d).root\nbatch_name = $(Cluster).$(Process)\n{queue}"
        ) == {
            "transfer_input_files": "/000.root",
            "batch_name": "$(Cluster).$(Process)",
        }


@pytest.mark.parametrize(
    "own",
    [
        {"request_memory": "200MB", "batch_name": "mine", "transfer_input_files": None, "Prio": 3},
        {"RequestMemory": 200, "JobBatchName": None, "transfer_input_files": ["b"], "priority": 3},
        {"MY.RequestMemory": 200, "batch_name": "mine", "TransferInputFiles": "b", "MY.JobPrio": 3},
    ],
)
def test_own_keywords_replace_what_cannot_be_taken(tmp_path, own):
    """The file's value is then neither expanded nor refused, whatever the name of the command or of its attribute."""
    (tmp_path / "a.sub").write_text(
        "request_memory = 4GiB\n+RequestMemory = 3000000\nbatch_name = run $(dataset)\nprio = 2\nrequest_cpus = 2\n"
        "transfer_input_files = $(dataset)\nqueue dataset in (a b)"
    )
    assert read_submit_file(tmp_path / "a.sub", own) == {"request_cpus": "2"}
    with pytest.raises(ValueError, match=r"a\.sub, line \d"):
        read_submit_file(tmp_path / "a.sub")


def test_a_command_that_the_queue_statement_sets_can_be_replaced(tmp_path):
    (tmp_path / "a.sub").write_text("queue request_memory from (\n1\n2\n)")
    assert read_submit_file(tmp_path / "a.sub", {"request_memory": 5}) == {}


def test_attributes_of_commands_that_are_left_out_are_left_out(read):
    """The empty list of output files is an idiom: these jobs return nothing but their standard output."""
    text = '+Cmd = "a"\n+Iwd = "/b"\n+Out = "c"\n+WhenToTransferOutput = "ON_EXIT"\n+TransferOutput=""\nqueue'
    assert read("transfer_output_files = d\n" + text) == {}
    # Other lists have the meaning of the command, over which HTCondor prefers the attribute.
    assert read('+TransferOutput = "a, b"\ntransfer_output_files = c\n+TransferInput = "/d"\nqueue') == {
        "transfer_output_files": "a, b",
        "transfer_input_files": "/d",
    }


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("batch_name = Größe\nqueue\n".encode(), "Größe"),
        ("# Größe\nbatch_name = Größe\nqueue\n".encode("latin-1"), "Größe"),
        ("\ufeffbatch_name = Größe\nqueue".encode(), "Größe"),
        (b"batch_name = a\\\r\n  b\r\nqueue\r\n", "ab"),
        (b"batch_name @=end\r\na\r\nb\r\n@end\r\nqueue\r\n", "a b"),
        (b"#!/usr/bin/env condor_submit\nbatch_name = a\n", "a"),
        ("# 데이터\nbatch_name = a\nqueue 5 x, y from no.txt\n## queue 1\n".encode(), "a"),
    ],
)
def test_files_are_read_whatever_their_encoding_and_line_ends(tmp_path, data, name):
    (tmp_path / "a.sub").write_bytes(data)
    assert read_submit_file(tmp_path / "a.sub") == {"batch_name": name}


def test_values_of_several_lines_are_taken(read):
    """HTCondor reads a line break in a value as a blank."""
    assert read("environment @=end\nA=1;\nB=2\n@end\nMY.Tags @=x\n{ 1,\n  2 }\n@x\nqueue") == {
        "environment": "A=1; B=2",
        "MY.Tags": "{ 1, 2 }",
    }


def test_values_know_the_line_that_they_come_from(read, tmp_path):
    """Later errors name it, such as one about a file that does not exist."""
    commands = read("a = 1\ntransfer_input_files = b\nqueue")
    assert said_in("transfer_input_files", merge(commands, {"rank": "x"})).endswith("analysis.sub, line 2,")
    assert said_in("rank", merge(commands, {"rank": "x"})) == "rank"


def test_a_macro_that_nothing_uses_is_called_so(read, caplog):
    """condor_submit ignores it, too, and warns."""
    assert read("X509 = x509up\nrequest_cpus = 1\nqueue") == {"request_cpus": "1"}
    (record,) = caplog.records
    assert "analysis.sub, line 1: X509 is a macro that nothing uses" in record.getMessage()


def test_what_comes_to_nothing_is_warned_of(read, caplog):
    """There is no warning about commands that the executor replaces by its own options."""
    assert read("executable = a\narguments = b\noutput_destination = root://eos//dir\nqueue") == {}
    assert [record.message.partition(" in ")[0] for record in caplog.records] == ["ignored output_destination"]
