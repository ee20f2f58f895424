"""Write all parts of the pages that come from code: `python -m docs.pages`, with `--check` they are only compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from docs.pictures import states, timeline
from docs.reference import applications, class_vars, dependencies, providers, schema, values
from docs.written import finish


def texts() -> Mapping[Path, str]:
    """Return everything that is written from code, by its file."""
    return {
        **timeline.texts(),
        **states.texts(),
        **schema.texts(),
        **values.texts(),
        **providers.texts(),
        **applications.texts(),
        **dependencies.texts(),
        **class_vars.texts(),
    }


if __name__ == "__main__":
    finish(texts())
