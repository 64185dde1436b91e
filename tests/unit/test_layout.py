"""The layout: a test file for each module, imports only of lower layers, files of a readable size."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "condor_futures"
UNIT = ROOT / "tests" / "unit"

_POOL = "works with the daemons of a pool: "

#: Modules without a test file of their own in tests/unit, each with the reason.
WITHOUT: dict[str, str] = {
    "access_point/choosing.py": _POOL + "tests/pool/test_remote.py, test_attach.py",
    "access_point/emptying.py": _POOL + "tests/pool/test_executor.py, test_sessions.py",
    "access_point/job_info.py": "tests/unit/access_point/test_why_idle.py; tests/pool/test_asking.py",
    "access_point/helper/credd.py": _POOL + "tests/pool/test_credentials.py",
    "access_point/helper/examined.py": "tests/unit/doctor/test_judgements.py",
    "access_point/helper/examining.py": _POOL + "tests/pool/test_doctor.py, test_remote.py, test_credentials.py",
    "access_point/helper/jobs_in_queue.py": _POOL + "tests/pool/test_holds.py, test_audit.py",
    "access_point/helper/submitting.py": _POOL + "tests/pool/test_limits.py, test_lost_answers.py",
    "calls/outcomes_file.py": "tests/unit/calls/test_calls_file.py reads what it writes",
    "cli/demo.py": _POOL + "tests/pool/test_cli.py",
    "cli/doctor.py": _POOL + "tests/pool/test_doctor.py",
    "cli/locating.py": _POOL + "tests/pool/test_cli.py, test_asking.py, test_asking_remote.py",
    "cli/output.py": _POOL + "tests/pool/test_cli.py",
    "cli/pool.py": _POOL + "tests/pool/test_cli.py",
    "cli/profiles.py": _POOL + "tests/pool/test_cli.py",
    "cli/report.py": _POOL + "tests/pool/test_report.py",
    "cli/sessions.py": _POOL + "tests/pool/test_sessions.py",
    "cli/show.py": _POOL + "tests/pool/test_cli.py, test_old_sessions.py",
    "cli/status.py": _POOL + "tests/pool/test_cli.py",
    "cli/usage.py": _POOL + "tests/pool/test_usage.py",
    "doctor/examination.py": _POOL + "tests/pool/test_doctor.py",
    "execution_point/forking.py": "tests/unit/execution_point/test_supervisor.py: signals, crashes",
    "executor/attaching.py": _POOL + "tests/pool/test_attach.py, test_old_sessions.py; tests/unit/recovery",
    "executor/call_storage.py": "tests/unit/executor/test_intake.py",
    "executor/condor_executor.py": _POOL + "tests/pool/test_executor.py, tests/contract",
    "executor/input_files.py": "tests/unit/submit/test_files_here.py; tests/pool/test_files.py",
    "options/environment_files.py": "tests/unit/options/test_python_environment.py",
    "personal/configuration.py": "tests/personal/test_configuration.py",
    "personal/daemons.py": "tests/personal/test_daemons.py",
    "personal/debian.py": "tests/personal/test_debian.py",
    "personal/files.py": "tests/personal/test_pool.py",
    "personal/identity.py": "tests/personal/test_pool.py, test_configuration.py",
    "personal/install.py": "tests/personal/test_install.py",
    "personal/pool.py": "tests/personal/test_pool.py, test_pool_lifetime.py",
    "personal/processes.py": "tests/personal/test_pool_lifetime.py ends processes with it",
    "personal/release.py": "tests/personal/test_release.py",
    "status_screen/collector.py": _POOL + "tests/pool/test_watch.py",
    "status_screen/source.py": _POOL + "tests/pool/test_watch.py",
    "watching/fleet_bundles.py": "tests/unit/watching/test_fleets.py reads the files that it writes",
    "watching/stacks.py": "tests/unit/watching/test_fleets.py, test_streams.py",
    "sessions.py": _POOL + "tests/pool/test_sessions.py",
}

MODULES = sorted(
    path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py")
)
FOLDERS = sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_each_module_has_a_test_file_or_a_reason(module):
    test = UNIT / module.with_name(f"test_{module.name}")
    assert test.exists() != (str(module) in WITHOUT), f"{test} is missing, or the reason in WITHOUT is out of date"


def test_each_reason_is_of_a_module_that_is_there():
    assert WITHOUT.keys() <= {str(module) for module in MODULES}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_each_folder_says_where_its_lines_run(folder):
    """The module docstring of its __init__ says so."""
    text = (folder / "__init__.py").read_text()
    assert text.startswith('"""'), folder
    assert len(text.split('"""')[1].split()) > 10, folder


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_long_module_says_why_it_is_one(module):
    """A module has at most 400 lines, or its first lines give the reason."""
    text = (PACKAGE / module).read_text()
    assert text.count("\n") <= 400 or "It is long because" in text[:1500], module


# The layers, tested with imports that break them.

BROKEN = {
    "execution_point": ("execution_point/frames.py", "import condor_futures.errors"),
    "state machine": ("state_machine/states.py", "import htcondor2"),
    "state machine, another folder": ("state_machine/states.py", "import condor_futures.errors"),
    "a higher folder": ("submit/values.py", "import condor_futures.session.session"),
    "the watcher from the access point": ("access_point/requests.py", "import condor_futures.watching.watcher"),
    "the client from the helper": ("access_point/helper/words.py", "import condor_futures.session.session"),
    "the daemons from the client": ("watching/watcher.py", "import condor_futures.access_point.helper.credd"),
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the package that the test may change."""
    directory = tmp_path_factory.mktemp("checkout")
    shutil.copytree(PACKAGE, directory / "condor_futures", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", directory)
    return directory


def lint_imports(directory):
    code = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=directory, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_imports_are_as_they_should_be(checkout):
    assert lint_imports(checkout)[0] == 0


@pytest.mark.parametrize("case", BROKEN)
def test_an_import_across_the_layers_is_refused(checkout, case):
    name, line = BROKEN[case]
    path = checkout / "condor_futures" / name
    before = path.read_text()
    path.write_text(before + f"\n\n{line}\n")
    try:
        status, output = lint_imports(checkout)
    finally:
        path.write_text(before)
    assert status != 0
    assert "Broken contracts" in output or "is not allowed to import" in output, output
