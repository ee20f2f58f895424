"""What is shown of a run: one shape of data behind table, JSON and YAML."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import yaml

from rotator.cli import report
from rotator.core.ring import Ring, State, Version
from rotator.engine.outcome import Outcome, Result
from rotator.ports import Summary

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
KEYS = [
    "rotation",
    "result",
    "phase",
    "active",
    "activeSince",
    "revision",
    "versions",
    "steps",
    "reason",
    "waitingOn",
    "beside",
    "next",
]
OLD = Version(
    id="old-id-is-rather-long",
    number=1,
    state=State.RETIRING,
    reason="NoVersion",
    spec="ES256",
    staged_at=NOW - timedelta(days=31),
    activated_at=NOW - timedelta(days=30),
    converged_at=NOW - timedelta(days=30),
)
NEW = Version(
    id="new-id-is-rather-long",
    number=2,
    state=State.ACTIVE,
    reason="TooOld",
    spec="ES256",
    staged_at=NOW - timedelta(hours=1),
    activated_at=NOW - timedelta(minutes=5, microseconds=1),
    converged_at=NOW,
)
RING = Ring(rotation="payments/jwt", revision=7, versions=(OLD, NEW))
FULL = Outcome(
    rotation="payments/jwt",
    result=Result.WAITING,
    reason="overlap",
    until=NOW + timedelta(minutes=16),
    waiting_on=("deployment a",),
    steps=("activate new", "write secret payments/key"),
    summary=Summary.of(RING),
    ring=RING,
)
EMPTY = Outcome(rotation="payments/other", result=Result.FROZEN)


def test_rows_have_all_keys_always_and_in_order() -> None:
    """Proves that programs find every key, whatever happened."""
    for row in report.rows([FULL, EMPTY]):
        assert list(row) == KEYS


def test_a_row_says_all_that_is_known() -> None:
    """Proves each value of a full row; instants are RFC 3339 in UTC."""
    assert report.rows([FULL]) == [
        {
            "rotation": "payments/jwt",
            "result": "Waiting",
            "phase": "Overlap",
            "active": "new-id-is-rather-long",
            "activeSince": "2026-01-31T11:54:59.999999Z",
            "revision": 7,
            "versions": [
                {"id": "old-id-is-rather-long", "number": 1, "state": "Retiring", "weak": None},
                {"id": "new-id-is-rather-long", "number": 2, "state": "Active", "weak": None},
            ],
            "steps": ["activate new", "write secret payments/key"],
            "reason": "overlap",
            "waitingOn": ["deployment a"],
            "beside": [],
            "next": "2026-01-31T12:16:00Z",
        }
    ]


def test_what_is_absent_is_null_or_empty() -> None:
    """Proves the row of a rotation of which nothing is known."""
    assert report.rows([EMPTY]) == [
        {
            "rotation": "payments/other",
            "result": "Frozen",
            "phase": None,
            "active": None,
            "activeSince": None,
            "revision": None,
            "versions": [],
            "steps": [],
            "reason": "",
            "waitingOn": [],
            "beside": [],
            "next": None,
        }
    ]


def test_an_instant_of_another_zone_is_written_in_utc() -> None:
    """Proves that one instant is written in one way."""
    there = (NOW + timedelta(minutes=16)).astimezone(timezone(timedelta(hours=5, minutes=30)))
    outcome = Outcome(rotation="a/b", result=Result.WAITING, until=there)
    assert report.rows([outcome])[0]["next"] == "2026-01-31T12:16:00Z"


def test_json_and_yaml_hold_the_same() -> None:
    """Proves that both forms are read back to the same plain data."""
    rows = report.rows([FULL, EMPTY])
    assert json.loads(report.as_json(rows)) == rows
    read = yaml.safe_load(report.as_yaml(rows))
    assert read == rows
    assert list(read[0]) == KEYS


def test_the_table_has_one_line_a_rotation_and_steps_below() -> None:
    """Proves the whole picture: columns line up, ids are short, durations are for people."""
    assert report.as_table([FULL, EMPTY], NOW, steps=True).splitlines() == [
        "ROTATION        PHASE    ACTIVE        AGE  RESULT   NEXT      REASON",
        "payments/jwt    Overlap  new-id-is-ra  5m   Waiting  in 16m    overlap",
        "  - activate new",
        "  - write secret payments/key",
        "payments/other  -        -             -    Frozen   next run",
    ]


def test_status_shows_no_steps() -> None:
    """Proves that only what was asked for is shown."""
    assert len(report.as_table([FULL, EMPTY], NOW, steps=False).splitlines()) == 3


def test_nothing_to_show_is_a_head_line() -> None:
    """Proves the empty table, and that the empty list stays a list for programs."""
    assert report.as_table([], NOW, steps=True) == "  ".join(report.COLUMNS)
    assert json.loads(report.as_json(report.rows([]))) == []
    assert yaml.safe_load(report.as_yaml(report.rows([]))) == []


def test_what_is_due_is_due_now() -> None:
    """Proves that no negative time is shown."""
    outcome = Outcome(rotation="a/b", result=Result.WAITING, until=NOW - timedelta(hours=1))
    assert report.as_table([outcome], NOW, steps=False).splitlines()[1].split()[5] == "now"
