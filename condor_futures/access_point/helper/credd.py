"""The storage of jobs' credentials in an access point's `condor_credd`; this module runs in the helper process.

The credential itself is equivalent to a password. It goes from the site's program to the credd, and otherwise stays in
this process.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import htcondor2 as htcondor
from classad2 import ClassAd

from condor_futures.errors import CredentialError

__all__ = ["check_ticket", "find", "request_tokens", "store_kerberos"]

# The time limit in seconds for the site's program that makes a credential; the bindings have the same limit.
_PRODUCER_TIMEOUT: Final = 20.0

# Advice for the user, by a part of the error message with which a condor_credd refuses.
_ADVICE: Final = {
    "Communication error": "it is not running, or does not authorize you (ALLOW_WRITE); its log, CredLog, says which",
    "not secure": "the connection has to be authenticated and encrypted (SEC_DEFAULT_ENCRYPTION = REQUIRED)",
    "credmon": "the program there that makes it ready for jobs, the credmon, did not do so in time",
    "configuration error": "it is not configured for such credentials (SEC_CREDENTIAL_DIRECTORY_KRB, ..._OAUTH)",
    "startCommand": "it is not running, or does not authorize you (ALLOW_WRITE); its log, CredLog, says which",
}


def find(access_point: tuple[str | None, str | None], schedd: str) -> str:
    """Return the address of the *schedd*'s credd, as condor_submit does: from the schedd's ad, or else by name.

    Args:
        access_point: pool and name, as the user passed them.
        schedd: the name in the schedd's own ad.

    Raises:
        CredentialError: if the collector knows no such credd, or does not answer.

    """
    pool, name = access_point
    kind, credd = htcondor.DaemonType.Credd, None
    try:
        collector = htcondor.Collector(pool) if pool else htcondor.Collector()
        for ad in collector.query(htcondor.AdType.Schedd, f"Name == {json.dumps(schedd)}", ["CredDIpAddr"]):
            if "CredDIpAddr" in ad:
                return str(ad["CredDIpAddr"])
        if name:
            credd = collector.locate(kind, name)
        else:
            with contextlib.suppress(htcondor.HTCondorException):  # the bindings raise it if there is none
                credd = collector.locate(kind)
    except htcondor.HTCondorException as error:
        words = f"the collector does not say where the access point's condor_credd is: {error}"
        raise CredentialError(words) from error
    if credd is None:
        raise CredentialError("the access point has no condor_credd, which would keep the jobs' credentials")
    return str(credd["MyAddress"])


def store_kerberos(credd: str) -> str:
    """Store the credential that the site's SEC_CREDENTIAL_PRODUCER makes from the user's ticket.

    Returns:
        The output of klist for the ticket; an empty string if the ticket is stored already, or there is no klist.

    Raises:
        CredentialError: if the credential cannot be stored; the message says what to do.

    """
    producer = htcondor.param.get("SEC_CREDENTIAL_PRODUCER")
    if not producer:
        raise CredentialError(
            "HTCondor's configuration on this machine has no SEC_CREDENTIAL_PRODUCER, the site's program that makes "
            "a credential from your Kerberos ticket; ask the site's administrators which program it is"
        )
    if producer.upper() == "CREDENTIAL_ALREADY_STORED":
        return ""
    listing, trouble = check_ticket()
    if listing and trouble:
        raise CredentialError(trouble)
    # If add_user_cred() gets None instead of a credential, the bindings run the program. But they cut its output at the
    # first NUL byte (25.14), and do not say why it failed.
    try:
        credential = _produce(producer)
    except CredentialError as error:
        # Only now, because some programs may need no ticket.
        raise CredentialError(f"{error}; {trouble}" if trouble else str(error)) from None
    try:
        _store(htcondor.Credd(ClassAd({"MyAddress": credd})), credential)
    except htcondor.HTCondorException as error:
        raise _refused(credd, str(error)) from error
    return listing


def _store(credd: Any, credential: bytes) -> None:
    """Store the credential, and wait until the credmon has made it ready for jobs.

    The credd waits for the credmon itself, up to its CREDD_POLLING_TIMEOUT. But if it finds no credmon to wake, it
    reports no error.
    """
    kerberos = htcondor.CredType.Kerberos
    credd.add_user_cred(kerberos, credential)
    deadline = time.monotonic() + int(htcondor.param.get("CREDD_POLLING_TIMEOUT") or 20)
    while credd.query_user_cred(kerberos) is None:
        if time.monotonic() > deadline:
            raise htcondor.HTCondorException("no credmon processes credentials")
        time.sleep(0.5)


def request_tokens(credd: str, services: dict[str, str]) -> str | None:
    """Request the tokens that jobs with these submit commands need.

    Returns:
        The URL, if any, where the user must allow a token.

    Raises:
        CredentialError: if a token cannot be requested; the message says what to do.

    """
    # issue_credentials() uses only the local credd (25.14), so these settings make this credd the local one. They also
    # unset SEC_CREDENTIAL_PRODUCER, or it would store a Kerberos ticket that the user may not have asked for.
    with tempfile.NamedTemporaryFile("w", prefix="condor-futures-credd-") as file:
        file.write(f"{credd}\n")
        file.flush()
        settings = {"CREDD_ADDRESS_FILE": file.name, "CREDD_HOST": "", "SEC_CREDENTIAL_PRODUCER": ""}
        before = {name: htcondor.param.get(name) or "" for name in settings}
        htcondor.param.update(settings)
        try:
            with _environment({f"_CONDOR_{name}": settings[name] for name in ("CREDD_ADDRESS_FILE", "CREDD_HOST")}):
                url = htcondor.Submit(services).issue_credentials()
        except htcondor.HTCondorException as error:
            raise _refused(credd, str(error)) from error
        finally:
            htcondor.param.update(before)
    return None if url is None else str(url)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for a while: the site's program (SEC_CREDENTIAL_STORER) reads its configuration itself."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def check_ticket() -> tuple[str, str]:
    """Return the output of klist, and what is wrong with the ticket; both are empty if there is no klist."""
    environment = {**os.environ, "LC_ALL": "C"}

    def klist(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["klist", *options],  # noqa: S607 - the klist that belongs to the user's kinit
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    try:
        listing, valid = klist(), klist("-s")
    except OSError:
        return "", ""
    found = "it has expired" if listing.stdout else listing.stderr.strip() or "none was found"
    trouble = "" if valid.returncode == 0 else f"you have no valid Kerberos ticket ({found}); get one with kinit"
    return listing.stdout, trouble


def _produce(producer: str) -> bytes:
    """Return the output of the site's program. It is never shown to anyone, because it is equivalent to a password."""
    try:
        made = subprocess.run(
            [producer], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PRODUCER_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise CredentialError(
            f"{producer} (SEC_CREDENTIAL_PRODUCER) took longer than {_PRODUCER_TIMEOUT:g} s"
        ) from None
    except OSError as error:
        raise CredentialError(f"{producer} (SEC_CREDENTIAL_PRODUCER) cannot be run: {error.strerror}") from None
    if made.returncode != 0 or not made.stdout:
        status = f"failed with status {made.returncode}" if made.returncode else "printed no credential"
        words = made.stderr.decode(errors="replace").strip()[-1000:]
        raise CredentialError(f"{producer} (SEC_CREDENTIAL_PRODUCER) {status}" + (f": {words}" if words else ""))
    return made.stdout


def _refused(credd: str, words: str) -> CredentialError:
    words = words.strip().rstrip(".")
    advice = next((f"; {advice}" for part, advice in _ADVICE.items() if part in words), "")
    return CredentialError(f"the condor_credd at {credd} does not accept the credential: {words}{advice}")
