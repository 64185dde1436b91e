"""Renews the jobs' credentials, which expire, while jobs may start for as long as the session lasts."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from typing import Any

from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.errors import AccessPointError
from condor_futures.options.credentials import RETRY_AFTER, renew_after
from condor_futures.ownership import owned

__all__ = ["CredentialRenewals"]

logger = logging.getLogger("condor_futures.renewals")  # the name that the documentation has


@owned()
class CredentialRenewals:
    """Stores the credentials of one session's jobs again. It belongs to the watcher's thread."""

    def __init__(self, access_point: AccessPoint, renewal: tuple[Mapping[str, Any], float] | None) -> None:
        """Plan the first renewal.

        Args:
            access_point: stores the credentials.
            renewal: the credentials, as passed to the helper, and the seconds until the first renewal; None if there
                are none.

        """
        self._schedd = Schedd(access_point)
        self._credentials, seconds = renewal or ({}, math.inf)
        self._due = time.monotonic() + seconds

    def patience(self) -> float:
        """Return the seconds until the next renewal; infinite during a renewal, and without credentials."""
        return max(self._due - time.monotonic(), 0.0)

    def proceed(self) -> None:
        """Request a renewal if it is due."""
        if time.monotonic() >= self._due:
            self._due = math.inf
            self._schedd.store_credentials(**self._credentials).send(self._renewed)

    def _renewed(self, stored: Any, error: AccessPointError | None) -> None:
        """Plan the next renewal. A failure does no harm yet, because the stored credentials may be valid for hours."""
        if error is None and not stored["url"]:
            seconds = renew_after(stored["ticket"], time.time())
        else:
            seconds = RETRY_AFTER
            why = error or f"visit {stored['url']}"
            logger.warning("the jobs' credentials could not be renewed; retrying in %g s: %s", seconds, why)
        self._due = time.monotonic() + seconds
