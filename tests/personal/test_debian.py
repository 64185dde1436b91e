"""apt's configuration and answers are parsed without apt, with invented hosts."""

from condor_futures.personal.debian import ArchiveSource, library_closure, parse_sources, reason, upstream_version

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

DEB822 = f"""\
Types: deb
# URIs: http://snapshot.example.org/archive/debian/20250101T000000Z
URIs: http://deb.example.org/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEYRING}

Types: deb
URIs: http://deb.example.org/debian-security
Suites: bookworm-security
Components: main
Signed-By: {KEYRING}

Enabled: no
Types: deb
URIs: http://off.example.org/debian
Suites: trixie
Components: main

Types: deb-src
URIs: http://src.example.org/debian
Suites: trixie
Components: main
"""

ONE_LINE = """\
# deb http://old.example.org/debian bullseye main
deb [arch=amd64 signed-by=/etc/apt/keyrings/vendor.gpg] https://vendor.example.com/apt bookworm main
deb https://tools.example.com/apt tools-bookworm main
deb http://deb.example.net/debian/ bookworm main # the old way
deb cdrom:[Debian 12]/ bookworm main
deb-src http://deb.example.net/debian/ bookworm main
deb http://security.example.net/ bookworm-security main
"""


def test_a_stanza_gives_its_archive_and_keyring():
    """Security, disabled and source-only stanzas, and commented fields, name no usable archive."""
    assert parse_sources([("debian.sources", DEB822)]) == [ArchiveSource("http://deb.example.org/debian", KEYRING)]


def test_one_line_sources_are_read_with_their_options():
    """An archive that names another key comes last: it may be Debian's, but is more likely a third party's."""
    assert parse_sources([("sources.list", ONE_LINE)]) == [
        ArchiveSource("http://deb.example.net/debian/"),
        ArchiveSource("https://vendor.example.com/apt", "/etc/apt/keyrings/vendor.gpg"),
    ]


def test_the_archive_that_names_debians_key_is_asked_first_and_once():
    """Neither the order of files nor repetitions of an archive matter."""
    files = [("sources.list", ONE_LINE), ("a.sources", DEB822), ("b.sources", DEB822)]
    assert [source.uri for source in parse_sources(files)] == [
        "http://deb.example.org/debian",
        "http://deb.example.net/debian/",
        "https://vendor.example.com/apt",
    ]


def test_a_mirror_list_and_several_uris_are_kept_as_they_are():
    """Apt has more methods than http."""
    text = (
        "Types: deb\n"
        "URIs: mirror+file:/etc/apt/mirrors.list\n https://two.example.org/debian\n"
        "Suites: sid\nComponents: main\n"
    )
    uris = [source.uri for source in parse_sources([("x.sources", text)])]
    assert uris == ["mirror+file:/etc/apt/mirrors.list", "https://two.example.org/debian"]


def test_a_key_within_a_stanza_survives_into_ours():
    """Signed-By may hold a whole key, on lines that begin with a space."""
    key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----"
    text = f"Types: deb\nURIs: http://deb.example.org/debian\nSuites: stable\nComponents: main\nSigned-By:{key}\n"
    (source,) = parse_sources([("x.sources", text)])
    stanza = source.stanza("forky", KEYRING)
    assert "-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END" in stanza
    assert KEYRING not in stanza


def test_our_stanza_names_one_suite_and_a_key():
    """If the machine names no key, the stanza names Debian's keyring, provided that it exists."""
    source = ArchiveSource("http://deb.example.org/debian")
    lines = ["Types: deb", "URIs: http://deb.example.org/debian", "Suites: forky", "Components: main"]
    assert source.stanza("forky", None).splitlines() == lines
    assert source.stanza("forky", KEYRING).splitlines() == [*lines, f"Signed-By: {KEYRING}"]


def test_ubuntu_has_no_debian_archive():
    """Ubuntu's sources look the same, except for the names of its suites."""
    text = "Types: deb\nURIs: http://ubuntu.example.com/ubuntu\nSuites: noble noble-updates\nComponents: main\n"
    assert parse_sources([("ubuntu.sources", text)]) == []


DEPENDS = """\
condor
  Depends: adduser
  Depends: libdate-manip-perl
  Depends: libjs-jquery
  Depends: libkrb5-3
  Depends: <perl:any>
    perl
  Depends: libc6
 |Depends: libcurl4t64
  Depends: libcurl3t64-gnutls
  Depends: <liblapack.so.3>
    liblapack3
    libatlas3
minicondor
  Depends: condor
libkrb5-3
  PreDepends: libk5crypto3
  Depends: libc6
libk5crypto3
  Depends: libkrb5-3
libc6
  Depends: libgcc-s1
  Depends: zlib1g
adduser
  Depends: libpam-modules
libpam-modules
  Depends: libpam0g
"""


def test_the_closure_is_libraries_only():
    """The closure omits programs and their dependencies. It takes the first alternative or provider. Cycles end."""
    assert library_closure(DEPENDS, ["condor", "minicondor"]) == [
        "condor",
        "libc6",
        "libcurl4t64",
        "libgcc-s1",
        "libk5crypto3",
        "libkrb5-3",
        "liblapack3",
        "minicondor",
        "zlib1g",
    ]


def test_upstream_versions():
    """HTCondor's version does not include Debian's additions."""
    assert upstream_version("25.14.1+dfsg-1") == "25.14.1"
    assert upstream_version("1:23.9.6-2+b1") == "23.9.6"
    assert upstream_version("(none)") is None


def test_apts_reason_is_found():
    """The reason is the first informative error, with the line that follows a failed fetch."""
    update = """\
Err:1 http://deb.example.org/debian forky InRelease
  Could not resolve 'deb.example.org'
Reading package lists...
E: Failed to fetch http://deb.example.org/debian/dists/forky/InRelease
E: Some index files failed to download.
"""
    assert reason(update) == ("Err:1 http://deb.example.org/debian forky InRelease Could not resolve 'deb.example.org'")
    assert reason("Reading...\nE: no key\n") == "E: no key"
    assert reason("") == "no output"
