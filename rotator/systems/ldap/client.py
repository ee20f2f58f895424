"""Directories (LDAP): the password of one account, or of several that take turns.

Three ways, by what is declared. *Several values*: `userPassword` may have many (RFC 4519, section 2.41), so the new one is
added beside the old one, in a form that we hash ourselves: adding and deleting it is exactly repeatable. *Accounts in
turn*: the password of the account that nobody uses is set (RFC 3062), and that of an account which is not in use any more
is set to one that nobody is handed. *One value*: the only password is set, and the old one ends in that instant.

What an account accepts is seen in the stored values where they are shown to us, and else by a bind. A bind that may be
refused is followed by one with what is accepted: what counts failures, to lock an account, never counts far.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from rotator.clients.ldap import (
    ACCOUNT_LOCKED,
    CHANGE_AFTER_RESET,
    CONSTRAINT_VIOLATION,
    INVALID_CREDENTIALS,
    NO_SUCH_ATTRIBUTE,
    OBJECT_CLASS_VIOLATION,
    SUCCESS,
    SYSTEM,
    VALUE_EXISTS,
    Account,
    BindAs,
    BindAsOwn,
    Identities,
    Result,
)
from rotator.clients.ldap import Ldap as Directory
from rotator.core.distinguished_names import parse, same
from rotator.core.sensitive import Sensitive
from rotator.errors import ClientError, Conflict, Forbidden, Frozen, NotFound, Rejected, SettingsError
from rotator.ports import Aim, Call, Copy, Learned
from rotator.systems.at import At, Wired
from rotator.systems.ldap import Ldap, LdapPassword

DN, PASSWORD = "bind_dn", "password"
SALT, CLOSING, ADOPTED = "ldap.salt", "ldap.closing", "ldap.adopted"
"""Notes in the material; `rotator.systems.ldap.maker` says what they are."""
MARK_BYTES = 8
REFUSED = "invalidCredentials"
NOBODYS = 32
"""Random bytes of a password that nobody is handed."""
_HASHES = {"SHA": "sha1", "MD5": "md5", "SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512"}


# --- stored values -----------------------------------------------------------------------------------------------


def stored(copy: Copy) -> Sensitive:
    """Return the one stored form of a version's password: `{SSHA}`, which every directory takes without a module.

    The salt ends with a mark of the version's id, so that a value is known for ours when its password is forgotten. SHA-1
    is enough for passwords that are drawn: what cannot be guessed in 2^128 tries cannot be searched from its hash.
    """
    salt = bytes.fromhex(copy.material[SALT].reveal()) + mark(copy.id)
    digest = hashlib.sha1(copy.material[PASSWORD].octets() + salt, usedforsecurity=False).digest()
    return Sensitive(b"{SSHA}" + base64.b64encode(digest + salt))


def mark(version_id: str) -> bytes:
    """Return the mark of a version's id."""
    return hashlib.sha256(version_id.encode()).digest()[:MARK_BYTES]


def verify(value: Sensitive, password: Sensitive) -> bool | None:
    """Whether a stored value accepts a password; None where its scheme is none that can be computed here.

    Schemes as RFC 2307, section 5.3, writes them: `{SSHA}` and its kin, and text without any.
    """
    scheme, found = _scheme(value)
    if scheme in {"", "CLEARTEXT"}:
        return hmac.compare_digest(found, password.octets())
    salted = scheme.startswith("SSHA") or scheme == "SMD5"
    name = _HASHES.get(scheme[1:] if salted else scheme)
    octets = _from_base64(found)
    if name is None or octets is None:
        return None
    size = hashlib.new(name, usedforsecurity=False).digest_size
    computed = hashlib.new(name, password.octets() + octets[size:], usedforsecurity=False).digest()
    return hmac.compare_digest(computed, octets[:size])


def _scheme(value: Sensitive) -> tuple[str, bytes]:
    octets = value.octets()
    name, closed, rest = octets[1:].partition(b"}")
    if not octets.startswith(b"{") or not closed or not name.isascii():
        return "", octets
    return name.decode().upper(), rest


def _from_base64(octets: bytes) -> bytes | None:
    try:
        return base64.b64decode(octets, validate=True)
    except binascii.Error:
        return None


def _marked(value: Sensitive, known: frozenset[str]) -> str | None:
    """Return the id that the salt of a value bears, if it is one of `known`."""
    scheme, found = _scheme(value)
    octets = _from_base64(found) if scheme == "SSHA" else None
    marks = {mark(i): i for i in known}
    return marks.get(octets[-MARK_BYTES:]) if octets else None


# --- what comes next: pure ---------------------------------------------------------------------------------------


class Act(Enum):
    """What can be done to an account."""

    ADD = "add the password of"
    DELETE = "delete the password of"
    SET = "set the password of"
    CLOSE = "take the password away from"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was read of one account."""

    accepts: frozenset[str]
    """The versions whose password it accepts."""
    owners: tuple[str | None, ...] = ()
    """Whose each shown value is, in their order; None: somebody else's."""
    adopted: frozenset[str] = frozenset()
    """The versions that were taken over."""


@dataclass(frozen=True, slots=True)
class Step:
    """The next change of one account."""

    act: Act
    version: str
    value: int | None = None
    """Which of the shown values to delete; None: the one that we would have added."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """A case for people: what was found."""

    found: str
    do: str


def next_of_several(
    found: Found, accept: Sequence[str], forget: Sequence[str], *, settled: bool, others: str
) -> Step | Stuck | None:
    """Decide about an account that may have several passwords: add, then delete."""
    foreign = found.owners.count(None)
    if foreign and accept and others == "Stop":
        return Stuck(
            f"{_many(foreign)} that rotator did not make",
            "Delete it there if nobody uses it, take it over (spec.takeOver), or declare others: Leave",
        )
    return _missing(Act.ADD, found, accept, settled=settled) or _left(found, accept, forget)


def _left(found: Found, accept: Sequence[str], forget: Sequence[str]) -> Step | Stuck | None:
    """Decide what to delete: what is shown to be ours, or what a bind shows to be there."""
    ours = [(i, owner) for i, owner in enumerate(found.owners) if owner is not None and owner not in accept]
    if ours:
        turns = {version: turn for turn, version in enumerate(forget)}
        index, owner = min(ours, key=lambda pair: turns.get(pair[1], -1))
        return Step(Act.DELETE, owner, index)
    for version in forget:
        if version in found.accepts and (version in found.adopted or found.owners):
            return Stuck(
                f"{version} among what it accepts, and does not show which of its values that is",
                "Delete that value there, or let rotator's own bind read userPassword",
            )
        if version in found.accepts:
            return Step(Act.DELETE, version)
    return None


def next_of_one(
    found: Found, accept: Sequence[str], forget: Sequence[str], *, settled: bool
) -> Step | Stuck | None:
    """Decide about an account that has one password: set it, or take it away."""
    if len(accept) > 1:
        return Stuck(
            f"to accept both {' and '.join(accept)}, and one password only",
            "Declare at least two accounts, or wait until the older version is withdrawn",
        )
    if len(found.owners) > 1:
        return Stuck(
            f"{_many(len(found.owners))}, where one is declared (values: One)",
            "Leave one there, or declare values: Several",
        )
    if accept:
        return _missing(Act.SET, found, accept, settled=settled)
    return next((Step(Act.CLOSE, version) for version in forget if version in found.accepts), None)


def _missing(act: Act, found: Found, accept: Sequence[str], *, settled: bool) -> Step | Stuck | None:
    """Decide about the first version that is to be accepted and is not. What was taken over is put right, not put there."""
    version = next((v for v in accept if v not in found.accepts), None)
    if version is None or version not in found.adopted or settled:
        return None if version is None else Step(act, version)
    return Stuck(
        f"a password other than the one taken over as {version}",
        "Put the password that is in use where spec.takeOver reads it, and declare the rotation anew",
    )


def _many(number: int) -> str:
    return "a password" if number == 1 else f"{number} passwords"


# --- the provider ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DirectoryAccounts:
    """The passwords of `accounts`. `several`: one account that may have several at a time."""

    directory: Directory
    accounts: Sequence[str]
    several: bool = True
    others: str = "Stop"
    """What to do about passwords of others that are not in the way: `Stop` or `Leave`."""
    _ended: set[str] = field(default_factory=set, repr=False, compare=False)
    """The versions that this run has ended: where it cannot be read back, the directory's answer is all that tells it."""

    def __post_init__(self) -> None:
        """Refuse what are no names, and one account twice. Raises SettingsError."""
        try:
            names = {parse(account) for account in self.accounts}
        except ValueError as error:
            raise SettingsError(f"accounts: {error}") from None
        if len(names) < len(self.accounts):
            raise SettingsError(f"accounts: one of {'; '.join(self.accounts)} is there twice")

    @property
    def label(self) -> str:
        """Where, and whose passwords."""
        return f"ldap {self.directory.url} {'; '.join(self.accounts)}"

    def next_call(self, aim: Aim) -> Call | None:
        """Look at each account that a version is of, those first that are to accept one."""
        self._check_not_our_own()
        leaving = not aim.accept and isinstance(self.directory.identities, BindAsOwn)
        if leaving and self._ended.issuperset(copy.id for copy in aim.forget):
            return None  # to look once more, we would have to bind with what we ended
        try:
            return self._next_call(aim)
        except Forbidden as error:
            if leaving and error.reason == REFUSED:
                return None  # each password that we know is refused: that is what was wanted
            raise

    def _next_call(self, aim: Aim) -> Call | None:
        if not aim.accept:  # what is trusted most goes last: it may be what we bind with
            aim = replace(aim, forget=aim.forget[::-1])
        for dn, accept, forget in _by_account(aim):
            account = self._account(dn) if accept else self._remaining(dn, forget)
            if account is None:
                continue
            found = self._found(account, accept, forget, aim)
            accepted, forgotten = [c.id for c in accept], [c.id for c in forget]
            if self._several:
                step = next_of_several(found, accepted, forgotten, settled=aim.settled, others=self.others)
            else:
                step = next_of_one(found, accepted, forgotten, settled=aim.settled)
            if isinstance(step, Stuck):
                raise Frozen(f"{self._at(dn)} has {step.found}. Nothing was changed there. {step.do}")
            if step is not None:
                return self._call(dn, step, account, aim, ended={*forgotten} - found.accepts)
        return None

    def check_free(self, rotation: str) -> None:
        """See that the first version harms nobody who uses an account now; see `rotator.ports.Provider`."""
        del rotation
        self._check_not_our_own()
        if isinstance(self.directory.identities, BindAsOwn):
            raise Frozen(
                f"{self.label}: rotator is to bind with the very password that it rotates, and there is none yet. "
                "Nothing was changed. Take over the password in use (spec.takeOver)"
            )
        for dn in self.accounts:
            account = self._account(dn)
            if self._several and (account.has_password is not True or self.others == "Leave"):
                continue
            if account.has_password is None:
                raise Frozen(
                    f"whether {self._at(dn)} has a password that somebody uses is not shown to rotator. Nothing was "
                    "changed. Let rotator's own bind read or compare userPassword, or take the password over "
                    "(spec.takeOver)"
                )
            if account.has_password:
                count = _many(len(account.values) or 1)
                leave = ", or declare others: Leave" if self._several else ""
                raise Frozen(
                    f"{self._at(dn)} has {count} already. Nothing was changed there. Take it over "
                    f"(spec.takeOver), or delete userPassword there if nobody uses it{leave}"
                )

    def current(self) -> Sensitive | None:
        """Return nothing: a directory shows hashes."""
        return None

    @property
    def _several(self) -> bool:
        return self.several and len(self.accounts) == 1

    def _at(self, dn: str) -> str:
        return f"{dn} at {self.directory.url}"

    def _check_not_our_own(self) -> None:
        identities = self.directory.identities
        if isinstance(identities, BindAs) and any(same(identities.dn, dn) for dn in self.accounts):
            raise Frozen(
                f"{self._at(identities.dn)} is the account that rotator itself binds with: after the change it would be "
                "shut out. Nothing was changed. Declare bind: {own: {}}, or let rotator in by another account"
            )

    def _account(self, dn: str) -> Account:
        try:
            return self.directory.account(dn)
        except NotFound:
            raise Frozen(
                f"there is no account {self._at(dn)}, or rotator's own bind may not see it. Nothing was changed. Make "
                "the account, or correct credential.ldapPassword.accounts"
            ) from None

    def _remaining(self, dn: str, forget: Sequence[Copy]) -> Account | None:
        """Read an account from which all is to be withdrawn; None where somebody removed it: a hidden one lets us in."""
        try:
            return self.directory.account(dn)
        except NotFound:
            results = [self.directory.log_in(dn, copy.material[PASSWORD]) for copy in forget]
            if all(result.code == INVALID_CREDENTIALS for result in results):
                return None
            return self._account(dn)

    # --- what an account accepts

    def _found(self, account: Account, accept: Sequence[Copy], forget: Sequence[Copy], aim: Aim) -> Found:
        copies = (*accept, *forget)
        owners = [self._owner(value, copies, aim) for value in account.values]
        accepts = frozenset(self._accepted(account, accept, forget, owners, aim))
        unread = [i for i, value in enumerate(account.values) if owners[i] is None and _unreadable(value)]
        unexplained = [copy.id for copy in copies if copy.id in accepts and copy.id not in owners]
        if len(unread) == len(unexplained) == 1:
            owners[unread[0]] = unexplained[0]
        adopted = frozenset(copy.id for copy in copies if ADOPTED in copy.material)
        return Found(accepts=accepts, owners=tuple(owners), adopted=adopted)

    def _accepted(
        self,
        account: Account,
        accept: Sequence[Copy],
        forget: Sequence[Copy],
        owners: Sequence[str | None],
        aim: Aim,
    ) -> Iterator[str]:
        """Yield the versions that work, up to the first that is to and does not: it comes next, whatever the others do.

        Whatever binds are refused, one that is let in follows, in this look or as the first of the next.
        """
        for copy in accept:
            if not self._accepts(account, copy, owners, aim):
                return
            yield copy.id
        for copy in forget:
            if self._accepts(account, copy, owners, aim):
                yield copy.id
        if accept and forget and not _tells(account):
            self.directory.log_in(_dn(accept[-1]), accept[-1].material[PASSWORD])

    def _owner(self, value: Sensitive, copies: Sequence[Copy], aim: Aim) -> str | None:
        matching = (copy.id for copy in copies if verify(value, copy.material[PASSWORD]))
        return next(matching, None) or _marked(value, aim.known)

    def _accepts(self, account: Account, copy: Copy, owners: Sequence[str | None], aim: Aim) -> bool:
        """Whether a version's password works: by the values where they tell it, and else by a bind."""
        if copy.id in owners or _tells(account):
            return copy.id in owners
        if not aim.accept and (copy.id in self._ended or (self._several and ADOPTED not in copy.material)):
            # Nothing is left to bind with that would end a count of failures: ended unseen, once a run.
            return copy.id not in self._ended
        closing = copy.material.get(CLOSING) if copy not in aim.accept else None
        if closing is not None and self.directory.log_in(_dn(copy), closing).code == SUCCESS:
            return False
        result = self.directory.log_in(_dn(copy), copy.material[PASSWORD])
        if result.code == INVALID_CREDENTIALS and (account.locked_since or result.policy == ACCOUNT_LOCKED):
            raise Frozen(
                f"{self._at(_dn(copy))} is locked by the directory's password policy, so nobody can tell which password "
                "it accepts. Nothing was changed there. Find out who tried wrong passwords, and unlock it"
            )
        return _is_let_in(result, _dn(copy))

    # --- changes

    def _call(self, dn: str, step: Step, account: Account, aim: Aim, *, ended: set[str]) -> Call:
        copies = {copy.id: copy for copy in (*aim.accept, *aim.forget)}
        run = self._changes(dn, step, account, copies.get(step.version), last=not aim.accept)

        def perform() -> Learned:
            try:
                run()
            except Rejected as error:
                raise self._for_people(dn, error) from None
            if step.act in {Act.DELETE, Act.CLOSE}:
                self._ended.update(ended, {step.version})
            return {}

        return Call(does=f"{step.act.value} {step.version} at {self._at(dn)}", run=perform)

    def _changes(
        self, dn: str, step: Step, account: Account, copy: Copy | None, *, last: bool
    ) -> Callable[[], None]:
        directory = self.directory
        if step.act is Act.DELETE:
            value = stored(_known(copy)) if step.value is None else account.values[step.value]
            return lambda: self._delete(dn, value, last=last)
        known = _known(copy)
        if step.act is Act.ADD:
            return lambda: self._add(dn, stored(known), shown=bool(account.values))
        password = known.material[PASSWORD] if step.act is Act.SET else _closing(known)
        return lambda: directory.set_password(dn, password)

    def _add(self, dn: str, value: Sensitive, *, shown: bool) -> None:
        """Add a value; one that stands there already is what we want, and the next look sees it."""
        try:
            self.directory.add_value(dn, value)
        except Conflict as error:
            if error.code != VALUE_EXISTS or shown:
                raise
            raise Frozen(
                f"{self._at(dn)} has the value that was to be added, and refuses its password. Nothing was changed "
                "there. See whether the account is locked or disabled"
            ) from None

    def _delete(self, dn: str, value: Sensitive, *, last: bool) -> None:
        """Delete a value; one that is gone is what we want. Some accounts must have a password (objectClass)."""
        try:
            self.directory.delete_value(dn, value)
        except Rejected as error:
            if error.code == OBJECT_CLASS_VIOLATION and last:  # refused: nothing has changed
                self.directory.set_password(dn, Sensitive(secrets.token_urlsafe(NOBODYS)))
            elif error.code != NO_SUCH_ATTRIBUTE:
                raise

    def _for_people(self, dn: str, error: Rejected) -> Exception:
        if error.code != CONSTRAINT_VIOLATION:
            return error
        by = f" ({error.reason})" if error.reason else ""
        if self._several:
            return Frozen(
                f"the password policy of {self._at(dn)} takes no value that is hashed already, or no second one{by}. Nothing "
                "was changed there. Declare at least two accounts, which then take turns, or relax the policy for "
                "this one (pwdCheckQuality below 2)"
            )
        return Frozen(
            f"the password policy of {self._at(dn)} refuses the password{by}. Nothing was changed there. Compare "
            "credential.ldapPassword.length with its rules, or rotate anew where it knows this password from before"
        )


def _by_account(aim: Aim) -> Iterator[tuple[str, list[Copy], list[Copy]]]:
    """Yield each account with the versions that it is to accept, and to forget."""
    names = {parse(_dn(copy)): _dn(copy) for copy in reversed((*aim.accept, *aim.forget))}
    order = list(dict.fromkeys(parse(_dn(copy)) for copy in (*aim.accept, *aim.forget)))
    for name in order:
        accept = [copy for copy in aim.accept if parse(_dn(copy)) == name]
        forget = [copy for copy in aim.forget if parse(_dn(copy)) == name]
        yield names[name], accept, forget


def _dn(copy: Copy) -> str:
    return copy.material[DN].reveal()


def _known(copy: Copy | None) -> Copy:
    if copy is None:
        raise Frozen("a version is to be changed of which nothing is known: this is a defect of rotator")
    return copy


def _closing(copy: Copy) -> Sensitive:
    """Return the password that ends a version: the one drawn with it, or one that is drawn now."""
    return copy.material.get(CLOSING) or Sensitive(secrets.token_urlsafe(NOBODYS))


def _tells(account: Account) -> bool:
    """Whether what is shown of an account is all that it accepts, and can be computed here."""
    if account.has_password is False:
        return True
    return bool(account.values) and not any(_unreadable(value) for value in account.values)


def _unreadable(value: Sensitive) -> bool:
    return verify(value, Sensitive("-")) is None


# --- the proof ---------------------------------------------------------------------------------------------------


def _is_let_in(result: Result, dn: str) -> bool:
    """Whether the password was the right one. Raises Rejected where the answer says nothing about it."""
    if result.code == SUCCESS:
        return True
    if result.code == INVALID_CREDENTIALS and not result.policy:
        return False
    raise Rejected(
        f"{SYSTEM}: bind {dn}",
        f"{result}: that says nothing about the password",
        code=result.code,
        reason=result.policy or result.word,
    )


@dataclass(frozen=True)
class LdapBind:
    """A simple bind, as holders make it; see `rotator.ports.Login`.

    Directories lock an account after some refused binds in a row (`pwdMaxFailure`). A refused one is therefore followed
    by one that is let in: by the caller with the active version, on the same account; here with the password that
    ended a version, where accounts take turns. With a limit of 1 nothing can be proven without locking the account.
    """

    directory: Directory

    @property
    def name(self) -> str:
        """Where it binds."""
        return f"bind at {self.directory.url}"

    def stir(self, copy: Copy) -> bool:
        """Nobody has keys to look at; see `rotator.ports.Login`."""
        del copy
        return False

    def accepted(self, copy: Copy) -> bool:
        """Bind with the version's account and password; False only where the directory says that they do not match."""
        dn = _dn(copy)
        result = self.directory.log_in(dn, copy.material[PASSWORD])
        self._check_usable(dn, result)
        if result.code == INVALID_CREDENTIALS and not result.policy:
            closing = copy.material.get(CLOSING)
            if closing is not None and self.directory.log_in(dn, closing).code == SUCCESS:
                return False
            self._check_not_locked(dn)
        return _is_let_in(result, dn)

    def _check_usable(self, dn: str, result: Result) -> None:
        if result.code == SUCCESS and result.policy == CHANGE_AFTER_RESET:
            raise Rejected(
                f"{SYSTEM}: bind {dn}",
                "the directory lets it in only to change the password: its policy takes each password that another one "
                "sets for temporary (pwdMustChange). Exempt this account from that, or let rotator bind as it (own)",
                reason=CHANGE_AFTER_RESET,
            )
        if result.policy == ACCOUNT_LOCKED:
            raise self._locked(dn, "")

    def _check_not_locked(self, dn: str) -> None:
        """Many directories say of a locked account only that the password is wrong: look at it, where we can bind."""
        identities = self.directory.identities
        if isinstance(identities, BindAsOwn) and not identities.known():
            return
        with contextlib.suppress(NotFound):
            since = self.directory.account(dn).locked_since
            if since:
                raise self._locked(dn, f" since {since}")

    def _locked(self, dn: str, since: str) -> ClientError:
        return Rejected(
            f"{SYSTEM}: bind {dn}",
            f"the account is locked by the directory's password policy{since}, which says nothing about the password. "
            "Find out who tried wrong passwords, and unlock it",
            code=INVALID_CREDENTIALS,
            reason=ACCOUNT_LOCKED,
        )


def build(declared: Ldap, at: At) -> Wired:
    """Make what changes the passwords of the declared accounts."""
    w, bind = at.world, declared.bind
    identities: Identities
    if bind.password and bind.dn:
        identities = BindAs(bind.dn, at.reader(bind.password))
    else:
        identities = own = BindAsOwn()
        at.authenticates_by(own)
    connect = w.connect_directory or Directory
    directory = connect(
        declared.url,
        w.retry,
        w.meter,
        identities,
        start_tls=declared.start_tls,
        ca_file=declared.ca_file,
        timeout=w.timeout,
    )
    several = declared.values == "Several"
    accounts = DirectoryAccounts(
        directory, tuple(at.of(LdapPassword).accounts), several=several, others=declared.others
    )
    return Wired(accounts, login=LdapBind(directory))
