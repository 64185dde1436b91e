"""What the job of a node finds in its sandbox, in a run on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from condor_futures.dag.graph import Node
from condor_futures.options.options import Options

__all__ = ["Sandbox"]


@dataclass(frozen=True)
class Sandbox:
    """What a job finds besides its bundle, and what it brings back: for who runs a node without HTCondor.

    Attributes:
        files: paths of files and directories that are brought to it.
        environment: the submit command.
        outputs: names of files and directories that it makes.
        remaps: the submit command ``transfer_output_remaps``.

    """

    files: Sequence[str] = ()
    environment: str = ""
    outputs: Sequence[str] = ()
    remaps: str = ""

    @classmethod
    def of_job(cls, node: Node, process: int, retry: int) -> Sandbox:
        """That of the job of the number *process* of a node, the *retry*-th time that the node is tried again.

        Its cluster has the number of the node.

        Raises:
            ValueError: for a macro that only HTCondor can replace.

        """
        bundle = node.bundles[process]
        cluster = int(node.key[1:])
        numbers = {"process": process, "procid": process, "cluster": cluster, "clusterid": cluster, "retry": retry}
        named = {"job": node.key, "node": node.key, "bundle": bundle.key, "directory": bundle.directory.name}
        return cls.of(bundle.options).expanded({**numbers, **named})

    @classmethod
    def of(cls, options: Options) -> Sandbox:
        """That of the jobs with these options."""
        commands = options.commands
        own, outputs = (
            [name for name in map(str.strip, commands.get(command, "").split(",")) if name]
            for command in ("transfer_input_files", "transfer_output_files")
        )
        files = [*map(str, options.ship.files), *own]
        return cls(files, commands.get("environment", ""), outputs, commands.get("transfer_output_remaps", ""))

    def targets(self) -> dict[str, str]:
        """Where each of the outputs goes: a path, a URL, or nothing for the directory of the job.

        >>> Sandbox(outputs=["a", "b"], remaps='"b = /data/b.root; c = d"').targets()
        {'a': '', 'b': '/data/b.root'}
        """
        pairs = (pair.partition("=") for pair in self.remaps.strip().strip('"').split(";"))
        remaps = {name.strip(): target.strip() for name, _, target in pairs}
        return {name: remaps.get(name, "") for name in self.outputs}

    def expanded(self, macros: Mapping[str, object]) -> Sandbox:
        """With submit macros replaced, as condor_submit does: those of *macros*, by lower-case names, and ``$ENV()``.

        Raises:
            ValueError: for any other.

        >>> Sandbox(environment="OUT=$(Process)", remaps='"a = run$(seed:7)"').expanded({"process": 3})
        Sandbox(files=[], environment='OUT=3', outputs=[], remaps='"a = run7"')

        """

        def replace(macro: re.Match[str]) -> str:
            function, (name, colon, default) = macro[1].upper(), macro[2].partition(":")
            known = os.environ if function == "ENV" else {**macros, "dollar": macro[0]} if not function else {}
            value = known.get(name if function else name.strip().lower(), default if colon else None)
            if value is None:
                raise ValueError(f"{macro[0]} is for HTCondor to replace, which a run on this machine cannot do")
            return str(value)

        def expand(text: str) -> str:
            before = ""
            while before != text:  # one may be the default of another
                before, text = text, re.sub(r"\$(\$|\w*)\(([^()]*)\)", replace, text)
            return re.sub(r"\$\(DOLLAR\)", "$", text, flags=re.IGNORECASE)

        return Sandbox(
            [*map(expand, self.files)], expand(self.environment), [*map(expand, self.outputs)], expand(self.remaps)
        )

    def variables(self) -> dict[str, str]:
        r"""The environment variables; HTCondor's quoting is undone.

        >>> Sandbox(environment="\"'GREETING=it''s \"\"you\"\"' A=1\"").variables()
        {'GREETING': 'it\'s "you"', 'A': '1'}
        """
        text = self.environment.strip()
        if not text.startswith('"'):  # the old syntax
            return dict(entry.split("=", 1) for entry in filter(None, text.split(";")))
        words = re.findall(r"(?:[^\s']|'(?:[^']|'')*')+", text[1:-1].replace('""', '"'))
        plain = (re.sub(r"'((?:[^']|'')*)'", lambda quoted: quoted[1].replace("''", "'"), word) for word in words)
        return dict(word.split("=", 1) for word in plain)
