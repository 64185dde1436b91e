"""The sandbox of a job in a run on this machine: its input files, environment and output files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from condor_futures.dag.graph import Node
from condor_futures.options.options import Options
from condor_futures.submit.file_names import file_names, remap_pairs

__all__ = ["Sandbox"]


@dataclass(frozen=True)
class Sandbox:
    """The input of a job in addition to its bundle, and its output, for a run without HTCondor.

    Attributes:
        files: paths of the input files and directories.
        environment: the value of the submit command ``environment``.
        outputs: names of the output files and directories.
        remaps: the value of the submit command ``transfer_output_remaps``.

    """

    files: Sequence[str] = ()
    environment: str = ""
    outputs: Sequence[str] = ()
    remaps: str = ""

    @classmethod
    def of_job(cls, node: Node, process: int, retry: int) -> Sandbox:
        """Return the sandbox of the job with the number *process* of a node, in retry number *retry* of the node.

        The number of the node stands for the number of the cluster.

        Raises:
            ValueError: a value has a macro that only HTCondor can replace.

        """
        bundle = node.bundles[process]
        cluster = int(node.key[1:])
        numbers = {"process": process, "procid": process, "cluster": cluster, "clusterid": cluster, "retry": retry}
        named = {"job": node.key, "node": node.key, "bundle": bundle.key, "directory": bundle.directory.name}
        return cls.of(bundle.options).expanded({**numbers, **named})

    @classmethod
    def of(cls, options: Options) -> Sandbox:
        """Return the sandbox of jobs with *options*, with all macros in place."""
        commands = options.commands
        own, outputs = (
            file_names(commands.get(command, "")) for command in ("transfer_input_files", "transfer_output_files")
        )
        files = [*map(str, options.ship.files), *own]
        return cls(files, commands.get("environment", ""), outputs, commands.get("transfer_output_remaps", ""))

    def targets(self) -> dict[str, str]:
        """Return the target of each output: a path, a URL, or an empty text for the directory of the job.

        >>> Sandbox(outputs=["a", "b"], remaps='"b = /data/b.root; c = d"').targets()
        {'a': '', 'b': '/data/b.root'}
        """
        remaps = dict(remap_pairs(self.remaps) or ())
        return {name: remaps.get(name, "") for name in self.outputs}

    def expanded(self, macros: Mapping[str, object]) -> Sandbox:
        """Return the sandbox with its submit macros replaced, as condor_submit does.

        The macros are those of *macros*, whose names are in lower case, and ``$ENV()``.

        Raises:
            ValueError: a value has another macro.

        >>> Sandbox(environment="OUT=$(Process)", remaps='"a = run$(seed:7)"').expanded({"process": 3})
        Sandbox(files=[], environment='OUT=3', outputs=[], remaps='"a = run7"')

        """

        def replace(macro: re.Match[str]) -> str:
            function, (name, colon, default) = macro[1].upper(), macro[2].partition(":")
            known = os.environ if function == "ENV" else {**macros, "dollar": macro[0]} if not function else {}
            value = known.get(name if function else name.strip().lower(), default if colon else None)
            if value is None:
                raise ValueError(f"a run on this machine cannot replace the macro {macro[0]}; only HTCondor can")
            return str(value)

        def expand(text: str) -> str:
            before = ""
            while before != text:  # a macro may be the default value of another macro
                before, text = text, re.sub(r"\$(\$|\w*)\(([^()]*)\)", replace, text)
            return re.sub(r"\$\(DOLLAR\)", "$", text, flags=re.IGNORECASE)

        return Sandbox(
            [*map(expand, self.files)], expand(self.environment), [*map(expand, self.outputs)], expand(self.remaps)
        )

    def variables(self) -> dict[str, str]:
        r"""Return the environment variables without HTCondor's quoting.

        >>> Sandbox(environment="\"'GREETING=it''s \"\"you\"\"' A=1\"").variables()
        {'GREETING': 'it\'s "you"', 'A': '1'}
        """
        text = self.environment.strip()
        if not text.startswith('"'):  # the old syntax
            return dict(entry.split("=", 1) for entry in filter(None, text.split(";")))
        words = re.findall(r"(?:[^\s']|'(?:[^']|'')*')+", text[1:-1].replace('""', '"'))
        plain = (re.sub(r"'((?:[^']|'')*)'", lambda quoted: quoted[1].replace("''", "'"), word) for word in words)
        return dict(word.split("=", 1) for word in plain)
