"""HTCondor's module that writes DAGs, ``htcondor2.dags``.

Bindings 24.0 have this module only as ``htcondor.dags``, which is the same code but for its import of the bindings.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

__all__ = ["dags", "writer"]


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"htcondor2.{name}")
    except ModuleNotFoundError as error:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # these bindings warn that they are old
            try:
                return importlib.import_module(f"htcondor.{name}")
            except ImportError:
                raise ImportError(
                    f"DagExecutor needs HTCondor's Python bindings with htcondor2.dags, and these have none: {error}; "
                    "install newer ones with `pip install htcondor`"
                ) from None


dags: Any = _module("dags")
writer: Any = _module("dags.writer")
