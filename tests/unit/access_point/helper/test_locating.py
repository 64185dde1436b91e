"""Where the helper looks for the schedd."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from condor_futures.access_point.helper import locating


def test_schedd_is_looked_up_only_if_it_is_not_the_one_that_is_configured(monkeypatch):
    performer = locating.Located()
    monkeypatch.setattr(performer, "_look_up", lambda pool, name: {"Name": name, "MyAddress": f"by {pool}"})

    class HTCondor:
        HTCondorException, DaemonType = performer._htcondor.HTCondorException, performer._htcondor.DaemonType

        class Collector:
            def locate(self, _):
                return {"Name": "ap1", "MyAddress": "here"}

        class Schedd:
            def __init__(self, ad):
                pass

            def query(self, *_, **__):
                return []

    monkeypatch.setattr(performer, "_htcondor", HTCondor)

    def found(name, *, local):
        performer._where, performer._local = ("cm", name), local
        return performer._locate()["MyAddress"]

    assert found(None, local=False) == "here"
    assert found("ap1", local=True) == "here"
    assert found("ap2", local=True) == "by cm"
    assert found("ap1", local=False) == "by cm"


@pytest.mark.parametrize(
    ("change", "transfers"),
    [
        ({}, True),
        ({"CondorVersion": "$CondorVersion: 26.0.1 2027-01-01 $"}, True),
        ({"CondorVersion": "$CondorVersion: 25.13.0 2026-07-01 $"}, False),
        ({"CondorVersion": ""}, False),
        ({"bindings": "$CondorVersion: 25.0.14 2026-07-01 $"}, False),
        ({"Machine": "ap1.example.org"}, False),
        ({"GUIDANCE_KEEP_CALM_AND": "True"}, False),
        ({"FORBID_COMMON_FILE_TRANSFER": "true"}, False),
        ({"FORBID_COMMON_FILE_TRANSFER": "False"}, True),
    ],
)
def test_common_files_need_a_schedd_of_this_machine_that_prepares_them(monkeypatch, change, transfers):
    performer = locating.Located()
    settings = {"FULL_HOSTNAME": "here.example.org", **change}
    recent = "$CondorVersion: 25.14.1 2026-10-16 $"
    bindings = SimpleNamespace(param=settings, version=lambda: change.get("bindings", recent))
    monkeypatch.setattr(performer, "_htcondor", bindings)
    about = {"CondorVersion": recent, "Machine": "here.example.org", **change}
    assert performer._transfers_common_input(about) is transfers
