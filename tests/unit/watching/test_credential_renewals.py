"""Credentials are stored again in time, and soon again after a failure."""

from __future__ import annotations

import math

import pytest

from condor_futures.errors import AccessPointError
from condor_futures.options.credentials import RETRY_AFTER
from condor_futures.watching import credential_renewals
from condor_futures.watching.credential_renewals import CredentialRenewals


class AccessPoint:
    """Records its requests, on a clock that the test sets."""

    def __init__(self, monkeypatch):
        self.now, self.requests = 1000.0, []
        monkeypatch.setattr(credential_renewals.time, "monotonic", lambda: self.now)

    def request(self, operation, answer, **arguments):
        self.requests.append((operation, arguments))
        self.answer = answer


@pytest.fixture
def access_point(monkeypatch):
    return AccessPoint(monkeypatch)


CREDENTIALS = {"kerberos": False, "services": {"use_oauth_services": "box"}}


def test_nothing_is_renewed_where_there_is_nothing(access_point):
    renewals = CredentialRenewals(access_point, None)
    renewals.proceed()
    assert (renewals.patience(), access_point.requests) == (math.inf, [])


def test_credentials_are_stored_again_when_it_is_time(access_point):
    """They are stored once. The answer has the time of the next renewal."""
    renewals = CredentialRenewals(access_point, (CREDENTIALS, 60.0))
    renewals.proceed()
    assert (renewals.patience(), access_point.requests) == (60.0, [])
    access_point.now += 60
    renewals.proceed()
    renewals.proceed()
    assert [operation for operation, _ in access_point.requests] == ["store_credentials"]
    assert renewals.patience() == math.inf
    access_point.answer({"url": "", "ticket": ""}, None)
    assert 0 < renewals.patience() < math.inf


@pytest.mark.parametrize(
    ("stored", "error", "why"),
    [
        (None, AccessPointError("it is away"), "it is away"),
        ({"url": "https://tokens.example.org", "ticket": ""}, None, "visit https://tokens.example.org"),
    ],
    ids=["error", "consent"],
)
def test_a_renewal_that_fails_is_tried_again_soon(access_point, caplog, stored, error, why):
    """There is a warning: the previously stored credentials may be valid for hours."""
    renewals = CredentialRenewals(access_point, (CREDENTIALS, 0.0))
    renewals.proceed()
    access_point.answer(stored, error)
    assert renewals.patience() == RETRY_AFTER
    assert why in caplog.text
