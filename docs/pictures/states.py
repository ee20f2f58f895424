"""Draw the states of a version and the steps between them, from the machine's own table: `states.svg`.

`python -m docs.pictures.states` writes it, with `--check` it only compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from docs.pictures.svg import box, line, num, picture, text, tip
from docs.written import HERE, finish
from rotator.core.machine import TRANSITIONS, Step, Transition
from rotator.core.ring import State

FILE = HERE / "pictures/states.svg"
WIDTH, HEIGHT, GAP = 84.0, 40.0, 70.0
LEFT, TOP = 74.0, 66.0
SUCCESSOR = "activate"
"""The step that makes one version active makes the one before it retiring."""


def texts() -> Mapping[Path, str]:
    """Return the picture by its file."""
    return {FILE: draw()}


def draw() -> str:
    """Return the diagram as SVG: the states in a row, a step forward as an arrow, a step in place as a loop."""
    states = list(State)
    rows = sorted(TRANSITIONS, key=lambda row: list(Step).index(row.step))
    parts = [part for state in states for part in _state(state, states.index(state))]
    for row in rows:
        parts += _step(row, states)
    parts += [part for state in states for part in _loop(states.index(state), _in_place(state, rows))]
    parts += _forward(states.index(State.ACTIVE), "activate", "(its successor)")
    parts += [line([(22, TOP + HEIGHT / 2), (24, TOP + HEIGHT / 2)], "edge")]
    parts += [f'<circle class="tip" cx="16" cy="{num(TOP + HEIGHT / 2)}" r="6"/>']
    told = "; ".join(f"{row.step}: from {row.source or 'nothing'} to {row.target}" for row in rows)
    width = LEFT + len(states) * WIDTH + (len(states) - 1) * GAP + 16
    return picture("states", (width, TOP + HEIGHT + 30), "The states of a version", told, parts)


def _x(position: int) -> float:
    return LEFT + position * (WIDTH + GAP)


def _state(state: State, position: int) -> list[str]:
    kind = state.value.lower()
    x, on = _x(position), "on" if state is not State.DESTROYED else ""
    return [
        box((x, TOP), (WIDTH, HEIGHT), kind, radius=8),
        text(x + WIDTH / 2, TOP + HEIGHT / 2 + 5, state, kind=on, anchor="middle"),
    ]


def _step(row: Transition, states: list[State]) -> list[str]:
    if row.source is None:
        return _arrow(22, _x(states.index(row.target)), row.step)
    if row.source is row.target:
        return []  # all steps that stay in a state share one loop
    return _forward(states.index(row.source), row.step)


def _forward(position: int, words: str, below: str = "") -> list[str]:
    return _arrow(_x(position) + WIDTH, _x(position + 1), words, below)


def _arrow(x1: float, x2: float, words: str, below: str = "") -> list[str]:
    y = TOP + HEIGHT / 2
    parts = [line([(x1 + 3, y), (x2 - 8, y)], "edge"), tip(x2 - 2, y, (1, 0))]
    parts.append(text((x1 + x2) / 2, y - 8, words, anchor="middle", kind="strong"))
    if below:
        parts.append(text((x1 + x2) / 2, y + 38, below, anchor="middle", kind="small"))
    return parts


def _in_place(state: State, rows: list[Transition]) -> str:
    """Return the steps after which a version is in the state that it was in."""
    return ", ".join(row.step for row in rows if row.source is row.target is state)


def _loop(position: int, words: str) -> list[str]:
    if not words:
        return []
    x = _x(position) + WIDTH / 2
    path = f"M{num(x - 22)} {num(TOP - 2)} C{num(x - 30)} {num(TOP - 46)} {num(x + 30)} {num(TOP - 46)} {num(x + 20)} {num(TOP - 8)}"
    return [
        f'<path class="edge" d="{path}"/>',
        tip(x + 19, TOP - 2, (0, 1)),
        text(x, TOP - 42, words, anchor="middle", kind="strong"),
    ]


if __name__ == "__main__":
    finish(texts())
