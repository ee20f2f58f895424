"""See `rotator_sandbox.identity.served`."""

from rotator_sandbox.identity.served import Api, Asked, HangUp, Middle, Route, Said, Served, straight

__all__ = ["Api", "Asked", "HangUp", "Middle", "Route", "Said", "Served", "straight"]
