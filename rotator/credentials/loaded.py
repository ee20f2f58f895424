"""What is asked of every version's material before it is used again, whatever its kind."""

from __future__ import annotations

from rotator.core.sensitive import Material


def need(material: Material, *names: str) -> None:
    """Raise ValueError where a part is missing: it is of another kind of credential, or damaged."""
    if missing := [name for name in names if name not in material]:
        raise ValueError(
            f"it has no {', '.join(missing)}: it is damaged, or of another kind of credential than is declared"
        )


def need_spec(recorded: str, found: str) -> None:
    """Raise ValueError where material is not of the form that the ring says."""
    if recorded != found:
        raise ValueError(f"it was recorded as {recorded}, and is {found}")
