"""Bad input of every kind, as users write it. The documentation has a table of the errors.

The messages are in ``bad_input.json``, beside this file. ``pool/test_bad_input.py`` compares them with the messages of
the errors, and writes the file again if the environment variable ``BAD_INPUT_WRITE`` is set. The tables of the
documentation are made from both files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

RECORD = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class Case:
    """One mistake.

    Attributes:
        code: what the user writes: an expression in Python, or a command line that begins with ``condor-futures``. It
            is evaluated in an empty directory, with an executor and the names that a script would have imported.
        error: the exception's class.
        names: what the message has to name.
        before: statements that are executed first, and not shown.
        about: what is wrong, if the code does not show it.
        environment: environment variables; the case then runs in a process of its own.

    """

    code: str
    error: str
    names: str
    before: str = ""
    about: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The key of the case in the record."""
        return f"{self.code} ({self.about})" if self.about else self.code


def options(*cases: tuple[str, str, str]) -> list[Case]:
    """Return cases of the constructor."""
    return [Case(f"CondorExecutor({code})", error, names) for code, error, names in cases]


AT_ONCE: dict[str, list[Case]] = {
    "Options of the executor": options(
        ("max_workers=0", "ValueError", "max_workers"),
        ('max_workers="4"', "TypeError", "max_workers"),
        ("max_workers=True", "TypeError", "max_workers"),
        ('"personal"', "TypeError", "max_workers"),
        ("max_tasks_per_child=0", "ValueError", "max_tasks_per_child"),
        ("max_tasks_per_child=2.5", "TypeError", "max_tasks_per_child"),
        ("warm=-1", "ValueError", "warm"),
        ('warm="60"', "TypeError", "warm"),
        ("warm=60, warm_lifetime=0", "ValueError", "warm_lifetime"),
        ('initializer="setup"', "TypeError", "initializer"),
        ("initializer=print, initargs=5", "TypeError", "initargs"),
        ("initializer=threading.Lock().acquire", "PayloadError", "initializer"),
        ('spool="no"', "TypeError", "spool"),
        ("spool=None", "TypeError", "spool"),
        ("max_worker=5", "TypeError", "max_workers"),
        ('category="merge"', "TypeError", "with_options"),
    ),
    "The access point": [
        *options(
            ("access_point=42", "TypeError", "access_point"),
            ('access_point=""', "TypeError", "access_point"),
            ('access_point=("cm.example.org",)', "TypeError", "access_point"),
            ('access_point=("", "")', "TypeError", "access_point"),
        ),
        Case(
            'CondorExecutor(access_point=("127.0.0.1:1", "ap1@example.org"))',
            "AccessPointError",
            "127.0.0.1:1",
            about="nobody listens there",
        ),
        Case(
            "CondorExecutor(access_point=(collector, 'ap9@example.org'))",
            "AccessPointError",
            "ap9@example.org",
            about="the collector knows no such schedd",
        ),
    ],
    "The session directory": [
        *options(("session=5", "TypeError", "session"), ('session=""', "TypeError", "session")),
        Case(
            'CondorExecutor(access_point="personal", session="data")',
            "CondorFuturesError",
            "/home/you/data",
            before='Path("data").mkdir(); Path("data/a.txt").touch()',
            about="it is not empty",
        ),
        Case(
            'CondorExecutor(access_point="personal", session="a.txt")',
            "CondorFuturesError",
            "/home/you/a.txt",
            before='Path("a.txt").touch()',
            about="it is a file",
        ),
        Case(
            'CondorExecutor(access_point="personal", session="a.txt/session")',
            "CondorFuturesError",
            "/home/you/a.txt",
            before='Path("a.txt").touch()',
            about="it is below a file",
        ),
        Case('CondorExecutor(access_point="personal", session="/proc/session")', "CondorFuturesError", "/proc/session"),
        Case('CondorExecutor(session="a$$(b)")', "ValueError", "a$$(b)"),
        Case('CondorExecutor(session="a\\nb")', "ValueError", "a\\nb"),
        Case(
            'CondorExecutor(access_point="personal", session="shared/mine")',
            "CondorFuturesError",
            "/home/you/shared",
            before='Path("shared").mkdir(); Path("shared").chmod(0o777)',
            about="everybody may write to shared",
        ),
    ],
    "What travels along": [
        *options(
            ('ship="mymodule"', "TypeError", "mymodule"),
            ("ship=None", "TypeError", "ship"),
            ("ship=[42]", "TypeError", "ship"),
            ('ship=["no_such_module"]', "ModuleNotFoundError", "no_such_module"),
            ('ship=["./helpers.py"]', "ModuleNotFoundError", "helpers.py"),
            ('ship=[""]', "ImportError", "ship"),
            ('ship=[Path("helpers.py")]', "FileNotFoundError", "helpers.py"),
        ),
        Case(
            'CondorExecutor(ship=[Path("a,b.py")])',
            "ValueError",
            "a,b.py",
            before='Path("a,b.py").touch()',
            about="the file is there",
        ),
        *options(
            ("python_environment=3", "TypeError", "python_environment"),
            ('python_environment="env.tar.gz"', "FileNotFoundError", "env.tar.gz"),
        ),
        Case(
            'CondorExecutor(python_environment="environment.yml")',
            "ValueError",
            "conda-pack",
            before='Path("environment.yml").write_text("dependencies: [python]")',
            about="the file is there",
        ),
        Case(
            'executor.with_options(python_environment="env")',
            "ValueError",
            "Windows",
            before='Path("env/Scripts").mkdir(parents=True); Path("env/Scripts/python.exe").touch()',
            about="a venv of Windows",
        ),
        Case('CondorExecutor(conda_env="env")', "TypeError", "python_environment"),
    ],
    "Credentials": [
        *options(
            ('credentials="krb5"', "ValueError", "krb5"),
            ("credentials=5", "TypeError", "credentials"),
            ('credentials=["oauth:"]', "ValueError", "oauth:"),
            ('credentials="oauth:box", use_oauth_services="box"', "TypeError", "use_oauth_services"),
            ('credentials="oauth:box", boxes_oauth_permissions="read"', "ValueError", "boxes_oauth_permissions"),
            ('box_oauth_permissions="read"', "ValueError", "box_oauth_permissions"),
        ),
        Case(
            'CondorExecutor(access_point="personal", credentials="kerberos")',
            "CredentialError",
            "condor_credd",
            about="the pool keeps none",
        ),
        Case(
            'CondorExecutor(access_point="personal", use_oauth_services="scitokens")',
            "CredentialError",
            "condor_credd",
            about="the pool keeps none",
        ),
        Case(
            'executor.with_options(use_oauth_services="box")',
            "TypeError",
            "use_oauth_services=box",
            about="it was made without",
        ),
    ],
    "Logs that are kept": [
        *options(("keep_logs=5", "TypeError", "keep_logs"), ('keep_logs=""', "TypeError", "keep_logs")),
        Case('CondorExecutor(keep_logs="~nobody-here/logs")', "CondorFuturesError", "~nobody-here/logs"),
        Case(
            'CondorExecutor(keep_logs="a.txt")',
            "CondorFuturesError",
            "/home/you/a.txt",
            before='Path("a.txt").touch()',
            about="it is a file",
        ),
    ],
    "Submit commands": options(
        ("prioritty=4", "TypeError", "priority"),
        ('memory="4GB"', "TypeError", "request_memory"),
        ("request_memry=4", "TypeError", "request_memory"),
        ('walltime="1h"', "TypeError", "allowed_execute_duration"),
        ('image="analysis.sif"', "TypeError", "container_image"),
        ("cores=4", "TypeError", "request_cpus"),
        ('mem="4GB"', "TypeError", "request_memory"),
        ("n_jobs=4", "TypeError", "max_workers"),
        ('name="fits"', "TypeError", "with_options"),
        ('partition="long"', "TypeError", "accounting_group"),
        ('executable="run.sh"', "TypeError", "executable"),
        ('arguments="1 2"', "TypeError", "arguments"),
        ('output="out.txt"', "TypeError", "stdout()"),
        ('log="job.log"', "TypeError", "keep_logs"),
        ("queue=5", "TypeError", "map()"),
        ('queue="long"', "TypeError", "accounting_group"),
        ('universe="grid"', "TypeError", "universe"),
        ("prio=1, priority=2", "TypeError", "twice"),
        ("request_memory=[4]", "TypeError", "request_memory"),
        ('request_memory=b"4GB"', "TypeError", "request_memory"),
        ('request_memory=float("nan")', "ValueError", "request_memory"),
        ('request_cpus=float("inf")', "ValueError", "request_cpus"),
        ('request_memory="4GiB"', "ValueError", "'4GB'"),
        ('request_memory="4XB"', "ValueError", "request_memory"),
        ('request_memory="-4GB"', "ValueError", "at least 0"),
        ('request_disk="20 gigabytes"', "ValueError", "'20GB'"),
        ("request_cpus=-1", "ValueError", "at least 0"),
        ('request_cpus="auto"', "ValueError", "request_cpus"),
        ('request_memory="auto", retry_request_memory="8GB"', "ValueError", "retry_request_memory"),
        ('request_disk="auto", retry_request_disk="8GB"', "ValueError", "retry_request_disk"),
        ('request_cpus="2 cores"', "ValueError", "request_cpus"),
        ('requirements="Memory >"', "ValueError", "requirements"),
        ('periodic_hold="x >"', "ValueError", "periodic_hold"),
        ('description="two\\nlines"', "ValueError", "description"),
        ('description="end\\\\"', "ValueError", "description"),
        ('environment={"A=B": 1}', "ValueError", "A=B"),
        ('environment={"": 1}', "ValueError", "environment"),
        ("environment={1: 1}", "TypeError", "environment"),
        ('environment={"A": [1]}', "TypeError", "environment"),
        ('environment={"A": "$$(X)"}', "ValueError", "$$("),
        ('environment="A=1 B=2"', "ValueError", "B is part"),
        ('environment={"A": "caf\\udce9"}', "ValueError", "udce9"),
        ("**{'MY.CondorFuturesX': 1}", "TypeError", "MY.CondorFuturesX"),
        ("**{'MY.A': object()}", "TypeError", "MY.A"),
        ("**{'MY.A': {'b c': 1}}", "ValueError", "b c"),
        ("**{'MY.A': '(1'}", "ValueError", "MY.A"),
        ("**{'MY.Project': 'dark matter'}", "ValueError", "'\"dark matter\"'"),
        ("**{'+My Group': 1}", "TypeError", "+My Group"),
        ("**{'MY.Cmd': '\"/bin/true\"'}", "TypeError", "MY.Cmd"),
        ("transfer_input_files=[1]", "TypeError", "transfer_input_files"),
        ('transfer_input_files=["a,b"]', "ValueError", "a,b"),
        ('transfer_input_files=["caf\\udce9"]', "ValueError", "udce9"),
        ('transfer_output_remaps={"a b": "c"}', "ValueError", "a b"),
        ("transfer_output_remaps={1: 'c'}", "TypeError", "transfer_output_remaps"),
        ('concurrency_limits=["a,b"]', "ValueError", "a,b"),
        ('job_flavour="workdya"', "ValueError", "workday"),
        ("job_flavour=5", "ValueError", "espresso"),
    ),
    "Holds, retries and time limits": [
        *options(
            ('on_hold="relese"', "ValueError", "'relese'"),
            ("on_hold=5", "TypeError", "on_hold"),
            ("on_hold=True", "TypeError", "on_hold"),
            ('on_hold=("release",)', "ValueError", "on_hold"),
            ('on_hold=("wait", 5)', "ValueError", "on_hold"),
            ('on_hold=("release", 0)', "ValueError", "at least 1"),
            ('on_hold=("release", "5")', "TypeError", "TIMES"),
            ('on_holds="wait"', "TypeError", "on_hold"),
            ('memory_max="16XB"', "ValueError", "memory_max"),
            ("memory_max=0", "ValueError", "memory_max"),
            ('memory_max="-1GB"', "ValueError", "memory_max"),
            ("memory_max=1.5", "TypeError", "memory_max"),
            ("memory_max=True", "TypeError", "memory_max"),
            ('memory_max="9" * 400', "ValueError", "memory_max"),
            ("max_retries=-1", "ValueError", "max_retries"),
            ("max_retries=2.5", "ValueError", "max_retries"),
            ("max_retries=True", "ValueError", "max_retries"),
            ("max_retries=[3]", "TypeError", "max_retries"),
            ('max_retries=float("inf")', "ValueError", "max_retries"),
            ("retries=3", "TypeError", "max_retries"),
            ("retry_exceptions=OSError", "ValueError", "max_retries"),
            ('max_retries=1, retry_exceptions="OSError"', "TypeError", "retry_exceptions"),
            ('max_retries=1, retry_exceptions=[OSError, "KeyError"]', "TypeError", "retry_exceptions"),
            ("max_retries=1, retry_exceptions=(OSError, 3)", "TypeError", "retry_exceptions"),
            ("max_retries=1, retry_exceptions=OSError()", "TypeError", "retry_exceptions"),
            ("timeout=60", "TypeError", "allowed_execute_duration"),
            ("max_retries=1, retry_request_memory=-1", "ValueError", "at least 0"),
            ('on_exit_remove="ExitCode == 7"', "ValueError", "to retry calls, use max_retries and retry_exceptions"),
            ('on_exit_remove="ExitCode != 0"', "ValueError", "without end"),
            ('on_exit_hold="ExitCode == 0"', "ValueError", "on_exit_hold"),
            ("max_retries=1, retry_until=85", "ValueError", "with 85"),
            ("max_retries=1, success_exit_code=85", "ValueError", "must be 0, not 85"),
            ("checkpoint_exit_code=85", "TypeError", "checkpoint_exit_code"),
            ('allowed_execute_duration="1h"', "ValueError", "3600"),
            ('allowed_execute_duration="12:00:00"', "ValueError", "43200"),
            ('allowed_job_duration="soon"', "ValueError", "allowed_job_duration"),
            ("allowed_execute_duration=0", "ValueError", "allowed_execute_duration"),
            ("allowed_job_duration=-5", "ValueError", "allowed_job_duration"),
        ),
        Case('executor.with_options(on_hold="relese")', "ValueError", "'relese'"),
        Case('executor.with_options(memory_max="lots")', "ValueError", "memory_max"),
        Case("executor.with_options(retry_exceptions=OSError)", "ValueError", "max_retries"),
        Case("executor.with_options(max_retries=-1)", "ValueError", "max_retries"),
        Case('CondorExecutor.attach("20000101-000000-00000000", on_hold="relese")', "ValueError", "'relese'"),
    ],
    "Derived executors": [
        Case("executor.with_options(prioritty=4)", "TypeError", "priority"),
        Case("executor.with_options(max_workers=4)", "TypeError", "CondorExecutor"),
        Case('executor.with_options(spool="no")', "TypeError", "spool"),
        Case("executor.with_options(after=42)", "TypeError", "after"),
        Case("executor.with_options(after=[42])", "TypeError", "after"),
        Case("executor.with_options(after=executor.map(print, []))", "TypeError", "submit()"),
        Case("executor.with_options(category=5)", "TypeError", "category"),
        Case('executor.with_options(discard_result="yes")', "TypeError", "discard_result"),
        Case('executor.with_options(ship="mymodule")', "TypeError", "mymodule"),
        Case("executor.with_options(name=5)", "TypeError", "format string"),
        Case('executor.with_options(name="fit-{0")', "ValueError", "fit-{0"),
        Case('executor.with_options(name="fit-{1}").submit(print, 3)', "ValueError", "{1}"),
        Case('executor.with_options(name="fit-{n}").map(print, [3])', "ValueError", "{n}"),
        Case('executor.categories.__setitem__("merge", 0)', "ValueError", "merge"),
        Case('executor.categories.__setitem__("merge", "3")', "TypeError", "merge"),
        Case("executor.categories.__setitem__(5, 3)", "TypeError", "category"),
    ],
    "Calls": [
        Case("executor.submit()", "TypeError", "fn"),
        Case("executor.submit(42)", "TypeError", "callable"),
        Case('executor.submit(print("done"))', "TypeError", "submit(f, x)"),
        Case('executor.submit("ls -l")', "TypeError", "shell("),
        Case('executor.submit(shell, "ls -l")', "TypeError", "submit(shell("),
        Case('executor.map(shell, ["ls", "df"])', "TypeError", "submit(shell("),
        Case("executor.submit_cluster(shell, count=2)", "TypeError", "submit(shell("),
        Case("next(executor.map(42, [1]))", "TypeError", "callable"),
        Case(
            'executor.with_options(transfer_input_files="no/file").submit(print)',
            "FileNotFoundError",
            "/home/you/no/file",
        ),
        Case(
            'executor.with_options(container_image="/no/image.sif").submit(print)',
            "FileNotFoundError",
            "container_image",
        ),
        Case("executor.submit_cluster(print)", "TypeError", "count"),
        Case('executor.submit_cluster(print, count="3")', "TypeError", "count"),
        Case("executor.submit_cluster(print, count=0)", "ValueError", "count"),
        Case("executor.submit_cluster(print, count=5000)", "ValueError", "5000"),
        Case("executor.submit(print, procid)", "PayloadError", "procid"),
        Case('executor.submit_cluster(print, f"{procid}.txt", count=2)', "TypeError", "procid"),
        Case("executor.map(print, 5)", "TypeError", "iterable"),
        Case("executor.map(print, [1], chunksize=0)", "ValueError", "chunksize"),
        Case('executor.map(print, [1], chunksize="automatic")', "TypeError", "chunksize"),
        Case("executor.map(print, [1], chunksize=None)", "TypeError", "chunksize"),
        Case("executor.map(print, [1], buffersize=0)", "ValueError", "buffersize"),
        Case("executor.map(print, [1], buffersize=2.0)", "TypeError", "buffersize"),
        Case('executor.map(print, [1], chunksize="auto", buffersize=2)', "ValueError", "chunksize"),
        Case('executor.map(print, [1], timeout="5")', "TypeError", "timeout"),
        Case("executor.map(print, [1], ordered=None)", "TypeError", "ordered"),
        Case("executor.map(print, [1], return_exceptions=ValueError)", "TypeError", "return_exceptions"),
        Case("executor.starmap(print, 5)", "TypeError", "iterable"),
        Case("executor.starmap(print, [1, 2])", "TypeError", "tuples"),
        Case("executor.submit(print, [1, {'lock': threading.Lock()}])", "PayloadError", "[0][1]['lock']"),
        Case('executor.submit(print, open("a.txt", "w"))', "PayloadError", "[0][0]"),
        Case("executor.submit(print, (n for n in range(3)))", "PayloadError", "[0][0]"),
        Case("executor.submit(print, out=socket.socket())", "PayloadError", "['out']"),
        Case('executor.submit(print, sqlite3.connect(":memory:"))', "PayloadError", "[0][0]"),
        Case("executor.submit(print, executor)", "PayloadError", "CondorExecutor"),
        Case("executor.submit(print, multiprocessing.Pipe()[0])", "PayloadError", "[0][0]"),
        Case(
            "executor.submit(lambda: lock.acquire())",
            "PayloadError",
            "'lock'",
            before="lock = threading.Lock()",
            about="lock is a threading.Lock",
        ),
        Case(
            "executor.submit(print, nested)",
            "PayloadError",
            "nested too deeply",
            before="nested = []\nfor _ in range(100_000): nested = [nested]",
            about="a list in a list in a list, 100,000 times",
        ),
        Case("next(executor.map(print, [threading.Lock()]))", "PayloadError", "[0][0]"),
        Case('shell("")', "ValueError", "empty"),
        Case('shell(["ls", "-l"])', "TypeError", "shell"),
    ],
    "After the end": [
        Case("closed.submit(print)", "RuntimeError", "shutdown", about="closed.shutdown() was called"),
        Case("closed.map(print, [1])", "RuntimeError", "shutdown", about="closed.shutdown() was called"),
        Case("closed.detach()", "RuntimeError", "shutdown", about="closed.shutdown() was called"),
    ],
    "Submit files": [
        Case('CondorExecutor.from_submit_file("no.sub")', "FileNotFoundError", "no.sub"),
        *(
            Case(
                'CondorExecutor.from_submit_file("a.sub")',
                error,
                names,
                before=f'Path("a.sub").write_text({text!r})',
                about=about,
            )
            for text, error, names, about in (
                ("universe = grid\nqueue\n", "ValueError", "grid", "universe = grid"),
                ("request_memry = 4\nqueue\n", "TypeError", "request_memory", "request_memry = 4"),
                (
                    "environment = N=$(n)\nqueue n in (1 2)\n",
                    "ValueError",
                    "$(n)",
                    "environment = N=$(n), queue n in (1 2)",
                ),
                ("keep_logs = logs\nqueue\n", "TypeError", "CondorExecutor()", "keep_logs = logs"),
                ("environment = A=1 B=2\nqueue\n", "ValueError", "B is part", "environment = A=1 B=2"),
                ("request_memory 4\nqueue\n", "ValueError", "a.sub", "request_memory 4, without a sign"),
            )
        ),
    ],
    "Profiles": [
        Case('CondorExecutor.from_profile("crn")', "CondorFuturesError", "cern"),
        Case("CondorExecutor.from_profile(5)", "TypeError", "profile"),
        Case('CondorExecutor.from_profile("cern", max_worker=5)', "TypeError", "max_workers"),
        *(
            Case(
                'CondorExecutor.from_profile("mine")',
                error,
                names,
                before=f"profiles.write_text({text!r})",
                about=about,
            )
            for text, error, names, about in (
                ("mine = 1", "CondorFuturesError", "'mine'", "profiles.toml has mine = 1"),
                ("[mine\n", "CondorFuturesError", "profiles.toml", "profiles.toml has [mine"),
                ("[mine]\nprioritty = 1\n", "TypeError", "priority", "it has prioritty = 1"),
                ("[mine]\ninherits = 'mine'\n", "CondorFuturesError", "'mine'", 'it has inherits = "mine"'),
                (
                    "[mine]\ninherits = 'b'\n[b]\ninherits = 'mine'\n",
                    "CondorFuturesError",
                    "cycle",
                    'it has inherits = "b", and b inherits it',
                ),
                ("[mine]\ninherits = 5\n", "CondorFuturesError", "inherits", "it has inherits = 5"),
            )
        ),
    ],
    "Workflows": [
        Case('DagExecutor("my dag", "dag")', "ValueError", "my dag"),
        Case('DagExecutor(5, "dag")', "TypeError", "name"),
        Case('DagExecutor("dag", "my directory")', "ValueError", "my directory"),
        Case('DagExecutor("dag", "dag", max_workers=0)', "ValueError", "max_workers"),
        Case('DagExecutor("dag", "dag", retries=-1)', "ValueError", "retries"),
        Case('DagExecutor("dag", "dag", max_retries=-1)', "ValueError", "max_retries"),
        Case(
            'DagExecutor("dag", "dag", dagman={"DAGMAN_MAX_JOBS_IDLE": "many"})', "ValueError", "DAGMAN_MAX_JOBS_IDLE"
        ),
        Case('DagExecutor("dag", "dag", dagman={"DAGMAN MAX": 3})', "ValueError", "DAGMAN MAX"),
        Case('DagExecutor("d" * 250, "dag")', "ValueError", "at most 200"),
        Case('DagExecutor("dag", "dag", allowed_execute_duration=0)', "ValueError", "allowed_execute_duration"),
        Case('DagExecutor("dag", "dag").with_options(discard_result="no")', "TypeError", "discard_result"),
        Case('DagExecutor("dag", "dag", access_point="ap1")', "TypeError", "access_point"),
        Case('DagExecutor("dag", "dag", prioritty=4)', "TypeError", "priority"),
        Case('DagExecutor("dag", "dag", request_memory="auto")', "ValueError", "CondorExecutor"),
        Case('DagExecutor("dag", "dag", on_hold="wait")', "TypeError", "CondorExecutor()"),
        Case(
            'DagExecutor("dag", "dag")',
            "CondorFuturesError",
            "/home/you/dag",
            before='Path("dag").mkdir(); Path("dag/a.txt").touch()',
            about="the directory is not empty",
        ),
        Case('DagExecutor("dag", "dag").submit(print, Future())', "PayloadError", "its own calls"),
        Case('DagExecutor("dag", "dag").submit(print, threading.Lock())', "PayloadError", "[0][0]"),
        Case('DagExecutor("dag", "dag").submit(print).result()', "RuntimeError", "run()"),
        Case('DagExecutor.attach("nothing")', "CondorFuturesError", "/home/you/nothing"),
    ],
    "Sessions that were left": [
        Case('CondorExecutor.attach("20200101-000000-00000000")', "CondorFuturesError", "there is no session"),
        Case("CondorExecutor.attach(5)", "TypeError", "session"),
        Case(
            'CondorExecutor.attach("empty")',
            "CondorFuturesError",
            "session.json",
            before='Path("empty").mkdir()',
            about="a directory without a session",
        ),
        Case("CondorExecutor.attach(executor.session)", "CondorFuturesError", "in use", about="executor is at work"),
        *(
            Case(
                'CondorExecutor.attach("other")',
                "CondorFuturesError",
                names,
                before='other = Path("other"); other.mkdir(); file = other / "session.json"; '
                f'file.write_text("{{}}"); file.chmod(0o600); {change}',
                about=about,
            )
            for change, names, about in (
                ("pass", "session.json", "its session.json has {}"),
                ("file.chmod(0o644)", "0644", "its session.json has mode 0644"),
                ("file.unlink(); file.mkdir()", "session.json", "its session.json is a directory"),
            )
        ),
    ],
    "Environment": [
        Case(
            "CondorExecutor()",
            "AccessPointError",
            "CONDOR_CONFIG",
            about="CONDOR_CONFIG names a file that is not there",
            environment={"CONDOR_CONFIG": "/home/you/condor_config"},
        ),
        Case(
            "CondorExecutor()",
            "AccessPointError",
            "access_point='personal'",
            about="no HTCondor runs on this machine",
            environment={"CONDOR_CONFIG": "/dev/null"},
        ),
        Case(
            'CondorExecutor(access_point="ap1")',
            "AccessPointError",
            "(pool, name)",
            about="no HTCondor is configured on this machine",
            environment={"CONDOR_CONFIG": "/dev/null"},
        ),
        Case(
            'CondorExecutor(access_point="Personal")',
            "AccessPointError",
            "'personal'",
            about="no HTCondor is configured on this machine",
            environment={"CONDOR_CONFIG": "/dev/null"},
        ),
        Case(
            'CondorExecutor(access_point="personal")',
            "PersonalPoolError",
            "condor-futures pool install",
            about="there is no HTCondor: PATH is empty",
            environment={"PATH": "", "XDG_DATA_HOME": "/home/you/nothing", "XDG_STATE_HOME": "/home/you/state"},
        ),
        Case(
            'CondorExecutor(access_point="ap1")',
            "AccessPointError",
            "pip install htcondor",
            before='Path("htcondor2.py").write_text("raise ImportError(__name__)"); sys.path.insert(0, os.getcwd())',
            about="the package htcondor is not installed",
            environment={"CONDOR_CONFIG": "/dev/null"},
        ),
        Case(
            "CondorExecutor()",
            "CondorFuturesError",
            "/home/you/a.txt",
            before='Path("a.txt").touch()',
            about="XDG_STATE_HOME is a file",
            environment={"CONDOR_CONFIG": "POOL", "XDG_STATE_HOME": "/home/you/a.txt"},
        ),
        Case(
            "CondorExecutor()",
            "CondorFuturesError",
            "/home/you/shared",
            before='Path("shared").mkdir(); Path("shared").chmod(0o777)',
            about="XDG_STATE_HOME is a directory that everybody may write to",
            environment={"CONDOR_CONFIG": "POOL", "XDG_STATE_HOME": "/home/you/shared"},
        ),
    ],
    "Command line": [
        Case("condor-futures show nothing", "CondorFuturesError", "nothing"),
        Case("condor-futures show 999999.0", "CondorFuturesError", "999999.0"),
        Case(
            "condor-futures show a.txt",
            "CondorFuturesError",
            "a.txt",
            before='Path("a.txt").write_text("text")',
            about="it is no file of a session",
        ),
        Case("condor-futures status x", "CondorFuturesError", "CLUSTER"),
        Case("condor-futures status 999999", "CondorFuturesError", "999999"),
        Case("condor-futures status --pool cm.example.org", "CondorFuturesError", "--access-point"),
        Case("condor-futures status --session 'a b'", "CondorFuturesError", "a b"),
    ],
}
"""The cases by section. Nothing is submitted for any of them."""

LATER: dict[str, list[Case]] = {
    "What only the access point can tell": [
        Case('executor.with_options(priority="high").submit(print)', "AccessPointError", "priority"),
        Case('executor.with_options(max_retries="many").submit(print)', "AccessPointError", "max_retries"),
    ],
    "What only the job can tell": [
        Case("executor.submit(len)", "TypeError", "argument"),
        Case("executor.submit(threading.Lock)", "TypeError", "pickle"),
        Case('executor.submit(shell("no-such-command"))', "ShellError", "no-such-command"),
    ],
}
"""The cases by section that no client can detect. The future reports them."""


def recorded() -> dict[str, str]:
    """Return the messages, by the keys of the cases."""
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def table(cases: list[Case]) -> str:
    """Return the cases as a Markdown table."""
    sentences = recorded()
    rows = ["| What is wrong | Exception | Its sentence |", "|---|---|---|"]
    for case in cases:
        about = f"; {_cell(case.about)}" if case.about else ""
        rows.append(f"| `{_cell(case.code)}`{about} | `{case.error}` | {_cell(_literal(sentences[case.key]))} |")
    return "\n".join(rows) + "\n"


def page() -> str:
    """Return all tables, for the documentation."""
    parts = []
    for title, cases in {**AT_ONCE, **LATER}.items():
        parts.append(f"## {title}\n\n{table(cases)}")
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _literal(text: str) -> str:
    """Escape the characters of *text* that have a meaning in Markdown."""
    return "".join(f"\\{char}" if char in "\\`*_<>[]$#{}" else char for char in text)
