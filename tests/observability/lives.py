"""Lives that tests and pictures share: three rotations with different windows, from the epoch on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from observability.life import Life, Trouble
from rotator.core.timing import Windows

EPOCH = datetime.fromtimestamp(0, UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def weekly(name: str, *troubles: Trouble) -> Life:
    """Return a signing key that is rotated every week, with `troubles`."""
    return Life(
        namespace="payments",
        name=name,
        type="jwtSigningKey",
        windows=Windows(every=7 * DAY, lead=DAY + 2.5 * MINUTE, overlap=16 * MINUTE, converge=20 * MINUTE),
        restart=4 * MINUTE,
        troubles=troubles,
    )


def three(*troubles: Trouble) -> list[Life]:
    """Return three rotations, of which the first has `troubles`; the last is as tight as a policy may be."""
    return [
        weekly("jwt", *troubles),
        Life(
            namespace="orders",
            name="webhook",
            type="sharedSecret",
            windows=Windows(every=20 * DAY, lead=5 * DAY, overlap=2 * DAY, converge=30 * MINUTE),
            restart=12 * MINUTE,
        ),
        Life(
            namespace="orders",
            name="session",
            type="sharedSecret",
            windows=Windows(every=DAY + 2 * HOUR, lead=DAY, overlap=HOUR, converge=30 * MINUTE),
            restart=25 * MINUTE,
        ),
    ]
