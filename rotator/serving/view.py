"""One moment of the process, as a value: the page, the metrics and the answers on health are functions of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from rotator.engine.outcome import Outcome
from rotator.serving.census import Census
from rotator.serving.sets import State, Table
from rotator.telemetry.figures import RunFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The last run that ended."""

    began: datetime
    ended: datetime
    exit_code: int
    error: str = ""
    """The sentence by which it ended as a whole; empty: it looked at every rotation."""
    figures: RunFigures | None = None
    success: datetime | None = None
    """When the last run with exit code 0 ended; None: none has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is known at one moment."""

    replica: str
    started: datetime
    now: datetime
    steady: float
    schedule: str
    """When runs begin, for people."""
    table: Table = field(default_factory=Table)
    census: Census = field(default_factory=Census)
    outcomes: Sequence[Outcome] = ()
    """What became of each rotation when it was last looked at."""
    last: LastRun | None = None
    running: bool = False
    next_run: datetime | None = None
    ending: bool = False
    stuck: tuple[str, ...] = ()
    """What of the process does not go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of one declared reader of one rotation's part of a set."""

    rotation: str
    document: str
    reader: str
    newest: bool | None
    """Whether it fetched what is served now; None: it was never seen."""
    age: float | None
    """Seconds since this replica answered it last; None: it never did."""


def readers(view: View) -> Iterator[Seen]:
    """Yield every declared reader."""
    for name, source in sorted(view.table.declared.sources.items()):
        held = view.table.serves(name)
        for rotation, declared in sorted(source.readers.items()):
            fetched = view.census.fetched(source, rotation)
            stamp = held.stamps.get(rotation) if held else None
            for reader in declared:
                fetch = fetched.get(reader.name)
                yield Seen(
                    rotation=rotation,
                    document=name,
                    reader=reader.name,
                    newest=bool(stamp and fetch.content == stamp.content) if fetch else None,
                    age=view.steady - fetch.at if fetch and fetch.at is not None else None,
                )


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at to say whether the process is ready."""

    name: str
    good: bool
    says: str = ""


def checks(view: View) -> Iterator[Check]:
    """Yield what has to be so before requests are sent here: that it is known what to answer. Old keys are better than none."""
    table = view.table
    yield Check("shutdown", good=not view.ending, says="the process ends" if view.ending else "")
    yield Check(
        "declarations", good=table.known, says=table.trouble or ("" if table.known else "not read yet")
    )
    for label in sorted(table.declared.sources):
        state = table.state(label)
        yield Check(f"set {label}", good=state.counted and state.settled, says=shows(state, view.steady))
    last = view.last
    ran = (
        "no run has ended yet"
        if last is None
        else last.error or f"the last run ended with exit code {last.exit_code}"
    )
    yield Check("run", good=True, says=ran)


def shows(state: State, steady: float) -> str:
    """Say what of a document is answered with."""
    what = "nothing is served"
    if state.held and state.counted:
        revisions = [
            f"{stamp.revision} of {rotation}" for rotation, stamp in sorted(state.held.stamps.items())
        ]
        what = f"serves revision {', '.join(revisions)}"
    elif state.missing:
        what = "nothing was delivered there yet"
    looked = "" if state.looked is None else f", seen {max(0, round(steady - state.looked))}s ago"
    return "; ".join(each for each in (f"{what}{looked}", state.trouble, state.barred) if each)


def merged(before: Sequence[Outcome], new: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Return what is known of each rotation after a run: an idle one has the ring that was seen at the same revision."""
    known = {outcome.rotation: outcome for outcome in before}
    return tuple(sorted((_with_ring(o, known.get(o.rotation)) for o in new), key=lambda o: o.rotation))


def _with_ring(outcome: Outcome, before: Outcome | None) -> Outcome:
    if outcome.ring or before is None or before.ring is None:
        return outcome
    same = before.ring.revision == outcome.summary.revision
    return replace(outcome, ring=before.ring) if same else outcome
