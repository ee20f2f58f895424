"""Directories whose answers are odd: entries, referrals, attributes, values, result codes, and bytes that are no BER."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from rotator.clients.clock import RunClock
from rotator.clients.ldap import BindAs, BindAsOwn, Ldap
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.core.sensitive import Sensitive
from rotator.errors import RotatorError
from rotator.ports import Aim, Copy, Deadline
from rotator.systems.ldap.client import DirectoryAccounts as Provider
from rotator.systems.ldap.client import LdapBind
from tests.faults.environment import Bao
from tests.fuzz.oddities import torn
from tests.providers.ldap_directory import (
    ROTATOR,
    ROTATOR_PASSWORD,
    UNBIND,
    Directory,
    Entry,
    Listener,
    Session,
    operation,
    receive,
    tlv,
)

DN = "cn=api,dc=example,dc=org"
PASSWORD = b"a-password-in-use"
ENTRY, DONE, REFERENCE, INTERMEDIATE = 0x64, 0x65, 0x73, 0x79


def message(number: bytes, *parts: bytes) -> bytes:
    """Return one LDAP message (RFC 4511, section 4.1.1)."""
    return tlv(0x30, tlv(0x02, number), *parts)


def entry(dn: bytes, **attributes: Sequence[bytes]) -> bytes:
    """Return an entry that was found (section 4.5.2)."""
    pairs = (
        tlv(0x30, tlv(0x04, name.encode()), tlv(0x31, *(tlv(0x04, v) for v in values)))
        for name, values in attributes.items()
    )
    return tlv(ENTRY, tlv(0x04, dn), tlv(0x30, *pairs))


def result(tag: int, code: bytes, dn: bytes = b"", said: bytes = b"", *more: bytes) -> bytes:
    """Return a result (section 4.1.9)."""
    return tlv(tag, tlv(0x0A, code), tlv(0x04, dn), tlv(0x04, said), *more)


def oddities(number: bytes, tag: int) -> list[bytes]:
    """Return what may be answered to the request `number` whose answer has `tag`."""
    fine, elsewhere = result(tag, b"\0"), tlv(0x04, b"ldap://evil.example/dc=x??sub")
    own = DN.encode()
    entries = [
        entry(b"cn=somebody-else,dc=example,dc=org", userPassword=[PASSWORD]),
        entry(own, userPassword=[b"\xff\x00" * 300, b"", b"{", b"{}", b"{SSHA}=", b"{SSHA}AAAA", b"{\xff}x"]),
        entry(own, **{"userPassword;binary": [b"\xff"], "USERPASSWORD": [b"x"], "userPassword": []}),
        entry(own, pwdAccountLockedTime=[b"\xff\x1b[2J"], userPassword=[b"{MD5}" + b"A" * 100_000]),
        entry(b"\xff\xfe", userPassword=[PASSWORD]),
        entry(own, **{"": [b"x"], "\x1b": [], "\u0430": [b"y"]}),
        tlv(ENTRY, tlv(0x04, own)),
        tlv(ENTRY),
    ]
    return [
        message(number, result(tag, b"\x0a", b"", b"", tlv(0xA3, elsewhere))),
        message(number, result(tag, b"\x0a")),
        message(number, tlv(REFERENCE, elsewhere)) + message(number, fine),
        message(number, tlv(INTERMEDIATE)) + message(number, fine),
        *(message(number, e) + message(number, fine) for e in entries),
        message(number, entries[0]) * 3 + message(number, fine),
        message(number, result(tag, b"\x7f")),
        message(number, result(tag, b"\xff" * 9)),
        message(number, result(tag, b"")),
        message(number, result(tag, b"\x31", b"\xff", b"\xff" * 9)),
        message(number, result(tag, b"\x31", said=b"{pw: a-password-in-use}" * 900)),
        message(number, tlv(tag)),
        message(number, fine, tlv(0xA0, tlv(0x30, tlv(0x04, b"1.3.6.1.4.1.42.2.27.8.5.1"), tlv(0x04, b"0\x80")))),
        message(number, fine, tlv(0xA0, tlv(0x30, tlv(0x04, b"\xff"), tlv(0x04, b"\xff")), tlv(0x30))),
        message(b"\0", tlv(0x78, tlv(0x0A, b"\x34"), tlv(0x04), tlv(0x04), tlv(0x8A, b"1.3.6.1.4.1.1466.20036"))),
        message(b"\x63\x63", fine),
        message(number, tlv(0x61, fine)),
        message(number),
        tlv(0x30, tlv(0x02, b"\xff" * 20), fine),
        tlv(0x30, tlv(0x04, b"1"), fine),
        b"\x30\x80" + tlv(0x02, number) + fine + b"\0\0",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\xff",
        b"\x30" * 20_000,
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"",
    ]  # fmt: skip


class Odd(Listener):
    """A directory one of whose answers to each client is odd."""

    def __init__(self) -> None:
        super().__init__(self._serve)
        self.prepare(0, b"".join)

    def prepare(self, left: int, odd: Callable[[list[bytes]], bytes]) -> None:
        """Begin anew, with so many answers that are right before the odd one."""
        self.directory = Directory()
        self.directory.add(Entry(DN, {"userPassword": [PASSWORD]}))
        self._left, self._odd = left, odd
        self.said = b""

    def _serve(self, client: socket.socket) -> None:
        session = Session(self.directory)
        while asked := receive(client):
            if operation(asked) == UNBIND:
                return
            answers = session.answer(asked)
            self._left -= 1
            if self._left == -1:
                self.said = self._odd(answers)
                client.sendall(self.said)
                return
            client.sendall(b"".join(answers))


def instead(answers: list[bytes]) -> list[bytes]:
    """Return what may come instead of an answer."""
    last = answers[-1]
    return oddities(last[4 : 4 + last[3]], operation(last))


def acts(provider: Provider, login: LdapBind) -> Iterator[Callable[[], object]]:
    """Yield what is done at a directory."""
    material = {
        "bind_dn": Sensitive(DN),
        "password": Sensitive(PASSWORD),
        "ldap.salt": Sensitive("00" * 8),
    }
    one, two = Copy("v1", material), Copy("v2", {**material, "password": Sensitive("the-next")})
    known = frozenset({"v1", "v2"})
    for accept, forget in (((one,), ()), ((one, two), ()), ((two,), (one,)), ((), (one, two))):
        aim = Aim(rotation="a/b", accept=accept, forget=forget, known=known, settled=False)

        def step(aim: Aim = aim) -> None:
            call = provider.next_call(aim)
            if call is not None:
                call.run()

        yield step
    yield lambda: login.accepted(one)
    yield lambda: login.accepted(two)
    yield lambda: provider.check_free("a/b")


def live(bao: Bao, number: int, tell: Callable[[str], None]) -> None:
    """Ask one odd directory after the other."""
    del bao
    with Odd() as server:
        for round_ in range(1_000_000):
            tell(wrong(server, random.Random(f"{number} directories {round_}")))  # noqa: S311 - a schedule


def wrong(server: Odd, draw: random.Random) -> str:
    """Do one thing at an odd directory; return which error came that is none in words."""
    clock = RunClock(sleep=lambda _: None)
    retry = Retry(clock, Deadline(clock.now() + timedelta(seconds=2)))
    who = BindAs(ROTATOR, lambda: Sensitive(ROTATOR_PASSWORD)) if draw.random() < 0.7 else BindAsOwn()
    client = Ldap(server.url, retry, Meter(clock), who, timeout=0.5)
    provider = Provider(client, [DN], several=draw.random() < 0.7, others=draw.choice(["Stop", "Leave"]))
    server.prepare(draw.randrange(4), lambda answers: _odd(draw, answers))
    act = draw.choice(list(acts(provider, LdapBind(client))))
    try:
        act()
    except RotatorError as error:
        return f"directory: a secret in {error}" if PASSWORD.decode() in str(error) else ""
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"directory: {type(error).__name__}: {str(error)[:200]} for {server.said[:100]!r}"
    return ""


def _odd(draw: random.Random, answers: list[bytes]) -> bytes:
    return torn(draw, b"".join(answers)) if draw.random() < 0.4 else draw.choice(instead(answers))
