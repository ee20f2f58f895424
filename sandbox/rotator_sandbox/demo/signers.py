"""Programs that sign or log in: one in each pod with what it was started with, and some that read it again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rotator_sandbox.demo.api import Api, ApiUnavailableError, Json
from rotator_sandbox.demo.ledger import Ledger
from rotator_sandbox.demo.tokens import Key
from rotator_sandbox.demo.workers import Workers

POLL = 0.12
"""Between two looks at the pods."""

Read = Callable[[], Key | None]


@dataclass(frozen=True, slots=True)
class Deed:
    """What a program did once with its key: a token it signed, a login it tried."""

    at: float
    """When it was done."""
    count: Callable[[], None]
    """Lets it count: sends the token out, notes the login."""


@dataclass(frozen=True, slots=True)
class Work:
    """What programs of one kind do, again and again."""

    read: Read
    do: Callable[[Key, str], Deed]
    """Takes the key and the program's name."""
    pause: float
    """Between two deeds of one program, in seconds."""


@dataclass
class PodProgram:
    """What runs in one pod. It reads its key once, when it starts, and works until its pod is gone.

    What it does counts only after the pod was seen to exist at a later instant: what is done between the end of a
    pod and our next look at it was never done in a cluster.
    """

    pod: str
    work: Work
    ledger: Ledger
    _pending: list[Deed] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    gone: threading.Event = field(default_factory=threading.Event)

    def run(self, stop: threading.Event) -> None:
        """Start, as soon as there is a key, and work."""
        key = None
        while key is None and not (stop.is_set() or self.gone.wait(POLL / 4)):
            key = self.work.read()
        if key is None:
            return
        self.ledger.met(key)
        while not (stop.is_set() or self.gone.wait(self.work.pause)):
            deed = self.work.do(key, self.pod)
            with self._lock:
                self._pending.append(deed)

    def alive(self, seen: float) -> None:
        """The pod existed at `seen`: what was done before counts."""
        with self._lock:
            done = [deed for deed in self._pending if deed.at < seen]
            self._pending = self._pending[len(done) :]
        for deed in done:
            deed.count()


@dataclass
class Pods:
    """Looks at the pods of the namespace, and runs a program for each that uses one of our Secrets."""

    api: Api
    workers: Workers
    ledger: Ledger
    works: Mapping[str, Work]
    """By the name of the Secret that a pod's environment refers to."""
    _programs: dict[str, PodProgram] = field(default_factory=dict)

    def look(self) -> None:
        """Start programs in new pods, and end those whose pods are gone."""
        seen = time.time()
        try:
            pods = {pod["metadata"]["uid"]: pod for pod in self.api.pods()}
        except ApiUnavailableError:
            return
        for uid in self._programs.keys() - pods.keys():
            self._programs.pop(uid).gone.set()
        for uid, pod in pods.items():
            if uid in self._programs:
                self._programs[uid].alive(seen)
            elif secret := _secret_of(pod, self.works):
                self._start(uid, pod["metadata"]["name"], secret)

    def _start(self, uid: str, name: str, secret: str) -> None:
        program = PodProgram(name, self.works[secret], self.ledger)
        self._programs[uid] = program
        self.workers.start(lambda: program.run(self.workers.stop), f"pod {name}")


def _secret_of(pod: Json, wanted: Mapping[str, Work]) -> str | None:
    for container in pod["spec"]["containers"]:
        for env in container.get("env") or ():
            name = ((env.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name")
            if name in wanted:
                return str(name)
    return None


@dataclass
class Rereader:
    """A program that is never restarted: it reads its key again, and never uses one longer than it promised."""

    name: str
    work: Work
    within: float
    """The pick-up time that the policy declares, in seconds."""
    ledger: Ledger

    def run(self, stop: threading.Event) -> None:
        """Read and work; what was not done in time does not count."""
        key, read, again = None, 0.0, 0.0
        while not stop.wait(self.work.pause):
            now = time.monotonic()
            if now >= again:
                key, read, again = self.work.read(), now, now + self.within * 0.9
            if key and time.monotonic() < read + self.within:
                self.ledger.met(key)
                deed = self.work.do(key, self.name)
                if time.monotonic() < read + self.within:
                    deed.count()
