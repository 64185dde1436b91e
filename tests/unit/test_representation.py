"""How objects look in a notebook and on rich's consoles."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from condor_futures import CondorFuture
from condor_futures.representation import in_short


def printed(thing):
    console = Console(file=io.StringIO(), width=80)
    console.print(thing)
    return console.file.getvalue()


def test_a_future_that_waits():
    future = CondorFuture("c000007")
    assert printed(future).split() == ["CondorFuture", "call", "c000007", "state", "pending"]
    future.mark_running()
    future.set_progress(0.25, "[b]step 1[/b]")
    assert "reported  25% [b]step 1[/b]" in printed(future)


def test_a_future_with_a_value():
    future = CondorFuture("c000007")
    future.resolve("<b>", None)
    assert "&lt;b&gt;" in future._repr_html_()
    assert "value  '<b>'" in printed(future)


def test_a_future_with_an_error():
    future = CondorFuture("c000007")
    future.resolve(None, ValueError("too <bright>"))
    assert "ValueError: &#x27;too &lt;bright&gt;&#x27;" in future._repr_html_()
    cancelled = CondorFuture("c000008")
    cancelled.cancel()
    assert "cancelled" in cancelled._repr_html_()


class Costly:
    def __repr__(self):
        raise AssertionError


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "None"), (1.5, "1.5"), (b"x", "b'x'"), ([1], "list"), (Costly(), "Costly"), (10**5000, "int")],
    ids=["none", "float", "bytes", "list", "costly", "large"],
)
def test_values_in_short(value, text):
    assert in_short(value) == text
