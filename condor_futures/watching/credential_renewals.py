"""Credentials age, and jobs may start for as long as the session lasts: so they are stored again."""

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
    """Has the credentials of one session's jobs stored again. It belongs to the watcher's thread."""

    def __init__(self, access_point: AccessPoint, renewal: tuple[Mapping[str, Any], float] | None) -> None:
        """Make it.

        Args:
            access_point: where they are stored.
            renewal: as the helper is asked for them, and the seconds until the first time; None if there are none.

        """
        self._schedd = Schedd(access_point)
        self._credentials, seconds = renewal or ({}, math.inf)
        self._due = time.monotonic() + seconds

    def patience(self) -> float:
        """Seconds until it is time; infinite while it is being done, and if there are none."""
        return max(self._due - time.monotonic(), 0.0)

    def proceed(self) -> None:
        """Ask for it, if it is time."""
        if time.monotonic() >= self._due:
            self._due = math.inf
            self._schedd.store_credentials(**self._credentials).send(self._renewed)

    def _renewed(self, stored: Any, error: AccessPointError | None) -> None:
        """Plan the next time; a failure is no harm yet, for what was stored before may serve for hours."""
        if error is None and not stored["url"]:
            seconds = renew_after(stored["ticket"], time.time())
        else:
            seconds = RETRY_AFTER
            why = error or f"visit {stored['url']}"
            logger.warning("the jobs' credentials are not renewed, which is tried again in %g s: %s", seconds, why)
        self._due = time.monotonic() + seconds
