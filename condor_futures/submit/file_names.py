"""The names of files in submit language: lists of names, macros in names, and relative names.

Names in a list of files are separated by commas, and a comma cannot be escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = [
    "MACRO",
    "absolute",
    "escape_macros",
    "file_names",
    "inexpressible",
    "is_elsewhere",
    "is_one_name",
    "plain_name",
    "quote_pairs",
    "remap_pairs",
    "split_directory",
]

#: A macro of HTCondor's, without macros inside it.
MACRO: Final = re.compile(r"\$\$?\w*\([^)]*\)")
# A name in a list of files. The commas in $CHOICE(1,a,b) do not separate names, because macros are expanded first.
_FILE_NAME: Final = re.compile(r"(?:\$\w*\([^)]*\)|[^,])+")
_NOT_A_LOCAL_PATH: Final = re.compile(r"[a-z][a-z0-9+.-]*://|docker:|\$(?!\(DOLLAR\))", re.IGNORECASE)
_INEXPRESSIBLE: Final = re.compile(r"\$\$\w*\(|\$\(dollar\b|\$\w*\([^)]*\$\w*\(", re.IGNORECASE)
_DOLLAR: Final = re.compile(r"\$\(DOLLAR\)", re.IGNORECASE)


def file_names(listed: str) -> list[str]:
    """Return the names in a list of files as condor_submit reads it, without empty names and outer quotation marks.

    Example:
        >>> file_names('"a.root, $CHOICE(0,b,c), , "')
        ['a.root', '$CHOICE(0,b,c)']

    """
    return [file.strip() for file in _FILE_NAME.findall(listed.strip().strip('"')) if file.strip()]


def is_one_name(text: str) -> bool:
    """Return whether *text*, read as a list of files, has exactly one name.

    Example:
        >>> is_one_name("$CHOICE(0,b,c)"), is_one_name("a,b"), is_one_name("")
        (True, False, False)

    """
    return _FILE_NAME.findall(text) == [text]


def is_elsewhere(file: str) -> bool:
    """Return whether *file* is a URL or an image, or begins with a macro, which HTCondor expands.

    Example:
        >>> is_elsewhere("docker://python:3.12"), is_elsewhere("$(here)/a"), is_elsewhere("a")
        (True, True, False)

    """
    return _NOT_A_LOCAL_PATH.match(file) is not None


def inexpressible(text: str) -> str | None:
    """Return the part of *text* in which HTCondor would expand a macro, however it is written; None if there is none.

    `$(DOLLAR)` stands for a dollar sign. HTCondor replaces it last, and scans the result of the replacement again
    (expand_macro in config.cpp). So three texts cannot be escaped: `$$(`, which becomes a macro of the execution
    point, `$(DOLLAR)` itself, and a macro inside another macro.

    Example:
        >>> inexpressible("/data/$(x)"), inexpressible("/data/$$(x)")
        (None, '$$(')

    """
    trouble = _INEXPRESSIBLE.search(text)
    return trouble[0] if trouble else None


def escape_macros(what: str, text: str) -> str:
    """Escape *text* so that HTCondor expands no macro in it.

    Args:
        what: a description of the text, for messages.
        text: the text.

    Raises:
        ValueError: the text cannot be escaped.

    Example:
        >>> escape_macros("the name", "/data/$(x)")
        '/data/$(DOLLAR)(x)'

    """
    if trouble := inexpressible(text):
        raise ValueError(f"{what} contains {trouble!r}, which cannot be escaped in HTCondor")
    return re.sub(r"\$(?=\w*\()", "$(DOLLAR)", text)


def plain_name(text: str) -> str | None:
    """Return the name that *text* means in a submit description; None if only HTCondor can expand a macro in it.

    Example:
        >>> plain_name("/data/$(DOLLAR)(x)"), plain_name("/data/$(Cluster)")
        ('/data/$(x)', None)

    """
    parts = _DOLLAR.split(text)
    return None if any(MACRO.search(part) for part in parts) else "$".join(parts)


def split_directory(text: str) -> tuple[str, str]:
    """Split the name of a file, in submit language, after the last slash that is not inside a macro.

    Example:
        >>> split_directory("/my data/$ENV(a/b).root"), split_directory("/my data/")
        (('/my data/', '$ENV(a/b).root'), ('/my data/', ''))

    """
    hidden = MACRO.sub(lambda macro: "x" * len(macro[0]), text)
    at = hidden.rfind("/") + 1
    return text[:at], text[at:]


def absolute(file: str) -> str:
    """Return the absolute path of a file of the client; URLs, images and names that begin with a macro stay unchanged.

    The name is submit language, but HTCondor expands no macro in the name of the current directory.

    Raises:
        ValueError: the name of the current directory cannot be escaped in a submit description.

    Example:
        >>> absolute(" /data/ "), absolute("https://example.org/a")
        ('/data/', 'https://example.org/a')

    """
    file = file.strip()
    if not file or is_elsewhere(file):
        return file
    path = str(Path(file))
    if not path.startswith("/"):
        here = escape_macros("the name of the current directory", str(Path.cwd()))
        path = here if path == "." else f"{here.rstrip('/')}/{path}"
    # A slash at the end means "the contents of this directory", so it must stay.
    return f"{path}{'/' if file.endswith('/') and path != '/' else ''}"


def remap_pairs(remaps: str) -> list[tuple[str, str]] | None:
    r"""Return the names and new names in a value of transfer_output_remaps; None if it is malformed.

    A backslash escapes only the character that ends the name or the new name (copy_upto in filename_tools_cpp.cpp).

    Example:
        >>> remap_pairs('"a = /my data/b\\;c=1.root; d=root://e//f"')
        [('a', '/my data/b;c=1.root'), ('d', 'root://e//f')]
        >>> remap_pairs("a b") is None
        True

    """
    text = remaps.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    pairs = []
    for item in re.findall(r"(?:\\;|[^;])+", text):
        if not item.strip():
            continue
        pair = re.fullmatch(r"((?:\\=|[^=])+)=(.*)", item, re.DOTALL)
        if pair is None:
            return None
        pairs.append((pair[1].strip().replace("\\=", "="), pair[2].strip().replace("\\;", ";")))
    return pairs


def quote_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    r"""Write the names and new names of output files for transfer_output_remaps.

    Example:
        >>> print(quote_pairs([("a", "/my data/b;c=1.root")]))
        "a = /my data/b\;c=1.root"

    """
    return '"' + "; ".join(f"{source} = " + target.replace(";", "\\;") for source, target in pairs) + '"'
