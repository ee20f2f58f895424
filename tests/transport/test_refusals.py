"""Why the API server refused: a right that is missing, or somebody who refused what we may ask for, with the field."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rotator.errors import ClientError, Forbidden, Rejected
from tests.faults.timeline import Timeline
from tests.transport.servers import OverTls, answer
from tests.transport.speakers import EVERY, TOKEN, retrying

RBAC = "`rotator rbac` prints what is needed"


@pytest.mark.parametrize(
    ("status", "reason", "message", "causes", "said"),
    [
        (403, "Forbidden", 'secrets "key" is forbidden: User "me" cannot patch resource "secrets"', [], RBAC),
        (403, "Forbidden", 'secrets "key" is forbidden: exceeded quota: few, requested: secrets=1', [], "the quota few"),
        (
            403,
            "Forbidden",
            'admission webhook "check.example" denied the request: no',
            [],
            "the admission webhook check.example refused it",
        ),
        (
            422,
            "Invalid",
            "secrets \"key\" is forbidden: ValidatingAdmissionPolicy 'frozen' with binding 'b' denied request: no",
            [],
            "the admission policy frozen refused it",
        ),
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
    assert type(caught.value) is (Forbidden if status == 403 else Rejected)
    assert said in str(caught.value)
    assert (RBAC in str(caught.value)) is (said == RBAC)
    assert TOKEN not in str(caught.value)
    assert str(caught.value).isprintable()
