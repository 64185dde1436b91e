"""Profiles: which file applies, what is inherited, and the errors in an invalid file."""

from __future__ import annotations

import pytest

from condor_futures import CondorExecutor, CondorFuturesError
from condor_futures.options.profiles import load_profile, profile_files, read_profiles


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The paths of the user's and the site's file, which do not exist yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "site"))
    found = profile_files()
    for origin in ("user", "site"):
        assert found[origin].is_relative_to(tmp_path / origin)
        found[origin].parent.mkdir(parents=True)
    return found


def test_user_goes_before_site_goes_before_package(files):
    """The first file that has a profile defines it completely."""
    files["site"].write_text('[cern]\nspool = false\nrequest_cpus = 2\n[institute]\naccess_point = ["cm", "ap1"]\n')
    assert load_profile("cern") == {"spool": False, "request_cpus": 2}
    files["user"].write_text("[cern]\nrequest_cpus = 4\n")
    assert load_profile("cern") == {"request_cpus": 4}
    assert load_profile("institute") == {"access_point": ["cm", "ap1"]}
    assert [(profile.name, profile.path) for profile in read_profiles()] == [
        ("cern", files["user"]),
        ("cern", files["site"]),
        ("institute", files["site"]),
        ("cern", files["package"]),
    ]


def test_profile_inherits_from_another(files):
    """There may be any number of steps, and the nearer value wins.

    A user's profile may inherit from the one that it hides.
    """
    files["site"].write_text("[base]\nspool = false\nrequest_cpus = 1\nmax_retries = 2\n")
    files["user"].write_text(
        '[mine]\ninherits = "large"\nmax_retries = 3\n[large]\ninherits = "base"\nrequest_cpus = 8\n'
        '[base]\ninherits = "base"\nmax_retries = 4\n'
    )
    assert load_profile("mine") == {"spool": False, "request_cpus": 8, "max_retries": 3}
    assert load_profile("mine", {"RequestCpus": 1}) == {"spool": False, "RequestCpus": 1, "max_retries": 3}
    assert load_profile("base") == {"spool": False, "request_cpus": 1, "max_retries": 4}


def test_any_submit_command_can_be_in_a_profile(files):
    files["user"].write_text("[x]\n'MY.Project' = '\"theory\"'\nrequest_memory = '2GB'\nenvironment = {THREADS = 1}\n")
    assert load_profile("x") == {"MY.Project": '"theory"', "request_memory": "2GB", "environment": {"THREADS": 1}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[cern]\nspool = yes\n", r"profiles\.toml is not valid TOML: .*line 2"),
        ("spool = true\n", "has 'spool' outside a profile"),
        ("[cern]\ninherits = 3\n", "inherits of the profile 'cern' must be the name of another profile"),
        ('[cern]\ninherits = "base"\n[base]\ninherits = "cern"\n', "in a cycle: cern -> base -> cern"),
        ('[cern]\ninherits = "bse"\n[base]\n', r"no profile 'bse' \(inherited by 'cern' in .*\); did you mean 'base'"),
        (
            '[base]\ninherits = "base"\n[cern]\ninherits = "base"',
            "profile 'base' in .* inherits 'base', but no later file has that profile",
        ),
    ],
)
def test_file_that_is_wrong_is_named(files, text, sentence):
    files["user"].write_text(text)
    with pytest.raises(CondorFuturesError, match=sentence) as error:
        load_profile("cern")
    assert str(files["user"]) in str(error.value) or "cycle" in sentence


def test_file_that_cannot_be_read_is_named(files):
    files["site"].mkdir()
    with pytest.raises(CondorFuturesError, match=r"site/.*profiles\.toml cannot be read: Is a directory"):
        load_profile("cern")


def test_unknown_profile_names_the_nearest_and_the_files(files):
    files["user"].write_text("[institute]\n")
    with pytest.raises(CondorFuturesError, match="no profile 'institut'; did you mean 'institute'") as error:
        load_profile("institut")
    for path in files.values():
        assert str(path) in str(error.value)
    assert f"{files['site']} (missing)" in str(error.value)


def test_what_the_constructor_refuses_it_refuses_in_a_profile_too(files):
    """The error comes before any connection."""
    files["user"].write_text('[x]\nrequest_memry = "2GB"\n')
    with pytest.raises(TypeError, match="no submit command 'request_memry'; did you mean 'request_memory'"):
        CondorExecutor.from_profile("x")
    with pytest.raises(ValueError, match="max_workers must be greater than 0"):
        CondorExecutor.from_profile("x", max_workers=0)


def test_package_has_a_profile_for_cern(files):
    """The configuration of lxplus names the access point."""
    profile = load_profile("cern")
    assert (profile["credentials"], profile["spool"], profile["job_flavour"]) == ("kerberos", True, "espresso")
    assert "access_point" not in profile
