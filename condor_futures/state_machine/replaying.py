"""Replays a job's story from a line in the log."""

from __future__ import annotations

import json

from condor_futures.state_machine.plain import value
from condor_futures.state_machine.transitions import Chapter, advance

__all__ = ["replay"]


def replay(line: str) -> tuple[Chapter, ...]:
    """Replay a job's last events, and the illegal event after them.

    Args:
        line: a line of :meth:`.IllegalTransition.line`; any text of the log before it is ignored.

    Returns:
        The events, with the state and the effects of each. The table must have an entry for the last event by now.

    Raises:
        IllegalTransition: the table still has no entry for the last event.
        ValueError: the line is malformed, or its events do not lead to its job.

    """
    told = json.loads(line[line.find("{") :])
    job = value(told["before"])
    chapters: list[Chapter] = []
    for event in [*(value(chapter["event"]) for chapter in told["story"]), value(told["event"])]:
        if len(chapters) == len(told["story"]) and job != value(told["job"]):
            raise ValueError(f"the story leads to {job}, not to {value(told['job'])}")
        job, effects = advance(job, event)
        chapters.append(Chapter(event, job.state, effects))
    return tuple(chapters)
