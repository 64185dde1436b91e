"""A schedd with prepared answers, for the code that queries it while a client attaches."""

from __future__ import annotations

import pytest

from condor_futures.errors import AccessPointError


class FakeHelper:
    """Records its requests. *answers* has, by operation, the successive results, or an error for each."""

    def __init__(self) -> None:
        self.answers: dict[str, list] = {}
        self.asked: list[tuple[str, dict]] = []

    def ask(self, operation, timeout, **arguments):
        self.asked.append((operation, arguments))
        answers = self.answers.get(operation)
        answer = (answers.pop(0) if len(answers) > 1 else answers[0]) if answers else []
        if isinstance(answer, AccessPointError):
            raise answer
        return answer


@pytest.fixture
def helper():
    return FakeHelper()
