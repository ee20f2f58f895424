"""How pods read a Secret or a ConfigMap, and who of them never reads it again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator.kinds import CONFIG_MAP, SECRET
from rotator.systems.kubernetes.readers import LOGINS, How, Source, readings, references, stuck

Json = dict[str, Any]
KEY = Source(SECRET, "key")
MAP = Source(CONFIG_MAP, "list")
WRITTEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE, AFTER = WRITTEN - timedelta(hours=1), WRITTEN + timedelta(seconds=20)

BY_ENV = {"env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "key", "key": "jwt"}}}]}
BY_OTHER_ENV = {"env": [{"name": "D", "valueFrom": {"secretKeyRef": {"name": "key", "key": "dsn"}}}]}
BY_ENV_FROM = {"envFrom": [{"secretRef": {"name": "key"}}]}
MOUNTED = {"volumeMounts": [{"name": "v", "mountPath": "/etc/key"}]}
BY_FILE = {"volumeMounts": [{"name": "v", "mountPath": "/etc/key/jwt", "subPath": "jwt"}]}
BY_OTHER_FILE = {"volumeMounts": [{"name": "v", "mountPath": "/etc/dsn", "subPath": "dsn"}]}
BY_RENAMED_FILE = {"volumeMounts": [{"name": "v", "mountPath": "/k.pem", "subPath": "k.pem"}]}
BY_EXPRESSION = {"volumeMounts": [{"name": "v", "mountPath": "/k", "subPathExpr": "$(WHICH)"}]}
FOLDER = {"name": "v", "secret": {"secretName": "key"}}
RENAMED = {"name": "v", "secret": {"secretName": "key", "items": [{"key": "jwt", "path": "k.pem"}]}}
OTHERS_RENAMED = {"name": "v", "secret": {"secretName": "key", "items": [{"key": "dsn", "path": "k.pem"}]}}
BELOW = {"name": "v", "secret": {"secretName": "key", "items": [{"key": "jwt", "path": "keys/now.pem"}]}}
TWO = {
    "name": "v",
    "projected": {
        "sources": [
            {"secret": {"name": "key", "items": [{"key": "dsn", "path": "d"}]}},
            {"secret": {"name": "key", "items": [{"key": "jwt", "path": "j"}]}},
        ]
    },
}


def by_path(path: str) -> Json:
    """Return the part of a container that mounts one file or folder of the volume."""
    return {"volumeMounts": [{"name": "v", "mountPath": "/k", "subPath": path}]}


PROJECTED = {"name": "v", "projected": {"sources": [{"secret": {"name": "key"}}]}}


@pytest.mark.parametrize(
    ("container", "volumes", "ways"),
    [
        (BY_ENV, [], {How.ENV}),
        (BY_OTHER_ENV, [], set()),
        (BY_ENV_FROM, [], {How.ENV_FROM}),
        (MOUNTED, [FOLDER], {How.FOLDER}),
        (MOUNTED, [PROJECTED], {How.FOLDER}),
        (BY_FILE, [FOLDER], {How.SUB_PATH}),
        (BY_FILE, [PROJECTED], {How.SUB_PATH}),
        (BY_OTHER_FILE, [FOLDER], set()),
        (BY_RENAMED_FILE, [RENAMED], {How.SUB_PATH}),
        (BY_RENAMED_FILE, [OTHERS_RENAMED], set()),
        (BY_EXPRESSION, [FOLDER], {How.SUB_PATH}),
        ({**BY_ENV, **MOUNTED}, [FOLDER], {How.ENV, How.FOLDER}),
        (MOUNTED, [{"name": "v", "secret": {"secretName": "other"}}], set()),
        ({}, [FOLDER], set()),
        (by_path("keys"), [BELOW], {How.SUB_PATH}),
        (by_path("keys/now.pem"), [BELOW], {How.SUB_PATH}),
        (by_path("key"), [BELOW], set()),
        (by_path("./jwt"), [FOLDER], {How.SUB_PATH}),
        (by_path("."), [FOLDER], {How.FOLDER}),
        (by_path("j"), [TWO], {How.SUB_PATH}),
        (by_path("d"), [TWO], set()),
        (MOUNTED, [TWO], {How.FOLDER}),
        (MOUNTED, [OTHERS_RENAMED], set()),
        ({}, [{"name": "v", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "key"}}}], {How.DRIVER}),
        ({}, [{"name": "v", "azureFile": {"shareName": "s", "secretName": "key"}}], {How.LOGIN}),
        ({}, [{"name": "v", "azureFile": {"shareName": "s", "secretName": "other"}}], set()),
        *(
            ({}, [{"name": "v", kind: {"secretRef": {"name": "key"}}}], {How.LOGIN})
            for kind in LOGINS
            if kind != "azureFile"
        ),
    ],
)
def test_each_way_to_read_our_keys_is_told_from_the_others(
    container: Json, volumes: list[Json], ways: set[How]
) -> None:
    """What a container reads of other keys of the same Secret does not concern us."""
    spec = {"containers": [{"name": "api", **container}], "volumes": volumes}
    assert {r.how for r in readings(spec, KEY, {"jwt"})} == ways
    assert references(spec, KEY) or not ways


def test_an_init_container_reads_once_and_a_sidecar_does_not() -> None:
    """A sidecar is an init container that is restarted always."""
    spec = {
        "initContainers": [
            {"name": "render", **MOUNTED},
            {"name": "proxy", "restartPolicy": "Always", **MOUNTED},
        ],
        "volumes": [FOLDER],
    }
    assert [(r.container, r.how) for r in readings(spec, KEY, {"jwt"})] == [
        ("render", How.INIT),
        ("proxy", How.FOLDER),
    ]


def test_a_config_map_is_read_in_the_same_ways() -> None:
    """Its fields have other names."""
    spec = {
        "containers": [
            {
                "name": "a",
                "env": [{"name": "K", "valueFrom": {"configMapKeyRef": {"name": "list", "key": "j"}}}],
            },
            {"name": "b", "envFrom": [{"configMapRef": {"name": "list"}}]},
            {"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/j", "subPath": "j"}]},
        ],
        "volumes": [{"name": "v", "configMap": {"name": "list"}}],
    }
    assert [r.how for r in readings(spec, MAP, {"j"})] == [How.ENV, How.ENV_FROM, How.SUB_PATH]


def pod(container: Json, state: Json, group: str = "containers") -> Json:
    """Return a pod that was made before the write; `state` is that of its container `api`."""
    status = {"name": "api", "state": state}
    return {
        "metadata": {"name": "p", "namespace": "n", "creationTimestamp": f"{BEFORE:%Y-%m-%dT%H:%M:%SZ}"},
        "spec": {group: [{"name": "api", **container}], "volumes": [FOLDER]},
        "status": {f"{group.removesuffix('s')}Statuses": [status]},
    }


def running(since: datetime) -> Json:
    """Return the state of a container that runs."""
    return {"running": {"startedAt": f"{since:%Y-%m-%dT%H:%M:%SZ}"}}


def ended(since: datetime) -> Json:
    """Return the state of a container that has ended."""
    return {"terminated": {"startedAt": f"{since:%Y-%m-%dT%H:%M:%SZ}"}}


def test_an_init_container_that_mounts_other_keys_alone_does_not_concern_us() -> None:
    """It would otherwise hold every rotation up."""
    spec = {"initContainers": [{"name": "a", **MOUNTED}], "volumes": [OTHERS_RENAMED]}
    assert readings(spec, KEY, {"jwt"}) == ()


@pytest.mark.parametrize(
    ("container", "state", "group", "is_stuck"),
    [
        (BY_ENV, running(BEFORE), "containers", True),
        (
            BY_ENV,
            running(AFTER),
            "containers",
            False,
        ),  # it was restarted in its pod: it has read the new value
        (BY_ENV, {"waiting": {"reason": "CreateContainerConfigError"}}, "containers", False),
        (MOUNTED, running(BEFORE), "containers", False),
        (BY_FILE, running(BEFORE), "containers", True),
        (MOUNTED, ended(BEFORE), "initContainers", True),
        (MOUNTED, ended(AFTER), "initContainers", False),
        (BY_ENV, ended(BEFORE), "containers", False),  # beside one that runs on: it holds nothing any more
        (BY_ENV, running(BEFORE), "ephemeralContainers", True),
        (BY_ENV, running(AFTER), "ephemeralContainers", False),
        (
            BY_ENV,
            ended(BEFORE),
            "ephemeralContainers",
            False,
        ),  # a debugging session that is over stays in the pod
    ],
)
def test_who_read_before_the_write_and_never_reads_again_is_stuck(
    container: Json, state: Json, group: str, is_stuck: bool
) -> None:
    """What counts is when the container started, not when the pod was made."""
    assert bool(stuck(pod(container, state, group), KEY, {"jwt"}, WRITTEN)) is is_stuck
