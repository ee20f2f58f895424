"""What applications and their verifiers read: sets and files of several, marks on Secrets, lists and texts."""

from __future__ import annotations

import json
import time
from typing import Any

from rotator.core import jwk_set
from tests.field.cases import case
from tests.field.place import LONGEST_LIFE, SOON, Place, Wrong, named, same, secret

_THEIRS = (
    '{ "kty":"OKP", "crv":"Ed25519",\t"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid":"theirs" }'
)
_SET: dict[str, Any] = {"jwks": {"configMap": "platform", "shared": True, **SOON}}
_SIGNER: dict[str, Any] = {"credential": {"jwtSigningKey": {"algorithm": "EdDSA"}}}


def _holder(name: str) -> dict[str, Any]:
    return {"secret": {"name": name, "data": {"key": "private_key", "kid": "kid"}}, "pickUp": "1s"}


def _live_both(place: Place) -> None:
    begun, rows = time.monotonic(), place.run().rows
    while {row["phase"] for row in rows} != {"Stable"}:
        if any(row["result"] == "Frozen" for row in rows) or time.monotonic() - begun > LONGEST_LIFE:
            raise Wrong(f"they are not stable: {[row['reason'] for row in rows]}")
        time.sleep(0.5)
        rows = place.run().rows


def _theirs(place: Place) -> str:
    text = place.data("ConfigMap", "platform")["jwks.json"].decode()
    (found,) = [e for e in jwk_set.read(text).entries if e.kid == "theirs"]
    return text[found.start : found.end]


@case("10-shared-set")
def _(place: Place) -> None:
    """Two rotations and a key of others live in one JWK Set through a whole rotation; the key of others stays byte for byte."""
    text = f'{{"keys":[{_THEIRS}]}}'
    place.have({"kind": "ConfigMap", "metadata": {"name": "platform"}, "data": {"jwks.json": text}})
    for name in ("one", "other"):
        place.declare(name, **_SIGNER, verifiers=[_SET], holders=[_holder(name)])
    _live_both(place)
    place.rotate(name="one")
    _live_both(place)
    kids = [key["kid"] for key in place.keys("ConfigMap", "platform")]
    held = {place.data("Secret", name)["kid"].decode() for name in ("one", "other")}
    same("whose key comes first", kids[0], "theirs")
    same("the other keys", set(kids[1:]), held)
    same("the key of others", _theirs(place), _THEIRS)
    row = next(row for row in place.rotator("status", "-o", "json").rows if row["rotation"].endswith("/one"))
    named("who has keys there as well", " ".join(row["beside"]), "other", "theirs")


@case("10-shared-or-not")
def _(place: Place) -> None:
    """A set that one rotation shares and another takes for its own is refused with exit 2, before anything is asked."""
    place.declare("one", **_SIGNER, verifiers=[_SET], holders=[_holder("one")])
    alone = {"jwks": {"configMap": "platform", **SOON}}
    place.declare("other", **_SIGNER, verifiers=[alone], holders=[_holder("other")])
    ran = place.run()
    same("exit", ran.code, 2)
    named("the reason", ran.said, "configmap", "platform", "expected all of them to share it, or none")
    same("what exists", place.names("Secret") | place.names("Lease"), set())


@case("14-pem")
def _(place: Place) -> None:
    """Verifiers that read PEM find both keys in one file while two are accepted, and a file for each where each has its own."""
    one, each = (
        {"pem": {"configMap": "one", **SOON}},
        {"pem": {"configMap": "each", "perVersion": True, **SOON}},
    )
    place.declare(**_SIGNER, verifiers=[one, each], holders=[_holder("app")])
    place.live()
    ran = place.rotate()
    texts = place.data("ConfigMap", "one")["public_keys.pem"].decode()
    same("keys in one file", texts.count("BEGIN PUBLIC KEY"), 2)
    files = place.data("ConfigMap", "each")
    same("files", len(files), 2)
    same(
        "what is in them", "".join(sorted(f.decode() for f in files.values())), "".join(sorted(_each(texts)))
    )
    place.wait(ran)
    place.live()
    kid = place.data("Secret", "app")["kid"].decode()
    same("the files that are left", set(place.data("ConfigMap", "each")), {f"{kid}.pem"})


def _each(texts: str) -> list[str]:
    end = "-----END PUBLIC KEY-----\n"
    return [f"{part}{end}" for part in texts.split(end)[:-1]]


@case("14-labels")
def _(place: Place) -> None:
    """A Secret that rotator makes has the labels, the type and the fixed texts that its readers look for."""
    holder = {
        "secret": {
            "name": "app",
            "type": "kubernetes.io/basic-auth",
            "labels": {"konghq.com/credential": "basic-auth"},
            "texts": {"username": "edge"},
            "data": {"password": "value"},
        },
        "pickUp": "1s",
    }
    credential = {"sharedSecret": {"length": 40}}
    place.declare(
        credential=credential, verifiers=[{"acceptedList": {"secret": "accepted", **SOON}}], holders=[holder]
    )
    place.live()
    found = place.see("Secret", "app") or {}
    same("type", found["type"], "kubernetes.io/basic-auth")
    same("label", found["metadata"]["labels"].get("konghq.com/credential"), "basic-auth")
    same("user", place.data("Secret", "app")["username"], b"edge")


@case("14-labels-of-others")
def _(place: Place) -> None:
    """A Secret that others made keeps its labels and its type, whatever is declared."""
    place.have(secret("app", {"labels": {"team": "edge"}}, data={"user": "x"}, type="Opaque"))
    holder = {
        "secret": {"name": "app", "labels": {"team": "other"}, "data": {"token": "value"}},
        "pickUp": "1s",
    }
    place.declare(
        credential={"sharedSecret": {"length": 40}},
        verifiers=[{"acceptedList": {"secret": "accepted", **SOON}}],
        holders=[holder],
    )
    place.live()
    found = place.see("Secret", "app") or {}
    same("label", found["metadata"]["labels"]["team"], "edge")


@case("14-comma-newest-first")
def _(place: Place) -> None:
    """A list of values, the newest first, has two of them while two are accepted, and one before and after."""
    data = {"SECRETS": "${value},${previous.value}", "config.json": '{"secret": ${value|json}}'}
    place.declare(
        credential={"sharedSecret": {"length": 40}},
        verifiers=[{"acceptedList": {"secret": "accepted", **SOON}}],
        holders=[{"secret": {"name": "app", "data": data}, "pickUp": "1s"}],
    )
    place.live()
    before = place.data("Secret", "app")["SECRETS"].decode()
    place.wait(place.rotate())
    place.live("Overlap")
    both = place.data("Secret", "app")["SECRETS"].decode().split(",")
    same("how many there are, and which is last", (len(both), both[-1]), (2, before))
    place.live()
    same("what is left", place.data("Secret", "app")["SECRETS"].decode(), both[0])
    same("the document", json.loads(place.data("Secret", "app")["config.json"])["secret"], both[0])
