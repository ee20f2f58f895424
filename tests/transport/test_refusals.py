"""Why the API server refused: a right that is missing, or somebody who refused what we may ask for, with the field."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rotator.errors import Ambiguous, ClientError, Forbidden, Rejected, Unavailable
from tests.faults.timeline import Timeline
from tests.transport.servers import OverTls, answer
from tests.transport.speakers import EVERY, TOKEN, retrying

RBAC = "`rotator rbac` prints what is needed"


DENIED = 'admission webhook "check.example" denied the request: no'
AWAY = (
    'Internal error occurred: failed calling webhook "check.example": failed to call webhook: Post "https://a.b.svc:443/v?timeout=10s": '
    "dial tcp 10.0.0.1:443: connect: connection refused"
)
POLICY = (
    "secrets \"key\" is forbidden: ValidatingAdmissionPolicy 'frozen' with binding 'b' denied request: no"
)
MUTATION = "secrets \"key\" is forbidden: MutatingAdmissionPolicy 'trim' with binding 'b' denied request: no"
NO_RIGHT = (
    'secrets "key" is forbidden: User "system:serviceaccount:a:rotator" cannot patch resource "secrets" in API group "" in the '
    'namespace "b"'
)
NOBODY = NO_RIGHT.replace("system:serviceaccount:a:rotator", "system:anonymous")


@pytest.mark.parametrize(
    ("status", "reason", "message", "causes", "said"),
    [
        (403, "Forbidden", NO_RIGHT, [], f"system:serviceaccount:a:rotator has no right to patch secrets; {RBAC}"),
        (403, "Forbidden", NO_RIGHT.replace('secrets"', 'rotations/status"'), [], f"to patch rotations/status; {RBAC}"),
        (403, "Forbidden", "", [], RBAC),
        (403, "Forbidden", NOBODY, [], "without a login that the API server knows"),
        (401, "Unauthorized", "Unauthorized", [], "the login is not known, or is over"),
        (403, "Forbidden", f'secrets "key" is forbidden: {TOKEN}', [], "an admission plug-in of the API server refused it"),
        (403, "Forbidden", 'secrets "key" is forbidden: exceeded quota: few, requested: secrets=1', [], "the quota few"),
        (403, "Forbidden", "status unknown for quota: few, resources: count/secrets", [], "the quota few of the namespace does not"),
        (403, "Forbidden", 'pods "a" is forbidden: failed quota: few: must specify cpu', [], "the quota few of the namespace does not"),
        *((status, "Odd", DENIED, [], "the admission webhook check.example refused it") for status in (400, 403, 404, 409, 418, 429, 500, 503)),
        *((status, "InternalError", AWAY, [], "the admission webhook check.example, which the API server has to ask") for status in (500, 504)),
        *((status, "Odd", POLICY, [], "the admission policy frozen refused it") for status in (403, 413, 422)),
        (422, "Invalid", MUTATION, [], "the admission policy trim refused it"),
        (500, "InternalError", "etcdserver: request is too large", [], "the object would be larger than etcd takes"),
        (500, "InternalError", "etcdserver: mvcc: database space exceeded", [], "etcd has no space left"),
        (500, "InternalError", "etcdserver: leader changed", [], "etcd says: leader changed"),
        (403, "Forbidden", 'pods "a" is forbidden: violates PodSecurity "restricted:latest": x', [], "Pod Security"),
        (403, "Forbidden", "unable to create new content in namespace a because it is being terminated", [], "deleted"),
        (
            422,
            "Invalid",
            f'Secret "key" is invalid: data: Forbidden: {TOKEN}',
            [{"field": "data", "reason": "FieldValueForbidden", "message": TOKEN}],
            "HTTP 422 Invalid (data FieldValueForbidden)",
        ),
        (422, "Invalid", TOKEN, [{"field": "\x1b[31m", "reason": "x"}, {"reason": "Odd"}], "HTTP 422 Invalid (Odd)"),
        (422, "Invalid", TOKEN, "none", "HTTP 422 Invalid"),
        (422, "Invalid", 'admission webhook "\x1b[31m" denied', None, "HTTP 422 Invalid"),
    ],
)  # fmt: skip
def test_a_refusal_says_who_refused_and_where(  # noqa: PLR0913, PLR0917 - the columns of the table
    tmp_path: Path, status: int, reason: str, message: str, causes: Any, said: str
) -> None:
    """The hint belongs to the case; what a webhook or a field says in words may quote us, so it is left out."""
    body = {"kind": "Status", "reason": reason, "message": message, "details": {"causes": causes}}
    with OverTls(tmp_path, answer(status, json.dumps(body).encode())) as server:
        client = EVERY["kubernetes"](
            server.place, str(server.files.ca), retrying(Timeline().run_clock(timedelta()))
        )
        with pytest.raises(ClientError) as caught:
            client.write()
    assert type(caught.value) is _kind(status, message)
    assert said in str(caught.value)
    assert (RBAC in str(caught.value)) is (RBAC in said)
    assert TOKEN not in str(caught.value)
    assert str(caught.value).isprintable()


def _kind(status: int, message: str) -> type[ClientError]:
    """What admission refuses was not stored, whatever status it says: nobody else wrote, and nothing has to be read back."""
    if status in {401, 403}:
        return Forbidden
    if "failed calling webhook" in message or "space exceeded" in message:
        return Unavailable
    return Ambiguous if "leader changed" in message else Rejected
