"""What is wrong with a declaration, in sentences: the same for files and custom resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from rotator.vocabulary.footprint import Location
from rotator.vocabulary.types import PATTERNS

Problem = tuple[Location, str]
"""Where in the declaration, and what was expected there."""

_SENTENCES = {
    "extra_forbidden": "unknown field; see `rotator schema` for what is known",
    "missing": "required, but missing",
    "model_type": "expected a mapping",
    "dict_type": "expected a mapping",
    "list_type": "expected a list",
    "string_type": "expected a text; put a number or a word such as yes in quotes",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
    "invalid_key": "a key that is no text; put it in quotes",
    "literal_error": "expected {expected}",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
    "multiple_of": "expected a multiple of {multiple_of}",
    "too_short": "expected at least {min_length}",
    "too_long": "expected at most {max_length}",
    "string_too_short": "expected at least {min_length} characters",
    "string_too_long": "expected at most {max_length} characters",
}


def problems(error: ValidationError, root: Any, child: Callable[[Any, int | str], Any]) -> list[Problem]:
    """Return what pydantic found wrong in the document `root`, in which `child` steps down (None: nothing there)."""
    return [(_location(e["loc"], root, child), _sentence(e)) for e in error.errors(include_input=False)]


def _location(location: Location, root: Any, child: Callable[[Any, int | str], Any]) -> Location:
    """Drop the steps that pydantic adds for the members of a union and that stand nowhere in the document."""
    node, kept = root, []
    for step in location:
        below = child(node, step)
        if below is not None:
            node = below
            kept.append(step)
        elif isinstance(step, int) or step[:1].islower():
            kept.append(step)
    return tuple(kept)


def _sentence(error: Any) -> str:
    context = error.get("ctx", {})
    text = PATTERNS.get(context.get("pattern", "")) or _SENTENCES.get(error["type"], "").format(**context)
    text = text or str(error["msg"]).removeprefix("Value error, ")
    return text[0].lower() + text[1:]


def written(problem: Problem) -> str:
    """Return `path: what was expected`."""
    location, says = problem
    path = ".".join(str(step) for step in location)
    return f"{path + ': ' if path else ''}{says}"
