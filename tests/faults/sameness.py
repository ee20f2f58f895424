"""Which faults at which calls are the same life as others, so that one of them is enough.

What holds of the world of these lives: a look changes nothing; and between two calls that follow one another at once
nothing happens that anybody else can see, and 20 ms pass. Each rule follows from that, up to those 20 ms:

- KILL_BEFORE a call is KILL_AFTER the one that it follows at once: that one was made, and the process is gone.
- KILL_AFTER a look is KILL_BEFORE it: what was answered is lost with the process.
- NEVER_ARRIVED at a look is LOST there: there was nothing to take, and the run waits as long for nothing.
- CLOCK_AHEAD and CLOCK_BEHIND touch the clocks of the next runs only: they are the same at all calls of one run.
- LEASE_LOST before a call that is not about a lease is LEASE_LOST before the next one, where that follows at once: two
  changes of two objects, in the one order or in the other.
- UNAVAILABLE or LOST at a look is the same at the next one that follows at once: the client asks again, above it nobody
  learns of that, and the run goes on later by the same time (2 or 10 s: the one difference is at which of the two looks).
  Still, they happen once to each look, by its path.
- SLOWLY is about changes to come: until the next change at the provider it is the same at each call to it.
- THROTTLED at Kubernetes or Vault is UNAVAILABLE there: both are `Unavailable` with the same time to wait, and the
  product looks at nothing else. ALERT and PLAIN_TEXT are DAMAGED: all three are `Ambiguous`, with other words. Still,
  they happen once to each request, by its method and path.

tests/test_exploration.py lives both lives of each rule, and compares all that the product asks for afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.faults.kinds_of_faults import Fault
from tests.faults.life import Verdict

Point = tuple[int, Fault]
"""A fault at a numbered call."""
Rule = Callable[[Verdict, int], Point | None]


def same_as(fault: Fault, clean: Verdict, number: int) -> Point | None:
    """Return what is the same life as `fault` at this call of a life; None: this is the one to be lived."""
    rule = RULES.get(fault)
    return rule(clean, number) if rule else None


def _killed_before(clean: Verdict, number: int) -> Point | None:
    return None if number in clean.apart else (number - 1, Fault.KILL_AFTER)


def _at_a_look(other: Fault) -> Rule:
    return lambda clean, number: (number, other) if clean.calls[number].looks else None


def _later_in_the_run(fault: Fault) -> Rule:
    def rule(clean: Verdict, number: int) -> Point | None:
        ends = number + 1 == len(clean.calls) or clean.run_of[number] != clean.run_of[number + 1]
        return None if ends else (number + 1, fault)

    return rule


def _lease_lost(clean: Verdict, number: int) -> Point | None:
    ends = number + 1 == len(clean.calls) or number + 1 in clean.apart
    return None if ends or "/leases" in clean.calls[number].path else (number + 1, Fault.LEASE_LOST)


def _asked_again(fault: Fault) -> Rule:
    def rule(clean: Verdict, number: int) -> Point | None:
        both = clean.calls[number : number + 2]
        joined = len(both) == 2 and number + 1 not in clean.apart
        again = joined and all(call.looks for call in both) and not _is_new(clean, number)
        return (number + 1, fault) if again else None

    return rule


def _slowly(clean: Verdict, number: int) -> Point | None:
    if clean.calls[number].changes:
        return None
    later = (n for n in range(number + 1, len(clean.calls)) if clean.calls[n].at_provider)
    return next(((n, Fault.SLOWLY) for n in later), None)


def _throttled(clean: Verdict, number: int) -> Point | None:
    there = clean.calls[number].at_provider
    return None if there or _is_new(clean, number) else (number, Fault.UNAVAILABLE)


def _on_the_wire(clean: Verdict, number: int) -> Point | None:
    return None if _is_new(clean, number) else (number, Fault.DAMAGED)


def _is_new(clean: Verdict, number: int) -> bool:
    return clean.calls.index(clean.calls[number]) == number


RULES: Mapping[Fault, Rule] = {
    Fault.KILL_BEFORE: _killed_before,
    Fault.KILL_AFTER: _at_a_look(Fault.KILL_BEFORE),
    Fault.NEVER_ARRIVED: _at_a_look(Fault.LOST),
    Fault.CLOCK_AHEAD: _later_in_the_run(Fault.CLOCK_AHEAD),
    Fault.CLOCK_BEHIND: _later_in_the_run(Fault.CLOCK_BEHIND),
    Fault.UNAVAILABLE: _asked_again(Fault.UNAVAILABLE),
    Fault.LOST: _asked_again(Fault.LOST),
    Fault.LEASE_LOST: _lease_lost,
    Fault.SLOWLY: _slowly,
    Fault.THROTTLED: _throttled,
    Fault.ALERT: _on_the_wire,
    Fault.PLAIN_TEXT: _on_the_wire,
}
