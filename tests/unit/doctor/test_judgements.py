"""What is found out becomes a sentence, which says what to do next."""

from __future__ import annotations

import time

import pytest

from condor_futures.access_point.location import Location
from condor_futures.doctor import Level, judgements

KLIST = """\
Ticket cache: FILE:/tmp/krb5cc_1000
Default principal: alice@CERN.CH

Valid starting     Expires            Service principal
{begins}  {ends}  krbtgt/CERN.CH@CERN.CH
"""


def found(**changes):
    """A healthy access point, with changes."""
    schedd = {
        "Name": "ap1@example.org",
        "Machine": "ap1.example.org",
        "MyAddress": "<192.0.2.1:9618>",
        "CondorVersion": "$CondorVersion: 25.14.1 2026-08-21 $",
    }
    return {
        "bindings": "25.14.1",
        "configuration": "/etc/condor/condor_config",
        "methods": "FS, IDTOKENS",
        "tokens": 0,
        "collector": "cm.example.org",
        "no_collector": "",
        "schedd": schedd,
        "no_schedd": "",
        "here": True,
        "user": "alice@example.org",
        "method": "FS",
        "encrypted": True,
        "no_permission": "",
        "producer": "",
        "ticket": "",
        "no_ticket": "",
        "credd": "",
        "no_credd": "",
        **changes,
    }


def listing(until: float) -> str:
    shown = [time.strftime("%m/%d/%y %H:%M:%S", time.localtime(when)) for when in (until - 36000, until)]
    return KLIST.format(begins=shown[0], ends=shown[1])


def verdict(finding):
    return finding.name, finding.level, finding.sentence


def test_bindings_and_programs():
    judge = judgements.judge_htcondor
    assert judge(found(), "25.14.1 in /usr", "").level is Level.OK
    none = judge(found(), "", "")
    assert none.level is Level.WARNING
    assert "`condor-futures pool install`" in none.sentence
    missing = judge(found(), "", "; CONDOR_CONFIG names /x, which does not exist")
    assert missing.level is Level.FAILED
    assert missing.sentence.endswith("CONDOR_CONFIG names /x, which does not exist; correct the variable, or unset it")


def test_collectors():
    judge = judgements.judge_collector
    assert verdict(judge(found())) == ("collector", Level.OK, "cm.example.org answers")
    away = judge(found(no_collector="the collector cm.example.org does not answer: Connection refused"))
    assert (away.level, "check its name" in away.sentence) == (Level.FAILED, True)
    refuses = judge(found(no_collector="the collector cm runs but does not accept how you authenticate: failed"))
    assert "you have no token: `condor_token_fetch`" in refuses.sentence
    assert judge(found(collector="")).level is Level.FAILED


def test_a_schedd_that_answers():
    judge = judgements.judge_schedd
    assert verdict(judge(found(), Location())) == ("schedd", Level.OK, "ap1@example.org answers, on this machine")
    assert judge(found(here=False), Location()).sentence == "ap1@example.org answers, on ap1.example.org"


def test_no_schedd_on_this_machine():
    """The sentence has the three ways on, and --fix one of them."""
    finding = judgements.judge_schedd(found(no_schedd="Unable to locate local daemon"), Location())
    assert (finding.level, finding.fix) == (Level.FAILED, "start pool")
    for way in ("start it", "--access-point NAME", "`condor-futures pool start`"):
        assert way in finding.sentence


def test_no_schedd_elsewhere():
    location = Location("cm.example.org", "ap1@example.org")
    finding = judgements.judge_schedd(found(no_schedd="it is not there"), location)
    text = "the schedd ap1@example.org in the pool cm.example.org cannot be used: it is not there"
    assert verdict(finding) == ("schedd", Level.FAILED, text)
    hangs = judgements.judge_schedd(found(no_schedd="This service is running, but did not respond"), Location())
    assert (hangs.fix, hangs.sentence.endswith("try again later, or ask who runs it")) == ("", True)
    finding = judgements.judge_schedd(found(no_schedd="no pool is configured here"), Location(name="ap1"))
    assert finding.sentence.endswith("add --pool HOST")


def test_bindings_that_refuse_an_older_schedd():
    """The diagnosis is about versions."""
    error = "it runs HTCondor 23.9.6 ..., or set _condor_SEC_FS_ENFORCE_CHANNEL_BINDING=false in the environment"
    finding = judgements.judge_schedd(found(no_schedd=error), Location())
    assert (finding.name, finding.level, finding.fix) == ("versions", Level.FAILED, "")
    assert error in finding.sentence
    collector = judgements.judge_collector(
        found(no_schedd=error, no_collector="it does not accept how you authenticate")
    )
    assert collector.level is Level.NOTE


@pytest.mark.parametrize(
    ("version", "level"),
    [("23.9.6", Level.OK), ("25.14.1", Level.OK), ("23.8.1", Level.WARNING), ("", Level.WARNING)],
)
def test_versions(version, level):
    answer = found()
    answer["schedd"]["CondorVersion"] = f"$CondorVersion: {version} $"
    assert judgements.judge_versions(answer).level is level


def test_permission():
    sentence = "you may submit, as alice@example.org, authenticated by FS (encrypted)"
    assert verdict(judgements.judge_permission(found())) == ("permission", Level.OK, sentence)
    old = judgements.judge_permission(found(user="", method="", bindings="24.0.24"))
    assert (old.level, "the probe job tells" in old.sentence) == (Level.NOTE, True)


def test_a_known_user_who_may_not_submit():
    error = "it answers, but does not accept jobs from you; to the schedd, you are alice@example.org"
    finding = judgements.judge_permission(found(no_permission=error))
    assert finding.level is Level.FAILED
    assert finding.sentence == (
        "the schedd answers, but does not accept jobs from you; to the schedd, you are alice@example.org; "
        "ask the administrators of the access point to let you submit (ALLOW_WRITE)"
    )


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"methods": "IDTOKENS"}, "your configuration offers IDTOKENS; you have no token: `condor_token_fetch`"),
        ({"methods": "IDTOKENS", "tokens": 2}, "your tokens may have expired, or be for other pools"),
        ({"methods": ""}, "you have no token"),
        ({"methods": "FS"}, "your configuration offers FS; ask the administrators"),
        ({"methods": "KERBEROS, IDTOKENS", "no_ticket": "it has expired; kinit"}, "; it has expired; kinit"),
    ],
)
def test_an_unknown_user_is_told_how_to_authenticate(changes, advice):
    answer = found(no_permission="it answers, but ...: authentication failed: no method", **changes)
    assert advice in judgements.judge_permission(answer).sentence
    answer = found(no_schedd="it does not accept how you authenticate: no method", **changes)
    assert advice in judgements.judge_schedd(answer, Location()).sentence


def test_credentials():
    judge = judgements.judge_credentials
    assert judge(found()).level is Level.NOTE
    site = {"producer": "/usr/bin/batch_krb5_credential", "credd": "<192.0.2.1:9618>"}
    good = judge(found(**site, ticket=listing(time.time() + 3600)))
    assert good.level is Level.OK
    assert good.sentence.startswith("a ticket of alice@CERN.CH, until 20")
    expired = judge(
        found(**site, ticket=listing(time.time() - 60), no_ticket="you have no valid ...; get one with kinit")
    )
    assert expired.level is Level.FAILED
    assert expired.sentence.endswith("get one with kinit")
    assert judge(found(**site, no_credd="the access point has no condor_credd")).level is Level.FAILED
    assert "no klist here" in judge(found(**site)).sentence


def offer(**changes):
    kind = {"slots": 2, "machines": 1, "cores": 4, "memory": 8192, "gpus": 0, "gpu": "", "system": "Debian12 X86_64"}
    return {**kind, "containers": False, **changes}


def test_slots():
    judge = judgements.judge_slots
    assert judge([]).level is Level.FAILED
    assert judge([offer()]).sentence == "2 slots of 4 cores, 8 GiB (Debian12 X86_64)"
    gpus = offer(slots=1, cores=1, gpus=1, gpu="A100", containers=True, system="")
    many = judge([offer(slots=10), gpus, *[offer(slots=1, memory=2**20)] * 3])
    assert many.sentence == (
        "14 slots with 53 cores and 1 GPU, at most 1 TiB of memory in one: 10 of 4 cores, 8 GiB (Debian12 X86_64); "
        "1 of 1 core, 8 GiB, 1 GPU A100 (with containers); 1 of 4 cores, 1 TiB (Debian12 X86_64), and 2 other kinds"
    )


def test_directories():
    judge = judgements.judge_directory
    assert judge("/home/alice/sessions", 2**40, "").sentence == "/home/alice/sessions, with 1 TiB free"
    assert judge("/home/alice/sessions", 2**20, "").level is Level.WARNING
    failed = judge("/x", 0, "the session directory /x cannot be created: Permission denied")
    assert (failed.level, "set XDG_STATE_HOME" in failed.sentence) == (Level.FAILED, True)
