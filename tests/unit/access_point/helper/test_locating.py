"""Where the helper looks for the schedd."""

from __future__ import annotations

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
