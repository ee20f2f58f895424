"""Every target keeps the contract; and what only one of them can be asked."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from rotator.core.sensitive import Sensitive
from rotator.errors import Frozen
from rotator.kinds import CONFIG_MAP, MANAGED_BY, SECRET, Address, Kind
from rotator.ports import Target
from rotator.systems.kubernetes.target import KubernetesObject
from rotator.systems.vault.client import Vault
from rotator.systems.vault.target import VaultPath
from tests.clusters import Served
from tests.faults.environment import Bao
from tests.ports.target_contract import (
    FIELDS,
    KEY,
    NAMES,
    NEXT,
    NOTE,
    OTHER_KEY,
    STAMP,
    Places,
    TargetPlace,
    TargetTests,
)
from tests.vaults import logged_in

pytest_plugins = ["tests.apis"]
_names = itertools.count()


@dataclass(frozen=True)
class ConsumersPath:
    """A path under the consumers' mount."""

    bao: Bao
    vault: Vault
    path: str

    def target(self) -> VaultPath:
        """Return the target."""
        return VaultPath(self.vault, "secret", self.path)

    def shown(self) -> Mapping[str, bytes]:
        """Read as root."""
        return {n: str(v).encode() for n, v in self.data().items()}

    def edit(self, fields: Mapping[str, Any]) -> None:
        """`bao kv patch`, or `kv put` where nothing is."""
        self._put({**self.data(), **fields})

    def scribble(self, name: str, text: str | None) -> None:
        """The stamp is fields of the document."""
        self._put({n: v for n, v in {**self.data(), name: text}.items() if v is not None})

    def remove(self) -> None:
        """`kv metadata delete`."""
        self.bao.server.call("DELETE", f"secret/metadata/{self.path}")

    def metadata(self) -> dict[str, Any]:
        """Return the metadata."""
        data: dict[str, Any] = self.bao.server.call("GET", f"secret/metadata/{self.path}")["data"]
        return data

    def data(self, version: int = 0) -> dict[str, Any]:
        """Return a version's fields as they are; 0: the current one."""
        try:
            answer = self.bao.server.call("GET", f"secret/data/{self.path}?version={version}")
        except RuntimeError as error:
            assert "HTTP 404" in str(error)  # noqa: PT017 - the sandbox has one class for all failures
            return {}
        data: dict[str, Any] = answer["data"]["data"]
        return data

    def _put(self, fields: Mapping[str, Any]) -> None:
        try:
            current = self.metadata()["current_version"]
        except RuntimeError:
            current = 0
        self.bao.server.call(
            "POST", f"secret/data/{self.path}", {"options": {"cas": current}, "data": fields}
        )


class TestVaultPath(TargetTests):
    """A path in a real OpenBao, with exactly the shipped policy."""

    @pytest.fixture(scope="class")
    @classmethod
    def places(cls, bao: Bao) -> Iterator[Places]:
        """Return what makes paths."""
        vault = logged_in(bao)
        yield lambda: ConsumersPath(bao, vault, f"targets/{next(_names)}")
        vault.close()

    @pytest.fixture
    def path(self, places: Places) -> ConsumersPath:
        """Return a new path."""
        place = places()
        assert isinstance(place, ConsumersPath)
        return place

    def test_its_metadata_tells_people_what_it_holds(self, path: ConsumersPath) -> None:
        """The note of the last write can be read without reading a secret; no history is kept."""
        target = path.target()
        seen = target.write(FIELDS, STAMP, None, {**NOTE, "previous_version": "v0"})
        target.write(FIELDS, NEXT, seen, NOTE)
        metadata = path.metadata()
        noted = {f"rotator.dev/{name}": text for name, text in NOTE.items()}
        assert metadata["custom_metadata"] == {**noted, "rotator.dev/made": "true"}
        assert (metadata["max_versions"], metadata["cas_required"]) == (1, True)
        assert path.data(version=1) == {}

    def test_consumers_read_flat_texts(self, path: ConsumersPath) -> None:
        """Vault Agent, the CSI provider and External Secrets read every field as it stands."""
        path.target().write(FIELDS, STAMP, None, NOTE)
        assert path.data() == {
            "key": KEY,
            "kid": "v1",
            "rotation": "payments/jwt",
            "revision": "7",
            "version": "v1",
            "content_revision": "5",
            "since": "2026-01-01T12:30:01.000250Z",
        }

    def test_fields_of_others_need_not_be_texts(self, path: ConsumersPath) -> None:
        """Numbers, truth values, lists and objects of others stay what they are."""
        theirs = {"port": 5432, "tls": True, "none": None, "hosts": ["a", "b"], "limits": {"rate": 1.5}}
        path.edit(theirs)
        target = path.target()
        target.write(FIELDS, STAMP, target.read(NAMES), NOTE)
        after = path.data()
        assert {n: after.get(n, "gone") for n in theirs} == theirs

    def test_a_document_deleted_by_hand_is_written_again(self, path: ConsumersPath) -> None:
        """After `kv delete` it is there, without fields and stamp, and takes a write at its version."""
        target = path.target()
        written = target.write(FIELDS, STAMP, None, NOTE)
        path.bao.server.call("DELETE", f"secret/data/{path.path}")
        seen = target.read(NAMES)
        assert seen is not None
        assert (dict(seen.fields), seen.stamp, seen.fence) == ({}, None, written.fence)
        target.write(FIELDS, NEXT, seen, NOTE)
        assert path.data()["key"] == KEY

    def test_a_document_destroyed_by_hand_is_written_again(self, path: ConsumersPath) -> None:
        """`kv destroy` of the current version is no dead end either."""
        target = path.target()
        target.write(FIELDS, STAMP, None, NOTE)
        path.bao.server.call("PUT", f"secret/destroy/{path.path}", {"versions": [1]})
        target.write(FIELDS, NEXT, target.read(NAMES), NOTE)
        assert path.data()["key"] == KEY

    def test_a_destroyed_key_cannot_be_read_back(self, path: ConsumersPath) -> None:
        """Where the mount keeps history all the same, a look tells, and erasing is for good (I8)."""
        path.bao.server.call("POST", "secret/config", {"max_versions": 10})
        try:
            target = path.target()
            seen = target.write(FIELDS, STAMP, None, NOTE)
            target.write({"key": Sensitive(OTHER_KEY), "kid": Sensitive("v2")}, NEXT, seen, NOTE)
            assert not target.erase_history(act=False)
            assert path.data(version=1)["key"] == KEY
            assert target.erase_history(act=True)
            path.bao.server.call("POST", f"secret/undelete/{path.path}", {"versions": [1]})
            assert path.data(version=1) == {}
            assert path.data()["key"] == OTHER_KEY
            assert target.erase_history(act=False)
        finally:
            path.bao.server.call("POST", "secret/config", {"max_versions": 0})

    def test_what_was_there_before_us_stays_when_ours_goes(self, path: ConsumersPath) -> None:
        """Of a path that somebody else made, the metadata; our notes and every version with our fields go."""
        theirs = {"custom_metadata": {"owner": "team"}, "max_versions": 7}
        path.bao.server.call("POST", f"secret/metadata/{path.path}", theirs)
        target = path.target()
        seen = target.write(FIELDS, STAMP, None, NOTE)
        target.write(FIELDS, NEXT, seen, NOTE)
        last = target.read(NAMES)
        assert last is not None
        assert target.remove(NAMES, last) == ("the metadata, which others made",)
        assert [path.data(version) for version in (0, 1, 2)] == [{}, {}, {}]
        assert {name: path.metadata()[name] for name in theirs} == theirs
        again = target.read(NAMES)
        assert again is not None
        assert target.write(FIELDS, STAMP, again, NOTE).stamp == STAMP

    def test_fields_of_others_stay_when_ours_go(self, path: ConsumersPath) -> None:
        """And nothing of ours is left, neither fields nor notes."""
        target = path.target()
        target.write(FIELDS, STAMP, None, NOTE)
        path.edit({"remark": "theirs"})
        seen = target.read(NAMES)
        assert seen is not None
        assert target.remove(NAMES, seen) == ("remark",)
        assert path.data() == {"remark": "theirs"}
        assert path.metadata()["custom_metadata"] == {"rotator.dev/made": "true"}

    def test_the_label_is_mount_and_path(self, path: ConsumersPath) -> None:
        """As people type it after `bao kv get`."""
        assert path.target().label == f"vault secret/{path.path}"


@dataclass(frozen=True)
class ObjectPlace:
    """A name in a namespace."""

    api: Served
    kind: Kind
    namespace: str
    name: str

    def target(self) -> Target:
        """Return the target."""
        return KubernetesObject(self.api.client(), Address(self.kind, self.namespace, self.name))

    def shown(self) -> Mapping[str, bytes]:
        """Read as the administrator."""
        data = self.document()["data"]
        return {n: base64.b64decode(v) if self.kind is SECRET else v.encode() for n, v in data.items()}

    def edit(self, fields: Mapping[str, str]) -> None:
        """`kubectl edit`, or `kubectl create`."""
        data = (
            {n: base64.b64encode(v.encode()).decode() for n, v in fields.items()}
            if self.kind is SECRET
            else fields
        )
        self.change({"data": data})

    def change(self, changes: Mapping[str, Any]) -> None:
        """Merge `changes` into the object, or make it of them."""
        if self.api.ask("GET", self._path) is None:
            self.api.ask(
                "POST",
                self._path.rpartition("/")[0],
                {**changes, "metadata": {**changes.get("metadata", {}), "name": self.name}},
            )
        else:
            self.api.ask("PATCH", self._path, changes)

    def apply(self, manager: str, document: Mapping[str, Any]) -> None:
        """`kubectl apply --server-side --field-manager`: AssertionError for a conflict."""
        whole = {"apiVersion": self.kind.api, "kind": self.kind.name, **document}
        self.api.ask("APPLY", f"{self._path}?fieldManager={manager}", whole)

    def scribble(self, name: str, text: str | None) -> None:
        """`kubectl annotate`."""
        self.change({"metadata": {"annotations": {f"rotator.dev/{name.replace('_', '-')}": text}}})

    def remove(self) -> None:
        """`kubectl delete`."""
        self.api.ask("DELETE", self._path)

    def document(self) -> dict[str, Any]:
        """Read the whole object."""
        document: dict[str, Any] = self.api.ask("GET", self._path)
        return document

    @property
    def _path(self) -> str:
        return self.kind.path(self.namespace, self.name)


class KubernetesObjectTests(TargetTests):
    """The contract, and what is true of any Secret and ConfigMap."""

    kind: Kind

    @pytest.fixture(scope="class")
    @classmethod
    def api(cls) -> Served:
        """Return the API."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def places(cls, api: Served) -> Places:
        """Return what makes names in one namespace."""
        namespace = api.namespace()
        return lambda: ObjectPlace(api, cls.kind, namespace, f"key-{next(_names)}")

    @pytest.fixture
    def thing(self, place: TargetPlace) -> ObjectPlace:
        """Return a new name."""
        assert isinstance(place, ObjectPlace)
        return place

    @pytest.mark.parametrize(
        "others", [{"team": "payments"}, {MANAGED_BY: "Helm"}, {MANAGED_BY: "rotator"}, {}]
    )
    def test_it_is_marked_and_keeps_the_labels_of_others(
        self, thing: ObjectPlace, others: dict[str, str]
    ) -> None:
        """So a list of metadata finds it, and nobody's selector loses it. Who made it goes on saying so."""
        thing.change({"metadata": {"labels": others, "annotations": {"remark": "theirs"}}})
        target = thing.target()
        seen = target.write(FIELDS, STAMP, target.read(NAMES), NOTE)
        assert thing.document()["metadata"]["labels"] == {**others, "rotator.dev/managed": "true"}
        target.write(FIELDS, NEXT, seen, NOTE)
        metadata = thing.document()["metadata"]
        assert metadata["labels"] == {**others, "rotator.dev/managed": "true"}
        assert metadata["annotations"]["remark"] == "theirs"

    def test_what_rotator_made_says_so(self, thing: ObjectPlace) -> None:
        """By the label that people and tools know."""
        thing.target().write(FIELDS, STAMP, None, NOTE)
        labels = thing.document()["metadata"]["labels"]
        assert labels == {MANAGED_BY: "rotator", "rotator.dev/managed": "true"}

    @pytest.mark.parametrize("others", [{MANAGED_BY: "Helm"}, {}])
    def test_what_others_made_stays_also_where_it_holds_our_fields_alone(
        self, thing: ObjectPlace, others: dict[str, str]
    ) -> None:
        """Whoever made it knows it by name, and finds it as it was without our fields."""
        thing.change({"metadata": {"labels": others, "annotations": {"remark": "theirs"}}})
        target = thing.target()
        target.write(FIELDS, STAMP, target.read(NAMES), NOTE)
        seen = target.read(NAMES)
        assert seen is not None
        assert target.remove(NAMES, seen) == ("the object itself, which others made",)
        document = thing.document()
        assert not document.get("data")
        assert document["metadata"].get("labels", {}) == others
        assert document["metadata"]["annotations"] == {"remark": "theirs"}
        assert target.read(NAMES) is not None

    @pytest.mark.parametrize("others", [{MANAGED_BY: "Helm"}, {}])
    def test_nothing_of_ours_is_left_on_what_others_made(
        self, thing: ObjectPlace, others: dict[str, str]
    ) -> None:
        """Their fields, labels and annotations stay."""
        thing.change({"metadata": {"labels": others, "annotations": {"remark": "theirs"}}})
        thing.edit({"theirs": "1"})
        target = thing.target()
        target.write(FIELDS, STAMP, target.read(NAMES), NOTE)
        seen = target.read(NAMES)
        assert seen is not None
        assert target.remove(NAMES, seen) == ("theirs",)
        metadata = thing.document()["metadata"]
        assert metadata.get("labels", {}) == others
        assert metadata["annotations"] == {"remark": "theirs"}
        assert thing.shown() == {"theirs": b"1"}

    def test_a_value_stays_when_its_first_owner_applies_it_no_more(self, thing: ObjectPlace) -> None:
        """A chart or a manifest drops what was taken over from it: rotator holds it as well by then."""
        theirs = {"metadata": {"name": thing.name, "labels": {MANAGED_BY: "Helm"}}}
        value = "eA==" if self.kind is SECRET else "x"
        thing.apply("helm", {**theirs, "data": {"key": value, "theirs": value}})
        target = thing.target()
        seen = target.read(NAMES)
        assert seen is not None
        target.write({"key": seen.fields["key"]}, STAMP, seen, NOTE)
        thing.apply("helm", {**theirs, "data": {"theirs": value}})
        assert thing.shown() == {"key": b"x", "theirs": b"x"}
        assert thing.document()["metadata"]["labels"] == {MANAGED_BY: "Helm", "rotator.dev/managed": "true"}

    def test_a_chart_that_never_held_the_value_is_applied_after_every_write(self, thing: ObjectPlace) -> None:
        """No field of its own was taken from it."""
        chart = {
            "metadata": {"name": thing.name, "labels": {MANAGED_BY: "Helm"}, "annotations": {"release": "a"}}
        }
        thing.apply("helm", chart)
        target = thing.target()
        seen = target.write(FIELDS, STAMP, target.read(NAMES), NOTE)
        thing.apply("helm", chart)
        target.write(FIELDS, NEXT, target.read(NAMES), NOTE)
        thing.apply("helm", chart)
        assert set(thing.shown()) == set(seen.fields)

    def test_a_missing_namespace_is_named(self, api: Served) -> None:
        """There is nowhere to create the object: a person has to know which namespace is missing."""
        with pytest.raises(Frozen, match="the namespace nowhere does not exist"):
            ObjectPlace(api, self.kind, "nowhere", "key").target().write(FIELDS, STAMP, None, NOTE)

    def test_the_label_is_what_kubectl_calls_it(self, thing: ObjectPlace) -> None:
        """People find the object by it."""
        assert thing.target().label == f"{self.kind.name.lower()} {thing.namespace}/{thing.name}"


class SecretTests(KubernetesObjectTests):
    """What is true of Secrets."""

    kind = SECRET

    def test_octets_that_are_no_text_survive(self, thing: ObjectPlace) -> None:
        """A Secret may hold any octets: ours come back as they were written, theirs stay as they are."""
        octets = b"\x00\xff\xfe\x80 any"
        thing.change({"data": {"theirs": base64.b64encode(octets).decode()}})
        target = thing.target()
        target.write({"key": Sensitive(octets)}, STAMP, target.read(NAMES), NOTE)
        seen = thing.target().read(["key", "theirs"])
        assert seen is not None
        assert seen.fields["key"].octets() == octets
        assert seen.fields["theirs"].octets() == octets
        assert thing.shown() == {"key": octets, "theirs": octets}

    def test_an_empty_value_is_a_value(self, thing: ObjectPlace) -> None:
        """It is not the same as no field."""
        written = thing.target().write({"key": Sensitive("")}, STAMP, None, NOTE)
        assert dict(written.fields) == {"key": Sensitive("")}
        assert thing.target().read(NAMES) == written


class ConfigMapTests(KubernetesObjectTests):
    """What is true of ConfigMaps."""

    kind = CONFIG_MAP

    def test_binary_data_of_others_is_kept(self, thing: ObjectPlace) -> None:
        """`binaryData` is not ours, and stays."""
        thing.change({"binaryData": {"theirs": base64.b64encode(b"\xff").decode()}})
        target = thing.target()
        target.write(FIELDS, STAMP, target.read(NAMES), NOTE)
        assert thing.document()["binaryData"] == {"theirs": base64.b64encode(b"\xff").decode()}


class OnTheEmulator:
    """In this process."""

    @pytest.fixture(scope="class")
    @classmethod
    def api(cls, emulator: Served) -> Served:
        """Return the emulator."""
        return emulator


class OnAKubeApiserver:
    """The real thing."""

    @pytest.fixture(scope="class")
    @classmethod
    def api(cls, kube_apiserver: Served) -> Served:
        """Return the real one."""
        return kube_apiserver


class TestSecretOnTheEmulator(OnTheEmulator, SecretTests):
    """A Secret on the emulator."""


class TestSecretOnAKubeApiserver(OnAKubeApiserver, SecretTests):
    """A Secret on a real kube-apiserver."""


class TestConfigMapOnTheEmulator(OnTheEmulator, ConfigMapTests):
    """A ConfigMap on the emulator."""


class TestConfigMapOnAKubeApiserver(OnAKubeApiserver, ConfigMapTests):
    """A ConfigMap on a real kube-apiserver."""
