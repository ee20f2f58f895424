"""What a life sees of the provider at which it is lived: its server, what is declared of it, and somebody else there."""

from __future__ import annotations

import base64
import contextlib
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote_plus, urlencode, urlsplit

from tests.faults.environment import Bao, Environment
from tests.faults.timeline import Timeline
from tests.faults.transport import Answer, Call, Middle, ProviderPool
from tests.providers.exploration import Virtual
from tests.providers.served import Api, Asked

PROPAGATION = timedelta(seconds=30)
"""What the policies of these lives allow a provider until all its nodes know of a change."""
OUTAGE = {"start": "09:00", "length": "2h"}
"""When a switch without overlap may begin, in UTC: a while after it is due."""
ADMIN = "admin"
"""The Secret that holds what rotator is let in with."""


class Vendor(ABC):
    """One provider with one client or account, and somebody else who may change it too."""

    system: ClassVar[str]
    fields: ClassVar[tuple[str, ...]] = ("client_id", "client_secret")
    """What holders are handed."""
    overlaps: ClassVar[bool] = True
    """Whether two versions are accepted at a time; else every switch is an outage, in the window OUTAGE."""
    unfindable: ClassVar[bool] = False
    """Whether what was made by a call whose answer was lost can never be found again: a documented limit."""
    blind: ClassVar[bool] = False
    """Whether a change of ours replaces all that is there: then what somebody else does in the instant before it is lost."""
    nameless: ClassVar[bool] = False
    """Whether it does not show who made a secret: then what somebody else did before us counts as what is in use."""
    cured: ClassVar[bool] = True
    """Whether what somebody else made may stop it until it is taken away; else it is to go on beside it."""
    refuge: ClassVar[int] = 0
    """How many secrets for nobody it may be left with after a deletion, since it never goes without one."""

    in_vault: ClassVar[bool] = False
    """Whether it is Vault itself."""

    api: Api
    """Its contract server, where it speaks HTTP."""

    def __init__(self, environment: Environment, draw: random.Random) -> None:
        self.environment = environment
        self.timeline: Timeline = environment.timeline
        self.draw = draw
        self.theirs: dict[str, object] = {}
        """What somebody else made, by id, as they left it: it is to stay so."""
        self.foreign: set[str] = set()
        """The ids of all that somebody else ever made."""
        self.ended: set[str] = set()
        """Values of ours that somebody else has put an end to."""
        self.known: set[str] = set()
        """All values that the ring ever had."""
        self.undo: list[Callable[[], None]] = []
        """How somebody else would put right what they did, where rotator cannot."""

    def _seconds(self) -> float:
        return self.timeline.now.timestamp()

    # --- what is declared -------------------------------------------------------------------------------------

    @abstractmethod
    def credential(self) -> Mapping[str, Any]:
        """Return the declared credential."""

    @abstractmethod
    def verifier(self) -> Mapping[str, Any]:
        """Return the declared verifier."""

    def begin(self, bao: Bao, name: str) -> None:
        """Make what a life of this name needs in Vault: nothing, but for Vault itself."""
        del bao, name

    def connections(self, middle: Middle) -> Mapping[str, Any]:
        """Return the connections to it, as `World` names them."""
        pool = ProviderPool(self.system, self.api, middle, lambda: self.timeline.now)
        return {"connect_http": lambda _: pool}

    def changed(self, call: Call) -> None:
        """Note that a call was performed, where that has to be known."""
        del call

    def besides(self) -> Mapping[str, Any]:
        """Return what else is declared in the spec."""
        return {}

    # --- what is there, in truth --------------------------------------------------------------------------------

    @abstractmethod
    def present(self) -> Mapping[str, str]:
        """Return the value of everything that is there, by id; also of what is not in force."""

    @abstractmethod
    def valid(self) -> Sequence[str]:
        """Return the values that are let in."""

    def value(self, fields: Mapping[str, str]) -> str:
        """Return what tells one version from another, of material or of what a holder has; empty: there is none yet."""
        return fields.get("client_secret", "")

    def secrets(self, material: Mapping[str, str]) -> Iterator[str]:
        """Yield what is secret in material."""
        yield from (material[n] for n in ("client_secret", "private_key", "password") if n in material)

    def ours(self) -> list[str]:
        """Return the values of all that somebody else did not make."""
        return [value for key, value in self.present().items() if key not in self.foreign]

    @abstractmethod
    def accepted(self, fields: Mapping[str, str]) -> bool:
        """Log in as a holder does, at every node."""

    # --- somebody else ------------------------------------------------------------------------------------------

    @abstractmethod
    def add_theirs(self) -> bool:
        """Make a secret as an administrator would, if there is room; return whether it was made."""

    @abstractmethod
    def take(self, key: str) -> None:
        """Take a secret away as an administrator would, by its id."""

    @abstractmethod
    def record(self, key: str) -> object:
        """Return all that is kept of a secret."""

    def leave(self, key: str) -> None:
        """Note what somebody else has made."""
        self.foreign.add(key)
        self.theirs[key] = self.record(key)

    def forgive(self) -> None:
        """Say that what somebody else has just done could not be known for theirs."""
        self.theirs.clear()

    def cure(self) -> None:
        """Do what the message of a frozen rotation asks for: undo it, or take away one of theirs."""
        if self.undo:
            self.undo.pop()()
            return
        for key in [*self.theirs, *sorted(self.foreign & set(self.present()))][:1]:
            self.theirs.pop(key, None)
            if key in self.present():
                self.take(key)

    def take_newest(self) -> None:
        """Take away the newest that is not theirs, if there is any."""
        newest = [key for key in self.present() if key not in self.foreign][-1:]
        with self.noting_what_ends():
            for key in newest:
                self.take(key)

    def exchange(self) -> None:
        """Replace the newest that is not theirs by one of theirs."""
        self.take_newest()
        self.add_theirs()

    @contextlib.contextmanager
    def noting_what_ends(self) -> Iterator[None]:
        """Note the values that somebody else puts an end to meanwhile."""
        before = set(self.valid())
        yield
        self.ended |= before - set(self.valid())

    def is_named_in(self, reason: str) -> bool:
        """Whether the reason of a freeze says that somebody else's secret is what stands in the way."""
        return any(key in reason for key in self.foreign)

    def slow_down(self) -> None:
        """From now on changes come to the nodes one after the other; where it has one node, nothing changes."""
        return

    def intact(self) -> bool:
        """Whether all of theirs is as they left it."""
        present = self.present()
        return all(key in present and self.record(key) == kept for key, kept in self.theirs.items())

    # --- refusals -----------------------------------------------------------------------------------------------

    def limited(self) -> Answer:
        """Return the answer of a provider that was asked too often."""
        return Answer(429, {"Retry-After": "2"}, b"{}")

    def log_in(self, address: str, fields: Mapping[str, str], **asked: str) -> bool:
        """Ask for a token by the client credentials grant with a secret (RFC 6749, sections 2.3.1 and 4.4)."""
        pair = f"{quote_plus(fields['client_id'])}:{quote_plus(fields['client_secret'])}"
        headers = {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        body = urlencode({"grant_type": "client_credentials", **asked}).encode()
        return self.api.handle(Asked("POST", urlsplit(address).path, {}, headers, body)).status == 200


class Clock(Virtual):
    """The timeline as the contract servers want it."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self._timeline = timeline

    def now(self) -> datetime:
        """Return the instant."""
        return self._timeline.now
