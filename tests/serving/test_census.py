"""Declared readers are seen to fetch: one that was not is named and waited for, and none lets anything happen earlier."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rotator.core.machine import Sighting
from rotator.ports import Content
from rotator.serving import figures, page
from rotator.serving.answers import Asked
from rotator.serving.census import is_from
from rotator.serving.view import View, readers
from rotator.systems.kubernetes.replicas import Replica, Replicas, Shown
from rotator.systems.served import Reader
from tests.faults.environment import Bao
from tests.serving.replica import PATH, Looking, policy
from tests.serving.test_refresher import MINUTE, MONTH, on_the_lease, stable
from tests.trial import Trial

READERS: list[dict[str, Any]] = [
    {"name": "orders", "header": {"name": "X-Reader", "value": "orders"}},
    {"name": "gateway", "addresses": ["10.1.0.0/16", "2001:db8::/32"]},
]
SILENT = "Look whether it reaches the address and how long it caches, or take it out of served.readers"


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """A trial of the test's own."""
    return Trial(bao)


def fetch(replica: Looking, *names: str) -> None:
    """Let readers fetch the set, and the replica say so."""
    if "orders" in names:
        assert replica.ask(X_reader="orders").status == 200
    if "gateway" in names:
        assert replica.ask(client="10.1.2.3").status == 200
    replica.look()


def test_a_silent_reader_is_named_and_waited_for(trial: Trial) -> None:
    """Also once the computed lead is over: whoever fetches nothing new by then caches for longer, or reaches nobody."""
    made = policy(trial, readers=READERS)
    replica = Looking(trial, made)
    stable(trial, made, replica)  # nobody can have an older set than the first
    (old,) = replica.kids()
    trial.timeline.pass_by(MONTH)
    for _ in range(3):
        trial.run(made)
        replica.look(10 * MINUTE)
        fetch(replica, "orders")
    waits = trial.run(made)
    assert waits.reason.endswith(
        f"no replica has seen the reader gateway fetch the set as it is now. {SILENT}"
    )
    assert trial.held() == old
    fetch(replica, "gateway")
    for _ in range(20):
        outcome = trial.run(made)
        if outcome.summary.phase == "Withdrawing":
            break
        trial.wait(outcome)
        replica.look()
        fetch(replica, "orders", "gateway")
    assert trial.held() != old
    replica.look()
    waits = trial.run(made)
    assert "the readers orders, gateway fetch the set" in waits.reason, "they may still have the old key"
    fetch(replica, "orders", "gateway")
    trial.wait(trial.run(made))
    assert trial.run(made).summary.phase == "Stable"


def test_the_lead_is_not_shorter_when_all_have_fetched(trial: Trial) -> None:
    """A fetch shows one cache of a reader, and there may be others behind the same header or address."""
    ends: list[timedelta] = []
    for served in ({}, {"readers": READERS}):
        made = policy(trial, f"key{len(ends)}", path=f"/{len(ends)}", **served)
        replica = Looking(trial, made)
        stable(trial, made, replica)
        trial.timeline.pass_by(MONTH)
        trial.run(made)
        replica.look()
        for how in ({"X_reader": "orders"}, {"client": "10.1.2.3"}):
            replica.ask(f"/{len(ends)}", **how)
        replica.look(timedelta())
        outcome = trial.run(made)
        assert outcome.summary.phase == "Lead"
        assert outcome.until
        ends.append(outcome.until - trial.timeline.now)
    assert ends[0] == ends[1]


def test_what_was_seen_outlives_a_replica(trial: Trial) -> None:
    """A new pod takes over what the others have seen, so an update of the Deployment waits for nobody twice."""
    made = policy(trial, readers=READERS)
    first = Looking(trial, made, name="first")
    stable(trial, made, first)
    fetch(first, "orders", "gateway")
    Looking(trial, made, name="second").look()
    first.refresher.leave()
    said = on_the_lease(trial)
    assert said.keys() == {"second"}
    (shown,) = said["second"]["shown"].values()
    assert shown["readers"] == {"orders": shown["content"], "gateway": shown["content"]}
    trial.timeline.pass_by(MONTH)
    trial.run(made)
    third = Looking(trial, made, name="third").look()
    (shown,) = on_the_lease(trial)["third"]["shown"].values()
    assert "readers" not in shown or shown["content"] not in shown["readers"].values(), (
        "nobody has the new one"
    )
    assert third.kids()


@pytest.mark.parametrize(
    ("asked", "who"),
    [
        ({"headers": {"x-reader": "orders"}}, {"orders"}),
        ({"headers": {"x-reader": "Orders"}}, set()),
        ({"headers": {"x-forwarded-for": "10.1.0.1", "forwarded": "for=10.1.0.1"}}, set()),
        ({"client": "10.1.0.1"}, {"gateway"}),
        ({"client": "::ffff:10.1.0.1"}, {"gateway"}),
        ({"client": "2001:db8::1"}, {"gateway"}),
        ({"client": "10.2.0.1"}, set()),
        ({"client": "/run/socket"}, set()),
        ({"client": ""}, set()),
        ({"client": "10.1.0.1", "headers": {"x-reader": "orders"}}, {"orders", "gateway"}),
    ],
)
def test_signs(asked: dict[str, Any], who: set[str]) -> None:
    """A header counts as it is declared; an address counts only as the one that has connected."""
    declared = [Reader.model_validate(each) for each in READERS]
    request = Asked(method="GET", path=PATH, **asked)
    assert {reader.name for reader in declared if is_from(reader, request)} == who


def test_only_who_has_the_set_now_is_noted(trial: Trial) -> None:
    """`304 Not Modified` says that one has it; HEAD, another path and an issuer's configuration do not."""
    made = policy(trial, readers=READERS, issuer="https://api.example.com")
    replica = Looking(trial, made)
    assert replica.look().ask(X_reader="orders").status == 503
    stable(trial, made, replica)
    replica.ask(method="HEAD", X_reader="orders")
    replica.ask("/.well-known/openid-configuration", X_reader="orders")
    replica.ask("/other", X_reader="orders")
    assert {seen.reader: seen.newest for seen in readers(view(replica))} == {"orders": None, "gateway": None}
    tag = replica.ask().headers["ETag"]
    assert replica.ask(if_none_match=tag, X_reader="orders").status == 304
    assert {seen.reader: seen.newest for seen in readers(view(replica))} == {"orders": True, "gateway": None}


def view(replica: Looking) -> View:
    """Return what the replica shows of itself."""
    now = replica.trial.timeline.now
    return View(
        replica="one",
        started=now,
        now=now,
        steady=replica.trial.timeline.seconds(),
        schedule="every 1m",
        table=replica.refresher.table,
        census=replica.refresher.census,
    )


def test_the_page_and_the_metrics_show_readers(trial: Trial) -> None:
    """Each declared one, and since when this replica has not answered it."""
    made = policy(trial, readers=READERS)
    replica = Looking(trial, made)
    stable(trial, made, replica)
    fetch(replica, "gateway")
    trial.timeline.pass_by(timedelta(seconds=90))
    shown = page.page(view(replica))
    for words in ("has the newest set", "was never seen", "1m35s ago"):
        assert words in shown
    found = figures.registry(view(replica))
    labels = {
        "namespace": made.home.namespace,
        "rotation": "key",
        "document": next(iter(view(replica).table.states)),
    }
    assert found.get_sample_value(
        "rotator_served_reader_age_seconds", {**labels, "reader": "gateway"}
    ) == pytest.approx(95, abs=1)
    assert found.get_sample_value("rotator_served_reader_age_seconds", {**labels, "reader": "orders"}) is None


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ([{"name": "a"}], "how is this reader told from others?"),
        ([{**READERS[0], "addresses": ["10.0.0.1"]}], "how is this reader told from others?"),
        ([READERS[0], READERS[0]], "two of them have one name"),
        ([{"name": "a", "addresses": ["10.0.0.1/8"]}], "has host bits set"),
        ([{"name": "a", "addresses": ["10.0.0.0/33"]}], "does not appear to be an IPv4 or IPv6 network"),
    ],
)
def test_what_is_refused(trial: Trial, declared: list[Any], why: str) -> None:
    """A reader has one sign, and a name of its own."""
    with pytest.raises(ValidationError, match=why.replace("?", r"\?")):
        policy(trial, readers=declared)


LABEL, NOW = "configmap n/m", datetime(2030, 1, 1, tzinfo=UTC)
CONTENTS = st.sampled_from(["new", "old", ""])


@dataclass
class Said:
    """What stands on the Lease, in place of the Lease."""

    replicas: tuple[Replica, ...]
    address: Any = field(default_factory=lambda: type("At", (), {"label": "lease n/serving-m"}))

    def read(self) -> tuple[Replica, ...]:
        """Return all of it."""
        return self.replicas

    def how_to_take_off(self, replica: Replica) -> str:
        """Return some words."""
        return replica.name


class Clock:
    """The same instant, always."""

    def now(self) -> datetime:
        """Return it."""
        return NOW


@given(
    shown=st.lists(
        st.tuples(CONTENTS, st.dictionaries(st.sampled_from(["a", "b", "c"]), CONTENTS), st.integers(0, 600)),
        max_size=3,
    ),
    older=st.booleans(),
)
def test_readers_only_ever_add_to_what_is_waited_for(
    shown: list[tuple[str, dict[str, str], int]], older: bool
) -> None:
    """Whatever anybody sends or writes: with readers declared, nothing is confirmed that would not be without, nor since earlier."""
    said: Any = Said(
        tuple(
            Replica(
                name=str(i),
                shown={LABEL: Shown(content=c, readers=r, at=NOW - timedelta(seconds=s))},
            )
            for i, (c, r, s) in enumerate(shown)
        )
    )
    content = Content(value="new", since=NOW - timedelta(hours=1), fields=frozenset(), older=older)
    seen = Sighting(name="m", confirmed=True, since=content.since)
    without, beside = (
        Replicas(said, Clock(), LABEL, timedelta(minutes=5), None, awaited).sync(  # type: ignore[arg-type]
            seen, content, act=True, fresh=True
        )
        for awaited in ((), ("a", "b"))
    )
    assert beside == without or (without.confirmed and not beside.confirmed and older)
    seen_by = {name for _, r, _ in shown for name, c in r.items() if c == "new"}
    assert beside.confirmed == (without.confirmed and (not older or {"a", "b"} <= seen_by))
    json.dumps(beside.waiting)
