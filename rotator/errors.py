"""Every error that a person may meet.

    RotatorError
    ├── PolicyError          a declaration that cannot be carried out; file, line and what was expected
    ├── SettingsError        the environment or the command line lacks something
    ├── Frozen               this rotation stays in its widest state until what is named is mended
    ├── Superseded           another run is ahead of us: we stop and change nothing more
    │   └── LeaseLost
    ├── ClockSkewed          our clock is off by more than the allowance
    ├── DeadlineExceeded     the run's time is used up
    └── ClientError          a system's answer, translated once (`rotator.clients`)
        ├── NotFound  ├── Conflict  ├── Forbidden  ├── Rejected
        ├── Unavailable      it did not take the request (connection refused, 429, 503)
        └── Ambiguous        it may or may not have taken effect (time-out, lost reply, 5xx)

No message ever holds key material, a token or a response body that may hold one.
"""

from __future__ import annotations

from typing import ClassVar

from rotator.core.texts import printable

USAGE = 2
"""The exit code where nothing was touched, for what was asked is wrong."""
HELD = 3
"""The exit code where nothing is wrong, and what was asked could not be done, or not begun, yet."""


class RotatorError(Exception):
    """The root. `str()` of it is a sentence for a person: one printable line, whatever a server had to say."""

    exit_code: ClassVar[int] = 1
    """Of a process that ends with it."""

    def __init__(self, sentence: str = "") -> None:
        """Say what happened, where, what was left untouched and what to do."""
        super().__init__(printable(sentence))


class PolicyError(RotatorError):
    """One or more declarations that cannot be carried out."""

    exit_code = USAGE

    def __init__(self, *problems: str) -> None:
        """Say each of them on a line of its own."""
        super().__init__()
        self.args = ("\n".join(printable(problem) for problem in problems),)


class SettingsError(RotatorError):
    """The environment or the command line lacks something, or asks for what is refused."""

    exit_code = USAGE


class Frozen(RotatorError):
    """The rotation cannot go on; nothing was withdrawn, and the next run tries again (I9)."""


class Superseded(RotatorError):
    """Another run has gone on with this rotation (I5)."""


class LeaseLost(Superseded):
    """Another run has taken the lease."""


class ClockSkewed(RotatorError):
    """The clock here and a server's clock differ by more than the policy allows."""


class DeadlineExceeded(RotatorError):
    """The run has used up its time; the next one carries on."""


class ClientError(RotatorError):
    """An answer that is not the one hoped for. `what` names the request without its contents."""

    def __init__(self, what: str, detail: str = "", *, code: int = 0, reason: str = "") -> None:
        """Say what was asked, what came back, with which HTTP status (0: none), and the server's own word for it."""
        super().__init__(f"{what}: {detail}" if detail else what)
        self.what = what
        self.code = code
        self.reason = reason


class NotFound(ClientError):
    """There is no such object."""


class Conflict(ClientError):
    """Someone else wrote in between, or the object exists already: read it again."""


class Forbidden(ClientError):
    """The credentials are missing, expired, or not allowed to do this."""


class Rejected(ClientError):
    """The request itself is wrong (4xx): repeating it changes nothing."""


class Unavailable(ClientError):
    """The system did not take the request. Nothing has changed there."""

    def __init__(
        self,
        what: str,
        detail: str = "",
        *,
        code: int = 0,
        reason: str = "",
        retry_after: float | None = None,
    ) -> None:
        """Keep the server's Retry-After, in seconds."""
        super().__init__(what, detail, code=code, reason=reason)
        self.retry_after = retry_after


class Ambiguous(ClientError):
    """The request may have taken effect: the state must be read back (I6)."""
