"""The fence of a restart: what a pod template refers to, and what it must not change."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from rotator.core.fence import KEPT, data_key, is_data_key, outdated
from rotator.kinds import CONFIG_MAP, SECRET
from rotator.systems.kubernetes.fence import Fence
from rotator.systems.kubernetes.readers import Source

Json = dict[str, Any]
OLD, NEW = data_key(4, "4.a"), data_key(7, "7.b")
SOURCE = Source(SECRET, "key")
FILES = frozenset({"jwt", "kid"})


def fence(key: str = NEW, *, alone: bool = False, source: Source = SOURCE) -> Fence:
    """Return the fence of a content."""
    return Fence(source=source, key=key, files=FILES, alone=alone)


def spec(container: Json, *volumes: Json, **more: Any) -> Json:
    """Return a pod spec with one container that reads `key`, and one that does not."""
    return {"containers": [{"name": "api", **container}, {"name": "log"}], "volumes": list(volumes), **more}


def put(of: Fence, before: Json) -> Json:
    """Return a pod spec once it refers to the key."""
    untouched = deepcopy(before)
    after = {**before, **of.put(before)}
    assert before == untouched
    return after


def references(container: Json) -> list[tuple[str, str]]:
    """Return the data keys that a container refers to by its environment."""
    refs = [e["valueFrom"]["secretKeyRef"] for e in container.get("env") or () if "valueFrom" in e]
    return [(ref["name"], ref["key"]) for ref in refs if is_data_key(ref["key"])]


BY_ENV = {"env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "key", "key": "jwt"}}}]}
BY_ENV_FROM = {"envFrom": [{"secretRef": {"name": "key"}}]}
MOUNTED = {"volumeMounts": [{"name": "v", "mountPath": "/etc/key"}]}
BY_FILE = {"volumeMounts": [{"name": "v", "mountPath": "/etc/jwt", "subPath": "jwt"}]}
BOTH_WAYS = {"volumeMounts": MOUNTED["volumeMounts"] + BY_FILE["volumeMounts"]}
FOLDER = {"name": "v", "secret": {"secretName": "key", "defaultMode": 256}}
LISTED = {"name": "v", "secret": {"secretName": "key", "items": [{"key": "jwt", "path": "jwt"}]}}
OTHER = {"name": "w", "secret": {"secretName": "other"}}
PROJECTED = {
    "name": "v",
    "projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "key"}}]},
}


@pytest.mark.parametrize(
    ("container", "volumes"),
    [(BY_ENV, []), (BY_ENV_FROM, []), (MOUNTED, [FOLDER]), (BY_FILE, [LISTED]), (MOUNTED, [PROJECTED])],
)
@pytest.mark.parametrize("group", ["containers", "initContainers"])
def test_every_container_that_reads_it_refers_to_the_key_and_others_do_not(
    container: Json, volumes: list[Json], group: str
) -> None:
    """Whatever way it reads it in, and in an init container too; what was there stays."""
    before = {group: [{"name": "api", **container}, {"name": "log"}], "volumes": [*volumes, OTHER]}
    assert not fence().holds(before)
    after = put(fence(), before)
    assert references(after[group][0]) == [("key", NEW)]
    assert after[group][1] == {"name": "log"}
    assert after["volumes"][-1] == OTHER
    assert all(env in after[group][0]["env"] for env in container.get("env", ()))
    assert fence().holds(after)


def test_the_next_content_replaces_the_reference_of_the_one_before() -> None:
    """There is one reference, and an older one holds nobody back."""
    after = put(fence(), put(fence(OLD), spec(BY_ENV)))
    assert references(after["containers"][0]) == [("key", NEW)]
    assert not fence().holds(put(fence(OLD), spec(BY_ENV)))


def test_what_refers_to_it_already_is_left_alone() -> None:
    """The same restart twice changes nothing."""
    for container, volume in ((BY_ENV, OTHER), (MOUNTED, FOLDER), (BY_FILE, FOLDER), (MOUNTED, PROJECTED)):
        for alone in (True, False):
            whole = put(fence(alone=alone), spec(container, volume))
            assert fence(alone=alone).put(whole) == {}


def test_an_optional_reference_is_no_fence() -> None:
    """A kubelet would start the container without the key."""
    after = put(fence(), spec(BY_ENV))
    after["containers"][0]["env"][-1]["valueFrom"]["secretKeyRef"]["optional"] = True
    assert not fence().holds(after)


def items(volume: Json) -> dict[str, str] | None:
    """Return the files of a volume with their data keys; None where all are there."""
    listed = volume["secret"].get("items")
    return None if listed is None else {i["path"]: i["key"] for i in listed}


@pytest.mark.parametrize(
    ("container", "volume", "alone", "shown", "gap"),
    [
        (MOUNTED, LISTED, False, {"jwt"}, False),  # its files are listed: one more
        (BY_FILE, FOLDER, False, {"jwt"}, False),  # only one file of it can be seen
        (MOUNTED, FOLDER, True, {"jwt", "kid"}, False),  # all files are ours
        (MOUNTED, FOLDER, False, None, True),  # files of others come and go: all stay
        (BOTH_WAYS, FOLDER, False, None, True),
        (
            {"volumeMounts": [{"name": "v", "mountPath": "/x", "subPath": "theirs"}]},
            FOLDER,
            False,
            None,
            True,
        ),
        (
            {"volumeMounts": [{"name": "v", "mountPath": "/x", "subPathExpr": "$(X)"}]},
            FOLDER,
            False,
            None,
            True,
        ),
    ],
)
def test_a_volume_refers_to_the_key_where_that_takes_no_file_away(
    container: Json, volume: Json, alone: bool, shown: set[str] | None, gap: bool
) -> None:
    """Else it stays as its owner wrote it, and the restart waits until no node has an older copy."""
    before = spec(container, volume)
    assert fence(alone=alone).leaves_gap(before) is gap
    after = put(fence(alone=alone), before)
    found = items(after["volumes"][0])
    assert (found is None) == (shown is None)
    if found is not None and shown is not None:
        ours = [path for path, key in found.items() if key == NEW]
        assert found.keys() - set(ours) == shown
        assert len(ours) == 1
        assert not ours[0].startswith("..")
    assert after["volumes"][0]["secret"].get("defaultMode") == volume["secret"].get("defaultMode")


def test_a_folder_that_was_all_ours_is_whole_again_once_others_have_files_in_it() -> None:
    """The list of files was ours, so it goes, and with it nothing of anybody's."""
    listed = put(fence(OLD, alone=True), spec(MOUNTED, FOLDER))
    assert items(put(fence(alone=False), listed)["volumes"][0]) is None
    again = items(put(fence(alone=True), listed)["volumes"][0])
    assert again
    assert set(again.values()) == {"jwt", "kid", NEW}


def test_a_projected_volume_reads_the_key_before_the_content() -> None:
    """Its sources are read one after the other: the content is no older than the key."""
    sources = put(fence(), spec(MOUNTED, PROJECTED))["volumes"][0]["projected"]["sources"]
    assert [next(iter(s)) for s in sources] == ["configMap", "secret", "secret"]
    assert [i["key"] for i in sources[1]["secret"]["items"]] == [NEW]
    assert sources[2] == {"secret": {"name": "key"}}


def test_an_optional_volume_leaves_a_gap() -> None:
    """It may come without the key."""
    volume = {
        "name": "v",
        "secret": {"secretName": "key", "optional": True, "items": [{"key": "jwt", "path": "jwt"}]},
    }
    assert fence().leaves_gap(spec(MOUNTED, volume))


def test_a_config_map_has_a_fence_too() -> None:
    """For verifiers that are restarted."""
    of = fence(source=Source(CONFIG_MAP, "list"))
    after = put(of, spec({"envFrom": [{"configMapRef": {"name": "list"}}]}))
    (env,) = after["containers"][0]["env"]
    assert env["valueFrom"] == {"configMapKeyRef": {"name": "list", "key": NEW}}


def test_two_sources_of_one_pod_do_not_share_a_variable_or_a_file() -> None:
    """Two rotations may hand a pod two Secrets in one volume."""
    both = {"projected": {"sources": [{"secret": {"name": "key"}}, {"secret": {"name": "other"}}]}}
    before = spec({**MOUNTED, "envFrom": [{"secretRef": {"name": "other"}}]}, {"name": "v", **both})
    after = put(fence(source=Source(SECRET, "other")), put(fence(), before))
    names = [env["name"] for env in after["containers"][0]["env"]]
    paths = [
        item["path"]
        for source in after["volumes"][0]["projected"]["sources"]
        for item in source["secret"].get("items", ())
    ]
    assert len(names) == len(set(names)) == 2
    assert len(paths) == len(set(paths)) == 2


def test_a_variable_of_an_environment_may_have_the_name_of_a_key() -> None:
    """Who reads all keys by `envFrom` gets one more variable, and no warning about its name."""
    assert NEW.isidentifier()
    assert NEW.isascii()


def test_the_newest_keys_stay_so_that_an_older_template_can_start() -> None:
    """A Deployment keeps ten, and `kubectl rollout undo` brings one of them back."""
    names = [data_key(n, str(n)) for n in range(1, 13)]
    gone = outdated([*names, "jwt", "ROTATOR_FENCE_x"], data_key(20, "20"))
    assert set(gone) == {"ROTATOR_FENCE_x", *names[: 12 - (KEPT - 1)]}
    assert outdated(names[:3], names[2]) == ()
