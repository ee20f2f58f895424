"""The ports: what the engine asks of the world, and what a provider has to be able to do.

A credential kind only says how to make a version; a verifier only how to accept and forget, and whether it did;
a holder only how to receive, and whether all of it has switched; a store only how to keep.
"""

from __future__ import annotations

from rotator.ports.clock import Clock, Deadline
from rotator.ports.credentials import Copy, Credential, Made
from rotator.ports.documents import Rendered, Seen, Target
from rotator.ports.entry import Entry
from rotator.ports.gateways import Gateway, Known
from rotator.ports.leases import Lease, LeaseHeld, Leases
from rotator.ports.memo import Deeds, Memo, Summary
from rotator.ports.parties import Gate, Party, Render, Want
from rotator.ports.providers import Access, Aim, Blocked, Call, Learned, Login, Provider
from rotator.ports.readers import Content, Readers
from rotator.ports.stamp import Stamp
from rotator.ports.store import Store

__all__ = [
    "Access",
    "Aim",
    "Blocked",
    "Call",
    "Clock",
    "Content",
    "Copy",
    "Credential",
    "Deadline",
    "Deeds",
    "Entry",
    "Gate",
    "Gateway",
    "Known",
    "Learned",
    "Lease",
    "LeaseHeld",
    "Leases",
    "Login",
    "Made",
    "Memo",
    "Party",
    "Provider",
    "Readers",
    "Render",
    "Rendered",
    "Seen",
    "Stamp",
    "Store",
    "Summary",
    "Target",
    "Want",
]
