"""The table of job states, event by event, without HTCondor, threads, files or the clock."""

from __future__ import annotations

import itertools
import pickle
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condor_futures.state_machine import states
from condor_futures.state_machine.hold_codes import SPOOLING_INPUT
from condor_futures.state_machine.states import (
    Aborted,
    Ask,
    Attached,
    Decided,
    Event,
    Evicted,
    Executing,
    Gone,
    Held,
    HoldPolicy,
    Job,
    MarkRunning,
    Note,
    NotReleased,
    NotRetrieved,
    Refused,
    Release,
    Released,
    Remove,
    Report,
    Resubmit,
    Retrieve,
    Retrieved,
    ShadowException,
    State,
    Submitted,
    Terminated,
    Unspooled,
    Unwanted,
)
from condor_futures.state_machine.transitions import (
    STORY_LENGTH,
    TABLE,
    Chapter,
    Entry,
    IllegalTransition,
    advance,
    chapters,
)

PENDING, IDLE, RUNNING, HELD, COMPLETED, DISCARDED, ENDED = State
JOB = "7.0"

EVENTS = {
    type(event): event
    for event in (
        Submitted(JOB, "b000001"),
        Executing(JOB, "ep1.example.org"),
        Evicted(JOB),
        ShadowException(JOB, "no space left"),
        Terminated(JOB, exit_status=0),
        Aborted(JOB, "via condor_rm"),
        Held(JOB, 1, 0, "via condor_hold"),
        Released(JOB),
        NotReleased(JOB, 1, "it asked for 4096 MiB, and memory_max is 4096 MiB"),
        Decided(JOB, 1, "release"),
        Attached(JOB, HoldPolicy("wait")),
        Refused(JOB, "no such user"),
        Retrieved(JOB),
        NotRetrieved(JOB, "no such file"),
        Unwanted(JOB),
        Gone(JOB),
        Unspooled(JOB),
        Note(JOB),
    )
}
"""One event of each kind."""

WHEN_QUEUED = {
    Submitted: (None, []),
    Executing: (RUNNING, [MarkRunning]),
    Evicted: (IDLE, []),
    ShadowException: (IDLE, []),
    Terminated: (COMPLETED, [Retrieve]),
    Aborted: (ENDED, [Report]),
    Held: (ENDED, [Report, Remove]),
    Released: (None, []),
    NotReleased: (None, []),
    Decided: (None, []),
    Attached: (None, []),
    Unwanted: (DISCARDED, [Remove]),
    Gone: (ENDED, [Report]),
    Unspooled: (PENDING, [Resubmit]),
    Note: (None, []),
}

EXPECTED = {
    PENDING: {Submitted: (IDLE, []), Refused: (ENDED, [Report]), Unwanted: (DISCARDED, [])},
    IDLE: WHEN_QUEUED,
    RUNNING: WHEN_QUEUED,
    HELD: {
        **WHEN_QUEUED,
        Evicted: (None, []),
        ShadowException: (None, []),
        Held: (None, []),
        Released: (IDLE, []),
        NotReleased: (ENDED, [Report, Remove]),
        Decided: (None, [Release]),
    },
    COMPLETED: {
        **dict.fromkeys(EVENTS, (None, [])),
        Retrieved: (ENDED, [Report]),
        NotRetrieved: (ENDED, [Report, Remove]),
        Unwanted: (DISCARDED, [Remove]),
    },
    DISCARDED: dict.fromkeys(EVENTS, (None, [])),
    ENDED: dict.fromkeys(EVENTS, (None, [])),
}
"""State -> event -> (next state, or None for the same one; the kinds of effects), for a spooled job."""


def job_in(state: State, *, spooled: bool = True) -> Job:
    """Return a job in *state*."""
    exit_ = Terminated(JOB, exit_status=0) if state is COMPLETED else None
    job = Job("b000001", spooled, state, None if state is PENDING else JOB, exit_)
    return replace(job, holds=1, hold=EVENTS[Held]) if state is HELD else job


def after(job: Job, *events: Event):
    """Return the job after *events*, and the effects of all of them."""
    effects = []
    for event in events:
        job, more = advance(job, event)
        effects += more
    return job, effects


def named(pair):
    """Return the test's id: state and event."""
    return "-".join(getattr(part, "value", None) or part.__name__ for part in pair)


ALL_PAIRS = list(itertools.product(State, EVENTS))
LEGAL = [(state, event) for state, event in ALL_PAIRS if event in EXPECTED[state]]
ILLEGAL = [(state, event) for state, event in ALL_PAIRS if event not in EXPECTED[state]]


def test_table_has_an_entry_for_what_can_happen_and_no_other():
    """The table and this file have the same (state, event) pairs. A new pair needs its effect here."""
    assert {(state, event) for state, entries in TABLE.items() for event in entries} == set(LEGAL)


@pytest.mark.parametrize(
    "answer", [Retrieved(JOB), NotRetrieved(JOB, "no such job")], ids=["retrieved", "not retrieved"]
)
def test_job_that_is_removed_before_its_outcomes_are_here_was_removed(answer):
    """The answer of the access point to the retrieval does not matter."""
    removal = Aborted(JOB, "via condor_rm")
    job, effects = after(job_in(COMPLETED), removal, answer)
    assert (job.state, effects) == (ENDED, [Report(removal)])


def test_job_that_failed_and_is_removed_then_has_failed():
    """Its own end is more informative."""
    exit_ = Terminated(JOB, exit_status=127)
    job, effects = after(replace(job_in(COMPLETED), exit=exit_), Aborted(JOB, "via condor_rm"), Retrieved(JOB))
    assert (job.state, effects) == (ENDED, [Report(exit_)])


def test_every_event_is_known_to_these_tests():
    """A new kind of event needs its place in EVENTS."""
    kinds = {kind for kind in vars(states).values() if isinstance(kind, type) and issubclass(kind, Event)}
    assert kinds == {Event, *EVENTS}


@pytest.mark.parametrize(("state", "event"), LEGAL, ids=map(named, LEGAL))
def test_event_in_state(state, event):
    """Each entry leads to its state, with its effects."""
    expected, effects = EXPECTED[state][event]
    job, performed = advance(job_in(state), EVENTS[event])
    assert job.state is (expected or state)
    assert [type(effect) for effect in performed] == effects


VARIANTS = {
    Held: [EVENTS[Held], Held(JOB, SPOOLING_INPUT)],
    Released: [EVENTS[Released], Released(JOB, 9)],
    NotReleased: [EVENTS[NotReleased], NotReleased(JOB, 9)],
    Decided: [*(Decided(JOB, 1, action) for action in ("fail", "release", "wait")), Decided(JOB, 9)],
    Attached: [Attached(JOB, HoldPolicy(action)) for action in ("fail", "release", "wait", "ask")],
}
"""The variants of these events that a step distinguishes."""


@pytest.mark.parametrize(("state", "event"), LEGAL, ids=map(named, LEGAL))
def test_each_entry_lists_the_states_that_it_can_lead_to_and_no_other(state, event):
    """The table alone shows the next states, for any job and any content of the event."""
    reached = set()
    for spooled, starts, action in itertools.product(
        (True, False), (0, Job.FALSE_STARTS_LIMIT), ("fail", "release", "wait", "ask")
    ):
        job = replace(job_in(state, spooled=spooled), false_starts=starts, policy=HoldPolicy(action))
        reached |= {advance(job, variant)[0].state for variant in VARIANTS.get(event, [EVENTS[event]])}
    assert set(TABLE[state][event].to) == reached


def test_a_job_has_a_story():
    """The story has the events that changed the job, each with its effects, and no others."""
    events = [Submitted(JOB), Submitted(JOB), Note(JOB), Executing(JOB, "ep1"), Note(JOB), Terminated(JOB, 1)]
    job, _ = after(job_in(PENDING), *events)
    assert chapters(job.story) == (
        Chapter(events[0], IDLE, ()),
        Chapter(events[3], RUNNING, (MarkRunning(),)),
        Chapter(events[5], COMPLETED, (Retrieve(),)),
    )


def test_a_story_has_a_last_part_only():
    """The last part is enough to reach the job, from its own beginning."""
    job, _ = after(job_in(PENDING), Submitted(JOB), *[Executing(JOB, "ep1"), Evicted(JOB)] * 30)
    assert len(job.story.events) == STORY_LENGTH
    assert job.story.before == replace(job_in(IDLE), host="ep1", false_starts=1)
    assert after(job.story.before, *job.story.events)[0] == job


@pytest.mark.parametrize("end", [Aborted(JOB), Unwanted(JOB)], ids=["ended", "discarded"])
def test_nothing_is_kept_of_a_story_that_is_over(end):
    """From then on, no event is illegal, and there may be 100,000 such jobs."""
    job, _ = after(job_in(PENDING), Submitted(JOB), Executing(JOB, "ep1"), end)
    assert job.story is None


@pytest.mark.parametrize(("state", "event"), ILLEGAL, ids=map(named, ILLEGAL))
def test_event_without_entry_is_illegal(state, event):
    """Impossible events are not ignored: the error has the job and the event, and names both."""
    job = job_in(state)
    with pytest.raises(IllegalTransition) as caught:
        advance(job, EVENTS[event])
    assert (caught.value.job, caught.value.event) == (job, EVENTS[event])
    message = str(caught.value)
    assert event.__name__ in message
    assert str(state) in message
    assert "b000001" in message


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (lambda job, event: (HELD, (), {}), "to State.HELD, which is not in the table"),
        (lambda job, event: {}["b000001"], "KeyError: 'b000001'"),
    ],
    ids=["to another state", "raises"],
)
def test_a_step_with_a_bug_is_illegal(monkeypatch, step, said):
    """An event of one job never breaks what follows the jobs of a whole session."""
    monkeypatch.setitem(TABLE[IDLE], Note, Entry((IDLE,), step))
    with pytest.raises(IllegalTransition, match=re.escape(said)) as caught:
        advance(job_in(IDLE), Note(JOB))
    assert (caught.value.job, caught.value.event) == (job_in(IDLE), Note(JOB))


@pytest.mark.parametrize("state", [IDLE, RUNNING], ids=lambda state: state.value)
def test_unspooled_job_is_reported_when_it_terminates(state):
    """Its outcomes are already in the session directory, so nothing is retrieved."""
    job, effects = advance(job_in(state, spooled=False), Terminated(JOB, signal=9))
    assert (job.state, effects) == (ENDED, (Report(Terminated(JOB, signal=9)),))


def test_job_remembers_where_it_ran_last():
    job, _ = after(job_in(IDLE), Executing(JOB, "ep1"), Evicted(JOB), Executing(JOB, "ep2"))
    assert job.host == "ep2"


def test_job_learns_its_id_from_submitted():
    job, _ = advance(job_in(PENDING), Submitted("12.3"))
    assert job.job_id == "12.3"


def test_spooling_is_no_hold():
    """Every spooled job is first held with code 16. No future is told, and no job is removed."""
    job, effects = advance(job_in(IDLE), Held(JOB, SPOOLING_INPUT, 0, "Spooling input data files"))
    assert (job, effects) == (job_in(IDLE), ())


def test_retrieved_job_is_reported_with_how_it_ended():
    """Futures without an outcome fail because of the job's exit, not because of the retrieval."""
    ended = Terminated(JOB, signal=11)
    _, effects = after(job_in(RUNNING), ended, Retrieved(JOB))
    assert effects == [Retrieve(), Report(ended)]


def test_first_of_two_terminations_counts():
    """HTCondor may repeat a termination, and the second one may differ from the first."""
    first = Terminated(JOB, exit_status=3)
    _, effects = after(job_in(RUNNING), first, Terminated(JOB, exit_status=0), Retrieved(JOB))
    assert effects == [Retrieve(), Report(first)]


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([Terminated(JOB, exit_status=0)], id="no execute"),
        pytest.param([Executing(JOB), Executing(JOB), Terminated(JOB, exit_status=0)], id="two executes"),
        pytest.param([Executing(JOB), *[Terminated(JOB, exit_status=0)] * 3], id="three terminates"),
        pytest.param([Terminated(JOB, exit_status=0), Executing(JOB)], id="execute after terminate"),
        pytest.param([Terminated(JOB, exit_status=0), Aborted(JOB)], id="removed after terminate"),
        pytest.param([Terminated(JOB, exit_status=0), Gone(JOB)], id="gone after terminate"),
        pytest.param([Terminated(JOB, exit_status=0), Held(JOB, 12)], id="held after terminate"),
        pytest.param([Submitted(JOB), Executing(JOB), Terminated(JOB, exit_status=0)], id="submitted twice"),
        pytest.param([Evicted(JOB), Executing(JOB), Terminated(JOB, exit_status=0)], id="evicted before execute"),
        pytest.param([Released(JOB), Note(JOB), Terminated(JOB, exit_status=0)], id="released from nothing"),
    ],
)
def test_what_htcondor_permits_ends_in_one_retrieval(events):
    """Events may be missing, repeated or late: the outcomes are retrieved exactly once."""
    job, effects = after(job_in(IDLE), *events)
    assert job.state is COMPLETED
    assert [effect for effect in effects if effect != MarkRunning()] == [Retrieve()]


@pytest.mark.parametrize("late", list(EVENTS), ids=lambda event: event.__name__)
def test_nothing_counts_after_a_removal(late):
    """Events may follow JOB_ABORTED. The futures have already been told."""
    job, effects = after(job_in(RUNNING), Aborted(JOB, "via condor_rm"), EVENTS[late])
    assert (job.state, effects) == (ENDED, [Report(Aborted(JOB, "via condor_rm"))])


def test_unwanted_while_its_submission_is_under_way():
    """There is no id to remove yet. The answer and the log both bring the id, and the job is removed once."""
    job, effects = advance(job_in(PENDING), Unwanted(""))
    assert (job.state, effects) == (DISCARDED, ())
    job, effects = after(job, Submitted(JOB), Submitted(JOB), Executing(JOB), Aborted(JOB))
    assert (job.state, effects) == (DISCARDED, [Remove()])


def test_unwanted_job_is_removed_once():
    """Between the removal and its event, the log still reports earlier events."""
    job, effects = after(job_in(RUNNING), Unwanted(JOB), Unwanted(JOB), Submitted(JOB), Terminated(JOB), Aborted(JOB))
    assert (job.state, effects) == (DISCARDED, [Remove()])


def test_shadow_that_dies_again_and_again_is_given_up():
    """Nothing hangs: after FALSE_STARTS_LIMIT failures, not one earlier, the job is removed and its futures fail."""
    died = ShadowException(JOB, "out of memory")
    job = job_in(RUNNING)
    for _ in range(Job.FALSE_STARTS_LIMIT - 1):
        job, effects = advance(job, died)
        assert (job.state, effects) == (IDLE, ())
    job, effects = advance(job, died)
    assert (job.state, effects) == (ENDED, (Report(died), Remove()))


# Holds.

BY_HAND = Held(JOB, 1, 0, "via condor_hold")
FOR_MEMORY = Held(JOB, 34, 102, "Job has gone over cgroup memory limit of 1024 megabytes.")
FOR_TIME = Held(JOB, 47, 0, "The job exceeded allowed execute duration of 1:00:00")


def under(policy: HoldPolicy, state: State = RUNNING) -> Job:
    """Return a held job with this policy."""
    return replace(job_in(state), policy=policy)


def test_a_hold_fails_the_job_where_nothing_else_is_said():
    job, effects = advance(job_in(RUNNING), BY_HAND)
    assert (job.state, effects) == (ENDED, (Report(BY_HAND), Remove()))


def test_a_job_is_released_so_often_as_the_policy_says():
    """The job is released twice. At the third hold it fails, with the reason of that hold."""
    job = under(HoldPolicy("release", releases=2))
    for number in (1, 2):
        job, effects = advance(job, BY_HAND)
        assert (job.state, job.holds, effects) == (HELD, number, (Release(),))
        job, effects = after(job, Released(JOB), Executing(JOB))
        assert (job.state, effects) == (RUNNING, [MarkRunning()])
    job, effects = advance(job, BY_HAND)
    assert (job.state, effects) == (ENDED, (Report(BY_HAND), Remove()))


def test_a_job_that_ran_for_too_long_is_not_released():
    """It would run for the same time again."""
    job, effects = advance(under(HoldPolicy("release")), FOR_TIME)
    assert (job.state, effects) == (ENDED, (Report(FOR_TIME), Remove()))


def test_a_hold_that_somebody_else_sees_to_is_waited_out():
    """It stays on hold until someone releases it. Then it is idle."""
    job, effects = advance(under(HoldPolicy("wait")), FOR_TIME)
    assert (job.state, effects) == (HELD, ())
    job, effects = advance(job, Released(JOB))
    assert (job.state, effects) == (IDLE, ())


@pytest.mark.parametrize(
    ("action", "state", "kinds"), [("release", HELD, [Release]), ("wait", HELD, []), ("fail", ENDED, [Report, Remove])]
)
@pytest.mark.parametrize("hold", [BY_HAND, FOR_TIME])
def test_what_the_users_function_decides_is_done(hold, action, state, kinds):
    """The job may even have run for too long."""
    job, effects = advance(under(HoldPolicy("ask")), hold)
    assert (job.state, effects) == (HELD, (Ask(),))
    job, effects = advance(job, Decided(JOB, 1, action))
    assert (job.state, [type(effect) for effect in effects]) == (state, kinds)


@pytest.mark.parametrize(
    "late",
    [Decided(JOB, 1, "fail"), NotReleased(JOB, 1, "no"), Released(JOB, 1)],
    ids=lambda event: type(event).__name__,
)
def test_an_answer_about_an_earlier_hold_counts_for_nothing(late):
    """A user has released the job meanwhile, and it is on hold again."""
    job, _ = after(under(HoldPolicy("ask")), BY_HAND, Released(JOB), BY_HAND)
    assert advance(job, late) == (job, ())


def test_a_job_that_is_held_for_memory_is_released_with_more_whatever_else_is_said():
    """Each policy behaves so. If the answer says that there is no more memory, the job fails with that reason."""
    for action in ("fail", "release", "wait", "ask"):
        job, effects = advance(under(HoldPolicy(action, releases=1, memory_max=4096)), FOR_MEMORY)
        assert (job.state, effects) == (HELD, (Release(4096),))
        no_more = NotReleased(JOB, 1, "it asked for 4096 MiB, and memory_max is 4096 MiB")
        job, effects = advance(job, no_more)
        assert (job.state, effects) == (ENDED, (Report(no_more), Remove()))


@pytest.mark.parametrize(
    ("held", "memory"),
    [
        (Held(JOB, 34, 102), True),
        (Held(JOB, 34, 0), True),
        (Held(JOB, 34, 104, "Job has exceeded its disk, and memory"), False),
        (Held(JOB, 21, 102), True),
        (Held(JOB, 26, 0, "System policy: memory usage is above the request"), True),
        (Held(JOB, 3, 0, "The job attribute PeriodicHold expression 'MemoryUsage > 10' evaluated to TRUE"), True),
        (Held(JOB, 3, 7, "too long"), False),
        (Held(JOB, 1, 102, "memory"), False),
        (Held(JOB, 12, 2, "memory.txt: no such file"), False),
    ],
)
def test_what_is_a_hold_for_memory(held, memory):
    """The codes decide, or the reason of a policy without a subcode. A hold by hand never counts."""
    assert held.for_memory is memory


def test_an_eviction_of_a_held_job_is_no_false_start():
    """The job loses its slot and its shadow because it is held."""
    job, effects = after(under(HoldPolicy("wait")), BY_HAND, *[Evicted(JOB), ShadowException(JOB)] * 30)
    assert (job.state, job.false_starts, effects) == (HELD, 0, [])


def test_a_second_event_of_a_hold_is_no_second_hold():
    """The log and the queue may both report it."""
    job, _ = advance(under(HoldPolicy("release")), BY_HAND)
    assert advance(job, BY_HAND) == (job, ())


def test_holds_of_the_past_are_not_decided_again():
    """A client that attaches reads the log under "wait". The policy then applies to the current hold."""
    past = [Executing(JOB), BY_HAND, Released(JOB), Executing(JOB), FOR_MEMORY, Released(JOB), Executing(JOB)]
    job, effects = after(under(HoldPolicy("wait")), *past)
    assert (job.state, job.holds, set(effects)) == (RUNNING, 2, {MarkRunning()})
    attached = Attached(JOB, HoldPolicy("release", releases=3))
    running, effects = advance(job, attached)
    assert (running.state, running.policy, effects) == (RUNNING, attached.policy, ())
    held, _ = advance(job, BY_HAND)
    assert advance(held, attached)[1] == (Release(),)
    assert advance(held, Attached(JOB, HoldPolicy("release", releases=2)))[1] == (Report(BY_HAND), Remove())


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: type(event).__name__)
def test_events_are_values(event):
    """They compare by content, can be in a set, cannot be changed, and can be pickled."""
    assert pickle.loads(pickle.dumps(event)) == event
    assert hash(event) == hash(pickle.loads(pickle.dumps(event)))
    with pytest.raises((AttributeError, TypeError)):
        event.job_id = "8.0"


# The possible reports of the schedd, its shadows and the audit about one queued job, in any order, repeated or omitted.
from_htcondor = st.one_of(
    st.builds(Submitted, st.just(JOB)),
    st.builds(Executing, st.just(JOB), st.sampled_from(["ep1", "ep2"])),
    st.builds(Terminated, st.just(JOB), exit_status=st.integers(0, 255)),
    st.builds(Terminated, st.just(JOB), signal=st.integers(1, 64)),
    st.builds(Held, st.just(JOB), st.sampled_from([SPOOLING_INPUT, 1, 12, 34])),
    st.just(Held(JOB, 34, 102)),
    st.sampled_from([Evicted(JOB), ShadowException(JOB), Released(JOB), Note(JOB), Aborted(JOB), Gone(JOB)]),
)
# Answers to Ask and Release, which may concern a hold that is over.
answers = st.one_of(
    st.builds(Decided, st.just(JOB), st.integers(1, 5), st.sampled_from(["fail", "release", "wait"])),
    st.builds(Released, st.just(JOB), st.integers(1, 5)),
    st.builds(NotReleased, st.just(JOB), st.integers(1, 5)),
)
policies = st.builds(
    HoldPolicy,
    st.sampled_from(["fail", "release", "wait", "ask"]),
    st.integers(1, 4),
    st.sampled_from([None, 4096]),
)
ANSWER = "the access point answers the Retrieve that is under way, if one is"


def is_final(event, policy: HoldPolicy) -> bool:
    """Return whether a job is over after this event, or, if it is spooled, as soon as its outputs were requested."""
    if isinstance(event, Held):
        return policy == HoldPolicy("fail", policy.releases) and event.code != SPOOLING_INPUT
    return isinstance(event, (Terminated, Aborted, Gone))


class Shell:
    """Carries out effects as the watcher does, in memory, and checks invariants at every step."""

    def __init__(self, *, spooled: bool, retrievable: bool, policy: HoldPolicy = HoldPolicy()) -> None:  # noqa: B008
        self.job = Job("b000001", spooled, policy=policy)
        self.effects = []
        self._answer = Retrieved(JOB) if retrievable else NotRetrieved(JOB, "no such file")
        self._asked = False

    def feed(self, event):
        before = self.job
        self.job, effects = advance(before, event)
        self.effects += effects
        self._asked = self._asked or Retrieve() in effects
        if Release() in effects or Release(4096) in effects or Ask() in effects:
            assert self.job.state is HELD, "only held jobs are released"
            assert len(effects) == 1
        if self.job.state is HELD:
            assert self.job.hold is not None
            assert self.job.holds >= 1
        if before.state in (ENDED, DISCARDED):
            assert self.job.state is before.state, "a finished job changes its state"
            assert not effects or (before.job_id is None and effects == (Remove(),))

    def answer(self):
        if self._asked:
            self._asked = False
            self.feed(self._answer)

    def count(self, kind) -> int:
        return sum(isinstance(effect, kind) for effect in self.effects)


@given(
    script=st.lists(from_htcondor | answers | st.just(ANSWER) | st.just(Unwanted(JOB)), max_size=40),
    spooled=st.booleans(),
    retrievable=st.booleans(),
    policy=policies,
)
def test_each_job_is_reported_exactly_once(script, spooled, retrievable, policy):
    """Events may be in any order, lost or repeated: a finished job has one report, and an unwanted job none."""
    shell = Shell(spooled=spooled, retrievable=retrievable, policy=policy)
    shell.feed(Submitted(JOB))
    for event in script:
        if event is ANSWER:
            shell.answer()
        else:
            shell.feed(event)
    shell.answer()

    assert shell.count(Retrieve) <= spooled
    assert shell.count(Remove) <= 1
    assert shell.count(Report) == (shell.job.state is ENDED)
    if shell.job.state is DISCARDED:
        assert Unwanted(JOB) in script
    elif any(is_final(event, policy) for event in script):
        assert shell.job.state is ENDED


@given(script=st.lists(from_htcondor | answers, max_size=20), spooled=st.booleans(), policy=policies)
def test_a_held_job_is_released_by_any_access_point_that_answers(script, spooled, policy):
    """While a job is on hold after any events, an answer releases it, and one is expected, or the job waits."""
    shell = Shell(spooled=spooled, retrievable=True, policy=policy)
    shell.feed(Submitted(JOB))
    for event in script:
        shell.feed(event)
    if shell.job.state is not HELD:
        return
    released, _ = advance(shell.job, Released(JOB, shell.job.holds))
    assert released.state is IDLE
    asked = [effect for effect in shell.effects if isinstance(effect, (Release, Ask))]
    decided_to_wait = any(isinstance(event, Decided) and event.action == "wait" for event in script)
    assert asked or policy.action == "wait" or decided_to_wait


@given(script=st.lists(from_htcondor, max_size=20), spooled=st.booleans())
def test_unwanted_from_the_start_is_never_reported(script, spooled):
    """All calls were cancelled before the job had an id. It is removed once, and no future is told."""
    shell = Shell(spooled=spooled, retrievable=True)
    for event in [Unwanted(""), Submitted(JOB), *script]:
        shell.feed(event)
    assert (shell.job.state, shell.effects) == (DISCARDED, [Remove()])


@given(
    st.lists(st.sampled_from(list(EVENTS.values())), max_size=20), st.sampled_from(list(State)), st.booleans(), policies
)
def test_any_event_in_any_state_is_a_step_or_illegal(events, state, spooled, policy):
    """The table raises no other error for any input, and never changes the given job."""
    job = replace(job_in(state, spooled=spooled), policy=policy)
    for event in events:
        before = pickle.dumps(job)
        try:
            after_it, effects = advance(job, event)
        except IllegalTransition:
            assert type(event) not in TABLE[job.state]
            continue
        finally:
            assert pickle.dumps(job) == before
        assert isinstance(effects, tuple)
        job = after_it
