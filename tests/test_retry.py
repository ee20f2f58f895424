"""Retries: what is asked again, how often, how long it is waited, and that the deadline holds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.clients.answers import by_status
from rotator.clients.limits import LOOK, left_now
from rotator.clients.retry import (
    ANSWER,
    ATTEMPTS,
    LONGEST_WAIT,
    PATIENCE,
    SILENCE,
    Retry,
    briefly,
    retry_after,
)
from rotator.errors import (
    Ambiguous,
    ClientError,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    NotFound,
    Rejected,
    Unavailable,
)
from rotator.ports import Deadline

START = datetime(2026, 1, 1, tzinfo=UTC)
FAR = Deadline(START + timedelta(days=1))


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.instant = START
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Return the instant."""
        return self.instant

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.instant += timedelta(seconds=seconds)


class Asked:
    """A system that gives the answers listed, then "done"; each takes `takes` of the clock's time."""

    def __init__(self, clock: Clock, answers: Sequence[ClientError], takes: float = 0.0) -> None:
        self.clock = clock
        self.answers = list(answers)
        self.takes = timedelta(seconds=takes)
        self.count = 0
        self.instants: list[datetime] = []

    def __call__(self) -> str:
        """Give the next answer."""
        self.count += 1
        self.instants.append(self.clock.now())
        self.clock.instant += self.takes
        if self.answers:
            raise self.answers.pop(0)
        return "done"


def test_a_read_is_asked_again_when_its_answer_was_lost() -> None:
    """Proves that reads are repeated on Ambiguous and on Unavailable."""
    clock = Clock()
    asked = Asked(clock, [Ambiguous("GET x"), Unavailable("GET x")])
    assert Retry(clock, FAR).call(asked, read=True) == "done"
    assert asked.count == 3
    assert len(clock.slept) == 2


def test_a_write_is_never_asked_again_when_its_answer_was_lost() -> None:
    """Proves I6: the caller reads the state back first."""
    clock = Clock()
    asked = Asked(clock, [Ambiguous("POST x")])
    with pytest.raises(Ambiguous):
        Retry(clock, FAR).call(asked, read=False)
    assert asked.count == 1
    assert clock.slept == []


def test_a_write_that_was_not_taken_is_asked_again() -> None:
    """Proves that 429 and 503, and a refused connection, change nothing and may be repeated."""
    clock = Clock()
    asked = Asked(clock, [Unavailable("POST x", code=503), Unavailable("POST x", code=429)])
    assert Retry(clock, FAR).call(asked, read=False) == "done"
    assert asked.count == 3


@pytest.mark.parametrize("error", [Conflict, Forbidden, NotFound, Rejected])
@pytest.mark.parametrize("read", [True, False])
def test_a_clear_answer_is_never_asked_for_again(error: type[ClientError], *, read: bool) -> None:
    """Proves that what will not change is not repeated."""
    clock = Clock()
    asked = Asked(clock, [error("GET x")])
    with pytest.raises(error):
        Retry(clock, FAR).call(asked, read=read)
    assert asked.count == 1


def test_attempts_are_bounded_and_the_last_error_is_raised() -> None:
    """Proves that it gives up, with the error itself and not one of the retry library."""
    clock = Clock()
    last = Unavailable("GET x", "the last")
    asked = Asked(clock, [*[Unavailable("GET x")] * (ATTEMPTS - 1), last, last, last])
    with pytest.raises(Unavailable) as caught:
        Retry(clock, FAR).call(asked, read=True)
    assert caught.value is last
    assert asked.count == ATTEMPTS
    assert len(clock.slept) == ATTEMPTS - 1


@settings(deadline=None)
@given(seconds=st.integers(11, 3600))
def test_retry_after_is_honoured_exactly_where_it_is_longer_than_the_back_off(seconds: int) -> None:
    """Proves that the server's wish counts, to the second, and only for the answer that carried it."""
    clock = Clock()
    asked = Asked(clock, [Unavailable("GET x", retry_after=seconds), Unavailable("GET x")])
    Retry(clock, FAR).call(asked, read=True)
    assert clock.slept[0] == seconds
    assert clock.slept[1] <= LONGEST_WAIT


@settings(deadline=None)
@given(attempts=st.integers(2, 12))
def test_the_back_off_is_bounded(attempts: int) -> None:
    """Proves that without a Retry-After no wait is longer than the longest, nor than doubling allows."""
    clock = Clock()
    asked = Asked(clock, [Unavailable("GET x")] * (attempts - 1))
    Retry(clock, FAR, attempts=attempts).call(asked, read=True)
    for position, slept in enumerate(clock.slept):
        assert 0 <= slept <= min(0.1 * 2**position, LONGEST_WAIT)


@settings(deadline=None)
@given(
    left=st.integers(1, 4000).map(lambda n: timedelta(milliseconds=n)),
    asks=st.lists(st.none() | st.integers(1, 5), min_size=8, max_size=8),
    takes=st.sampled_from([0.0, 0.01, 0.3]),
)
def test_it_never_sleeps_up_to_the_deadline_and_never_asks_after_it(
    left: timedelta, asks: list[int | None], takes: float
) -> None:
    """Proves the deadline: whatever the back-off draws, each question is asked before it."""
    clock = Clock()
    asked = Asked(clock, [Unavailable("GET x", retry_after=a) for a in asks], takes)
    with pytest.raises(Unavailable):
        Retry(clock, Deadline(START + left)).call(asked, read=True)
    assert all(instant < START + left for instant in asked.instants)
    assert sum(clock.slept) < left.total_seconds()


@settings(deadline=None)
@given(away=st.floats(0, PATIENCE - LONGEST_WAIT), kind=st.sampled_from([Unavailable, Ambiguous]))
def test_a_read_waits_for_a_system_that_is_away(away: float, kind: type[ClientError]) -> None:
    """Proves it for a whole restart of an API server, whatever the back-off draws; and that the wait has an end."""
    clock = Clock()
    back = START + timedelta(seconds=away)

    def ask() -> str:
        if clock.now() < back:
            raise kind("GET x")
        return "done"

    assert Retry(clock, FAR, patience=PATIENCE).call(ask, read=True) == "done"
    back = FAR.at
    began = clock.now()
    with pytest.raises(kind):
        Retry(clock, FAR, patience=PATIENCE).call(ask, read=True)
    assert clock.now() - began <= timedelta(seconds=PATIENCE)


@pytest.mark.parametrize("read", [True, False], ids=["what is read for a change", "a change"])
def test_a_change_waits_for_nobody(*, read: bool) -> None:
    """Proves I5: what was seen right before it would be old."""
    clock = Clock()
    asked = Asked(clock, [Unavailable("x")] * 100)
    with briefly(brief=read), pytest.raises(Unavailable):
        Retry(clock, FAR, patience=PATIENCE).call(asked, read=read)
    assert asked.count == ATTEMPTS


@pytest.mark.parametrize("own", [True, False], ids=["its own", "of another run"])
def test_what_carries_an_instant_is_over_in_time(*, own: bool) -> None:
    """Proves that all that a write takes ends with it, and that no other run is hurried by it."""
    clock = Clock()
    retry = Retry(clock, FAR)
    asked = Asked(clock, [Unavailable("x", retry_after=9.0)] * 100)
    with (retry if own else Retry(clock, FAR)).landing(timedelta(seconds=20)), pytest.raises(Unavailable):
        retry.call(asked, read=False)
    assert asked.count == (3 if own else ATTEMPTS)


@settings(deadline=None)
@given(after=st.integers(1, 20))
def test_nobody_is_waited_for_once_the_run_is_asked_to_stop(after: int) -> None:
    """Proves that the wait ends with the pause in which that happens; what is given back afterwards is tried again."""
    clock = Clock()
    deadline = Deadline(FAR.at, timedelta(seconds=15))

    def stop() -> str:
        if clock.now() >= START + timedelta(seconds=after):
            deadline.end(clock.now(), "SIGTERM")
        raise Unavailable("x")

    with pytest.raises(Unavailable):
        Retry(clock, deadline, patience=PATIENCE).call(stop, read=True)
    assert clock.now() == deadline.at
    asked = Asked(clock, [Unavailable("x")] * 100)
    with pytest.raises(Unavailable):
        Retry(clock, deadline, patience=PATIENCE).call(asked, read=True)
    assert asked.count == ATTEMPTS


def test_a_request_under_way_when_the_run_is_asked_to_stop_gets_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Proves that it does not use up what is kept for giving back; what begins afterwards may."""
    clock = Clock()

    def seconds() -> float:
        return (clock.now() - START).total_seconds()

    monkeypatch.setattr("time.monotonic", seconds)
    deadline = Deadline(FAR.at, timedelta(seconds=15))
    retry = Retry(clock, deadline)
    with retry.within(10, "GET x", "https://api.example"):
        assert left_now() == 10
        clock.sleep(1)
        deadline.end(clock.now(), "SIGTERM")
        assert left_now() == ANSWER.total_seconds()
        clock.sleep(ANSWER.total_seconds())
        with pytest.raises(TimeoutError):
            left_now()
    with retry.within(60, "GET x", "https://api.example"):
        assert left_now() == 13


def test_people_are_told_once_what_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """Proves that a run that waits is not silent, and that eight that wait for the same say so once."""
    clock = Clock()
    retry = Retry(clock, FAR, patience=PATIENCE)
    for _ in range(2):
        with pytest.raises(Unavailable):
            retry.call(Asked(clock, [Unavailable("GET x")] * 100), read=True)
        clock.instant = START
    (told,) = caplog.records
    assert 0 < vars(told)["seconds"] <= PATIENCE - SILENCE
    assert vars(told)["reason"] == "GET x"


@pytest.mark.parametrize(
    ("patience", "until"),
    [(0.0, 10.0), (PATIENCE, PATIENCE)],
    ids=["somebody looks", "a run"],
)
def test_people_are_told_while_one_answer_does_not_come(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, patience: float, until: float
) -> None:
    """Proves that nobody has to wait for the end of a time-out to learn who does not answer; it is said once."""
    clock = Clock()

    def seconds() -> float:
        return (clock.now() - START).total_seconds()

    monkeypatch.setattr("time.monotonic", seconds)
    retry = Retry(clock, FAR, attempts=1, patience=patience)

    def mute() -> str:
        with retry.within(10, "GET x", "https://me:secret@api.example:6443/y"):
            while True:
                left_now()
                clock.instant += timedelta(seconds=LOOK)

    with pytest.raises(TimeoutError):
        retry.call(mute, read=True)
    (told,) = caplog.records
    assert vars(told)["reason"] == "GET x: no answer from api.example:6443 yet"
    assert vars(told)["seconds"] == until - SILENCE


def test_people_are_told_that_a_program_does_not_end() -> None:
    """Proves it for what runs beside us, as a program of a kubeconfig."""
    clock, told = Clock(), Told()
    logging.getLogger("rotator").addHandler(told)

    def mute() -> bool:
        clock.instant += timedelta(seconds=SILENCE)
        return told.event.wait(60)

    assert Retry(clock, FAR).bounded("the program", mute)
    logging.getLogger("rotator").removeHandler(told)
    assert told.reason == "the program has not answered yet"


class Told(logging.Handler):
    """Waits for the first warning."""

    def __init__(self) -> None:
        super().__init__()
        self.event = threading.Event()
        self.reason = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Take it down."""
        self.reason = vars(record)["reason"]
        self.event.set()


@pytest.mark.parametrize(
    ("takes", "asked"),
    [(10.0, 1), (6.0, 2), (0.0, ATTEMPTS)],
    ids=["no answer in time", "a slow refusal", "quick refusals"],
)
@pytest.mark.parametrize("kind", [Unavailable, Ambiguous])
def test_where_a_person_waits_nothing_is_tried_again_after_one_time_out(
    kind: type[ClientError], takes: float, asked: int
) -> None:
    """Proves it for a server that is mute; what is refused at once is tried as often as ever."""
    clock = Clock()
    mute = Asked(clock, [kind("GET x")] * 100, takes)
    with pytest.raises(kind):
        Retry(clock, FAR, hurry=10.0).call(mute, read=True)
    assert mute.count == asked


@pytest.mark.parametrize("late", [timedelta(), timedelta(seconds=1)])
def test_with_no_time_left_nothing_is_asked(late: timedelta) -> None:
    """Proves DeadlineExceeded, at the deadline and after it."""
    clock = Clock()
    asked = Asked(clock, [])
    with pytest.raises(DeadlineExceeded, match="the next run carries on"):
        Retry(clock, Deadline(START - late)).call(asked, read=True)
    assert asked.count == 0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("7", 7.0),
        ("120", 120.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("\u00b2", None),
        (" 7", None),
    ],
)
def test_a_retry_after_header_is_read_in_seconds(header: str | None, seconds: float | None) -> None:
    """Proves what counts as a number of seconds; everything else counts as absent."""
    assert retry_after(header) == seconds


@settings(deadline=None)
@given(digits=st.integers(6, 400))
def test_no_retry_after_is_too_large(digits: int) -> None:
    """Proves that a hostile header ends the attempt, and not the program."""
    clock = Clock()
    error = by_status("GET x", 503, "HTTP 503", "9" * digits)
    with pytest.raises(Unavailable):
        Retry(clock, FAR).call(Asked(clock, [error] * 9), read=True)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (401, Forbidden),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Rejected),
        (422, Rejected),
        (429, Unavailable),
        (500, Ambiguous),
        (502, Ambiguous),
        (503, Unavailable),
        (504, Ambiguous),
    ],
)
def test_each_status_has_one_meaning(status: int, kind: type[ClientError]) -> None:
    """Proves which answers are clear, which were not taken, and which leave it open."""
    error = by_status("GET x", status, f"HTTP {status}", "3")
    assert type(error) is kind
    assert error.code == status
    assert str(error) == f"GET x: HTTP {status}"
    if isinstance(error, Unavailable):
        assert error.retry_after == 3
