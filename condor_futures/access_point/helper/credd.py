"""Stores what jobs need to act as the user with an access point's `condor_credd`; runs in the helper process.

The credential itself is as good as a password: it goes from the site's program to the credd, and stays in this process.
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

__all__ = ["find", "request_tokens", "store_kerberos"]

# Seconds for the site's program that makes a credential; the bindings give it as many.
_PRODUCER_TIMEOUT: Final = 20.0

# What the words with which a condor_credd refuses mean for whoever reads them.
_ADVICE: Final = {
    "Communication error": "it does not run, or does not let you in (ALLOW_WRITE); its log, CredLog, says which",
    "not secure": "the connection has to be authenticated and encrypted (SEC_DEFAULT_ENCRYPTION = REQUIRED)",
    "credmon": "the program there that is to make it ready for jobs, the credmon, did not do so in time",
    "configuration error": "it is not configured for such credentials (SEC_CREDENTIAL_DIRECTORY_KRB, ..._OAUTH)",
    "startCommand": "it does not run, or does not let you in (ALLOW_WRITE); its log, CredLog, says which",
}


def find(access_point: tuple[str | None, str | None], schedd: str) -> str:
    """The address of the credd that belongs to the *schedd*: by what the schedd says, or else by name.

    So does condor_submit.

    Args:
        access_point: pool and name, as the user gave them.
        schedd: its name, as it says it itself.

    Raises:
        CredentialError: the collector knows none, or does not answer.

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
            with contextlib.suppress(htcondor.HTCondorException):  # which is how the bindings say that there is none
                credd = collector.locate(kind)
    except htcondor.HTCondorException as error:
        words = f"the collector does not say where the access point's condor_credd is: {error}"
        raise CredentialError(words) from error
    if credd is None:
        raise CredentialError("the access point has no condor_credd, which would keep the jobs' credentials")
    return str(credd["MyAddress"])


def store_kerberos(credd: str) -> str:
    """Store what the site's SEC_CREDENTIAL_PRODUCER makes of the user's ticket.

    Returns:
        What klist says about the ticket; nothing where it is stored already, or there is no klist.

    Raises:
        CredentialError: that is not possible, with what to do about it.

    """
    producer = htcondor.param.get("SEC_CREDENTIAL_PRODUCER")
    if not producer:
        raise CredentialError(
            "HTCondor's configuration on this machine has no SEC_CREDENTIAL_PRODUCER, the program of the site's "
            "that makes a credential of your Kerberos ticket; its administrators know which it is"
        )
    if producer.upper() == "CREDENTIAL_ALREADY_STORED":
        return ""
    listing, trouble = _check_ticket()
    if listing and trouble:
        raise CredentialError(trouble)
    # Not the bindings' own way, which is to give them None: they cut what the program prints at its first NUL
    # byte (25.14), and say nothing of why it failed.
    try:
        credential = _produce(producer)
    except CredentialError as error:
        # Only now: there may be programs that need no ticket.
        raise CredentialError(f"{error}; {trouble}" if trouble else str(error)) from None
    try:
        _store(htcondor.Credd(ClassAd({"MyAddress": credd})), credential)
    except htcondor.HTCondorException as error:
        raise _refused(credd, str(error)) from error
    return listing


def _store(credd: Any, credential: bytes) -> None:
    """Store it, and wait until the credmon has made it ready for jobs.

    The credd waits for that itself, up to its CREDD_POLLING_TIMEOUT; but where it finds no credmon that it could
    wake, it says neither that nor anything else.
    """
    kerberos = htcondor.CredType.Kerberos
    credd.add_user_cred(kerberos, credential)
    deadline = time.monotonic() + int(htcondor.param.get("CREDD_POLLING_TIMEOUT") or 20)
    while credd.query_user_cred(kerberos) is None:
        if time.monotonic() > deadline:
            raise htcondor.HTCondorException("no credmon processes credentials")
        time.sleep(0.5)


def request_tokens(credd: str, services: dict[str, str]) -> str | None:
    """Have the tokens ready that jobs with these submit commands want.

    Returns:
        The address that the user has to visit to allow one, if any.

    Raises:
        CredentialError: that is not possible, with what to do about it.

    """
    # issue_credentials() speaks with the local credd only (25.14), so that is which one it takes for local; and it
    # would see to Kerberos too, which nobody may have asked for.
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
    """Have other variables for a while: a program of the site's (SEC_CREDENTIAL_STORER) reads its own configuration."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _check_ticket() -> tuple[str, str]:
    """What klist lists, and what is wrong with it; both are empty where there is no klist."""
    environment = {**os.environ, "LC_ALL": "C"}

    def klist(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["klist", *options],  # noqa: S607 - the one that goes with the user's kinit
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
    """What the site's program prints; it is never shown to anybody, as it is as good as a password."""
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
    return CredentialError(f"the condor_credd at {credd} does not take the credential: {words}{advice}")
