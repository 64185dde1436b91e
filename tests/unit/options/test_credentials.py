"""The `credentials` of an executor: what is stored, the submit commands of the jobs, and the time of renewal."""

from __future__ import annotations

import doctest
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condor_futures import AccessPointError, CondorExecutor, CredentialError
from condor_futures.options import credentials
from condor_futures.options.credentials import (
    RENEW_EVERY,
    RENEW_SHORTEST,
    Credentials,
    check_stored,
    expiry,
    renew_after,
    to_store,
)

# The bindings read their configuration on import. These tests are about the language, not about a site.
os.environ["CONDOR_CONFIG"] = os.devnull
import htcondor2


def test_the_examples_are_true():
    assert doctest.testmod(credentials).failed == 0


@pytest.mark.parametrize(
    ("option", "parsed"),
    [
        (None, Credentials()),
        ((), Credentials()),
        ("kerberos", Credentials(kerberos=True)),
        ("scitokens", Credentials(services=("scitokens",))),
        ("oauth:my.tokens-2", Credentials(services=("my.tokens-2",))),
        (["oauth:box*public", "kerberos", "oauth:box*public"], Credentials(True, ("box*public",))),
    ],
)
def test_option_is_understood(option, parsed):
    assert Credentials.parse(option) == parsed


@pytest.mark.parametrize("option", ["", "Kerberos", "krb5", "oauth", "oauth:", "oauth:a b", "oauth:a*", "oauth:a*b*c"])
def test_a_credential_of_an_unknown_kind_is_a_value_error(option):
    """The message lists the known kinds."""
    with pytest.raises(ValueError, match=r"'kerberos', 'scitokens', 'oauth:SERVICE'") as caught:
        Credentials.parse(["kerberos", option])
    assert repr(option) in str(caught.value)


@pytest.mark.parametrize("option", [3, True, b"kerberos", [b"kerberos"], {"kerberos"}, object()])
def test_what_is_no_text_is_a_type_error(option):
    with pytest.raises(TypeError, match="credentials must be"):
        Credentials.parse(option)


@pytest.mark.parametrize("option", ["krb5", 3])
def test_the_executor_refuses_it_before_it_looks_for_an_access_point(option):
    with pytest.raises((ValueError, TypeError), match="credentials must be"):
        CondorExecutor(access_point="nowhere.example.org", credentials=option)


def services_needed(commands):
    """condor_submit derives the same services."""
    cluster = htcondor2.Submit({"executable": "/bin/true", **commands})
    return set(cluster.expand("use_oauth_services").replace(",", " ").split())


def test_a_job_says_what_it_wants():
    wanted = Credentials.parse(["kerberos", "scitokens", "oauth:box*a", "oauth:box*b"])
    commands = wanted.commands({})
    assert commands["MY.SendCredential"] == "true"
    assert services_needed(commands) == {"scitokens", "box"}
    assert {name for name in commands if "_oauth_p" in name} == {"box_oauth_permissions_a", "box_oauth_permissions_b"}


def test_nothing_is_said_where_nothing_is_wanted():
    assert Credentials().commands({"request_memory": "1"}) == {}
    assert to_store({"request_memory": "1", "box_oauth_permissions": "read:/x", "MY.SendCredential": "false"}) is None


def test_what_the_user_said_of_a_handle_stands():
    """Permissions, audience or options each make the handle known."""
    wanted = Credentials.parse("oauth:box*a")
    for what in ("permissions", "resource", "options"):
        assert wanted.commands({f"box_oauth_{what}_a": "read:/x"}) == {"use_oauth_services": "box"}


def test_services_in_two_places_are_refused():
    with pytest.raises(TypeError, match="not in both"):
        Credentials.parse("oauth:box").commands({"use_oauth_services": "box"})


def test_the_request_has_only_what_is_about_credentials():
    given = {"request_memory": "1", "box_oauth_permissions": "read:/x", "MY.SendCredential": "true"}
    commands = given | Credentials.parse(["kerberos", "oauth:box"]).commands(given)
    services = {"use_oauth_services": "box", "box_oauth_permissions": "read:/x"}
    assert to_store(commands) == {"kerberos": True, "services": services}
    assert to_store(given) == {"kerberos": True, "services": {}}


def test_what_a_submit_command_asks_for_is_stored_too():
    """Submit files that sites describe have such a command. The case of the attribute's name does not matter."""
    assert to_store({"use_oauth_services": "box"}) == {"kerberos": False, "services": {"use_oauth_services": "box"}}
    assert to_store({"my.sendcredential": "True"}) == {"kerberos": True, "services": {}}


@pytest.mark.parametrize(
    "more",
    [
        {"use_oauth_services": "box, vault"},
        {"box_oauth_permissions_work": "read:/y"},
        {"MY.SendCredential": "true"},
    ],
)
def test_what_is_not_stored_is_refused_later(more):
    """A smaller request is accepted."""
    stored = {"use_oauth_services": "box, scitokens", "box_oauth_permissions": "read:/x"}
    check_stored({"use_oauth_services": "scitokens", "request_cpus": "2"}, stored)
    check_stored({"box_oauth_permissions": "read:/z"}, stored)
    sentence = r"are stored when the executor is created, so with_options\(\) cannot add those for \S+=?;"
    with pytest.raises(TypeError, match=sentence):
        check_stored(stored | more, stored)


LISTING = """\
Ticket cache: FILE:/tmp/krb5cc_1000
Default principal: alice@EXAMPLE.ORG

Valid starting{pad}     Expires{pad}            Service principal
{start}  {end}  krbtgt/EXAMPLE.ORG@EXAMPLE.ORG
\trenew until {end}
{start}  {early}  afs/example.org@EXAMPLE.ORG
"""


@pytest.mark.parametrize("format", ["%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S"])
@given(end=st.integers(10**9, 3 * 10**9))
def test_the_ticket_granting_ticket_says_when_it_expires(format, end):  # noqa: A002
    """The times are local. At the end of summer time, when an hour occurs twice, they may be wrong by an hour."""
    start, early, late = (time.strftime(format, time.localtime(t)) for t in (end - 9000, end - 6000, end))
    listing = LISTING.format(start=start, early=early, end=late, pad="")
    assert abs(expiry(listing) - end) in (0, 3600)


@given(st.floats(-(10**6), 10**6))
def test_renewals_come_before_half_of_the_ticket_is_gone(left):
    """The interval is at least a minute and at most half an hour."""
    now = 1.8e9 - 1.8e9 % 86400
    end = time.strftime("%m/%d/%y %H:%M:%S", time.localtime(now + left))
    seconds = renew_after(LISTING.format(start=end, early=end, end=end, pad=""), now)
    assert RENEW_SHORTEST <= seconds <= RENEW_EVERY
    if 2 * RENEW_SHORTEST < left < 2 * RENEW_EVERY:
        assert seconds <= left / 2


def test_without_klist_there_is_a_renewal_all_the_same():
    assert renew_after("", time.time()) == RENEW_EVERY


def test_the_error_is_one_of_the_access_points():
    """A handler for an unusable access point also catches this error."""
    assert issubclass(CredentialError, AccessPointError)
