"""The page for people: rotations, what they wait for, what has happened and what comes next, and what is served.

It is made whole on the server, for each request, of values that hold no material. It needs no script and loads nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator import __version__
from rotator.core.codec import instant
from rotator.core.ring import Ring, Version
from rotator.core.timing import format_duration
from rotator.engine.outcome import Outcome, Result
from rotator.serving.declared import Configuration
from rotator.serving.html import NOTHING, Child, Html, element, joined
from rotator.serving.view import View, readers, shows

STYLE = """
:root { color-scheme: light dark; --line: #c5c9d0; --soft: #f1f3f6; --dim: #4b5563; --bad: #b42318; --wait: #8a5a00; --good: #1b6e3c; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a414d; --soft: #1d2229; --dim: #a9b2c0; --bad: #ff8f85; --wait: #f2b84b; --good: #74d39a; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 80rem; padding: 1.5rem; font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; } h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .25rem 0; } .dim, footer { color: var(--dim); }
.scroll { overflow-x: auto; } .scroll:focus-visible, summary:focus-visible, a:focus-visible { outline: 3px solid var(--wait); }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; color: var(--dim); padding: .25rem 0; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }
thead th { background: var(--soft); } td.wide { min-width: 18rem; overflow-wrap: anywhere; } code { overflow-wrap: anywhere; } time { white-space: nowrap; }
.Frozen, .Refused { color: var(--bad); font-weight: 600; } .Held { color: var(--wait); } .Waiting, .Idle, .Deleted { color: var(--good); }
details { border: 1px solid var(--line); border-radius: .3rem; padding: .4rem .8rem; margin: .5rem 0; } summary { cursor: pointer; font-weight: 600; }
ol { margin: .25rem 0; padding-left: 1.5rem; } .next { color: var(--dim); font-style: italic; }
"""
STYLE_HASH = f"sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}"
SHORT = 12
"""Characters of a version's id in the table."""
STATES = {
    Result.WAITING: "waits as planned",
    Result.FROZEN: "a person has to look",
    Result.HELD: "another run is at work",
    Result.IDLE: "nothing is due",
    Result.REFUSED: "the declaration cannot be carried out",
    Result.DELETED: "and its credential with it",
}
"""Each result in words: colour alone tells nobody anything."""
LONG = 40
"""Characters from which a text needs room."""
_HAPPENED = (
    ("staged_at", "made and stored"),
    ("published_at", "accepted by every verifier"),
    ("activated_at", "made active"),
    ("converged_at", "used by every holder"),
    ("withdrawn_at", "withdrawn from the verifiers"),
    ("proven_at", "proven dead: no verifier accepts it"),
    ("destroyed_at", "destroyed"),
)
_COMES = (
    ("activate_after", "activated_at", "may be made active"),
    ("converge_by", "converged_at", "is to be used by every holder"),
    ("destroy_after", "withdrawn_at", "may be withdrawn"),
    ("forgotten_by", "proven_at", "is in no cache of a verifier any more"),
)


@dataclass(frozen=True, slots=True)
class Event:
    """One instant in the life of a version."""

    at: datetime
    version: str
    what: str


def page(view: View) -> str:
    """Return the whole page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"rotator: {_summary(view.outcomes)}"),
        element("style", Html(STYLE)),
    )
    body = element(
        "body",
        element("header", element("h1", "rotator"), element("p", _summary(view.outcomes), role="status"), *_process(view)),
        element("main", *_rotations(view), *_served(view), *_readers(view), *_timelines(view)),
        element("footer", element("p", f"rotator {__version__}. ", element("a", "Metrics", href="/metrics"), ", ",
            element("a", "readiness", href="/readyz?verbose"), ".")),
    )  # fmt: skip
    return f"<!doctype html>\n{element('html', head, body, lang='en').text}\n"


def _summary(outcomes: Sequence[Outcome]) -> str:
    bad = sum(o.result in {Result.FROZEN, Result.REFUSED} for o in outcomes)
    whom = f"{bad} of them {'needs' if bad == 1 else 'need'} a person" if bad else "none needs a person"
    return f"{_number(len(outcomes), 'rotation')}, {whom}"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _process(view: View) -> Iterator[Html]:
    """Say how it stands with the process itself."""
    yield element(
        "p", "Replica ", element("code", view.replica), ", as of ", _time(view.now, view.now), class_="dim"
    )
    if view.ending:
        yield element("p", "This replica was asked to end.", class_="Held")
    for each in view.stuck:
        yield element("p", each, class_="Frozen")
    last = view.last
    if last is None:
        yield element("p", "No run has ended yet.")
    else:
        how = last.error or f"exit code {last.exit_code}"
        yield element(
            "p",
            "The last run ended ",
            _time(last.ended, view.now),
            ": ",
            how,
            class_="Frozen" if last.error else "",
        )
    if view.running:
        yield element("p", "A run is under way.")
    if view.next_run:
        yield element("p", f"Runs begin {view.schedule}; the next ", _time(view.next_run, view.now), ".")


def _rotations(view: View) -> Iterator[Html]:
    yield element("h2", "Rotations", id="rotations")
    if not view.outcomes:
        yield element("p", "No rotation was looked at yet.")
        return
    columns = ("Rotation", "Phase", "Active version", "Active since", "State", "What it waits for", "Next")
    rows = [_row(outcome, view.now) for outcome in view.outcomes]
    yield _table("rotations", "Each rotation as the last run left it", columns, rows)


def _row(outcome: Outcome, now: datetime) -> tuple[Child, ...]:
    summary = outcome.summary
    since = _time(summary.active_since, now) if summary.active_since else "-"
    until = _time(outcome.until, now) if outcome.until else "the next run"
    result = outcome.last_result
    state = element("span", f"{result}: {STATES[result]}", class_=str(result))
    return (
        outcome.rotation,
        summary.phase or "-",
        element("code", _short(summary.active), title=summary.active) if summary.active else "-",
        since,
        state,
        outcome.reason,
        until,
    )


def _short(version_id: str) -> str:
    """Return the beginning of an id, as `rotator status` shows it; all of it stands in the timeline."""
    return version_id if len(version_id) <= SHORT else f"{version_id[:SHORT]}…"


def _served(view: View) -> Iterator[Html]:
    table = view.table
    if not table.declared.routes:
        return
    yield element("h2", "What is served", id="served")
    rows: list[tuple[Child, ...]] = []
    for (host, path), route in sorted(table.declared.routes.items()):
        state, source = table.state(route.name), table.declared.sources[route.name]
        what = "the configuration of the issuer" if isinstance(route, Configuration) else "the set"
        at = element("code", f"{'any host' if host == '*' else host} {path}")
        rows.append(
            (at, f"{what} of {route.name}", format_duration(source.max_age), shows(state, view.steady))
        )
    yield _table(
        "served",
        "Each address of the public listener",
        ("Address", "Answer", "May be cached for", "State"),
        rows,
    )


def _readers(view: View) -> Iterator[Html]:
    rows: list[tuple[Child, ...]] = []
    for seen in readers(view):
        has = {None: "was never seen", True: "has the newest set", False: "has an older set"}[seen.newest]
        state = element("span", has, class_="" if seen.newest else "Held")
        ago = "-" if seen.age is None else f"{format_duration(timedelta(seconds=round(seen.age)))} ago"
        rows.append((seen.reader, seen.document, seen.rotation, state, ago))
    if rows:
        yield element("h2", "Readers", id="readers")
        columns = ("Reader", "Set", "Rotation", "State", "Seen by this replica")
        yield _table("readers", "Each declared reader, and what it fetched last", columns, rows)


def _timelines(view: View) -> Iterator[Html]:
    known = [(outcome, outcome.ring) for outcome in view.outcomes if outcome.ring]
    if known:
        yield element("h2", "Timelines", id="timelines")
    for outcome, ring in known:
        past, coming = timeline(ring, outcome.until, view.now)
        yield element(
            "details",
            element("summary", outcome.rotation),
            element("h3", "So far"),
            element("ol", *(_event(event, view.now) for event in past)),
            *(
                (element("h3", "Next"), element("ol", *(_event(e, view.now) for e in coming), class_="next"))
                if coming
                else ()
            ),
        )


def timeline(ring: Ring, until: datetime | None, now: datetime) -> tuple[list[Event], list[Event]]:
    """Return what has happened to the versions, oldest first, and the instants that are known to come."""
    past = [
        Event(at, v.id, what) for v in ring.versions for name, what in _HAPPENED if (at := getattr(v, name))
    ]
    coming = [event for version in ring.live for event in _coming(version)]
    if until and until > now and until not in {event.at for event in coming}:
        coming.append(Event(until, "", "the next look at it"))
    return sorted(past, key=lambda event: event.at), sorted(coming, key=lambda event: event.at)


def _coming(version: Version) -> Iterator[Event]:
    for name, done, what in _COMES:
        if (at := getattr(version, name)) and getattr(version, done) is None:
            yield Event(at, version.id, what)


def _event(event: Event, now: datetime) -> Html:
    who: Child = element("code", event.version) if event.version else NOTHING
    return element("li", _time(event.at, now), ": ", who, " " if event.version else "", event.what)


def _table(name: str, caption: str, columns: Sequence[str], rows: Sequence[Sequence[Child]]) -> Html:
    """Return a table that scrolls by itself, also by the keyboard (https://www.w3.org/WAI/tutorials/tables/)."""
    head = element("thead", element("tr", *(element("th", column, scope="col") for column in columns)))
    body = element("tbody", *(element("tr", *_cells(row)) for row in rows))
    inner = element("table", element("caption", caption), head, body)
    return element("div", inner, class_="scroll", role="region", tabindex="0", aria_labelledby=name)


def _cells(row: Sequence[Child]) -> Iterator[Html]:
    yield element("th", row[0], scope="row")
    yield from (
        element("td", cell, **({"class_": "wide"} if isinstance(cell, str) and len(cell) > LONG else {}))
        for cell in row[1:]
    )


def _time(at: datetime, now: datetime) -> Html:
    """Return an instant, and how far it is from now."""
    whole = at.replace(microsecond=0)
    away = timedelta(seconds=abs(int((at - now).total_seconds())))
    words = (
        "now" if not away else f"in {format_duration(away)}" if at > now else f"{format_duration(away)} ago"
    )
    return joined(element("time", instant(whole), datetime=instant(whole)), f" ({words})")
