"""A rotated key reaches real agents: files are rendered anew, a service is signalled, and no token is ever refused.

The rotation's time is virtual, the agents' is real: before virtual time passes, what a minute would do is waited for.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import jwt
import pytest

from rotator.clients.connections import Connections, verified
from rotator.policy.files import load
from rotator.policy.model import RotationPolicy
from rotator.policy.vault_access import grants, hcl
from rotator_sandbox.openbao import OpenBao, find_bao
from rotator_sandbox.processes import ServerProcess
from tests.faults.environment import Bao
from tests.trial import Trial

EXAMPLE = Path(__file__).parents[2] / "examples" / "vault-agent"
FOLDERS = ("/etc/payments", "/run/payments")
INTERVAL = 'static_secret_render_interval = "1m"'
PATIENCE = 60.0
"""Seconds until something that has to happen counts as not happening."""


def until(done: Callable[[], bool], what: str) -> None:
    """Wait for something real."""
    give_up = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < give_up, f"not within {PATIENCE} s: {what}"
        time.sleep(0.05)


@dataclass
class Agent:
    """A `bao agent` with the example's configuration, and a role that has exactly the example's policy."""

    name: str
    server: OpenBao
    folder: Path
    process: ServerProcess = field(init=False)

    def __post_init__(self) -> None:
        """Log in and render; a second stands for the minute of the example."""
        self.folder.mkdir()
        self._role()
        config = (EXAMPLE / f"{self.name}.hcl").read_text()
        assert INTERVAL in config
        config = config.replace(INTERVAL, INTERVAL.replace("1m", "1s"))
        for folder in FOLDERS:
            config = config.replace(folder, str(self.folder))
        (self.folder / "agent.hcl").write_text(config)
        env = {
            "VAULT_ADDR": self.server.address,
            "VAULT_CACERT": self.server.ca_file,
            "HOME": str(self.folder),
            "PATH": os.defpath,
        }
        arguments = [find_bao(), "agent", f"-config={self.folder}/agent.hcl"]
        self.process = ServerProcess(arguments, self.folder / "agent.log", env)

    def _role(self) -> None:
        """Make the role: the example's policy, and the `default` one, by which agents renew their tokens."""
        policy = (EXAMPLE / f"{self.name}-policy.hcl").read_text()
        role, secret = self.server.app_role(self.name, policy=policy)
        settings = {"token_policies": self.name, "token_no_default_policy": False, "token_ttl": "1h"}
        self.server.call("POST", f"auth/approle/role/{self.name}", settings)
        (self.folder / "role-id").write_text(role)
        (self.folder / "secret-id").write_text(secret)

    def rendered(self, name: str) -> Any:
        """Read a rendered file."""
        return json.loads((self.folder / name).read_text())

    def everything(self) -> str:
        """Return all that lies below the folder: the agent's log, and Vault's `.cache` of an agent at home here."""
        return "\n".join(p.read_text(errors="replace") for p in self.folder.rglob("*") if p.is_file())


@dataclass
class Town:
    """A rotation, the service that signs and the one that verifies, each with its agent."""

    trial: Trial
    policy: RotationPolicy
    signer: Agent
    verifier: Agent
    tokens: dict[str, datetime] = field(default_factory=dict)
    """Every token that was made, and when it expires."""

    def step(self) -> bool:
        """Do one run; look at once, and when the agents have followed; let time pass. False where all is stable."""
        outcome = self.trial.run(self.policy)
        self.verify()
        until(self.is_followed, "the agents render what Vault holds")
        self.verify()
        if outcome.reason.startswith("the next rotation"):
            return False
        self.trial.wait(outcome)
        self.verify()
        return True

    def verify(self) -> None:
        """Make a token, and see every token that has not expired accepted by what the verifier has."""
        now = self.trial.timeline.now
        life = self.policy.spec.overlap.token_ttl
        self.tokens[(self.signer.folder / "token").read_text()] = now + life
        keys = jwt.PyJWKSet.from_dict(self.verifier.rendered("jwks.json"))
        for token, expires in self.tokens.items():
            if now < expires:
                kid = jwt.get_unverified_header(token)["kid"]
                assert jwt.decode(token, keys[kid].key, algorithms=["ES256"]) == {"sub": "somebody"}

    def held(self) -> Any:
        """Return what Vault holds for the signer."""
        return self.trial.vault("secret/data/payments/jwt")["data"]

    def is_followed(self) -> bool:
        """Whether files and service are as Vault has it."""
        held = self.held()
        jwks = json.loads(self.trial.vault("secret/data/payments/jwks")["data"]["jwks.json"])
        previous = held.get("previous_jwk")
        wanted = {"current": json.loads(held["jwk"])} | (
            {"previous": json.loads(previous)} if previous else {}
        )
        header = jwt.get_unverified_header((self.signer.folder / "token").read_text())
        return (self.signer.rendered("signing-key.json"), self.verifier.rendered("jwks.json")) == (
            wanted,
            jwks,
        ) and header["kid"] == held["kid"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OpenBao]:
    """An OpenBao of its own: the example says which paths it uses."""
    (tmp_path / "bao").mkdir()
    made = OpenBao(tmp_path / "bao")
    yield made
    made.stop()


@pytest.fixture
def town(server: OpenBao, tmp_path: Path) -> Iterator[Town]:
    """The example at work: the first version is delivered, both agents have rendered it, the service signs."""
    (policy,) = load([EXAMPLE / "rotation.yaml"])
    role, secret = server.app_role(policy=hcl(grants([policy])))
    trial = Trial(Bao(server, role, secret, Connections(verified(server.ca_file))))
    trial.run(policy)
    signer = Agent("signer", server, tmp_path / "signer")
    verifier = Agent("verifier", server, tmp_path / "verifier")
    key, token = signer.folder / "signing-key.json", signer.folder / "token"
    processes = [signer.process, verifier.process]
    try:
        until(key.exists, "the signer's file is rendered")
        until((verifier.folder / "jwks.json").exists, "the verifier's file is rendered")
        program = Path(__file__).parent / "service.py"
        arguments = [sys.executable, str(program), str(key), str(token), str(signer.folder / "pid")]
        processes.append(ServerProcess(arguments, signer.folder / "service.log"))
        until(token.exists, "the service signs")
        yield Town(trial, policy, signer, verifier)
    finally:
        for process in processes:
            process.stop()


def test_agents_and_service_follow_a_whole_life_and_nothing_of_the_old_key_is_left(town: Town) -> None:
    """Current and previous are rendered while both are accepted; every token is accepted until it expires."""
    while town.step():
        pass
    assert "previous" not in town.signer.rendered("signing-key.json")
    first = town.held()
    private = json.loads(first["jwk"])["d"]
    assert private in town.signer.everything()
    town.trial.timeline.pass_by(town.policy.spec.every)
    shown = []
    while town.step():
        keys = town.signer.rendered("signing-key.json")
        accepted = [k["kid"] for k in town.verifier.rendered("jwks.json")["keys"]]
        shown.append((keys["current"]["kid"], keys.get("previous", {}).get("kid"), accepted))
    old, new = first["kid"], town.held()["kid"]
    assert list(dict.fromkeys(map(repr, shown))) == [
        repr((old, None, [old, new])),  # published
        repr((new, old, [old, new])),  # active; the old one is accepted
        repr((new, None, [new])),  # withdrawn; it may be in a verifier's cache
    ]
    assert town.signer.rendered("signing-key.json").keys() == {"current"}
    assert [k["kid"] for k in town.verifier.rendered("jwks.json")["keys"]] == [new]
    assert private not in town.signer.everything() + town.verifier.everything()
    assert len(town.tokens) > 2


def test_a_consumer_reads_its_document_and_nothing_else(town: Town) -> None:
    """The verifier's agent cannot read the key that signs; nobody reads the ring, its history, or another path."""
    server = town.trial.bao.server
    asked = [
        "secret/data/payments/jwt",
        "secret/data/payments/jwks",
        "secret/metadata/payments/jwt",
        "secret/metadata/payments/",
        "rotator/data/payments/jwt",
        "rotator/metadata/payments/jwt",
        "sys/mounts",
    ]
    found = {}
    for agent in (town.signer, town.verifier):
        login = {
            "role_id": (agent.folder / "role-id").read_text(),
            "secret_id": (agent.folder / "secret-id").read_text(),
        }
        token = server.call("POST", "auth/approle/login", login)["auth"]["client_token"]
        answer = server.call("POST", "sys/capabilities", {"token": token, "paths": asked})["data"]
        found[agent.name] = {p: answer[p] for p in asked if answer[p] != ["deny"]}
    assert found == {
        "signer": {"secret/data/payments/jwt": ["read"]},
        "verifier": {"secret/data/payments/jwks": ["read"]},
    }
