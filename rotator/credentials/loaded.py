"""What is asked of every version before it is used, whatever its kind: of its material, and of an id that others gave it."""

from __future__ import annotations

from rotator.core.ring import LONGEST_ID, is_id
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


def known_id(kid: str | None) -> str | None:
    """Return the `kid` of a JWK. Raises ValueError for one that cannot stand in a token and on a terminal."""
    if kid is not None and not is_id(kid):
        raise ValueError(
            f"its kid is blank, longer than {LONGEST_ID} octets, or holds characters that cannot be printed"
        )
    return kid
