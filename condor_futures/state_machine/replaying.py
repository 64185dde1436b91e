"""A job's story, replayed from the line that the log has of it."""

from __future__ import annotations

import json

from condor_futures.state_machine.plain import value
from condor_futures.state_machine.transitions import Chapter, advance

__all__ = ["replay"]


def replay(line: str) -> tuple[Chapter, ...]:
    """Take a job through its last events again, and through the one that had no meaning.

    Args:
        line: as :meth:`.IllegalTransition.line` wrote it; what the log has before it does not matter.

    Returns:
        The events, with the state and the effects of each, if the table has an entry for the last one by now.

    Raises:
        IllegalTransition: if it has none.
        ValueError: if it is no such line, or the events do not lead to the job that it has.

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
