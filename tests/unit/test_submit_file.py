"""An existing submit file gives an executor its submit commands."""

from __future__ import annotations

import pytest

from condor_futures.submit_file import read_submit_file


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
    ("text", "error", "sentence"),
    [
        ("request_memry = 2GB\nqueue", TypeError, "did you mean 'request_memory'"),
        ("universe = grid\nqueue", ValueError, "is for the grid universe"),
        ("batch_name = $(run)\nqueue run in (1, 2)", ValueError, r"\$\(run\), which the queue statement sets"),
        ("a = x.dat\nbatch_name = $F(a)\nqueue", ValueError, "cannot be expanded here"),
        ("a = $(b)\nb = $(a)\nbatch_name = $(a)\nqueue", ValueError, "cannot be expanded here"),
        ("request cpus 1\nqueue", ValueError, "is no submit file"),
    ],
)
def test_what_cannot_be_taken_over_is_told(read, text, error, sentence):
    with pytest.raises(error, match=sentence):
        read(text)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_submit_file(tmp_path / "no.sub")
