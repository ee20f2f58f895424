"""The faults: what may happen to one call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum

from tests.faults.transport import Answer, Call
from tests.transport.servers import ALERT, DAMAGED, PLAIN, Act, beneath


class Fault(StrEnum):
    """What happens to one call."""

    KILL_BEFORE = "killed before it"
    KILL_AFTER = "killed after it, the reply lost"
    CONFLICT = "conflict"
    THROTTLED = "429 with Retry-After"
    UNAVAILABLE = "503 with Retry-After"
    LOST = "time-out, it took effect"
    NEVER_ARRIVED = "time-out, it did not take effect"
    BROKEN = "500, it took effect"
    DAMAGED = "a TLS record that nobody can decrypt, it took effect"
    ALERT = "a TLS alert, it took effect"
    PLAIN_TEXT = "plain text of a proxy where TLS was, it took effect"
    OTHER_RUN = "another run in between"
    PAUSED = "paused for hours while other runs go on, then it arrives"
    LATE = "time-out, and it takes effect after the next run"
    LEASE_LOST = "the lease goes to somebody else"
    CLOCK_AHEAD = "the next runs' clocks are an hour ahead"
    CLOCK_BEHIND = "the next runs' clocks are an hour behind"
    STALE_NODE = "the nodes lose the API server, and may start pods with what was there before"
    LIMITED = "the provider's rate limit, for longer than one run asks again"
    SLOWLY = "from now on, what is changed at the provider comes to its nodes one after the other"
    ANOTHERS = "somebody else adds a secret at the provider"
    TAKEN = "somebody else takes away what is newest at the provider"
    EXCHANGED = "somebody else replaces what is newest at the provider by a secret of their own"


AT_PROVIDERS = frozenset({Fault.LIMITED, Fault.SLOWLY, Fault.ANOTHERS, Fault.TAKEN, Fault.EXCHANGED})
"""What happens only at the calls to a provider."""
ON_THE_WIRE: Mapping[Fault, Act] = {
    Fault.DAMAGED: beneath(DAMAGED),
    Fault.ALERT: beneath(ALERT),
    Fault.PLAIN_TEXT: beneath(PLAIN),
}
"""What comes back over TLS in place of an answer to what was taken."""
AMBIGUOUS = frozenset({Fault.LOST, Fault.BROKEN, *ON_THE_WIRE})
"""What leaves open whether a call took effect; it did."""
ANYWHERE = tuple(fault for fault in Fault if fault not in AT_PROVIDERS)


class Killed(BaseException):
    """The process is gone: nothing of it catches this."""


def applies(fault: Fault, call: Call) -> bool:
    """Whether `fault` can happen to `call`."""
    if fault in AT_PROVIDERS:
        return call.at_provider
    if fault is Fault.CONFLICT:
        return call.fenced
    if fault in {Fault.LATE, Fault.BROKEN}:
        return call.writes
    if fault in ON_THE_WIRE:
        return call.writes and call.system != "ldap"
    if fault is Fault.STALE_NODE:
        return call.writes and call.system == "kubernetes"
    return True


def refusal(fault: Fault, call: Call) -> Answer:
    """Return the answer of a system that refuses `call`."""
    if fault is Fault.CONFLICT:
        if call.system == "vault":
            text = "check-and-set parameter did not match the current version"
            return Answer(400, {}, json.dumps({"errors": [text]}).encode())
        return Answer(409, {}, json.dumps({"kind": "Status", "reason": "Conflict"}).encode())
    code = 429 if fault is Fault.THROTTLED else 503
    return Answer(code, {"Retry-After": "2"}, b"{}")
