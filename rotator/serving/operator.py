"""What the operator listener answers: health as kube-apiserver answers it, metrics, and a page for people. All of it is read-only.

Health: https://kubernetes.io/docs/reference/using-api/health-checks/.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import parse_qs

from prometheus_client.exposition import choose_encoder

from rotator.serving import page
from rotator.serving.answers import NEVER_KEPT, READ, Answer, Asked, not_allowed, sentence
from rotator.serving.figures import registry
from rotator.serving.view import Check, View, checks

HTML = "text/html; charset=utf-8"
POLICY = f"default-src 'none'; style-src '{page.STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The page loads nothing and runs nothing (https://www.w3.org/TR/CSP3/)."""


def answer(view: View, asked: Asked) -> Answer:
    """Return the answer to one request."""
    if asked.method not in READ:
        return not_allowed(*READ)
    match asked.path:
        case "/":
            headers = {
                "Content-Type": HTML,
                "Content-Security-Policy": POLICY,
                "Referrer-Policy": "no-referrer",
                **NEVER_KEPT,
            }
            return Answer(status=HTTPStatus.OK, headers=headers, body=page.page(view).encode())
        case "/metrics":
            encode, kind = choose_encoder(asked.headers.get("accept", ""))
            headers = {"Content-Type": kind, "Vary": "Accept", **NEVER_KEPT}
            return Answer(status=HTTPStatus.OK, headers=headers, body=encode(registry(view)))
        case "/livez" | "/healthz":
            return _health(
                "livez", [Check("process", good=not view.stuck, says="; ".join(view.stuck))], asked
            )
        case "/readyz":
            return _health("readyz", checks(view), asked)
    return sentence(HTTPStatus.NOT_FOUND, "expected /, /metrics, /livez or /readyz")


def _health(name: str, found: Iterable[Check], asked: Asked) -> Answer:
    """Answer ok, or what is wrong; all of it with `?verbose`."""
    told = list(found)
    good = all(check.good for check in told)
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    if good and "verbose" not in parse_qs(asked.query, keep_blank_values=True):
        return sentence(status, "ok")
    lines = [
        f"[{'+' if c.good else '-'}]{c.name} {'ok' if c.good else 'failed'}{f': {c.says}' if c.says else ''}"
        for c in told
    ]
    return sentence(status, "\n".join([*lines, f"{name} check {'passed' if good else 'failed'}"]))
