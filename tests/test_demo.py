"""The demo: its pure parts, its ways to fail, and from beginning to end on each server of Kubernetes."""

from __future__ import annotations

import base64
import itertools
import json
import math
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rotator.core.ring import Ring, State, Version
from rotator_sandbox.certificates import issue
from rotator_sandbox.demo.figures import Figures, Served
from rotator_sandbox.demo.identity import Identity, start
from rotator_sandbox.demo.job import FIRST_CALL, LAST_CALL, kill_points
from rotator_sandbox.demo.ledger import Ledger
from rotator_sandbox.demo.logins import LogIn, logs_in
from rotator_sandbox.demo.proof import Dead
from rotator_sandbox.demo.scenarios import ROBOT, Realm, scenarios
from rotator_sandbox.demo.services import Service
from rotator_sandbox.demo.signers import Deed, PodProgram, Rereader, Work
from rotator_sandbox.demo.timeline import Span, axis, bars, phases
from rotator_sandbox.demo.tokens import Key, RefusedError, Token, by_hand, by_joserfc, by_pyjwt, key_of
from rotator_sandbox.demo.verifiers import Copies, UnreachableError
from rotator_sandbox.envtest import BinariesNotFoundError, find_binaries
from rotator_sandbox.killable import AFTER, BEFORE

START = datetime(2026, 1, 1, tzinfo=UTC)


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def _ring() -> Ring:
    old = Version(
        id="a",
        number=1,
        state=State.DESTROYED,
        reason="First",
        spec="ES256",
        staged_at=_at(0),
        published_at=_at(1),
        activated_at=_at(1),
        converged_at=_at(3),
        withdrawn_at=_at(8),
        destroyed_at=_at(9),
    )
    new = Version(
        id="b",
        number=2,
        state=State.ACTIVE,
        reason="Age",
        spec="ES256",
        staged_at=_at(2),
        published_at=_at(3),
        activated_at=_at(5),
        converged_at=_at(6),
    )
    return Ring(rotation="n/a", versions=(old, new))


# --- the picture ---------------------------------------------------------------------------------------------------


def test_a_bar_shows_each_state_of_a_version_in_its_time() -> None:
    """Staged, active, retiring, destroyed for the first; published and active for the second."""
    old, new = bars({"a": _ring()}, Span(START, timedelta(seconds=10), 10), _at(10))
    assert (old.cells, new.cells) == (".████▒▒▒▒x", "  .░░█████")


def test_a_bar_shows_nothing_of_the_future() -> None:
    """Cells after now are empty, though the span goes on."""
    old, new = bars({"a": _ring()}, Span(START, timedelta(seconds=10), 10), _at(4))
    assert (old.cells, new.cells) == (".███      ", "  .░      ")


def test_the_axis_has_a_mark_every_ten_seconds() -> None:
    """A mark begins at its second."""
    assert axis(Span(START, timedelta(seconds=25), 25)) == "0s        10s       20s  "


def test_phases_are_measured_from_the_instants_of_the_ring() -> None:
    """Means over the versions that went through a phase; the first version has no lead."""
    assert phases({"a": _ring()}) == {
        "publishing": 1.0,
        "lead": 2.0,
        "switching": 1.5,
        "overlap": 2.0,
        "withdrawing": 1.0,
    }


# --- the kill points -----------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_kill_points_in_the_same_order() -> None:
    """Another seed gives others; both ways to die occur."""
    first, again, other = (list(itertools.islice(kill_points(s), 50)) for s in ("7 x", "7 x", "8 x"))
    assert first == again != other
    assert {p.when for p in first} == {BEFORE, AFTER}
    assert all(FIRST_CALL <= p.call <= LAST_CALL for p in first)
    assert max(p.call for p in itertools.islice(kill_points("7 x", 34), 50)) > LAST_CALL


@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_the_victim_dies_at_the_chosen_call(when: str, tmp_path: Path) -> None:
    """Before: the second call is never sent. After: it is sent, and its answer never seen."""
    script = tmp_path / "calls.py"
    script.write_text(
        "import sys, urllib3\n"
        "from rotator_sandbox.killable import arm\n"
        "urllib3.connectionpool.HTTPConnectionPool.urlopen = lambda *a: print('sent', flush=True)\n"
        "arm(2, sys.argv[1])\n"
        "pool = urllib3.HTTPConnectionPool('localhost')\n"
        "for _ in range(3):\n"
        "    pool.urlopen('GET', '/')\n"
        "    print('seen', flush=True)\n"
    )
    done = subprocess.run([sys.executable, script, when], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == (["sent", "seen"] if when == BEFORE else ["sent", "seen", "sent"])


# --- the traffic can fail ------------------------------------------------------------------------------------------

HMAC = Key("orders-hs256", "k1", "s" * 43, "s" * 43, "HS256")
_OCTETS = base64.urlsafe_b64encode(b"s" * 43).rstrip(b"=").decode()
JWKS = json.dumps({"keys": [{"kty": "oct", "kid": "k1", "alg": "HS256", "use": "sig", "k": _OCTETS}]})


@pytest.mark.parametrize("read", [by_pyjwt, by_joserfc])
def test_a_list_accepts_its_own_keys_and_no_other(read: object) -> None:
    """Neither an unknown kid nor a known kid with another key is accepted."""
    assert callable(read)
    check = read(JWKS)
    check(HMAC.sign("test").text, 0.0)
    for stranger in (
        Key("orders-hs256", "k2", "s" * 43, "s" * 43, "HS256"),
        Key("o", "k1", "", "t" * 43, "HS256"),
    ):
        with pytest.raises(RefusedError):
            check(stranger.sign("test").text, 0.0)


def test_a_cookie_is_accepted_by_any_value_of_the_list_and_by_no_other() -> None:
    """A list of two values accepts the newer; a list of the older alone does not."""
    key = key_of("shop-cookie", {"key": "new", "kid": "2"})
    assert key
    assert key.algorithm == "cookie"
    text = key.sign("test").text
    by_hand(json.dumps([{"id": "1", "value": "old"}, {"id": "2", "value": "new"}]))(text, 0.0)
    with pytest.raises(RefusedError):
        by_hand(json.dumps([{"id": "1", "value": "old"}]))(text, 0.0)


class _Refuses:
    name, slow = "one who refuses", 0.0

    def check(self, text: str) -> None:
        raise RefusedError(f"unknown kid in {text}")


def test_a_refusal_counts_while_the_token_is_valid_and_not_after() -> None:
    """Refusing a token whose time is over is right, and counted as no result."""
    ledger, now = Ledger(), time.time()
    service = Service(_Refuses(), ledger, random.Random(1))  # noqa: S311 - when to check
    service.check(Token("t", "k1", now, now + 60, "signer"))
    service.check(Token("t", "k1", now - 2, now - 1, "signer"))
    assert (ledger.rejected, ledger.unchecked) == (1, 1)
    assert ledger.refusals[0].document()["verifier"] == "one who refuses"


def test_the_adversary_works_with_the_stalest_copy_that_the_policy_allows() -> None:
    """Copies of 0, 1 and 2 seconds of age: with 1.5 s allowed, the stalest is that of 1 s."""
    clock = [100.0]
    documents = iter("abc")
    copies = Copies(lambda: next(documents), lambda text: lambda *_: seen.append(text), lambda: clock[0])
    seen: list[str] = []
    for instant in (100.0, 101.0, 102.0):
        clock[0] = instant
        copies.look()
    copies.oldest()("", 0.0)
    copies.newest()("", 0.0)
    assert seen == ["b", "c"]
    clock[0] = 200.0
    with pytest.raises(UnreachableError):
        copies.oldest()


# --- the logins can fail -------------------------------------------------------------------------------------------


def _work(at: Iterator[float], count: Callable[[], None], stop: threading.Event) -> Work:
    """Return work of one deed for each instant of `at`."""

    def do(_key: Key, _who: str) -> Deed:
        instant = next(at, None)
        if instant is None:
            stop.set()
        return Deed(math.inf if instant is None else instant, count)

    return Work(lambda: HMAC, do, 0.0)


def test_what_a_pod_does_counts_once_it_was_seen_later_and_never_twice() -> None:
    """Deeds of the instants 1, 2 and 3; the pod is seen at 2.5, again at 2.5, and never after."""
    ledger, stop = Ledger(), threading.Event()
    program = PodProgram("pod", _work(iter([1.0, 2.0, 3.0]), ledger.log_in, stop), ledger)
    program.run(stop)
    assert ledger.logins == 0
    for _ in range(2):
        program.alive(2.5)
        assert ledger.logins == 2


def test_a_program_that_reads_again_counts_nothing_that_it_did_too_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may use what it read for 1 s; its second login is answered only after that."""
    ledger, stop, clock, asked = Ledger(), threading.Event(), [100.0], itertools.count(1)
    monkeypatch.setattr("rotator_sandbox.demo.signers.time.monotonic", lambda: clock[0])

    def do(_key: Key, _who: str) -> Deed:
        if next(asked) == 2:
            clock[0] += 1.0
            stop.set()
        return Deed(0.0, ledger.log_in)

    Rereader("program", Work(lambda: HMAC, do, 0.0), 1.0, ledger).run(stop)
    assert ledger.logins == 1


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Identity]:
    """The demo's identity provider."""
    with ExitStack() as stack:
        yield start(tmp_path / "identity", stack)


def test_a_login_counts_by_what_the_provider_answers(provider: Identity) -> None:
    """A good secret, a wrong one, and a provider that is not there."""
    ledger, there = Ledger(), LogIn(provider.realm, ROBOT)
    nowhere = LogIn(replace(provider.realm, url="https://127.0.0.1:1"), ROBOT)
    for secret, realm in ((provider.robot_secret, there), ("wrong", there), (provider.robot_secret, nowhere)):
        key = Key("shop-oauth", "v1", secret, secret, "login")
        logs_in(lambda: None, realm, ledger).do(key, "a program").count()
    assert (ledger.logins, ledger.refused, ledger.unanswered) == (3, 1, 1)
    (refusal,) = ledger.refusals
    shown = refusal.document()
    assert (shown["what"], shown["signer"], shown["kid"]) == ("login", "a program", "v1")
    assert shown["reason"] == "HTTP 401 unauthorized_client"
    assert "refused a login of a program" in refusal.sentence


def test_nobody_logs_in_at_a_server_that_another_authority_signed_for(
    provider: Identity, tmp_path: Path
) -> None:
    """TLS is verified, and a refused handshake is no refused login."""
    other = tmp_path / "other"
    other.mkdir()
    realm = replace(provider.realm, ca_file=str(issue(other).ca))
    with pytest.raises(UnreachableError):
        LogIn(realm, ROBOT).check(provider.robot_secret)
    LogIn(provider.realm, ROBOT).check(provider.robot_secret)


def test_a_client_that_connects_and_says_nothing_holds_up_nobody(provider: Identity) -> None:
    """Each connection shakes hands by itself."""
    place = urlsplit(provider.realm.url)
    with socket.create_connection((place.hostname, place.port)):
        LogIn(provider.realm, ROBOT).check(provider.robot_secret)


def _figures(**changes: object) -> Figures:
    good: dict[str, object] = {
        "seed": 1,
        "backends": {},
        "duration": 1.0,
        "ledger": Ledger(signed=1, verified=1, logins=1),
        "dead": Dead(tried=1),
        "rotations": 6,
        "unfinished": (),
        "kills": (),
        "runs": 1,
        "restarts_expected": 9,
        "restarts_done": 9,
        "phases": {},
        "served": Served(replicas=2, kills=1, answers=1),
    }
    return Figures(**{**good, **changes})  # type: ignore[arg-type]  # names and values are those of the class


def test_the_promise_is_kept_where_nothing_went_wrong() -> None:
    """No failure, and the verdict says so."""
    assert _figures().failures == ()
    assert _figures().verdict.startswith("The promise was kept")


@pytest.mark.parametrize(
    "changes",
    [
        {"ledger": Ledger(signed=1, verified=1, rejected=1, logins=1)},
        {"ledger": Ledger(signed=1, verified=1, logins=1, refused=1)},
        {"ledger": Ledger(logins=1)},
        {"ledger": Ledger(signed=1, verified=1)},
        {"ledger": Ledger(signed=1, verified=1, logins=1, unanswered=1)},
        {"dead": Dead(tried=1, accepted=["x"])},
        {"dead": Dead(tried=1, unproven=["x"])},
        {"dead": Dead()},
        {"unfinished": ("n/a",)},
        {"served": Served(replicas=2, kills=1, answers=0)},
        {"restarts_done": 10},
    ],
)
def test_the_promise_is_broken_by(changes: dict[str, object]) -> None:
    """Each of these alone breaks it."""
    assert _figures(**changes).verdict.startswith("The promise was broken")


def test_what_the_demo_declares_is_a_good_policy(tmp_path: Path) -> None:
    """The compressed windows hold the same sums as any others."""
    realm = Realm(url="https://127.0.0.1:2", name="shop", ca_file=str(tmp_path / "ca.crt"))
    for scenario in scenarios("rotator-demo-1", "http://127.0.0.1:1/jwks.json", realm):
        (tmp_path / f"{scenario.name}.yaml").write_text(scenario.policy)
    done = _rotator("validate", "-f", str(tmp_path))
    assert done.returncode == 0, done.stderr


# --- the whole -----------------------------------------------------------------------------------------------------


EMULATOR, REAL = "emulator", "kube-apiserver"


def _environment(folder: Path, kubernetes: str = EMULATOR) -> dict[str, str]:
    found = {} if kubernetes == REAL else {"KUBEBUILDER_ASSETS": str(folder / "none")}
    return {**os.environ, **found, "TMPDIR": str(folder)}


def _rotator(
    *arguments: str, folder: Path | None = None, kubernetes: str = EMULATOR
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rotator", *arguments]
    env = _environment(folder, kubernetes) if folder else None
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=280)


def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """No traceback, exit code 1, and nothing is left behind."""
    done = _rotator("demo", "--context", "no-such-context", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("rotator: the demo cannot start: no cluster")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    """No process, no file."""
    command = [sys.executable, "-m", "rotator", "demo", "--seed", "5"]
    demo = subprocess.Popen(
        command, env=_environment(tmp_path), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert demo.stderr
    for line in demo.stderr:
        if "Switching" in line:
            break
    demo.send_signal(signal.SIGTERM)
    demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert list(tmp_path.iterdir()) == []
    assert not [p for p in Path("/proc").glob("[0-9]*") if str(tmp_path) in _command_line(p)]


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:
        return ""


def test_the_demo_keeps_the_promise(tmp_path: Path) -> None:
    """The whole of it: traffic, kills, rotations, restarts, the proof of death; on the best server that there is."""
    try:
        find_binaries()
        kubernetes = REAL
    except BinariesNotFoundError:
        kubernetes = EMULATOR
    done = _rotator("demo", "--seed", "7", "--json", folder=tmp_path, kubernetes=kubernetes)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = json.loads(done.stdout.splitlines()[-1])
    assert shown["tokens"]["rejected"] == 0
    assert shown["tokens"]["signed"] > 1000
    assert shown["dead"]["tried"] > 50
    assert shown["dead"]["accepted"] == 0
    assert shown["kills"] > 0
    assert shown["serve"]["replicas"] == 2
    assert shown["serve"]["killed"] > 0
    assert shown["serve"]["answers"] > 0
    assert shown["logins"]["tried"] > 100
    assert shown["logins"]["refused"] == 0
    assert shown["rotations"] == 8
    assert shown["restarts"]["done"] == shown["restarts"]["expected"]
    assert shown["backends"]["kubernetes"].partition(" ")[0] == kubernetes
    assert shown["backends"]["identity"] == "keycloak stand-in"
    assert "The promise was kept" in done.stderr
    assert list(tmp_path.iterdir()) == []
