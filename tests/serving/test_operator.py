"""What operators are answered, through a whole life: health, metrics, the page; and that none of it holds a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from rotator.engine.outcome import Result
from rotator.serving import operator, public
from rotator.serving.answers import Answer, Asked
from rotator.serving.page import STYLE, timeline
from tests.conftest import Canary
from tests.faults.environment import NAMESPACE, Bao
from tests.faults.transport import Answer as FromServer
from tests.serving.replica import LABEL, Serving, policy
from tests.trial import Trial

MONTH = timedelta(days=31)
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def replica(bao: Bao, tmp_path: Path) -> Serving:
    """A replica that has not begun yet."""
    trial = Trial(bao)
    return Serving(trial, tmp_path, policy(trial, issuer="https://api.example.com"))


def lines(answer: Answer) -> list[str]:
    """Return the lines of an answer."""
    return answer.body.decode().splitlines()


def verbose(replica: Serving) -> list[str]:
    """Return what readiness says in full."""
    return lines(replica.operator("/readyz", query="verbose"))


def life(replica: Serving) -> Iterator[str]:
    """Live through one rotation, tick by tick; yield the phase after each."""
    for _ in range(40):
        view = replica.tick()
        (outcome,) = view.outcomes
        yield outcome.summary.phase
        if outcome.until and outcome.until > view.now:
            replica.trial.timeline.pass_by(outcome.until - view.now)
        if outcome.reason.startswith("the next rotation"):
            return


# --- health -----------------------------------------------------------------------------------------------------------


def test_a_replica_is_ready_once_it_knows_what_to_answer(replica: Serving) -> None:
    """Before a set was ever delivered that is nothing; a run that fails, or has not been, does not count."""
    answer = replica.operator("/readyz")
    assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert lines(answer)[-1] == "readyz check failed"
    replica.look()
    assert replica.operator("/readyz").body == b"ok\n"
    assert verbose(replica) == [
        "[+]shutdown ok",
        "[+]declarations ok",
        f"[+]set {LABEL} ok: nothing was delivered there yet, seen 0s ago",
        "[+]run ok: no run has ended yet",
        "readyz check passed",
    ]
    replica.tick()
    assert f"[+]set {LABEL} ok: serves revision 1 of payments/key, seen 0s ago" in verbose(replica)


def test_a_replica_stays_ready_while_the_api_is_away_and_says_so(replica: Serving) -> None:
    """Old keys are better than none. One that was just started has none, and is sent no request."""
    replica.tick()
    replica.trial.answers[("GET", "key-accepted")] = FromServer(503, {}, b"{}")
    replica.look(timedelta(minutes=2))
    assert replica.operator("/readyz").status == HTTPStatus.OK
    (line,) = (line for line in verbose(replica) if LABEL in line)
    assert "serves revision 1 of payments/key, seen " in line
    assert "503" in line
    new = Serving(replica.trial, replica.folder.parent, *replica.policies)
    new.look()
    assert new.operator("/readyz").status == HTTPStatus.SERVICE_UNAVAILABLE
    assert any(line.startswith(f"[-]set {LABEL} failed: nothing is served; ") for line in verbose(new))


def test_who_is_asked_to_end_is_not_ready_and_alive(replica: Serving) -> None:
    """So that no new request is sent to it, and it is not killed before its time."""
    replica.tick()
    replica.service.stop("SIGTERM")
    answer = replica.operator("/readyz")
    assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert "[-]shutdown failed: the process ends" in lines(answer)
    assert replica.operator("/livez").status == HTTPStatus.OK


def test_a_process_that_is_stuck_is_not_alive(replica: Serving) -> None:
    """No run begins, or no look ends, for too long: whoever watches it starts it again."""
    replica.tick()
    assert replica.operator("/livez").body == replica.operator("/healthz").body == b"ok\n"
    replica.trial.timeline.pass_by(timedelta(minutes=10))
    answer = replica.operator("/livez")
    assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert lines(answer)[0].startswith("[-]process failed: ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/metrics", "/livez", "/readyz", "/nothing"])
def test_nothing_can_be_changed(replica: Serving, method: str, path: str) -> None:
    """It is read-only."""
    answer = replica.operator(path, method=method)
    assert (answer.status, answer.headers["Allow"]) == (HTTPStatus.METHOD_NOT_ALLOWED, "GET, HEAD")


# --- metrics ----------------------------------------------------------------------------------------------------------


def test_metrics_in_both_formats(replica: Serving) -> None:
    """Before the first run there are none of rotations: an empty list would say that there are none."""
    assert b"rotator_rotation" not in replica.operator("/metrics").body
    replica.tick()
    plain = replica.operator("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain")
    named = {f.name: f for f in parse_text(plain.body.decode())}
    assert named["rotator_rotation_revision"].samples[0].value == 3
    assert named["rotator_run_exit_code"].samples[0].value == 0
    assert named["rotator_served_revision"].samples[0].labels == {
        "namespace": NAMESPACE,
        "rotation": "key",
        "document": LABEL,
    }
    modern, parse = (
        replica.operator("/metrics", accept=OPENMETRICS),
        cast("Callable[[str], Any]", parse_openmetrics),
    )
    assert modern.headers["Content-Type"].startswith("application/openmetrics-text")
    assert {f.name for f in parse(modern.body.decode())} == set(named)


def test_the_last_success_is_told_after_a_failure_too(replica: Serving) -> None:
    """The alert compares it with the end of the last run, whatever became of that one."""

    def instants() -> tuple[float, float]:
        named = {
            f.name: f.samples[0].value
            for f in parse_text(replica.operator("/metrics").body.decode())
            if f.samples
        }
        return named["rotator_run_timestamp_seconds"], named["rotator_run_success_timestamp_seconds"]

    replica.tick()
    ended, success = instants()
    assert ended - success < 1
    (replica.folder / "broken.yaml").write_text("kind: [")
    for _ in range(2):
        replica.tick(timedelta(hours=1))
        later, kept = instants()
        assert abs(kept - success) < 1
        assert later > ended + 3000
    (replica.folder / "broken.yaml").unlink()
    replica.tick()
    assert instants()[1] > later


def test_the_age_of_a_look_grows_while_there_is_none(replica: Serving) -> None:
    """An alert can be made of it."""
    replica.tick()
    replica.trial.timeline.moved.clear()
    replica.trial.timeline.pass_by(timedelta(seconds=90))
    families = parse_text(replica.operator("/metrics").body.decode())
    (age,) = (f.samples[0].value for f in families if f.name == "rotator_served_look_age_seconds")
    assert 89.9 < age < 92


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_tells_a_whole_life(replica: Serving) -> None:
    """Each phase, what is waited for, what has happened, and what comes next."""
    phases = {*life(replica)}
    replica.trial.timeline.pass_by(MONTH)
    seen = set[str]()
    for phase in life(replica):
        phases.add(phase)
        text = replica.operator("/").body.decode()
        assert phase in text
        (outcome,) = replica.service.outcomes
        assert outcome.reason.split(":")[0].replace("&", "&amp;") in text
        seen |= {
            what
            for what in ("made active", "proven dead", "destroyed", "may be withdrawn", "may be made active")
            if what in text
        }
    assert phases >= {"Lead", "Switching", "Overlap", "Stable"}
    assert seen == {"made active", "proven dead", "destroyed", "may be withdrawn", "may be made active"}


def test_a_timeline_is_in_order_and_tells_what_has_come_from_what_will(replica: Serving) -> None:
    """An instant that has passed stands on one side alone."""
    for _ in life(replica):
        (outcome,) = replica.service.outcomes
        if ring := outcome.ring:
            now = replica.trial.timeline.now
            past, coming = timeline(ring, outcome.until, now)
            assert [e.at for e in past] == sorted(e.at for e in past)
            assert [e.at for e in coming] == sorted(e.at for e in coming)
            assert all(event.at <= now for event in past)


def test_an_idle_run_leaves_the_timeline_there(replica: Serving) -> None:
    """It does not look at the ring; the ring is what it was."""
    for _ in range(3):
        replica.tick(timedelta(seconds=1))
    (outcome,) = replica.service.outcomes
    assert outcome.result is Result.IDLE
    assert outcome.ring is not None


def test_what_others_wrote_is_text_on_the_page(replica: Serving) -> None:
    """Markup in the name of a file that is told of changes no page."""
    replica.tick()
    (replica.folder / "a<script>alert(1)<img src=x onerror=alert(1)>.yaml").write_text("kind: [")
    replica.tick(timedelta(hours=2))
    body = replica.operator("/").body
    assert b"alert(1)" in body
    assert b"<script" not in body
    assert b"<img" not in body


def test_the_page_loads_nothing_and_runs_nothing(replica: Serving) -> None:
    """Its policy allows one style by its hash, and the page has no other."""
    replica.tick()
    answer = replica.operator("/")
    directives = dict(
        part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";")
    )
    assert directives["default-src"] == "'none'"
    assert directives["style-src"].startswith("'sha256-")
    assert directives["frame-ancestors"] == "'none'"
    text = answer.body.decode()
    assert text.count("<style>") == 1
    assert STYLE in text
    assert not re.search(
        r"<(script|img|link|iframe|form|object)\b|\son\w+=|\sstyle=|https?://",
        text.replace("https://api.example.com", ""),
    )


# --- secrets ----------------------------------------------------------------------------------------------------------

PATHS = [
    "/",
    "/metrics",
    "/livez",
    "/healthz",
    "/readyz",
    "/.well-known/jwks.json",
    "/.well-known/openid-configuration",
]


def everything(replica: Serving) -> Iterator[str]:
    """Yield all that any known address answers, headers and all."""
    for path in PATHS:
        for query in ("", "verbose"):
            for answer in (replica.operator(path, query=query), replica.ask(path, query=query)):
                yield f"{answer.headers} {answer.body.decode()}"


def test_no_answer_holds_a_secret_in_any_phase(replica: Serving, canary: Canary) -> None:
    """From the first key on, through a whole rotation; the canary knows every secret that was made."""
    for turn in range(2):
        for _ in life(replica):
            for text in everything(replica):
                assert not canary.found_in(text)
        replica.trial.timeline.pass_by(MONTH * (turn + 1))
    ring = replica.trial.vault(f"rotator/data/{replica.trial.life}/key")["data"]
    assert canary.found_in(json.dumps(ring)), "the canary knows what it looks for"


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_a_private_key_that_somebody_puts_into_the_set_is_not_served(
    replica: Serving, canary: Canary, kind: str
) -> None:
    """Nor is it told anywhere."""
    replica.tick()
    before = replica.ask().body
    evil = '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "x", "d": "a-private-key-of-somebody"}]}'
    canary.heard(evil)
    at = f"/api/v1/namespaces/{NAMESPACE}/configmaps/key-accepted"
    changed = {"rotator.dev/revision": "99"} if kind == "ConfigMap" else {}
    replica.trial.environment.ask(
        "PATCH", at, {"metadata": {"annotations": changed}, "data": {"jwks.json": evil}}
    )
    replica.look()
    assert replica.ask().body == before
    assert replica.trouble()
    assert not any(canary.found_in(text) for text in everything(replica))


ODD = st.text(st.characters(codec="utf-8"), max_size=60)
SEGMENT = st.sampled_from(
    [
        *PATHS,
        "..",
        "%2e%2e",
        "data",
        "secret",
        "v1",
        "debug",
        "pprof",
        "env",
        "config",
        "key",
        "\\",
        "//",
        "\x00",
    ]
)


ASKED = st.builds(
    Asked,
    path=st.one_of(
        ODD, st.lists(SEGMENT, max_size=4).map("".join), st.lists(SEGMENT, max_size=4).map("/".join)
    ),
    method=st.one_of(st.sampled_from(["GET", "HEAD", "OPTIONS", "POST"]), ODD),
    host=ODD,
    query=ODD,
    headers=st.dictionaries(st.sampled_from(["if-none-match", "accept", "x-reader"]), ODD),
    client=ODD,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=ASKED)
def test_whatever_is_asked_the_answer_is_one_and_holds_no_secret(
    known: tuple[Serving, Canary], asked: Asked
) -> None:
    """Nothing raises, and no header breaks."""
    replica, canary = known
    table, view = replica.refresher.table, replica.service.view()
    for answer in (public.answer(table, asked), operator.answer(view, asked)):
        text = f"{answer.headers} {answer.body.decode()}"
        assert not canary.found_in(text)
        assert answer.status in {200, 204, 304, 404, 405, 503}
        assert all(value.isascii() and value.isprintable() for value in answer.headers.values())


@pytest.fixture
def known(replica: Serving, canary: Canary) -> tuple[Serving, Canary]:
    """A replica in the middle of a rotation."""
    replica.tick()
    return replica, canary
