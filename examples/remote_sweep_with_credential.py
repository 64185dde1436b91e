"""A sweep on a remote access point whose jobs act as you: the Lyapunov exponents of the logistic map, 32 of them.

The jobs' files are spooled to the access point and back, so that it need not see yours. It is given a credential
first, a Kerberos ticket if nothing else is said, which each job finds in its sandbox: with it a job could read what
only you may read, on AFS or EOS for example. Here each job only says whose it is.

    python remote_sweep_with_credential.py --access-point ap.example.org --credentials kerberos

Without --access-point it is that of this machine's HTCondor configuration.
"""

from __future__ import annotations

import argparse
import math
import os
import struct
from collections import Counter
from pathlib import Path

from condor_futures import CondorExecutor


def exponent(r: float, steps: int = 200_000) -> float:
    """How fast neighbours part under x -> r x (1 - x); chaos where it is positive."""
    x, total = 0.3, 0.0
    for _ in range(steps):
        x = r * x * (1 - x)
        total += math.log(max(abs(r * (1 - 2 * x)), 1e-12))
    return total / steps


def identities() -> list[str]:
    """As whom the job can act: the owner of its Kerberos ticket, and the names of its tokens."""
    found = []
    if "KRB5CCNAME" in os.environ:
        found.append(owner(Path(os.environ["KRB5CCNAME"].removeprefix("FILE:")).read_bytes()))
    if "_CONDOR_CREDS" in os.environ:
        found += sorted(path.name for path in Path(os.environ["_CONDOR_CREDS"]).glob("*.use"))
    return found


def owner(cache: bytes) -> str:
    """The principal that a ticket cache (of MIT's version 4) belongs to; klist would say it too, were it there."""
    (header,) = struct.unpack_from(">2xH", cache)
    place = 4 + header
    (components,) = struct.unpack_from(">4xI", cache, place)
    place += 8
    names = []
    for _ in range(1 + components):
        (length,) = struct.unpack_from(">I", cache, place)
        names.append(cache[place + 4 : place + 4 + length].decode())
        place += 4 + length
    return "/".join(names[1:]) + "@" + names[0]


def call(r: float) -> tuple[float, list[str]]:
    """One job's work."""
    return exponent(r), identities()


def main() -> None:
    """Run the sweep, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--access-point", metavar="NAME", help="the schedd's name")
    parser.add_argument("--pool", metavar="HOST", help="the collector that knows it, if not that of this machine")
    parser.add_argument(
        "--credentials", nargs="+", default=["kerberos"], metavar="KIND", help="kerberos, scitokens, ..."
    )
    options = parser.parse_args()
    where = (options.pool, options.access_point) if options.pool else options.access_point
    rs = [3.4 + 0.6 * n / 31 for n in range(32)]
    with CondorExecutor(access_point=where, credentials=options.credentials, spool=True) as executor:
        results = list(executor.map(call, rs, chunksize=4))
    for r, (value, _) in zip(rs, results, strict=True):
        print(f"r = {r:.3f}  {value:+.3f}  {'#' * max(0, round(60 * value))}")
    for who, calls in Counter(who for _, identities in results for who in identities).items():
        print(f"{calls} calls could act as {who}")


if __name__ == "__main__":
    main()
