"""Credentials for jobs, at a site with root's daemons, a condor_credd, a KDC and HTCondor's own issuer of SciTokens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import credmon
import jwt
import kerberos
import pytest
from support import Pool, until

from condor_futures import CondorExecutor, CredentialError
from condor_futures.options.credentials import expiry
from condor_futures.personal import PersonalPool

pytestmark = pytest.mark.pool
at_a_site = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root")]

AUDIENCE, ISSUER = "https://storage.example.org", "https://ap.example.org"

_PRODUCER = """\
#!/bin/sh
# The whole ticket cache, NUL bytes and all, and a line for each time that it was wanted.
echo made >> "$HOME/produced"
exec cat "${KRB5CCNAME#FILE:}"
"""


@pytest.fixture(scope="module")
def directory():
    """A directory that everyone may enter."""
    path = Path(tempfile.mkdtemp(prefix="condor-futures-site-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def a_program(path, text):
    """Make a program that everyone may run."""
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def a_directory_for_credentials(path):
    path.mkdir()
    os.chown(path, 0, 1)  # the daemons' own group, see CONDOR_IDS
    path.chmod(0o2770)
    return str(path)


@contextmanager
def a_pool(directory, release, settings):
    """A pool of root's daemons. At the end, its queue must be empty."""
    everybody = {"ALLOW_READ": "*", "ALLOW_WRITE": "*"}
    pool = PersonalPool(directory, release=release, root_mode="condor_ids", config={**everybody, **settings}, slots=4)
    try:
        pool.start()
        yield pool
        assert Pool(pool).ads("condor_q") == []
    finally:
        pool.stop()


class Site:
    """A pool that hands credentials to jobs, and a user of that pool."""

    def __init__(self, pool: PersonalPool, user, realm, keytab) -> None:
        self.pool = pool
        self.user = user
        self.realm = realm
        self.kinit = [str(realm.bin / "kinit"), "-k", "-t", str(keytab), user.name]
        self.environment = {
            "PATH": f"{realm.bin}:{pool.environment()['PATH']}",
            "CONDOR_CONFIG": str(pool.config_file),
            "KRB5CCNAME": f"FILE:{user.home / 'ticket'}",
        }

    def run(self, text: str, *arguments: str, **environment: str) -> str:
        """Return what the user's program prints, and the error that it ends with, if any."""
        done = self.user.run(text, {**self.environment, **environment}, *arguments)
        assert "Traceback" in done.stderr or done.returncode == 0, done.stderr
        return done.stdout if done.returncode == 0 else done.stderr.strip().splitlines()[-1]

    def log_in(self, lifetime: str = "10h") -> None:
        """Get a ticket for the user."""
        self.run(f"import subprocess; subprocess.run([*{self.kinit}, '-l', '{lifetime}'], check=True)")


@pytest.fixture(scope="module")
def realm(directory):
    (directory / "kerberos").mkdir(mode=0o755)
    with kerberos.realm(directory / "kerberos") as realm:
        yield realm


@pytest.fixture(scope="module")
def site(directory, public_release, user, realm):
    """A site that is configured correctly."""
    tickets = a_directory_for_credentials(directory / "tickets")
    tokens = a_directory_for_credentials(directory / "tokens")
    secret = directory / "secret"
    secret.touch(mode=0o600)
    secret.write_text("the secret of this access point\n")
    python = f"#!/bin/sh\nexec '{sys.executable}'"
    issuer = public_release.sbin / "condor_credmon_oauth"
    settings = {
        "DAEMON_LIST": "$(DAEMON_LIST) CREDD CREDMON_KRB CREDMON_OAUTH",
        "SEC_DEFAULT_ENCRYPTION": "REQUIRED",
        "TRUST_CREDENTIAL_DIRECTORY": "True",
        "CREDMON_KRB": a_program(directory / "credmon_krb", f"{python} '{credmon.__file__}' '{tickets}'\n"),
        "SEC_CREDENTIAL_DIRECTORY_KRB": tickets,
        "SEC_CREDENTIAL_PRODUCER": a_program(directory / "producer", _PRODUCER),
        # By default, stored credentials stay until they are swept away.
        "SEC_CREDENTIAL_REFRESH_INTERVAL": "0",
        "CREDMON_OAUTH": a_program(directory / "credmon_oauth", f"{python} '{issuer}'\n"),
        "CREDMON_OAUTH_LOG": "$(LOG)/CredMonOAuthLog",
        "SEC_CREDENTIAL_DIRECTORY_OAUTH": tokens,
        "LOCAL_CREDMON_PROVIDER_NAMES": "scitokens",
        "LOCAL_CREDMON_PRIVATE_KEY": str(directory / "private.pem"),
        "LOCAL_CREDMON_PUBLIC_KEY": str(directory / "public.pem"),
        "LOCAL_CREDMON_TOKEN_AUDIENCE": AUDIENCE,
        "LOCAL_CREDMON_ISSUER": ISSUER,
        "OAUTH2_CREDMON_PROVIDER_NAMES": "box",
        "BOX_CLIENT_ID": "condor_futures",
        "BOX_CLIENT_SECRET_FILE": str(secret),
        "CREDMON_WEB_PREFIX": ISSUER,
    }
    with a_pool(directory / "pool", public_release, settings) as pool:
        yield Site(pool, user, realm, realm.add(user.account))


#: The calls of the jobs. They return the ticket that they find, or a token, and whether it is in their sandbox.
IN_THE_JOB = """
import json, logging, os, subprocess, sys, time
from pathlib import Path
from condor_futures import CondorExecutor

def sandbox(path):
    return str(Path(path).resolve()).startswith(os.environ["_CONDOR_SCRATCH_DIR"])

def ticket():
    cache = os.environ["KRB5CCNAME"].removeprefix("FILE:")
    listing = subprocess.run([KLIST], env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True)
    return sandbox(cache), listing.stdout + listing.stderr

def granting_ticket():
    return [line for line in ticket()[1].splitlines() if "krbtgt" in line]

def token(name):
    path = Path(os.environ["_CONDOR_CREDS"], name)
    return sandbox(path), path.read_text()
"""


def in_the_job(site, text):
    return f"KLIST = {str(site.realm.bin / 'klist')!r}\n{IN_THE_JOB}\n{text}"


class AtASite:
    """Tests that need a site, and therefore root."""

    pytestmark = at_a_site


class TestKerberos(AtASite):
    @pytest.mark.parametrize("spool", [True, False])
    def test_a_job_finds_the_users_ticket_in_its_sandbox(self, site, spool):
        site.log_in()
        text = f"""
with CondorExecutor(credentials="kerberos", spool={spool}) as executor:
    print(*executor.submit(ticket).result())
"""
        in_sandbox, _, listing = site.run(in_the_job(site, text)).partition(" ")
        assert in_sandbox == "True"
        assert f"Default principal: {site.user.name}@{site.realm.name}" in listing
        assert f"krbtgt/{site.realm.name}" in listing

    def test_a_later_job_gets_the_ticket_that_was_renewed(self, site):
        """Its shorter lifetime distinguishes it from the first ticket."""
        site.log_in("10h")
        text = f"""
import condor_futures.options.credentials
condor_futures.options.credentials.RENEW_EVERY = 0.5  # seconds
with CondorExecutor(credentials="kerberos") as executor:
    first = second = executor.submit(granting_ticket).result()
    subprocess.run([*{site.kinit}, "-l", "5h"], check=True)
    deadline = time.monotonic() + 60
    while second == first:
        assert time.monotonic() < deadline, "it was not renewed"
        second = executor.submit(granting_ticket).result()
json.dump([first[0], second[0]], sys.stdout)
"""
        first, second = map(expiry, json.loads(site.run(in_the_job(site, text))))
        assert 4 * 3600 < first - second < 6 * 3600

    def test_a_session_that_is_taken_up_has_its_credentials(self, site):
        """Waiting calls and new calls have them, unless the executor is told to do without."""
        site.log_in()
        text = """
from condor_futures import CredentialError
executor = CondorExecutor(credentials="kerberos", max_workers=1)
executor.submit(time.sleep, 300)
waits = executor.submit(granting_ticket)
session = executor.detach()
subprocess.run(["kdestroy"], check=True)
try:
    CondorExecutor.attach(session)
except CredentialError as error:
    print(error)
subprocess.run(KINIT, check=True)
Path("produced").unlink()
with CondorExecutor.attach(session, max_workers=2) as executor:
    print(len(Path("produced").read_text().splitlines()))
    print(len(executor.futures[waits.key].result()), len(executor.submit(granting_ticket).result()))
    executor.futures["c000000"].cancel()
    session = executor.detach()
CondorExecutor.attach(session, credentials=[]).detach()
try:
    CondorExecutor.attach(session, credentials="oauth:nobodys")
except CredentialError:
    print("nobodys")
print(len(Path("produced").read_text().splitlines()))
# None of these has changed what the session's calls need.
CondorExecutor.attach(session, **{"+SendCredential": True}).shutdown()
print(len(Path("produced").read_text().splitlines()))
"""
        error, *rest = site.run(in_the_job(site, f"KINIT = {site.kinit}\n{text}")).splitlines()
        assert "you have no valid Kerberos ticket" in error
        assert rest == ["1", "1 1", "nobodys", "1", "2"]

    def test_the_doctor_looks_at_the_ticket(self, site):
        """The probe job gets a valid ticket. With an expired one, no job is submitted."""
        text = f"""
from condor_futures.doctor import examine

def look():
    found = {{finding.name: finding for finding in examine()}}
    failed = [name for name, finding in found.items() if finding.level.value == "failed"]
    print(json.dumps([failed, found["credentials"].sentence, found["probe job"].level.value]))
    return found

assert look()["Python"].details["ticket"]
subprocess.run([*{site.kinit}, "-l", "1s"], check=True)
while subprocess.run(["klist", "-s"]).returncode == 0:
    time.sleep(0.1)
look()
"""
        site.log_in()
        good, expired = map(json.loads, site.run(in_the_job(site, text)).splitlines())
        assert (good[0], good[2]) == ([], "ok")
        assert good[1].startswith(f"a ticket of {site.user.name}@{site.realm.name}, until ")
        assert (expired[0], expired[2]) == (["credentials"], "note")
        assert expired[1].endswith("you have no valid Kerberos ticket (it has expired); get one with kinit")

    def test_a_renewal_that_fails_is_a_warning_and_tried_again(self, site):
        """The jobs continue. When there is a ticket again, the client stores it."""
        site.log_in()
        text = f"""
from condor_futures.options import credentials
from condor_futures.watching import credential_renewals
credentials.RENEW_EVERY = credential_renewals.RETRY_AFTER = 0.5  # seconds
warnings = []
handler = logging.Handler()
handler.emit = lambda record: warnings.append(record.getMessage())
logging.getLogger("condor_futures").addHandler(handler)

def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.1)

with CondorExecutor(credentials="kerberos") as executor:
    subprocess.run(["kdestroy"], check=True)
    until(lambda: len(warnings) > 2)
    assert executor.submit(pow, 2, 5).result() == 32
    subprocess.run({site.kinit}, check=True)
    produced = Path("produced")
    before = len(produced.read_text().splitlines())
    until(lambda: len(produced.read_text().splitlines()) > before + 1)
    seen = len(warnings)
    until(lambda: len(produced.read_text().splitlines()) > before + 3)
    assert len(warnings) == seen
print(warnings[0])
"""
        warning = site.run(in_the_job(site, text))
        assert "the jobs' credentials could not be renewed" in warning
        assert "you have no valid Kerberos ticket" in warning

    def test_a_credd_that_was_killed_keeps_no_session_from_renewing(self, site):
        """Its master starts another condor_credd."""
        site.log_in("10h")
        pool = Pool(site.pool)
        text = f"""
from condor_futures.options import credentials
from condor_futures.watching import credential_renewals
credentials.RENEW_EVERY = credential_renewals.RETRY_AFTER = 0.5  # seconds
with CondorExecutor(credentials="kerberos") as executor:
    first = second = executor.submit(granting_ticket).result()
    Path("waiting").touch()
    while not Path("restarted").exists():
        time.sleep(0.1)
    subprocess.run([*{site.kinit}, "-l", "5h"], check=True)
    deadline = time.monotonic() + 60
    while second == first:
        assert time.monotonic() < deadline, "it was not renewed"
        second = executor.submit(granting_ticket).result()
"""
        with ThreadPoolExecutor(1) as thread:
            program = thread.submit(site.run, in_the_job(site, text))
            until(lambda: (site.user.home / "waiting").exists() or program.done())
            (credd,) = pool.pids("condor_credd")
            os.kill(credd, signal.SIGKILL)
            until(lambda: (pids := pool.pids("condor_credd")) and credd not in pids)
            (site.user.home / "restarted").touch()
            assert program.result() == ""

    def test_a_dag_has_the_users_ticket_in_its_jobs(self, site):
        """DAGMan runs the site's program for each node, so it needs the ticket too.

        As with condor_submit_dag, no request is needed.
        """
        site.log_in()
        text = """
from condor_futures import DagExecutor
with DagExecutor("tickets", "tickets") as dag:
    first = dag.submit(granting_ticket)
    second = dag.submit(len, first)
    dag.run()
    assert (len(first.result()), second.result()) == (1, 1)
os.environ["KRB5CCNAME"] = "FILE:/nowhere"
DagExecutor("none", "none").run()
"""
        error = site.run(in_the_job(site, text))
        assert error.startswith("condor_futures.errors.CredentialError: ")
        assert "you have no valid Kerberos ticket" in error

    def test_without_a_ticket_the_executor_is_not_made(self, site):
        error = self.refused(site, KRB5CCNAME="FILE:/nowhere")
        assert "cat: /nowhere: No such file" in error  # the output of the site's program
        assert "you have no valid Kerberos ticket" in error
        assert "get one with kinit" in error

    def test_an_expired_ticket_is_none(self, site):
        site.log_in("2s")
        klist = [str(site.realm.bin / "klist"), "-s"]
        until(lambda: subprocess.run(klist, env=site.environment, check=False).returncode != 0)
        assert "you have no valid Kerberos ticket (it has expired); get one with kinit" in self.refused(site)

    def test_without_a_producer_the_executor_is_not_made(self, site):
        assert "SEC_CREDENTIAL_PRODUCER" in self.refused(site, _CONDOR_SEC_CREDENTIAL_PRODUCER="")

    def test_what_a_producer_says_is_told_and_what_it_makes_is_not(self, site, directory):
        text = "#!/bin/sh\necho half a credential\necho the realm is away >&2\nexit 3\n"
        producer = a_program(directory / "failing", text)
        site.log_in()
        error = self.refused(site, _CONDOR_SEC_CREDENTIAL_PRODUCER=producer)
        assert error.endswith(f"{producer} (SEC_CREDENTIAL_PRODUCER) failed with status 3: the realm is away")

    def test_a_producer_that_is_not_there_is_named(self, site):
        site.log_in()
        error = self.refused(site, _CONDOR_SEC_CREDENTIAL_PRODUCER="/nowhere/producer")
        assert error.endswith("/nowhere/producer (SEC_CREDENTIAL_PRODUCER) cannot be run: No such file or directory")

    def test_a_site_may_say_that_the_ticket_is_stored_already(self, site):
        """Then the job gets the stored ticket."""
        site.log_in()
        text = in_the_job(site, "with CondorExecutor(credentials='kerberos') as e: print(e.submit(ticket).result())")
        assert "krbtgt" in site.run(text)
        assert "krbtgt" in site.run(text, _CONDOR_SEC_CREDENTIAL_PRODUCER="CREDENTIAL_ALREADY_STORED")

    def refused(self, site, **environment):
        text = "from condor_futures import CondorExecutor; CondorExecutor(credentials='kerberos')"
        error = site.run(text, **environment)
        assert error.startswith("condor_futures.errors.CredentialError: ")
        return error


WITH_THE_VAULT = """
options = {{"use_oauth_services": "vault", "vault_oauth_permissions": "read:/x"}}
with CondorExecutor(access_point={place}, **options) as executor:
    print(*executor.submit(token, "vault.use").result())
"""


def a_storer(site, directory):
    """A program that gets tokens and stores them where its own configuration says. Return the setting that names it."""
    text = f"""#!/bin/sh
echo "log in at https://vault.example.org"
cat > "$HOME/input"
exec '{site.user.python}' -c "
import sys, htcondor2
token = ' '.join(sys.argv[1:]).encode()
htcondor2.Credd().add_user_service_cred(htcondor2.CredType.OAuth, token, 'vault', refresh=False)
" "$@"
"""
    return {"_CONDOR_SEC_CREDENTIAL_STORER": a_program(directory / "storer", text)}


class TestTokens(AtASite):
    def test_a_job_finds_a_scitoken_signed_by_the_access_point(self, site, directory):
        text = """
with CondorExecutor(credentials="scitokens") as executor:
    print(*executor.submit(token, "scitokens.use").result())
"""
        in_sandbox, _, written = site.run(in_the_job(site, text)).partition(" ")
        assert in_sandbox == "True"
        claims = jwt.decode(
            json.loads(written)["access_token"],
            (directory / "public.pem").read_text(),
            algorithms=["ES256"],
            audience=AUDIENCE,
            issuer=ISSUER,
        )
        assert claims["sub"] == site.user.name

    def test_the_user_is_sent_where_consent_can_be_given(self, site, directory):
        """After the consent, which the test gives in place of the access point's web page, jobs have the token."""
        wanted = 'CondorExecutor(credentials=["kerberos", "oauth:box", "scitokens"])'
        text = f"""
from condor_futures import CredentialError
try:
    {wanted}
except CredentialError as error:
    assert error.url in str(error)
    print(error.url)
"""
        site.log_in()
        url = site.run(in_the_job(site, text)).strip()
        assert url.startswith(f"{ISSUER}/key/")
        request = directory / "tokens" / url.rpartition("/")[2]
        assert f'LocalUser = "{site.user.name}"' in request.read_text()
        self.consent(directory / "tokens" / site.user.name / "box")
        text = f"""
with {wanted} as executor:
    futures = [executor.submit(token, "box.use"), executor.submit(token, "scitokens.use"), executor.submit(ticket)]
    json.dump([future.result() for future in futures], sys.stdout)
"""
        box, scitoken, ticket = json.loads(site.run(in_the_job(site, text)))
        assert box == [True, '{"access_token": "consented"}']
        assert scitoken[0]
        assert "krbtgt" in ticket[1]

    def test_a_handle_tells_two_tokens_of_one_service_apart(self, site, directory):
        for handle in ("box_private", "box_public"):
            self.consent(directory / "tokens" / site.user.name / handle, handle)
        text = """
with CondorExecutor(credentials=["oauth:box*private", "oauth:box*public"]) as executor:
    json.dump([executor.submit(token, f"box_{name}.use").result()[1] for name in ("private", "public")], sys.stdout)
"""
        tokens = json.loads(site.run(in_the_job(site, text)))
        assert tokens == ['{"access_token": "box_private"}', '{"access_token": "box_public"}']

    def test_a_service_that_nobody_provides_is_refused(self, site):
        error = site.run(in_the_job(site, "CondorExecutor(credentials='oauth:nobody')"))
        assert error.startswith("condor_futures.errors.CredentialError: ")
        assert "Credential 'nobody' of unknown type is missing" in error

    def test_a_token_that_the_user_stored_is_brought_too(self, site):
        """HTCondor leaves a service without a provider to the user."""
        text = """
from htcondor2 import Credd, CredType
Credd().add_user_service_cred(CredType.OAuth, b"of my own", "mine", refresh=False)
with CondorExecutor(credentials="oauth:mine") as executor:
    print(*executor.submit(token, "mine.use").result())
"""
        assert site.run(in_the_job(site, text)).strip() == "True of my own"

    def test_a_sites_program_that_stores_tokens_is_run(self, site, directory):
        """The program may say where to log in. It cannot read the requests of the client to its helper."""
        environment = site.environment | a_storer(site, directory)
        done = site.user.run(in_the_job(site, WITH_THE_VAULT.format(place=None)), environment)
        assert done.stdout.strip() == "True vault&scopes=read:/x", done.stderr
        assert "log in at https://vault.example.org" in done.stderr
        assert (site.user.home / "input").read_bytes() == b""

    def consent(self, path, text="consented"):
        path.parent.mkdir(exist_ok=True)
        for ending in ("top", "use"):
            file = path.with_suffix(f".{ending}")
            file.touch(mode=0o600)
            file.write_text(json.dumps({"access_token": text}))


#: A process that reads this machine's configuration finds no daemons.
NOWHERE = {
    "_CONDOR_COLLECTOR_HOST": "127.0.0.1:9",
    "_CONDOR_COLLECTOR_ADDRESS_FILE": "/nowhere",
    "_CONDOR_SCHEDD_ADDRESS_FILE": "/nowhere",
    "_CONDOR_CREDD_ADDRESS_FILE": "/nowhere",
}


class TestRemoteAccessPoint(AtASite):
    @pytest.fixture
    def place(self, site):
        """Return the pool and the name of the access point."""
        pool = Pool(site.pool)
        address = pool.run("condor_status", "-collector", "-af", "MyAddress").strip()
        return address, pool.run("condor_status", "-schedd", "-af", "Name").strip()

    def test_it_is_the_one_that_is_given_the_credentials(self, site, place):
        site.log_in()
        text = f"""
with CondorExecutor(access_point={place}, credentials=["kerberos", "scitokens"]) as executor:
    json.dump([executor.submit(ticket).result(), executor.submit(token, "scitokens.use").result()], sys.stdout)
"""
        answers = json.loads(site.run(in_the_job(site, text), **NOWHERE))
        assert [in_sandbox for in_sandbox, _ in answers] == [True, True]

    def test_a_sites_program_that_stores_tokens_does_so_there(self, site, place, directory):
        text = in_the_job(site, WITH_THE_VAULT.format(place=place))
        assert site.run(text, **NOWHERE, **a_storer(site, directory)).strip() == "True vault&scopes=read:/x"

    def test_the_example(self, site, place):
        site.log_in()
        text = (Path(__file__).parents[2] / "examples" / "remote_sweep_with_credential.py").read_text()
        options = ["--pool", place[0], "--access-point", place[1], "--credentials", "kerberos", "scitokens"]
        lines = site.run(text, *options, **NOWHERE).splitlines()
        assert lines[0].startswith("r = 3.400  -")
        assert lines[31].startswith("r = 4.000  +0.69")  # the logarithm of 2
        assert f"32 calls could act as {site.user.name}@{site.realm.name}" in lines
        assert "32 calls could act as scitokens.use" in lines


@pytest.fixture(scope="module")
def half_a_site(directory, public_release, user, realm):
    """Its credmon only reports that it has done everything.

    Its administrator configured neither tokens nor encryption.
    """
    tickets = a_directory_for_credentials(directory / "tickets_of_half_a_site")
    idle = f"""#!{sys.executable}
import pathlib, time
while True:
    pathlib.Path("{tickets}/CREDMON_COMPLETE").touch()
    time.sleep(0.2)
"""
    settings = {
        "DAEMON_LIST": "$(DAEMON_LIST) CREDD CREDMON_KRB",
        "CREDMON_KRB": a_program(directory / "idle_credmon", idle),
        "SEC_CREDENTIAL_DIRECTORY_KRB": tickets,
        "SEC_CREDENTIAL_PRODUCER": a_program(directory / "producer_of_half_a_site", "#!/bin/sh\necho credential\n"),
        "CREDD_POLLING_TIMEOUT": "1",
    }
    with a_pool(directory / "half_a_pool", public_release, settings) as pool:
        yield Site(pool, user, realm, "no keytab")


class TestHalfASite(AtASite):
    def test_a_credential_that_nobody_makes_ready_is_no_credential(self, half_a_site):
        """Jobs would wait for it."""
        error = half_a_site.run(in_the_job(half_a_site, "CondorExecutor(credentials='kerberos')"), KRB5CCNAME="KCM:")
        assert error.startswith("condor_futures.errors.CredentialError: the condor_credd at <127.0.0.1")
        assert "the credmon, did not do so in time" in error

    def test_a_credd_without_a_place_for_tokens_says_so(self, half_a_site):
        error = half_a_site.run(in_the_job(half_a_site, "CondorExecutor(credentials='scitokens')"))
        assert "SEC_CREDENTIAL_DIRECTORY_OAUTH not configured in condor_credd" in error


def test_an_access_point_without_a_credd_takes_no_credentials(pool):
    """A personal pool is one, so anyone can run this test."""
    with pytest.raises(CredentialError, match="the access point has no condor_credd"):
        CondorExecutor(access_point="personal", credentials="kerberos")
