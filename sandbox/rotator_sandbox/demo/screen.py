"""How the demo shows itself: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rotator.core.ring import Ring, phase
from rotator_sandbox.demo.figures import Figures
from rotator_sandbox.demo.timeline import (
    ACTIVE,
    DESTROYED,
    LEGEND,
    PUBLISHED,
    RETIRING,
    STAGED,
    Span,
    axis,
    bars,
)
from rotator_sandbox.demo.watch import WANTED

_STYLES = {STAGED: "dim", PUBLISHED: "yellow", ACTIVE: "green", RETIRING: "magenta", DESTROYED: "red"}
_LABEL = 17
"""The width of the names beside the bars."""
_MOST = 84
"""The widest picture; wider bars say nothing more."""
_BARS = 3
"""The newest versions of each rotation are shown while it goes on, so that it all fits in 24 lines."""
PLAIN_EVERY = 5.0
"""Seconds between two lines of counters where there is no terminal."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What there is to see now."""

    started: datetime
    rings: Mapping[str, Ring]
    reasons: Mapping[str, str]
    """By rotation: what the last run said about it."""
    signed: int
    verified: int
    rejected: int
    logins: int
    refused: int
    kills: int
    runs: int
    note: str = ""


class Screen:
    """Shows moments, then the figures."""

    def __init__(self, *, quiet_stdout: bool) -> None:
        """Speak on standard output, or on standard error where that is reserved for figures."""
        self.console = Console(stderr=quiet_stdout, highlight=False)
        self._live = Live(console=self.console, auto_refresh=False, transient=True)
        self._plain = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._last: dict[str, str] = {}
        self._counted = 0.0

    def __enter__(self) -> Self:
        """Begin."""
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Leave the terminal as it was."""
        self._live.stop()

    def say(self, line: str) -> None:
        """Say one line."""
        if self.console.is_terminal:
            self._live.update(Text(line), refresh=True)
        else:
            self._plain.print(line, markup=False)

    def show(self, moment: Moment) -> None:
        """Show how things stand."""
        if self.console.is_terminal:
            self._live.update(self._picture(moment), refresh=True)
        else:
            self._lines(moment)

    def figures(self, figures: Figures, rings: Mapping[str, Ring], started: datetime) -> None:
        """Show the whole picture, the figures, and the verdict."""
        self._live.stop()
        out = self.console
        out.print(Group(*_timeline(rings, started, _whole(rings, started), out.width)))
        out.print()
        out.print(_table(figures))
        for line in _complaints(figures):
            out.print(Text(f"  {line}", style="red"), soft_wrap=True)
        out.print()
        out.print(
            Text(figures.verdict, style="bold red" if figures.failures else "bold green"),
            soft_wrap=not out.is_terminal,
        )

    def _picture(self, moment: Moment) -> RenderableType:
        elapsed = (datetime.now(UTC) - moment.started).total_seconds()
        head = Text(f"rotator demo  {elapsed:.0f}s  {moment.note}", style="bold")
        span = max(timedelta(seconds=40), datetime.now(UTC) - moment.started)
        rings = {name: replace(ring, versions=ring.versions[-_BARS:]) for name, ring in moment.rings.items()}
        picture = _timeline(rings, moment.started, span, self.console.width)
        return Group(head, Text(), _progress(moment), Text(), *_counters(moment), Text(), *picture)

    def _lines(self, moment: Moment) -> None:
        elapsed = (datetime.now(UTC) - moment.started).total_seconds()
        for name, ring in moment.rings.items():
            line = f"{name}: {_phase(ring)}"
            if self._last.get(name) != line:
                self._last[name] = line
                self._plain.print(f"{elapsed:5.1f}s  {line}", markup=False)
        if time.monotonic() >= self._counted + PLAIN_EVERY:
            self._counted = time.monotonic()
            counters = "   ".join(line.plain for line in _counters(moment))
            self._plain.print(f"{elapsed:5.1f}s  {counters}", markup=False)


def _phase(ring: Ring) -> str:
    done = sum(v.destroyed_at is not None for v in ring.versions)
    newest = ring.versions[-1].number if ring.versions else 0
    return f"version {newest}, {phase(ring)}, {done} of {WANTED} replaced and destroyed"


def _progress(moment: Moment) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, ring in moment.rings.items():
        done = sum(v.destroyed_at is not None for v in ring.versions)
        reason = moment.reasons.get(name, "")
        style = "green" if done >= WANTED else "cyan"
        reason = "finished" if done >= WANTED else reason
        table.add_row(
            Text(name, style="bold"),
            Text("Done" if done >= WANTED else str(phase(ring)), style=style),
            Text(f"{done}/{WANTED}"),
            Text(reason, style="dim", overflow="ellipsis", no_wrap=True),
        )
    return table


def _counters(moment: Moment) -> tuple[Text, Text]:
    tokens = Text.assemble(
        f"tokens signed {moment.signed}   checks passed {moment.verified}   ",
        _refused("valid tokens refused", moment.rejected),
    )
    logins = Text.assemble(
        f"logins tried {moment.logins}   ",
        _refused("valid logins refused", moment.refused),
        f"   runs {moment.runs}, killed {moment.kills}",
    )
    return tokens, logins


def _refused(what: str, number: int) -> tuple[str, str]:
    return f"{what} {number}", "bold red" if number else "green"


def _whole(rings: Mapping[str, Ring], started: datetime) -> timedelta:
    """Return how long something happened."""
    instants = [
        i
        for r in rings.values()
        for v in r.versions
        for i in (v.staged_at, v.activated_at, v.destroyed_at)
        if i
    ]
    return max(instants, default=started) - started + timedelta(seconds=1)


def _timeline(
    rings: Mapping[str, Ring], started: datetime, length: timedelta, columns: int
) -> Iterable[Text]:
    span = Span(started, length, max(20, min(_MOST, columns - _LABEL - 1)))
    last = ""
    for bar in bars(rings, span, datetime.now(UTC)):
        name = bar.rotation if bar.rotation != last else ""
        last = bar.rotation
        line = Text(f"{name:<{_LABEL - 4}.{_LABEL - 4}} v{bar.number} ", no_wrap=True)
        for cell in bar.cells:
            line.append(cell, style=_STYLES.get(cell))
        yield line
    yield Text(" " * _LABEL + axis(span), style="dim")
    legend = Text()
    for mark, meaning in LEGEND.items():
        legend.append(f"{mark} ", style=_STYLES[mark]).append(f"{meaning}   ")
    legend.rstrip()
    legend.pad_left(max(0, min(_LABEL, columns - len(legend))))
    yield legend


def _table(figures: Figures) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in _rows(figures):
        table.add_row(Text(name, style="dim"), Text(value))
    return table


def _rows(figures: Figures) -> list[tuple[str, str]]:
    ledger = figures.ledger
    took = ", ".join(f"{name} {seconds:.1f}s" for name, seconds in figures.phases.items())
    return [
        ("backends", ", ".join(f"{v} ({k})" for k, v in figures.backends.items())),
        ("tokens signed", str(ledger.signed)),
        ("checks passed", str(ledger.verified)),
        ("valid tokens refused", str(ledger.rejected)),
        ("checks without a result", f"{ledger.unchecked}: the token's time was over first"),
        ("logins tried", f"{ledger.logins}, {ledger.unanswered} of them without an answer"),
        ("valid logins refused", str(ledger.refused)),
        ("dead credentials tried", f"{figures.dead.tried}, accepted {len(figures.dead.accepted)}"),
        ("rotations completed", str(figures.rotations)),
        ("runs of the job", f"{figures.runs}, killed {len(figures.kills)}"),
        (
            "rotator serve",
            f"{figures.served.replicas} replicas, killed {figures.served.kills} times, {figures.served.answers} answers",
        ),
        ("restarts", f"{figures.restarts_done} done, {figures.restarts_expected} expected"),
        ("phases, on average", took),
        ("duration", f"{figures.duration:.1f}s, seed {figures.seed}"),
    ]


def _complaints(figures: Figures) -> Iterable[str]:
    """Yield the particulars of what went wrong, some of each."""
    few = 5
    for refusal in figures.ledger.refusals[:few]:
        yield refusal.sentence
    yield from figures.dead.accepted[:few]
    yield from figures.dead.unproven[:few]
    if figures.unfinished:
        yield from figures.frozen[-few:]
