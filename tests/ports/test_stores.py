"""Every store keeps the contract; and what only one of them can be asked."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from rotator import kinds
from rotator.clients.clock import RunClock
from rotator.core.reading import Unreadable
from rotator.errors import Frozen, Rejected
from rotator.kinds import Address
from rotator.ports import Store
from rotator.systems.kubernetes.store import SECRET_TYPE, KubernetesStore
from rotator.systems.vault.client import Vault
from rotator.systems.vault.store import VaultStore
from tests.clusters import Served
from tests.core.rings import STABLE
from tests.faults.environment import Bao
from tests.ports.store_contract import ENTRY, SECRET, Places, StorePlace, StoreTests
from tests.vaults import address, connected, logged_in

pytest_plugins = ["tests.apis"]
_names = itertools.count()


@dataclass(frozen=True)
class VaultPlace:
    """A path under the rotator's mount."""

    bao: Bao
    vault: Vault
    path: str

    def store(self) -> VaultStore:
        """Return the store."""
        return VaultStore(self.vault, "rotator", self.path)

    def shown(self) -> Mapping[str, bytes] | None:
        """Read as root."""
        fields = self.bao.server.call("GET", f"rotator/data/{self.path}")["data"]["data"]
        return {name: value.encode() for name, value in fields.items()}

    def overwrite(self, fields: Mapping[str, bytes]) -> None:
        """Write as root, at the current version."""
        body = {"options": {"cas": self.current()}, "data": {n: v.decode() for n, v in fields.items()}}
        self.bao.server.call("POST", f"rotator/data/{self.path}", body)

    def remove(self) -> None:
        """`kv metadata delete`."""
        self.bao.server.call("DELETE", f"rotator/metadata/{self.path}")

    def current(self) -> int:
        """Return the current version's number."""
        version: int = self.bao.server.call("GET", f"rotator/metadata/{self.path}")["data"]["current_version"]
        return version

    def readable(self) -> list[int]:
        """Return the versions whose data root can read, one by one."""
        return [n for n in range(1, self.current() + 1) if self._readable(n)]

    def _readable(self, number: int) -> bool:
        try:
            self.bao.server.call("GET", f"rotator/data/{self.path}?version={number}")
        except RuntimeError as error:
            assert "HTTP 404" in str(error)  # noqa: PT017 - the sandbox has one class for all failures
            return False
        return True


class TestVaultStore(StoreTests):
    """The store in a real OpenBao, with exactly the shipped policy."""

    @pytest.fixture(scope="class")
    @classmethod
    def places(cls, bao: Bao) -> Iterator[Places]:
        """Return what makes paths."""
        vault = logged_in(bao)
        yield lambda: VaultPlace(bao, vault, f"stores/{next(_names)}")
        vault.close()

    @pytest.fixture
    def path(self, places: Places) -> VaultPlace:
        """Return a new path."""
        place = places()
        assert isinstance(place, VaultPlace)
        return place

    @pytest.fixture
    def with_history(self, bao: Bao, path: VaultPlace) -> Iterator[VaultPlace]:
        """Return a path whose mount keeps ten versions, whatever the document asks for, and that has four."""
        bao.server.call("POST", "rotator/config", {"max_versions": 10})
        entry = ENTRY
        for revision in range(4):
            entry = path.store().save(replace(entry, ring=replace(STABLE, revision=revision)))
        yield path
        bao.server.call("POST", "rotator/config", {"max_versions": 0})

    def test_a_new_document_keeps_one_version_and_asks_for_check_and_set(self, path: VaultPlace) -> None:
        """So it is from the first save on: no history (I8), no unfenced write (I5), and it says whose it is."""
        path.store().save(ENTRY)
        metadata = path.bao.server.call("GET", f"rotator/metadata/{path.path}")["data"]
        assert (metadata["max_versions"], metadata["cas_required"]) == (1, True)
        assert metadata["custom_metadata"] == {"rotation": STABLE.rotation, "owner": "rotator"}

    def test_no_older_version_is_kept_after_a_save(self, path: VaultPlace) -> None:
        """With one version kept, root reads the last save only."""
        entry = path.store().save(ENTRY)
        for revision in range(3):
            entry = path.store().save(replace(entry, ring=replace(STABLE, revision=revision)))
        assert path.readable() == [4]
        assert path.store().erase_history(act=False)

    def test_looking_for_history_erases_none(self, with_history: VaultPlace) -> None:
        """A plan says that there is history, and leaves it."""
        assert not with_history.store().erase_history(act=False)
        assert with_history.readable() == [1, 2, 3, 4]

    def test_erased_history_cannot_be_read_nor_undeleted(self, with_history: VaultPlace) -> None:
        """Not even root reads an older version, and undelete brings none back; the current one is as it was."""
        before = with_history.store().load()
        assert with_history.store().erase_history(act=True)
        with_history.bao.server.call("POST", f"rotator/undelete/{with_history.path}", {"versions": [1, 2, 3]})
        assert with_history.readable() == [4]
        assert with_history.store().erase_history(act=False)
        assert with_history.store().load() == before

    def test_a_deleted_older_version_is_history_too(self, with_history: VaultPlace) -> None:
        """What is deleted can be undeleted, so it counts as readable until it is destroyed."""
        with_history.bao.server.call("POST", f"rotator/delete/{with_history.path}", {"versions": [1, 2, 3]})
        assert not with_history.store().erase_history(act=False)
        assert with_history.store().erase_history(act=True)
        with_history.bao.server.call("POST", f"rotator/undelete/{with_history.path}", {"versions": [1, 2, 3]})
        assert with_history.readable() == [4]

    def test_a_deleted_ring_is_no_new_beginning_and_comes_back_by_undelete(self, path: VaultPlace) -> None:
        """`kv delete` makes it unreadable, and the message says how to get it back."""
        saved = path.store().save(ENTRY)
        path.bao.server.call("DELETE", f"rotator/data/{path.path}")
        with pytest.raises(Unreadable, match="kv undelete"):
            path.store().load()
        path.bao.server.call("POST", f"rotator/undelete/{path.path}", {"versions": [1]})
        assert path.store().load() == saved

    def test_a_destroyed_ring_is_no_new_beginning(self, path: VaultPlace) -> None:
        """`kv destroy` of the current version makes it unreadable, not absent."""
        path.store().save(ENTRY)
        path.bao.server.call("PUT", f"rotator/destroy/{path.path}", {"versions": [1]})
        with pytest.raises(Unreadable):
            path.store().load()

    def test_a_mount_without_versions_is_refused(self, bao: Bao) -> None:
        """KV version 1 takes every write and has no check-and-set: it is said to be the wrong mount."""
        if "first/" not in bao.server.call("GET", "sys/mounts")["data"]:
            bao.server.call("POST", "sys/mounts/first", {"type": "kv", "options": {"version": "1"}})
        vault = connected(address(bao) | {"VAULT_TOKEN": bao.server.root_token}, RunClock())
        store = VaultStore(vault, "first", f"stores/{next(_names)}")
        with pytest.raises(Rejected, match="KV version 2"):
            store.save(ENTRY)
        with pytest.raises(Rejected, match="KV version 2"):
            store.load()
        vault.close()

    def test_the_label_is_mount_and_path(self, path: VaultPlace) -> None:
        """As people type it after `bao kv get`."""
        assert path.store().label == f"vault rotator/{path.path}"


@dataclass(frozen=True)
class SecretPlace:
    """A name in a namespace of its own."""

    api: Served
    namespace: str
    name: str = "rotation-key"

    def store(self) -> Store:
        """Return the store."""
        return KubernetesStore(self.api.client(), Address(kinds.SECRET, self.namespace, self.name))

    def shown(self) -> Mapping[str, bytes] | None:
        """Read as the administrator."""
        return {name: base64.b64decode(text) for name, text in self.document()["data"].items()}

    def overwrite(self, fields: Mapping[str, bytes]) -> None:
        """Replace the data."""
        data = {name: base64.b64encode(value).decode() for name, value in fields.items()}
        self.api.ask("PUT", self._path(), {**self.document(), "data": data})

    def remove(self) -> None:
        """Delete the Secret."""
        self.api.ask("DELETE", self._path())

    def document(self) -> dict[str, Any]:
        """Read the whole object."""
        document: dict[str, Any] = self.api.ask("GET", self._path())
        return document

    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/secrets/{self.name}"


class KubernetesStoreTests(StoreTests):
    """The contract, and what is true of any Kubernetes API."""

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
        return lambda: SecretPlace(api, namespace, f"rotation-key-{next(_names)}")

    def test_it_is_one_secret_of_a_type_of_its_own(self, place: StorePlace) -> None:
        """Selectors find it, and its type keeps workloads from mounting it by mistake for theirs."""
        place.store().save(ENTRY)
        assert isinstance(place, SecretPlace)
        document = place.document()
        assert document["type"] == SECRET_TYPE
        assert document["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "rotator"}

    @pytest.mark.parametrize("field", ["ring", "material", "writer"])
    def test_octets_that_are_no_text_are_unreadable(self, place: StorePlace, field: str) -> None:
        """A Secret may hold any octets; ours hold UTF-8."""
        place.store().save(ENTRY)
        place.overwrite({**(place.shown() or {}), field: SECRET.encode() + b"\xff\xfe"})
        with pytest.raises(Unreadable) as caught:
            place.store().load()
        assert SECRET not in f"{caught.value!s} {caught.value!r}"

    def test_a_missing_namespace_is_named(self, api: Served) -> None:
        """There is nowhere to create the Secret: a person has to know which namespace is missing."""
        with pytest.raises(Frozen, match="the namespace nowhere does not exist"):
            SecretPlace(api, "nowhere").store().save(ENTRY)


class TestKubernetesStoreOnTheEmulator(KubernetesStoreTests):
    """The store on the emulator in this process."""

    @pytest.fixture(scope="class")
    @classmethod
    def api(cls, emulator: Served) -> Served:
        """Return the emulator."""
        return emulator


class TestKubernetesStoreOnAKubeApiserver(KubernetesStoreTests):
    """The store on a real kube-apiserver."""

    @pytest.fixture(scope="class")
    @classmethod
    def api(cls, kube_apiserver: Served) -> Served:
        """Return the real one."""
        return kube_apiserver
