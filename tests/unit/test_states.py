"""The table of job states, driven event by event; nothing here touches HTCondor, threads, files or the clock."""

from __future__ import annotations

import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condor_futures import states
from condor_futures.states import (
    SPOOLING_INPUT,
    TABLE,
    Aborted,
    Event,
    Evicted,
    Executing,
    Gone,
    Held,
    IllegalTransition,
    Job,
    MarkRunning,
    Note,
    NotRetrieved,
    Refused,
    Released,
    Remove,
    Report,
    Retrieve,
    Retrieved,
    ShadowException,
    State,
    Submitted,
    Terminated,
    Unwanted,
    advance,
)

PENDING, IDLE, RUNNING, COMPLETED, DISCARDED, ENDED = State
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
        Refused(JOB, "no such user"),
        Retrieved(JOB),
        NotRetrieved(JOB, "no such file"),
        Unwanted(JOB),
        Gone(JOB),
        Note(JOB),
    )
}
"""One of each."""

WHEN_QUEUED = {
    Submitted: (None, []),
    Executing: (RUNNING, [MarkRunning]),
    Evicted: (IDLE, []),
    ShadowException: (IDLE, []),
    Terminated: (COMPLETED, [Retrieve]),
    Aborted: (ENDED, [Report]),
    Held: (ENDED, [Report, Remove]),
    Released: (None, []),
    Unwanted: (DISCARDED, [Remove]),
    Gone: (ENDED, [Report]),
    Note: (None, []),
}

EXPECTED = {
    PENDING: {Submitted: (IDLE, []), Refused: (ENDED, [Report]), Unwanted: (DISCARDED, [])},
    IDLE: WHEN_QUEUED,
    RUNNING: WHEN_QUEUED,
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
    """A job as it is in *state*."""
    exit_ = Terminated(JOB, exit_status=0) if state is COMPLETED else None
    return Job("b000001", spooled, state, None if state is PENDING else JOB, exit_)


def after(job: Job, *events: Event):
    """The job after *events*, and the effects of all of them."""
    effects = []
    for event in events:
        job, more = advance(job, event)
        effects += more
    return job, effects


def named(pair):
    """The test's id: state and event."""
    return "-".join(getattr(part, "value", None) or part.__name__ for part in pair)


ALL_PAIRS = list(itertools.product(State, EVENTS))
LEGAL = [(state, event) for state, event in ALL_PAIRS if event in EXPECTED[state]]
ILLEGAL = [(state, event) for state, event in ALL_PAIRS if event not in EXPECTED[state]]


def test_table_has_an_entry_for_what_can_happen_and_no_other():
    """The table and this file name the same (state, event) pairs; whoever adds one says here what it does."""
    assert {(state, event) for state, entries in TABLE.items() for event in entries} == set(LEGAL)


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


@pytest.mark.parametrize(("state", "event"), ILLEGAL, ids=map(named, ILLEGAL))
def test_event_without_entry_is_illegal(state, event):
    """What cannot happen is not absorbed: the error has the job and the event, and names both."""
    job = job_in(state)
    with pytest.raises(IllegalTransition) as caught:
        advance(job, EVENTS[event])
    assert (caught.value.job, caught.value.event) == (job, EVENTS[event])
    message = str(caught.value)
    assert event.__name__ in message
    assert str(state) in message
    assert "b000001" in message


@pytest.mark.parametrize("state", [IDLE, RUNNING], ids=lambda state: state.value)
def test_unspooled_job_is_reported_when_it_terminates(state):
    """Its outcomes are in the session directory already: nothing is retrieved."""
    job, effects = advance(job_in(state, spooled=False), Terminated(JOB, signal=9))
    assert (job.state, effects) == (ENDED, (Report(Terminated(JOB, signal=9)),))


def test_job_remembers_where_it_ran_last():
    job, _ = after(job_in(IDLE), Executing(JOB, "ep1"), Evicted(JOB), Executing(JOB, "ep2"))
    assert job.host == "ep2"


def test_job_learns_its_id_from_submitted():
    job, _ = advance(job_in(PENDING), Submitted("12.3"))
    assert job.job_id == "12.3"


def test_spooling_is_no_hold():
    """Every spooled job begins held with code 16; nobody is told, and nothing is removed."""
    job, effects = advance(job_in(IDLE), Held(JOB, SPOOLING_INPUT, 0, "Spooling input data files"))
    assert (job, effects) == (job_in(IDLE), ())


def test_retrieved_job_is_reported_with_how_it_ended():
    """The reason that futures without an outcome fail for is the exit of the job, not that it was retrieved."""
    ended = Terminated(JOB, signal=11)
    _, effects = after(job_in(RUNNING), ended, Retrieved(JOB))
    assert effects == [Retrieve(), Report(ended)]


def test_first_of_two_terminations_counts():
    """HTCondor may repeat a terminate, and the second need not agree with the first."""
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
    """Events may be missing, repeated, late: the outcomes are fetched once all the same."""
    job, effects = after(job_in(IDLE), *events)
    assert job.state is COMPLETED
    assert [effect for effect in effects if effect != MarkRunning()] == [Retrieve()]


@pytest.mark.parametrize("late", list(EVENTS), ids=lambda event: event.__name__)
def test_nothing_counts_after_a_removal(late):
    """Events may come after JOB_ABORTED; the futures have been told already."""
    job, effects = after(job_in(RUNNING), Aborted(JOB, "via condor_rm"), EVENTS[late])
    assert (job.state, effects) == (ENDED, [Report(Aborted(JOB, "via condor_rm"))])


def test_unwanted_while_its_submission_is_under_way():
    """There is no id to remove yet; when the id comes, once by the answer and once by the log, it is removed once."""
    job, effects = advance(job_in(PENDING), Unwanted(""))
    assert (job.state, effects) == (DISCARDED, ())
    job, effects = after(job, Submitted(JOB), Submitted(JOB), Executing(JOB), Aborted(JOB))
    assert (job.state, effects) == (DISCARDED, [Remove()])


def test_unwanted_job_is_removed_once():
    """Between the removal and its event in the log, the log still tells what happened before."""
    job, effects = after(job_in(RUNNING), Unwanted(JOB), Unwanted(JOB), Submitted(JOB), Terminated(JOB), Aborted(JOB))
    assert (job.state, effects) == (DISCARDED, [Remove()])


def test_shadow_that_dies_again_and_again_is_given_up():
    """Nothing hangs: after FALSE_STARTS_LIMIT deaths, not one earlier, the job is removed and its futures told."""
    died = ShadowException(JOB, "out of memory")
    job = job_in(RUNNING)
    for _ in range(Job.FALSE_STARTS_LIMIT - 1):
        job, effects = advance(job, died)
        assert (job.state, effects) == (IDLE, ())
    job, effects = advance(job, died)
    assert (job.state, effects) == (ENDED, (Report(died), Remove()))


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: type(event).__name__)
def test_events_are_values(event):
    """They are equal by content, can be a set's elements, cannot be changed, and can be pickled."""
    assert pickle.loads(pickle.dumps(event)) == event
    assert hash(event) == hash(pickle.loads(pickle.dumps(event)))
    with pytest.raises((AttributeError, TypeError)):
        event.job_id = "8.0"


# What the schedd, its shadows and the audit may say of one queued job, in any order, repeated or left out.
from_htcondor = st.one_of(
    st.builds(Submitted, st.just(JOB)),
    st.builds(Executing, st.just(JOB), st.sampled_from(["ep1", "ep2"])),
    st.builds(Terminated, st.just(JOB), exit_status=st.integers(0, 255)),
    st.builds(Terminated, st.just(JOB), signal=st.integers(1, 64)),
    st.builds(Held, st.just(JOB), st.sampled_from([SPOOLING_INPUT, 1, 12, 34])),
    st.sampled_from([Evicted(JOB), ShadowException(JOB), Released(JOB), Note(JOB), Aborted(JOB), Gone(JOB)]),
)
ANSWER = "the access point answers the Retrieve that is under way, if one is"


def is_final(event) -> bool:
    """After this event a job is over, or, where it is spooled, as soon as its outputs have been asked for."""
    return isinstance(event, (Terminated, Aborted, Gone)) or (isinstance(event, Held) and event.code != SPOOLING_INPUT)


class Shell:
    """Carries out effects as the watcher does, in memory, and watches over what is true at every step."""

    def __init__(self, *, spooled: bool, retrievable: bool) -> None:
        self.job = Job("b000001", spooled)
        self.effects = []
        self._answer = Retrieved(JOB) if retrievable else NotRetrieved(JOB, "no such file")
        self._asked = False

    def feed(self, event):
        before = self.job
        self.job, effects = advance(before, event)
        self.effects += effects
        self._asked = self._asked or Retrieve() in effects
        if before.state in (ENDED, DISCARDED):
            assert self.job.state is before.state, "the end is the end"
            assert not effects or (before.job_id is None and effects == (Remove(),))

    def answer(self):
        if self._asked:
            self._asked = False
            self.feed(self._answer)

    def count(self, kind) -> int:
        return sum(isinstance(effect, kind) for effect in self.effects)


@given(
    script=st.lists(from_htcondor | st.just(ANSWER) | st.just(Unwanted(JOB)), max_size=40),
    spooled=st.booleans(),
    retrievable=st.booleans(),
)
def test_each_job_is_reported_exactly_once(script, spooled, retrievable):
    """In whatever order things happen, be they lost or repeated: one report once it is over, none when unwanted."""
    shell = Shell(spooled=spooled, retrievable=retrievable)
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
    elif any(map(is_final, script)):
        assert shell.job.state is ENDED


@given(script=st.lists(from_htcondor, max_size=20), spooled=st.booleans())
def test_unwanted_from_the_start_is_never_reported(script, spooled):
    """All calls were cancelled before the job had an id: it is removed, once, and nobody hears of it."""
    shell = Shell(spooled=spooled, retrievable=True)
    for event in [Unwanted(""), Submitted(JOB), *script]:
        shell.feed(event)
    assert (shell.job.state, shell.effects) == (DISCARDED, [Remove()])


@given(st.lists(st.sampled_from(list(EVENTS.values())), max_size=20), st.sampled_from(list(State)), st.booleans())
def test_any_event_in_any_state_is_a_step_or_illegal(events, state, spooled):
    """No other error comes out of the table, whatever is put in, and the job it is given is left alone."""
    job = job_in(state, spooled=spooled)
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
