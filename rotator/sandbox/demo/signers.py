"""Programs that sign: one in each pod with the key it was started with, and some that read their key again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rotator.sandbox.demo.api import Api, ApiUnavailableError, Json
from rotator.sandbox.demo.crew import Crew
from rotator.sandbox.demo.ledger import Ledger
from rotator.sandbox.demo.tokens import Key, Token

PAUSE = 0.04
"""Between two tokens of one program, in seconds."""
POLL = 0.12
"""Between two looks at the pods."""

Read = Callable[[], Key | None]
Release = Callable[[Token], None]


@dataclass
class PodProgram:
    """What runs in one pod. It reads its key once, when it starts, and signs until its pod is gone.

    A token goes out only after the pod was seen to exist at a later instant: what is signed between the end of a
    pod and our next look at it was never signed in a cluster.
    """

    pod: str
    read: Read
    ledger: Ledger
    release: Release
    _pending: list[Token] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    gone: threading.Event = field(default_factory=threading.Event)

    def run(self, stop: threading.Event) -> None:
        """Start, as soon as there is a key, and sign."""
        key = None
        while key is None and not (stop.is_set() or self.gone.wait(POLL / 4)):
            key = self.read()
        if key is None:
            return
        self.ledger.met(key)
        while not (stop.is_set() or self.gone.wait(PAUSE)):
            token = key.sign(self.pod)
            with self._lock:
                self._pending.append(token)

    def alive(self, seen: float) -> None:
        """The pod existed at `seen`: what was signed before goes out."""
        with self._lock:
            out = [t for t in self._pending if t.signed < seen]
            self._pending = self._pending[len(out) :]
        self.ledger.sign(len(out))
        for token in out:
            self.release(token)


@dataclass
class Pods:
    """Looks at the pods of the namespace, and runs a program for each that uses one of our Secrets."""

    api: Api
    crew: Crew
    ledger: Ledger
    readers: dict[str, Read]
    """By the name of the Secret that a pod's environment refers to."""
    release: dict[str, Release]
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
            elif secret := _secret_of(pod, self.readers):
                self._start(uid, pod["metadata"]["name"], secret)

    def _start(self, uid: str, name: str, secret: str) -> None:
        program = PodProgram(name, self.readers[secret], self.ledger, self.release[secret])
        self._programs[uid] = program
        self.crew.start(lambda: program.run(self.crew.stop), f"pod {name}")


def _secret_of(pod: Json, wanted: dict[str, Read]) -> str | None:
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
    read: Read
    within: float
    """The pick-up time that the policy declares, in seconds."""
    ledger: Ledger
    release: Release

    def run(self, stop: threading.Event) -> None:
        """Read and sign."""
        key, read, again = None, 0.0, 0.0
        while not stop.wait(PAUSE):
            now = time.monotonic()
            if now >= again:
                key, read, again = self.read(), now, now + self.within * 0.9
            if key and time.monotonic() < read + self.within:
                self.ledger.met(key)
                self.ledger.sign(1)
                self.release(key.sign(self.name))
