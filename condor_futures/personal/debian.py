"""What apt's own files and answers say: pure functions from text to values.

Nothing here knows a host: which archive to ask comes from the machine's own configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["ArchiveSource", "library_closure", "parse_sources", "reason", "upstream_version"]

# Names under which Debian publishes a whole release. Updates, security and backports go by a longer name.
_SUITES = frozenset({"stable", "oldstable", "oldoldstable", "testing", "unstable", "sid"})
_CODENAMES = frozenset({"buster", "bullseye", "bookworm", "trixie", "forky", "duke"})
_KEYRING = "/usr/share/keyrings/debian-archive-keyring"


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """A place that has, as far as one can tell without asking, Debian's main archive.

    Attributes:
        uri: as apt has it; any of apt's methods.
        signed_by: the value of ``Signed-By``, a file's name or a whole key, or ``None``.

    """

    uri: str
    signed_by: str | None = None

    @property
    def names_debian_keyring(self) -> bool:
        """Whether it is certain to be Debian's own: apt will accept only Debian's signature."""
        return (self.signed_by or "").startswith(_KEYRING)

    def stanza(self, suite: str, keyring: str | None) -> str:
        """The deb822 source for one suite of it; ``keyring`` is for a source that names none."""
        signed_by = self.signed_by or keyring
        lines = ["Types: deb", f"URIs: {self.uri}", f"Suites: {suite}", "Components: main"]
        return "\n".join([*lines, *([f"Signed-By: {signed_by}"] if signed_by else [])]) + "\n"


def parse_sources(files: Iterable[tuple[str, str]]) -> list[ArchiveSource]:
    """The sources that may be Debian's main archive, the likeliest first, each once.

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
    # A third party's archive may call its suites as Debian does: those that name Debian's keyring go first, then those
    # that name none, which Debian's keyring will sort out.
    rank = {True: 0, False: 1}
    return sorted(dict.fromkeys(found), key=lambda s: (rank[s.names_debian_keyring], s.signed_by is not None))


def library_closure(dependencies: str, roots: Iterable[str]) -> list[str]:
    """The packages ``roots`` and all libraries that they need, directly or through each other, sorted.

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
    """HTCondor's version, as 25.14.1, of a Debian package's, as 25.14.1+dfsg-1."""
    match = re.match(r"(?:\d+:)?(\d+\.\d+\.\d+)", version)
    return match[1] if match else None


def reason(output: str) -> str:
    """The line of an apt program's output that says why it failed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    # What follows E: may only say that something failed; why is in the first warning or ignored fetch.
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
    """The entries of a ``.sources`` file: stanzas of fields, which lines that begin with a space continue."""
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
    """The entries of a ``.list`` file: type, options in brackets, URI, suite, components."""
    for line in text.splitlines():
        match = re.match(r"(deb|deb-src)\s+(?:\[(.*?)\]\s*)?(\S+)\s+(\S+)\s*(.*)", line.partition("#")[0].strip())
        if match:
            kind, options, uri, suite, components = match.groups()
            values = dict(option.split("=", 1) for option in (options or "").split() if "=" in option)
            signed_by = values.get("signed-by", "").replace(",", " ")
            yield _Entry([kind], [uri], [suite], components.split(), signed_by or None)


def _needs(dependencies: str) -> dict[str, list[list[str]]]:
    """Of each package, its dependencies, each a list of alternatives.

    apt-cache marks all alternatives but the last with a bar, and lists below a virtual package who provides it::

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
