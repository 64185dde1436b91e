"""Parsers for apt's files and output: pure functions from text to values.

No archive is named here: the archive comes from the machine's own configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["ArchiveSource", "library_closure", "parse_sources", "reason", "upstream_version"]

# The names under which Debian publishes a whole release. Updates, security and backports have longer names.
_SUITES = frozenset({"stable", "oldstable", "oldoldstable", "testing", "unstable", "sid"})
_CODENAMES = frozenset({"buster", "bullseye", "bookworm", "trixie", "forky", "duke"})
_KEYRING = "/usr/share/keyrings/debian-archive-keyring"


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """A source that is probably Debian's main archive.

    Attributes:
        uri: the URI in apt's configuration, with any of apt's methods.
        signed_by: the value of ``Signed-By``, which is the name of a file or a whole key, or ``None``.

    """

    uri: str
    signed_by: str | None = None

    @property
    def names_debian_keyring(self) -> bool:
        """Whether the source is certainly Debian's own, because apt accepts only Debian's signature for it."""
        return (self.signed_by or "").startswith(_KEYRING)

    def stanza(self, suite: str, keyring: str | None) -> str:
        """Return the deb822 source for one suite; ``keyring`` is used if the source names none."""
        signed_by = self.signed_by or keyring
        lines = ["Types: deb", f"URIs: {self.uri}", f"Suites: {suite}", "Components: main"]
        return "\n".join([*lines, *([f"Signed-By: {signed_by}"] if signed_by else [])]) + "\n"


def parse_sources(files: Iterable[tuple[str, str]]) -> list[ArchiveSource]:
    """Return the sources that may be Debian's main archive, each once, the most likely first.

    Security archives, third parties, sources of source packages, disabled ones and installation media are left out.

    Args:
        files: name and text of each of apt's source files; the name's ending tells the format.

    """
    found: list[ArchiveSource] = []
    for name, text in files:
        for entry in _deb822_entries(text) if name.endswith(".sources") else _one_line_entries(text):
            if (
                "deb" in entry.types
                and "main" in entry.components
                and (_SUITES | _CODENAMES).intersection(entry.suites)
            ):
                found += [ArchiveSource(uri, entry.signed_by) for uri in entry.uris if not uri.startswith("cdrom:")]
    # A third party's archive may use Debian's names for its suites. Sources that name Debian's keyring come first, then
    # those that name none, for which Debian's keyring decides.
    rank = {True: 0, False: 1}
    return sorted(dict.fromkeys(found), key=lambda s: (rank[s.names_debian_keyring], s.signed_by is not None))


def library_closure(dependencies: str, roots: Iterable[str]) -> list[str]:
    """Return, sorted, the packages ``roots`` and all libraries that they need, directly or indirectly.

    A personal pool needs neither the programs (Perl, Python, ...) that the packages also depend on nor their libraries.

    Args:
        dependencies: the output of ``apt-cache depends --recurse`` for these packages.
        roots: names of packages.

    """
    needs = _needs(dependencies)
    closure: set[str] = set()
    waiting = list(roots)
    while waiting:
        package = waiting.pop()
        if package not in closure:
            closure.add(package)
            for alternatives in needs.get(package, ()):
                waiting += list(filter(_is_library, alternatives))[:1]
    return sorted(closure)


def upstream_version(version: str) -> str | None:
    """Return HTCondor's version, such as 25.14.1, from the version of a Debian package, such as 25.14.1+dfsg-1."""
    match = re.match(r"(?:\d+:)?(\d+\.\d+\.\d+)", version)
    return match[1] if match else None


def reason(output: str) -> str:
    """Return the line of an apt program's output that has the reason of its failure."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    # The text after E: may be generic; the reason is in the first warning or ignored fetch.
    for start in ("Err:", "E:", "W:"):
        for position, line in enumerate(lines):
            if line.startswith(start):
                cause = lines[position + 1 : position + 2] if start == "Err:" else []
                return " ".join([line, *cause])
    return lines[-1] if lines else "no output"


@dataclass(frozen=True, slots=True)
class _Entry:
    types: list[str]
    uris: list[str]
    suites: list[str]
    components: list[str]
    signed_by: str | None


def _deb822_entries(text: str) -> Iterator[_Entry]:
    """Yield the entries of a ``.sources`` file: stanzas of fields; a line that begins with a space continues one."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        pairs = re.findall(r"^([\w-]+):(.*(?:\n[ \t].*)*)", stanza, flags=re.MULTILINE)
        fields = {name.lower(): value.strip() for name, value in pairs}
        if fields.get("enabled", "yes").lower() not in {"no", "false", "0", "off", "without", "disable"}:
            types, uris, suites, components = (
                fields.get(name, "").split() for name in ("types", "uris", "suites", "components")
            )
            yield _Entry(types, uris, suites, components, fields.get("signed-by"))


def _one_line_entries(text: str) -> Iterator[_Entry]:
    """Yield the entries of a ``.list`` file: type, options in brackets, URI, suite, components."""
    for line in text.splitlines():
        match = re.match(r"(deb|deb-src)\s+(?:\[(.*?)\]\s*)?(\S+)\s+(\S+)\s*(.*)", line.partition("#")[0].strip())
        if match:
            kind, options, uri, suite, components = match.groups()
            values = dict(option.split("=", 1) for option in (options or "").split() if "=" in option)
            signed_by = values.get("signed-by", "").replace(",", " ")
            yield _Entry([kind], [uri], [suite], components.split(), signed_by or None)


def _needs(dependencies: str) -> dict[str, list[list[str]]]:
    """Return the dependencies of each package; each dependency is a list of alternatives.

    apt-cache marks all alternatives but the last with a bar, and lists the providers of a virtual package below it::

        condor
          Depends: libc6
         |Depends: libkrb5-3
          Depends: <libkrb5-virtual>
            libkrb5-heimdal
    """
    needs: dict[str, list[list[str]]] = {}
    alternatives: list[list[str]] = []
    is_open = False  # the last alternatives continue
    for line in dependencies.splitlines():
        name = line.strip().partition(":any")[0].strip("<>")
        if not line.startswith((" ", "|")):
            alternatives = needs.setdefault(name, [])
            is_open = False
        elif match := re.match(r" ([ |])(?:Pre)?Depends: (\S+)", line):
            bar, name = match[1], match[2]
            if not is_open:
                alternatives.append([])
            is_open = bar == "|"
            if not name.startswith("<"):
                alternatives[-1].append(name)
        elif line.startswith("    ") and alternatives:
            alternatives[-1].append(name)
    return needs


def _is_library(package: str) -> bool:
    # zlib1g is the one library whose package goes by another name.
    return package.startswith(("lib", "zlib")) and not package.startswith("libjs-") and not package.endswith("-perl")
