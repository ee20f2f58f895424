"""Declarations of every credential whose verifier is a provider: good ones, and bad ones with what is said of each.

One table for files and for the API server: a row says on which line a file is refused and in what words, and what `kubectl
apply` shows; None where the API server lets it pass, for then only rotator can see it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ISSUER = "https://sso.example.com/realms/acme"
ACCOUNT = '"uid=payments,ou=services,dc=example,dc=org"'
OTHER = '"uid=payments-2,ou=services,dc=example,dc=org"'

CREDENTIALS = {
    "jwtSigningKey": "jwtSigningKey: {}",
    "sharedSecret": "sharedSecret: {algorithm: HS256}",
    "oauthClient with a secret": f"oauthClient: {{clientId: payments, issuer: {ISSUER}}}",
    "oauthClient with a key": (
        f"oauthClient: {{clientId: payments, issuer: {ISSUER}, authentication: private_key_jwt, algorithm: RS256}}"
    ),
    "oauthClient that is registered": f"oauthClient: {{issuer: {ISSUER}}}",
    "ldapPassword": f"ldapPassword: {{accounts: [{ACCOUNT}]}}",
    "vaultAppRole": "vaultAppRole: {role: payments}",
    "keycloakRealmKey": "keycloakRealmKey: {}",
}
"""Each form of each credential."""
ADMIN = "auth: {client: {clientId: rotator, secret: {secret: {name: sso-admin, key: client_secret}}}}"
VERIFIERS = {
    "jwks": "jwks: {secret: payments-jwks}",
    "pem": "pem: {secret: payments-keys}",
    "acceptedList": "acceptedList: {secret: payments-accepted}",
    "static": "static: {secret: payments-client, confirmedBy: Annotation}",
    "holders": "holders: {}",
    "keycloak": f"keycloak: {{url: https://sso.example.com, realm: acme, {ADMIN}}}",
    "keycloakRealmKeys": f"keycloakRealmKeys: {{url: https://sso.example.com, realm: acme, {ADMIN}}}",
    "okta": (
        "okta: {url: https://acme.okta.com, app: 0oa1b2c3, "
        "auth: {token: {vault: {mount: secret, path: payments/okta, field: token}}}}"
    ),
    "entra": (
        "entra: {application: 5f6e7d8c-0000-4000-8000-000000000000, "
        "auth: {client: {clientId: rotator, key: {file: /run/secrets/entra.pem}, kid: k1}}}"
    ),
    "auth0": f"auth0: {{url: https://acme.eu.auth0.com, {ADMIN}}}",
    "hydra": "hydra: {url: https://hydra-admin.example.com}",
    "registration": "registration: {token: {secret: {name: sso-admin, key: token}}}",
    "ldap": (
        "ldap: {url: ldaps://ldap.example.com, "
        'bind: {dn: "cn=rotator,dc=example,dc=org", password: {secret: {name: ldap-admin, key: password}}}}'
    ),
    "appRole": "appRole: {}",
}
"""Each verifier, as it is declared most often."""
SUITING = {
    ("jwtSigningKey", "jwks"),
    ("jwtSigningKey", "pem"),
    ("sharedSecret", "jwks"),
    ("sharedSecret", "acceptedList"),
    ("sharedSecret", "holders"),
    ("oauthClient with a secret", "keycloak"),
    ("oauthClient with a secret", "okta"),
    ("oauthClient with a secret", "entra"),
    ("oauthClient with a secret", "auth0"),
    ("oauthClient with a secret", "hydra"),
    ("oauthClient with a secret", "static"),
    ("oauthClient with a key", "jwks"),
    ("oauthClient with a key", "pem"),
    ("oauthClient with a key", "auth0"),
    ("oauthClient that is registered", "registration"),
    ("ldapPassword", "ldap"),
    ("vaultAppRole", "appRole"),
    ("keycloakRealmKey", "keycloakRealmKeys"),
}
"""Which verifier suits which credential; no other pair."""
ONE_SLOT = {("oauthClient with a secret", "auth0"), ("sharedSecret", "holders")}
"""Those that accept one version at a time, as they are declared most often."""
OUTAGE = "outage: {days: [Sat, Sun], start: '02:30', length: 2h}"
TAKE_OVER = "takeOver: {secret: {name: old, key: secret}}"


def declaration(credential: str, verifier: str, *more: str, holder: str = "") -> str:
    """Return a declaration, given texts or keys of the tables. Line 6 is the credential, 11 the verifier, 13 the holder."""
    kept = "keycloakRealm: {}" if credential == "keycloakRealmKey" else "secret: {name: payments}"
    lines = (
        "apiVersion: rotator.dev/v1alpha1",
        "kind: Rotation",
        "metadata: {name: payments-client, namespace: payments}",
        "spec:",
        "  credential:",
        f"    {CREDENTIALS.get(credential, credential)}",
        "  every: 30d",
        "  overlap: {tokenTTL: 15m}",
        "  store: {kubernetes: {}}",
        "  verifiers:",
        f"    - {VERIFIERS.get(verifier, verifier)}",
        "  holders:",
        f"    - {holder or kept}",
        *(f"  {line}" for line in more),
    )
    return "\n".join(lines) + "\n"


def pair(form: str, verifier: str) -> str:
    """Return the declaration of a credential and a verifier, with the outage where every switch is one."""
    outage = (OUTAGE,) if (form, verifier) in ONE_SLOT else ()
    return declaration(form, verifier, *outage)


SECRET = "oauthClient with a secret"
KEY = "oauthClient with a key"
REGISTERED = "oauthClient that is registered"
TWO = f"ldapPassword: {{accounts: [{ACCOUNT}, {OTHER}]}}"
ONE_VALUE = VERIFIERS["ldap"].replace("bind:", "values: One, bind:")
OWN = VERIFIERS["keycloak"].replace(ADMIN, "auth: {own: {}}")
OWN_BIND = "ldap: {url: ldaps://ldap.example.com, bind: {own: {}}}"
TWO_BY_HAND = "static: {secret: a}\n    - static: {secret: b, confirmedBy: Annotation}"
HARD = VERIFIERS["keycloak"].replace("realm: acme", "realm: acme, overlap: false")


def _client(old: str, new: str, form: str = SECRET) -> str:
    assert CREDENTIALS[form].count(old) == 1, old
    return CREDENTIALS[form].replace(old, new)


def _verifier(kind: str, old: str, new: str) -> str:
    assert VERIFIERS[kind].count(old) == 1, old
    return VERIFIERS[kind].replace(old, new)


def _holding(data: str, kind: str = "secret: {name: payments") -> str:
    return f"{kind}, data: {{{data}}}}}"


WITH_API = ("keycloak", "okta", "entra", "auth0", "hydra")
"""The providers of clients that are changed through an API."""


def _let_in(kind: str, auth: str) -> str:
    """Return the declaration of a client at a provider where rotator is let in in another way."""
    verifier = re.sub(r", auth: .*", "", VERIFIERS[kind]).rstrip("}")
    outage = (OUTAGE,) if kind == "auth0" else ()
    return declaration(SECRET, f"{verifier}, auth: {{{auth}}}}}", *outage)


ACCEPTED = {
    **{f"{form}: {verifier}": pair(form, verifier) for form, verifier in sorted(SUITING)},
    "holders that accept two values": declaration(
        "sharedSecret", "holders", holder=_holding("a: '${value},${other.value}'")
    ),
    "holders that accept two values in two data keys": declaration(
        "sharedSecret", "holders", holder=_holding("a: value, b: other.value|json")
    ),
    "a key at two places": declaration(KEY, f"{VERIFIERS['jwks']}\n    - {VERIFIERS['auth0']}"),
    "a key in a ConfigMap": declaration(KEY, "jwks: {configMap: payments-jwks}"),
    "a key that is probed": declaration(
        KEY, "jwks", "gates: {beforeActivate: [{jwksProbe: {url: 'https://a'}}]}"
    ),
    "a key that is taken over with its id": declaration(
        KEY, "jwks", "takeOver: {secret: {name: a, key: b}, kid: k}"
    ),
    "every field of a client": declaration(
        f"oauthClient: {{clientId: payments, issuer: {ISSUER}, authentication: client_secret_post, length: 100, "
        "login: {via: client_credentials, times: 1, scope: a b, audience: c, caFile: /ca.pem}}",
        "okta",
    ),
    "a login by introspection": declaration(_client("}", ", login: {via: introspection}}"), "hydra"),
    "an issuer that ends with a slash": declaration(
        _client(ISSUER, "https://acme.eu.auth0.com/"), "auth0", OUTAGE
    ),
    "a provider on the machine itself": declaration(
        _client(ISSUER, "http://localhost:4444/"),
        "hydra: {url: 'http://127.0.0.1:4445', others: Leave, propagation: 1s}",
    ),
    "a provider on a port": declaration(SECRET, _verifier("hydra", "example.com", "example.com:4445")),
    "Keycloak without overlap": declaration(SECRET, HARD, OUTAGE),
    "every field of Keycloak": declaration(
        SECRET,
        _verifier(
            "keycloak",
            "realm: acme",
            "realm: acme, ensurePolicy: true, others: Leave, caFile: /ca.pem, propagation: 1m",
        ),
    ),
    "what a provider shows is taken over": declaration(SECRET, "keycloak", "takeOver: {provider: {}}"),
    "what Okta shows is taken over": declaration(SECRET, "okta", "takeOver: {provider: {}}"),
    "what Auth0 shows is taken over": declaration(SECRET, "auth0", OUTAGE, "takeOver: {provider: {}}"),
    "what Entra made is taken over": declaration(SECRET, "entra", TAKE_OVER),
    "what Hydra made is taken over": declaration(SECRET, "hydra", TAKE_OVER),
    "rotator's own client": declaration(SECRET, OWN, TAKE_OVER),
    "rotator's own account": declaration("ldapPassword", OWN_BIND, TAKE_OVER),
    "a client of the same name elsewhere": declaration(
        SECRET,
        _verifier(
            "keycloak", "clientId: rotator", "clientId: payments, issuer: https://sso.example.com/realms/a"
        ),
    ),
    "every field of a registration": declaration(
        _client("}", ", login: {via: revocation}}", REGISTERED),
        "registration: {endpoint: https://sso.example.com/register, grantTypes: [authorization_code], "
        "redirectUris: [https://a/b], responseTypes: [code], scope: a b, clientName: Payments}",
    ),
    "a registered client under other names": declaration(
        REGISTERED, "registration: {}", holder=_holding("id: client_id, secret: client_secret")
    ),
    "two accounts": declaration(TWO, "ldap"),
    "two accounts, the first of which is taken over": declaration(TWO, "ldap", TAKE_OVER),
    "two accounts with one password each": declaration(TWO, ONE_VALUE),
    "two accounts under other names": declaration(
        TWO, "ldap", holder=_holding("user: bind_dn, pass: password", "vault: {mount: a, path: b")
    ),
    "two accounts of which only a name is needed": declaration(TWO, "ldap", holder=_holding("user: bind_dn")),
    "one account with one password": declaration("ldapPassword", ONE_VALUE, OUTAGE),
    "one account under one name": declaration("ldapPassword", "ldap", holder=_holding("pass: password")),
    "StartTLS": declaration(
        "ldapPassword",
        _verifier("ldap", "ldaps://ldap.example.com", "ldap://ldap.example.com, startTls: true"),
    ),
    "a client secret in Vault": declaration(SECRET, "keycloak", holder="vault: {mount: a, path: b}"),
    "a client key in Vault": declaration(KEY, "jwks", holder="vault: {mount: a, path: b}"),
    "a secret id in Vault": declaration("vaultAppRole", "appRole", holder="vault: {mount: a, path: b}"),
    "a password in Vault": declaration("ldapPassword", "ldap", holder="vault: {mount: a, path: b}"),
    "people install it, and a login shows it": declaration(SECRET, "static: {vault: {mount: a, path: b}}"),
    "a webhook that is restarted": declaration(
        SECRET, "static: {secret: a}\n      restart: {workloads: auto}"
    ),
    "a realm's key with another algorithm": declaration(
        "keycloakRealmKey: {algorithm: EdDSA}",
        _verifier("keycloakRealmKeys", "realm: acme", "realm: acme, maxAge: 1h"),
        holder="keycloakRealm: {}",
    ),
    "an outage of a whole day": declaration(SECRET, HARD, "outage: {start: '00:00', length: 1d}"),
    "a gate after an outage": declaration(
        SECRET,
        HARD,
        OUTAGE,
        "gates: {beforeDestroy: [{prometheus: {url: 'http://p', query: q, below: 1}}]}",
    ),
    "an outage and a period just longer than the overlap": declaration(SECRET, HARD, OUTAGE).replace(
        "30d", "16m1ms"
    ),
}
"""Good declarations, by what is special about them."""
ACCEPTED_AS_RESOURCES = {
    **ACCEPTED,
    "a client that goes with its declaration": declaration(SECRET, "okta", "deletionPolicy: Delete"),
}
"""The same for custom resources, which alone may ask for deletion."""


@dataclass(frozen=True)
class Wrong:
    """A bad declaration: what a file is told, line by line, and what `kubectl apply` shows."""

    name: str
    text: str
    expected: tuple[tuple[int, str], ...]
    shown: str | None
    """None: the API server lets it pass."""


def _wrong(name: str, text: str, line: int, says: str, shown: str | None = "") -> Wrong:
    """Return a row with one problem; `shown` beside the same words: where the API server says them."""
    return Wrong(name, text, ((line, says),), shown)


_ADDRESS = "expected a URL as https://sso.example.com/auth"
_ISSUER = "expected a URL as https://sso.example.com/realms/acme"
_OUTAGE = (
    "this verifier cannot accept two versions at a time, so every switch is an outage; expected `outage`"
)
_OUTAGE_SHOWN = f"{_OUTAGE}, which accepts it and says when, or a verifier that can"  # the whole sentence, as it stands there
_NO_OUTAGE = "versions overlap here, and nobody has to be refused; expected no `outage`"
_AT_ONCE = "while versions cannot overlap, everything that is waited for is an outage; expected no"
_ONE = "a version is made for one provider; expected a rotation for each"
_REALM = "the realm signs with its key, and nobody is handed it; expected one holder, keycloakRealm, and only there"
_NO_KID = "no token carries the id of this credential's versions; expected no kid"
_ITSELF = "this is the very credential that is rotated, and would be out of date after it; expected own"
_OWN_FIRST = (
    "rotator's own credential is how it gets in; expected secret or vault, which holds the one in use"
)
_WITH_NAME = (
    "each version has a client or an account of its own; expected its name (client_id, bind_dn) beside it"
)
_NO_TAKE_OVER = "what the provider made itself cannot be taken over; expected no takeOver"
_NOT_SHOWN = "this provider does not show its secrets; expected secret or vault"
_MADE_THERE = "the provider makes the secret; expected no length"
_NO_LOGIN = "the login that proves a version needs the grant client_credentials; expected it among grantTypes, or another login.via"
_NOTHING_READS = (
    "nothing in Kubernetes reads what a provider accepts; expected restart at the holders, if anywhere"
)
_FIELDS = "a holder's data asks for an unknown field, or for an encoding that it has not; expected one of"
_PROBE = "jwksProbe reads public keys; this credential has none"
_TWICE = "an account is there twice; expected each once"
_BESIDE_HARD = (SECRET, HARD, OUTAGE)
_BOTH = _holding("a: '${value},${other.value}'")
_ONE_VALUE = (
    "a holder is handed one value here, so every switch is an outage; expected other.FIELD in the data of every holder, if the "
    "application accepts several values, or `outage`, which accepts it and says when"
)
_OTHER_ALONE = (
    "other.FIELD is for holders that check with the secret as well; expected `holders` among the verifiers"
)

REFUSED = [
    # --- the client ---
    _wrong(
        "an algorithm of a secret",
        declaration(_client("}", ", algorithm: RS256}"), "okta"),
        6,
        "spec.credential.oauthClient: algorithm goes with private_key_jwt",
        "spec.credential.oauthClient: algorithm goes with private_key_jwt",
    ),
    _wrong(
        "the length of a key",
        declaration(_client("}", ", length: 40}", KEY), "jwks"),
        6,
        "spec.credential.oauthClient: length goes with a secret; a key has its algorithm",
        "spec.credential.oauthClient: length goes with a secret; a key has its algorithm",
    ),
    _wrong(
        "no client",
        declaration(REGISTERED, "keycloak"),
        6,
        "spec.credential.oauthClient.clientId: expected the client's id",
        "spec.credential: clientId: expected the client's id",
    ),
    _wrong(
        "a client that is registered anew",
        declaration(SECRET, "registration"),
        6,
        "oauthClient.clientId: each version is registered as a client of its own; expected no clientId",
        "spec.credential: clientId: each version is registered as a client of its own; expected no clientId",
    ),
    _wrong(
        "a client of dots",
        declaration(_client("clientId: payments", "clientId: '..'"), "hydra"),
        6,
        "oauthClient.clientId: expected printable ASCII characters, and not only dots",
        "should match",
    ),
    _wrong(
        "an issuer in plain text",
        declaration(_client(ISSUER, "http://sso.example.com"), "okta"),
        6,
        f"oauthClient.issuer: {_ISSUER}",
        "should match",
    ),
    _wrong(
        "an issuer that only begins like the machine itself",
        declaration(_client(ISSUER, "http://localhost.example.com"), "okta"),
        6,
        f"oauthClient.issuer: {_ISSUER}",
        "should match",
    ),
    _wrong(
        "an issuer with a user",
        declaration(_client(ISSUER, "https://sso.example.com@evil.example"), "okta"),
        6,
        f"oauthClient.issuer: {_ISSUER}",
        "should match",
    ),
    _wrong(
        "an issuer that leads upwards",
        declaration(_client(ISSUER, "https://sso.example.com/realms/../x"), "okta"),
        6,
        f"oauthClient.issuer: {_ISSUER}",
        "should match",
    ),
    _wrong(
        "a scope of an introspection",
        declaration(_client("}", ", login: {via: introspection, scope: a}}"), "okta"),
        6,
        "oauthClient.login: scope and audience go with client_credentials",
        "spec.credential.oauthClient.login: scope and audience go with client_credentials",
    ),
    _wrong(
        "an audience of a revocation",
        declaration(_client("}", ", login: {via: revocation, audience: a}}"), "okta"),
        6,
        "oauthClient.login: scope and audience go with client_credentials",
        "spec.credential.oauthClient.login: scope and audience go with client_credentials",
    ),
    _wrong(
        "a length for who makes the secret",
        declaration(_client("}", ", length: 40}"), "entra"),
        6,
        f"oauthClient.length: {_MADE_THERE}",
        f"spec.credential: length: {_MADE_THERE}",
    ),
    _wrong(
        "a secret too long for Okta",
        declaration(_client("}", ", length: 101}"), "okta"),
        6,
        "oauthClient.length: Okta takes at most 100 characters; expected a shorter length",
        "spec.credential: length: Okta takes at most 100 characters; expected a shorter length",
    ),
    _wrong(
        "an algorithm that Auth0 does not know",
        declaration(_client("RS256", "ES256", KEY), "auth0"),
        6,
        "oauthClient.algorithm: Auth0 lets keys in by RS256, RS384, PS256; expected one of them as algorithm",
        "spec.credential: algorithm: Auth0 lets keys in by RS256, RS384, PS256; expected one of them as algorithm",
    ),
    _wrong(
        "the usual algorithm at Auth0",
        declaration(_client(", algorithm: RS256", "", KEY), "auth0"),
        6,
        "oauthClient.algorithm: Auth0 lets keys in by RS256, RS384, PS256; expected one of them as algorithm",
        "spec.credential: algorithm: Auth0 lets keys in by RS256, RS384, PS256; expected one of them as algorithm",
    ),
    # --- who accepts it ---
    _wrong(
        "holders that accept what they use, of one value",
        declaration("sharedSecret", "holders"),
        4,
        f"spec.outage: {_ONE_VALUE}",
        f"spec: {_ONE_VALUE}",
    ),
    _wrong(
        "two holders, of which one is handed one value",
        declaration(
            "sharedSecret", "holders", holder=f"{_BOTH}\n    - secret: {{name: b, data: {{a: value}}}}"
        ),
        4,
        f"spec.outage: {_ONE_VALUE}",
        None,  # whether a mapping has the other version in it, the API server does not look
    ),
    _wrong(
        "holders that accept two values, and an outage",
        declaration("sharedSecret", "holders", OUTAGE, holder=_BOTH),
        14,
        f"spec.outage: {_NO_OUTAGE}",
        None,  # for the same reason
    ),
    _wrong(
        "the other version, of holders that are no verifiers",
        declaration("sharedSecret", "acceptedList", holder=_holding("a: value, b: other.value")),
        13,
        f"spec.holders.0: {_OTHER_ALONE}",
        f"spec.holders: {_OTHER_ALONE}",
    ),
    _wrong(
        "the same in a text",
        declaration("sharedSecret", "acceptedList", holder=_BOTH),
        13,
        f"spec.holders.0: {_OTHER_ALONE}",
        None,
    ),
    _wrong(
        "an alphabet with the separator of a list",
        declaration("sharedSecret: {length: 40, alphabet: 'abcdefghij,'}", "holders", holder=_BOTH),
        13,
        "data.a: a value holds ',', at which readers of the list split it: it would be another value, or two; expected an alphabet without",
        None,
    ),
    _wrong(
        "the other version alone",
        declaration("sharedSecret", "holders", holder=_holding("a: other.value")),
        13,
        "data: only previous or other fields; expected at least one of the active version",
        "spec.holders[0].secret.data: only previous or other fields; expected at least one of the active version",
    ),
    _wrong(
        "holders that are restarted as verifiers",
        declaration("sharedSecret", VERIFIERS["holders"] + "\n      restart: {}", holder=_BOTH),
        11,
        f"spec.verifiers.0: {_NOTHING_READS}",
        f"spec.verifiers[0]: {_NOTHING_READS}",
    ),
    _wrong(
        "a client secret for everybody",
        declaration(SECRET, "static: {configMap: a}"),
        11,
        "spec.verifiers.0: a secret in a ConfigMap is readable by everybody; expected secret or vault",
        "spec.verifiers: a secret in a ConfigMap is readable by everybody; expected secret or vault",
    ),
    _wrong(
        "two providers",
        declaration(SECRET, f"{VERIFIERS['keycloak']}\n    - {VERIFIERS['okta']}"),
        10,
        f"spec.verifiers: {_ONE}",
        f"spec.verifiers: {_ONE}",
    ),
    _wrong(
        "a provider and people",
        declaration(SECRET, f"{VERIFIERS['keycloak']}\n    - {VERIFIERS['static']}"),
        10,
        f"spec.verifiers: {_ONE}",
        f"spec.verifiers: {_ONE}",
    ),
    _wrong(
        "people twice",
        declaration(SECRET, TWO_BY_HAND),
        10,
        f"spec.verifiers: {_ONE}",
        f"spec.verifiers: {_ONE}",
    ),
    _wrong(
        "an annotation of a Vault path",
        declaration(SECRET, "static: {vault: {mount: a, path: b}, confirmedBy: Annotation}"),
        11,
        "static: confirmedBy: a Vault path has no annotations; expected Login, or a Secret",
        "spec.verifiers[0].static: confirmedBy: a Vault path has no annotations; expected Login, or a Secret",
    ),
    _wrong(
        "a provider that is restarted",
        declaration(SECRET, VERIFIERS["keycloak"] + "\n      restart: {}"),
        11,
        f"spec.verifiers.0: {_NOTHING_READS}",
        f"spec.verifiers[0]: {_NOTHING_READS}",
    ),
    _wrong(
        "a directory that is restarted",
        declaration("ldapPassword", VERIFIERS["ldap"] + "\n      restart: {}"),
        11,
        f"spec.verifiers.0: {_NOTHING_READS}",
        f"spec.verifiers[0]: {_NOTHING_READS}",
    ),
    _wrong(
        "workloads that read a JWK Set in Vault",
        declaration(KEY, "jwks: {vault: {mount: a, path: b}}\n      restart: {}"),
        11,
        "verifiers.0: restart.workloads: nothing in Kubernetes references a Vault path; name the workloads",
        None,  # workloads, which have no one type, are not visible to CEL
    ),
    _wrong(
        "a provider in plain text",
        declaration(SECRET, _verifier("hydra", "https", "http")),
        11,
        f"hydra.url: {_ADDRESS}",
        "should match",
    ),
    _wrong(
        "a provider with a slash behind",
        declaration(SECRET, _verifier("okta", "okta.com", "okta.com/")),
        11,
        f"okta.url: {_ADDRESS}",
        "should match",
    ),
    _wrong(
        "a provider in capitals",
        declaration(SECRET, _verifier("okta", "acme.okta.com", "Acme.okta.com")),
        11,
        f"okta.url: {_ADDRESS}",
        "should match",
    ),
    _wrong(
        "a provider with a query",
        declaration(
            SECRET,
            _verifier("okta", "okta.com", "'okta.com?a=b'").replace(
                "https://acme.'okta", "'https://acme.okta"
            ),
        ),
        11,
        f"okta.url: {_ADDRESS}",
        "should match",
    ),
    _wrong(
        "a realm that leads upwards",
        declaration(SECRET, _verifier("keycloak", "realm: acme", "realm: '..'")),
        11,
        "keycloak.realm: expected letters, digits, -, _, ~ and ., not beginning with a dot",
        "should match",
    ),
    _wrong(
        "an app that leads upwards",
        declaration(SECRET, _verifier("okta", "0oa1b2c3", "a/b")),
        11,
        "okta.app: expected letters, digits, -, _, ~ and ., not beginning with a dot",
        "should match",
    ),
    _wrong(
        "a file with a line end",
        declaration(SECRET, _verifier("entra", "/run/secrets/entra.pem", '"/run\\nx"')),
        11,
        "key.file: expected the path of a file, in printable ASCII characters",
        "should match",
    ),
    # --- our way in ---
    _wrong(
        "no way in",
        declaration(SECRET, _verifier("keycloak", ADMIN, "auth: {}")),
        11,
        "keycloak.auth: expected exactly one of client, token, own",
        "spec.verifiers[0].keycloak.auth: expected exactly one of client, token, own",
    ),
    _wrong(
        "two ways in",
        declaration(SECRET, _verifier("keycloak", "auth: {", "auth: {own: {}, "), TAKE_OVER),
        11,
        "keycloak.auth: expected exactly one of client, token, own",
        "spec.verifiers[0].keycloak.auth: expected exactly one of client, token, own",
    ),
    _wrong(
        "neither secret nor key",
        declaration(
            SECRET, _verifier("keycloak", ", secret: {secret: {name: sso-admin, key: client_secret}}", "")
        ),
        11,
        "auth.client: expected exactly one of secret, key",
        "spec.verifiers[0].keycloak.auth.client: expected exactly one of secret, key",
    ),
    _wrong(
        "the id of a secret",
        declaration(SECRET, _verifier("keycloak", "clientId: rotator", "clientId: rotator, kid: a")),
        11,
        "auth.client: kid goes with key",
        "spec.verifiers[0].keycloak.auth.client: kid goes with key",
    ),
    _wrong(
        "a source that is none",
        declaration(
            SECRET, _verifier("okta", "vault: {mount: secret, path: payments/okta, field: token}", "")
        ),
        11,
        "auth.token: expected exactly one of secret, vault, file",
        "spec.verifiers[0].okta.auth.token: expected exactly one of secret, vault, file",
    ),
    _wrong(
        "let in as the rotated client, by the issuer's name",
        declaration(KEY, _verifier("auth0", "clientId: rotator", f"clientId: payments, issuer: {ISSUER}")),
        11,
        f"spec.verifiers.0: {_ITSELF}",
        f"spec.verifiers: {_ITSELF}",
    ),
    _wrong(
        "bound as the rotated account",
        declaration(
            TWO,
            _verifier("ldap", "cn=rotator,dc=example,dc=org", "UID=Payments-2,ou=services,dc=example,dc=org"),
        ),
        11,
        f"spec.verifiers.0: {_ITSELF}",
        f"spec.verifiers: {_ITSELF}",
    ),
    _wrong(
        "bound as the rotated account in another spelling",
        declaration(
            TWO,
            _verifier(
                "ldap", "cn=rotator,dc=example,dc=org", "userid = payments-2, OU=services,dc=example,dc=org"
            ),
        ),
        11,
        f"spec.verifiers.0: {_ITSELF}",
        None,  # CEL compares letters, whatever their case
    ),
    _wrong(
        "own with what the provider shows",
        declaration(SECRET, OWN, "takeOver: {provider: {}}"),
        14,
        f"spec.takeOver: {_OWN_FIRST}",
        f"spec: takeOver: {_OWN_FIRST}",
    ),
    _wrong(
        "an own account with nothing to begin with",
        declaration("ldapPassword", OWN_BIND),
        4,
        f"spec.takeOver: {_OWN_FIRST}",
        f"spec: takeOver: {_OWN_FIRST}",
    ),
    _wrong(
        "let in by a realm's key",
        declaration("keycloakRealmKey", _verifier("keycloakRealmKeys", ADMIN, "auth: {own: {}}")),
        11,
        "keycloakRealmKeys: auth: a realm's key lets nobody in at its API; expected client or token",
        "spec.verifiers[0].keycloakRealmKeys: auth: a realm's key lets nobody in at its API; expected client or token",
    ),
    *(
        _wrong(
            f"let in as the rotated client: {kind}",
            _let_in(kind, "client: {clientId: payments, secret: {secret: {name: a, key: b}}}"),
            11,
            f"spec.verifiers.0: {_ITSELF}",
            f"spec.verifiers: {_ITSELF}",
        )
        for kind in WITH_API
    ),
    *(
        _wrong(
            f"own with nothing to begin with: {kind}",
            _let_in(kind, "own: {}"),
            4,
            f"spec.takeOver: {_OWN_FIRST}",
            f"spec: takeOver: {_OWN_FIRST}",
        )
        for kind in WITH_API
    ),
    *(
        _wrong(
            f"the usual length for who makes the secret: {kind}",
            declaration(_client("}", ", length: 48}", form), kind),
            6,
            f"oauthClient.length: {_MADE_THERE}",
            f"spec.credential: length: {_MADE_THERE}",
        )
        for form, kind in ((SECRET, "entra"), (SECRET, "hydra"), (REGISTERED, "registration"))
    ),
    _wrong(
        "a registered client that may not log in",
        declaration(REGISTERED, "registration: {grantTypes: [authorization_code]}"),
        11,
        f"spec.verifiers.0: {_NO_LOGIN}",
        f"spec.verifiers: {_NO_LOGIN}",
    ),
    # --- taking over ---
    _wrong(
        "a registered client that is taken over",
        declaration(REGISTERED, "registration", TAKE_OVER),
        14,
        f"spec.takeOver: {_NO_TAKE_OVER}",
        f"spec.takeOver: {_NO_TAKE_OVER}",
    ),
    _wrong(
        "a realm's key that is taken over",
        declaration("keycloakRealmKey", "keycloakRealmKeys", TAKE_OVER),
        14,
        f"spec.takeOver: {_NO_TAKE_OVER}",
        f"spec.takeOver: {_NO_TAKE_OVER}",
    ),
    _wrong(
        "what Entra does not show",
        declaration(SECRET, "entra", "takeOver: {provider: {}}"),
        14,
        f"spec.takeOver: {_NOT_SHOWN}",
        f"spec.takeOver: {_NOT_SHOWN}",
    ),
    _wrong(
        "a key that Auth0 does not show",
        declaration(KEY, "auth0", "takeOver: {provider: {}}"),
        14,
        f"spec.takeOver: {_NOT_SHOWN}",
        f"spec.takeOver: {_NOT_SHOWN}",
    ),
    _wrong(
        "what a JWK Set does not show",
        declaration("jwtSigningKey", "jwks", "takeOver: {provider: {}}"),
        14,
        f"spec.takeOver: {_NOT_SHOWN}",
        f"spec.takeOver: {_NOT_SHOWN}",
    ),
    _wrong(
        "the id of a client secret",
        declaration(SECRET, "keycloak", "takeOver: {secret: {name: a, key: b}, kid: c}"),
        14,
        f"spec.takeOver: {_NO_KID}",
        f"spec.takeOver: {_NO_KID}",
    ),
    _wrong(
        "the id of a password",
        declaration("ldapPassword", "ldap", "takeOver: {secret: {name: a, key: b}, kid: c}"),
        14,
        f"spec.takeOver: {_NO_KID}",
        f"spec.takeOver: {_NO_KID}",
    ),
    # --- outages ---
    _wrong(
        "an outage that nobody accepted: Keycloak",
        declaration(SECRET, HARD),
        4,
        f"spec.outage: {_OUTAGE}",
        f"spec: {_OUTAGE_SHOWN}",
    ),
    _wrong(
        "an outage that nobody accepted: Auth0",
        declaration(SECRET, "auth0"),
        4,
        f"spec.outage: {_OUTAGE}",
        f"spec: {_OUTAGE_SHOWN}",
    ),
    _wrong(
        "an outage that nobody accepted: a directory",
        declaration("ldapPassword", ONE_VALUE),
        4,
        f"spec.outage: {_OUTAGE}",
        f"spec: {_OUTAGE_SHOWN}",
    ),
    _wrong(
        "an outage that is not needed",
        declaration(SECRET, "keycloak", OUTAGE),
        14,
        f"spec.outage: {_NO_OUTAGE}",
        f"spec.outage: {_NO_OUTAGE}",
    ),
    _wrong(
        "an outage of accounts that take turns",
        declaration(TWO, ONE_VALUE, OUTAGE),
        14,
        f"spec.outage: {_NO_OUTAGE}",
        f"spec.outage: {_NO_OUTAGE}",
    ),
    _wrong(
        "an outage of keys at Auth0",
        declaration(KEY, "auth0", OUTAGE),
        14,
        f"spec.outage: {_NO_OUTAGE}",
        f"spec.outage: {_NO_OUTAGE}",
    ),
    _wrong(
        "a lead in an outage",
        declaration(*_BESIDE_HARD, "lead: 1h"),
        15,
        f"spec.lead: {_AT_ONCE} lead",
        f"spec.lead: {_AT_ONCE} lead",
    ),
    _wrong(
        "a first lead in an outage",
        declaration(*_BESIDE_HARD, "firstLead: true"),
        15,
        f"spec.firstLead: {_AT_ONCE} firstLead",
        f"spec.firstLead: {_AT_ONCE} firstLead",
    ),
    _wrong(
        "a gate in an outage",
        declaration(
            *_BESIDE_HARD, "gates: {beforeActivate: [{prometheus: {url: 'http://p', query: q, below: 1}}]}"
        ),
        15,
        f"spec.gates.beforeActivate: {_AT_ONCE} gate before activation",
        f"spec.gates: {_AT_ONCE} gate before activation",
    ),
    _wrong(
        "an outage of more than a day",
        declaration(SECRET, HARD, "outage: {start: '00:00', length: 25h}"),
        14,
        "spec.outage: length: expected at most 1d",
        "spec.outage: length: expected at most 1d",
    ),
    _wrong(
        "an outage at a time that is none",
        declaration(SECRET, HARD, "outage: {start: '24:00', length: 1h}"),
        14,
        "spec.outage.start: expected a time of day, as 02:30",
        "should match",
    ),
    _wrong(
        "an outage on no day",
        declaration(SECRET, HARD, "outage: {days: [], start: '02:00', length: 1h}"),
        14,
        "spec.outage.days: expected at least 1",
        "should have at least 1 items",
    ),
    _wrong(
        "a period that is no longer than the overlap",
        declaration(SECRET, HARD, OUTAGE).replace("30d", "16m"),
        7,
        "spec.every: 16m is too short; expected more than lead + overlap = 0s + 16m = 16m, where lead = 0s, for all of it would "
        "be an outage, and overlap = 15m (longest token or session lifetime) + 1m (clock skew) = 16m",
        "spec.every: 16m is too short; expected more than 960s: lead + tokenTTL + clockSkew, where the lead is, if not "
        "given, the longest maxAge + propagation of a verifier, and clockSkew",
    ),
    # --- windows ---
    _wrong(
        "a lead too short for a directory",
        declaration("ldapPassword", "ldap", "lead: 89s"),
        14,
        "spec.lead: 1m29s is too short; expected at least 0s (cache of ldap ldap.example.com account "
        "uid=payments,ou=services,dc=example,dc=org) + 30s (propagation to",
        "spec.lead: 89s is too short; expected at least 90s: the longest maxAge + propagation of a verifier, and clockSkew",
    ),
    _wrong(
        "a lead too short for the readers of a realm's keys",
        declaration("keycloakRealmKey", "keycloakRealmKeys", "lead: 24h1m4s"),
        14,
        "spec.lead: 1d1m4s is too short; expected at least 1d (cache of keycloak https://sso.example.com/realms/acme keys "
        "RS256) + 5s (propagation to keycloak https://sso.example.com/realms/acme keys RS256) + 1m (clock skew) = 1d1m5s",
        "spec.lead: 24h1m4s is too short; expected at least 86465s: the longest maxAge + propagation of a verifier, and "
        "clockSkew",
    ),
    _wrong(
        "a lead too short for slow nodes",
        declaration(SECRET, _verifier("keycloak", "realm: acme", "realm: acme, propagation: 1h"), "lead: 1h"),
        14,
        "spec.lead: 1h is too short; expected at least 0s (cache of keycloak https://sso.example.com/realms/acme client "
        "payments) + 1h (propagation",
        "spec.lead: 1h is too short; expected at least 3660s: the longest maxAge + propagation of a verifier, and clockSkew",
    ),
    # --- accounts ---
    _wrong(
        "one account twice",
        declaration(f"ldapPassword: {{accounts: [{ACCOUNT}, {ACCOUNT.upper()}]}}", "ldap"),
        6,
        f"spec.credential.ldapPassword: {_TWICE}",
        f"spec.credential.ldapPassword: {_TWICE}",
    ),
    _wrong(
        "one account in two spellings",
        declaration('ldapPassword: {accounts: ["cn=a b,dc=example", "CN = A  B , dc=EXAMPLE"]}', "ldap"),
        6,
        f"spec.credential.ldapPassword: {_TWICE}",
        None,  # CEL compares letters, whatever their case
    ),
    _wrong(
        "an account that is no name",
        declaration("ldapPassword: {accounts: [payments]}", "ldap"),
        6,
        "accounts.0: expected a distinguished name, as cn=payments,dc=example,dc=org",
        "should match",
    ),
    _wrong(
        "an account that is half a name",
        declaration('ldapPassword: {accounts: ["cn=payments,example"]}', "ldap"),
        6,
        "accounts.0: 'cn=payments,example': 'example' is no TYPE=VALUE; a comma in a value is written \\,",
        None,  # names are read by rotator only
    ),
    _wrong(
        "a directory in plain text",
        declaration("ldapPassword", _verifier("ldap", "ldaps://", "ldap://")),
        11,
        "verifiers.0.ldap: expected ldaps://, or ldap:// with startTls",
        "spec.verifiers[0].ldap: expected ldaps://, or ldap:// with startTls",
    ),
    _wrong(
        "a directory encrypted twice",
        declaration("ldapPassword", _verifier("ldap", "bind:", "startTls: true, bind:")),
        11,
        "verifiers.0.ldap: expected ldaps://, or ldap:// with startTls",
        "spec.verifiers[0].ldap: expected ldaps://, or ldap:// with startTls",
    ),
    _wrong(
        "a directory by HTTP",
        declaration("ldapPassword", _verifier("ldap", "ldaps://", "https://")),
        11,
        "ldap.url: expected ldaps://HOST or ldap://HOST in lower case, perhaps with a port",
        "should match",
    ),
    _wrong(
        "a bind without a name",
        declaration("ldapPassword", _verifier("ldap", 'dn: "cn=rotator,dc=example,dc=org", ', "")),
        11,
        "ldap.bind: dn goes with password",
        "spec.verifiers[0].ldap.bind: dn goes with password",
    ),
    _wrong(
        "a name beside own",
        declaration("ldapPassword", OWN_BIND.replace("own: {}", 'own: {}, dn: "cn=a"'), TAKE_OVER),
        11,
        "ldap.bind: dn goes with password",
        "spec.verifiers[0].ldap.bind: dn goes with password",
    ),
    _wrong(
        "no bind",
        declaration("ldapPassword", OWN_BIND.replace("own: {}", "")),
        11,
        "ldap.bind: expected exactly one of password, own",
        "spec.verifiers[0].ldap.bind: expected exactly one of password, own",
    ),
    _wrong(
        "a role with a slash",
        declaration("vaultAppRole: {role: a/custom-secret-id}", "appRole"),
        6,
        "vaultAppRole.role: expected lower-case letters, digits, -, _ and ., as payments",
        "should match",
    ),
    # --- holders ---
    _wrong(
        "a realm's key for somebody",
        declaration("keycloakRealmKey", "keycloakRealmKeys", holder="secret: {name: a}"),
        12,
        f"spec.holders: {_REALM}",
        f"spec.holders: {_REALM}",
    ),
    _wrong(
        "a realm's key for somebody else too",
        declaration(
            "keycloakRealmKey", "keycloakRealmKeys", holder="keycloakRealm: {}\n    - secret: {name: a}"
        ),
        12,
        f"spec.holders: {_REALM}",
        f"spec.holders: {_REALM}",
    ),
    _wrong(
        "a realm that holds a client's secret",
        declaration(SECRET, "keycloak", holder="keycloakRealm: {}"),
        12,
        f"spec.holders: {_REALM}",
        f"spec.holders: {_REALM}",
    ),
    _wrong(
        "a realm that is restarted",
        declaration("keycloakRealmKey", "keycloakRealmKeys", holder="keycloakRealm: {}\n      restart: {}"),
        13,
        "spec.holders.0: a realm is handed nothing; expected no restart and no pickUp",
        "spec.holders[0]: a realm is handed nothing; expected no restart and no pickUp",
    ),
    _wrong(
        "a realm that picks up",
        declaration("keycloakRealmKey", "keycloakRealmKeys", holder="keycloakRealm: {}\n      pickUp: 1m"),
        13,
        "spec.holders.0: a realm is handed nothing; expected no restart and no pickUp",
        "spec.holders[0]: a realm is handed nothing; expected no restart and no pickUp",
    ),
    _wrong(
        "a registered client's secret without its name",
        declaration(REGISTERED, "registration", holder=_holding("a: client_secret")),
        13,
        f"spec.holders.0: {_WITH_NAME}",
        f"spec.holders: {_WITH_NAME}",
    ),
    _wrong(
        "a registered client's previous secret without its name",
        declaration(
            REGISTERED,
            "registration",
            holder=_holding("a: client_secret, b: client_id, c: previous.client_secret"),
        ),
        13,
        f"spec.holders.0: {_WITH_NAME}",
        f"spec.holders: {_WITH_NAME}",
    ),
    _wrong(
        "a password without its account",
        declaration(TWO, "ldap", holder=_holding("a: password", "vault: {mount: a, path: b")),
        13,
        f"spec.holders.0: {_WITH_NAME}",
        f"spec.holders: {_WITH_NAME}",
    ),
    _wrong(
        "an unknown field of a client's secret",
        declaration(SECRET, "keycloak", holder=_holding("a: client_secret, b: private_key")),
        13,
        "data.b: unknown field private_key; expected one of client_id, issuer, client_secret, or previous.FIELD",
        f"spec.holders: {_FIELDS} client_id, issuer, client_secret, or previous.FIELD",
    ),
    _wrong(
        "an unknown field of a client's key",
        declaration(KEY, "jwks", holder=_holding("a: private_key, b: client_secret")),
        13,
        "data.b: unknown field client_secret; expected one of client_id, issuer, private_key, public_key, jwk, kid, ",
        f"spec.holders: {_FIELDS} client_id, issuer, private_key, public_key, jwk, kid, algorithm, or previous.FIELD",
    ),
    _wrong(
        "an unknown field of a password",
        declaration("ldapPassword", "ldap", holder=_holding("a: password, b: value")),
        13,
        "data.b: unknown field value; expected one of bind_dn, password, or previous.FIELD",
        f"spec.holders: {_FIELDS} bind_dn, password, or previous.FIELD",
    ),
    _wrong(
        "an unknown field of a secret id",
        declaration("vaultAppRole", "appRole", holder=_holding("a: secret_id, b: role_id")),
        13,
        "data.b: unknown field role_id; expected one of secret_id, or previous.FIELD",
        f"spec.holders: {_FIELDS} secret_id, or previous.FIELD",
    ),
    _wrong(
        "an RSA key of a client as SEC 1",
        declaration(KEY, "jwks", holder=_holding("a: private_key|sec1")),
        13,
        "data.a: a key of RS256 is not written as sec1; expected pkcs8, or ES… as algorithm",
        "spec.holders: a holder's data asks for an encoding that this credential has not: pkcs1 is for RSA, sec1 for elliptic "
        "curves, and raw bytes are no text",
    ),
    _wrong(
        "a secret in a text without its name",
        declaration(REGISTERED, "registration", holder=_holding("a: 'x:${client_secret|url}', b: issuer")),
        13,
        f"spec.holders.0: {_WITH_NAME}",
        None,
    ),
    # --- gates ---
    *(
        _wrong(
            f"a probe for {form}",
            declaration(form, verifier, "gates: {beforeActivate: [{jwksProbe: {url: 'https://a'}}]}"),
            14,
            f"spec.gates: {_PROBE}",
            f"spec.gates: {_PROBE}",
        )
        for form, verifier in (
            (SECRET, "keycloak"),
            (REGISTERED, "registration"),
            ("ldapPassword", "ldap"),
            ("vaultAppRole", "appRole"),
            ("keycloakRealmKey", "keycloakRealmKeys"),
        )
    ),
]
"""Bad declarations, each with one thing wrong."""
REFUSED_AS_RESOURCES = [
    *REFUSED,
    _wrong(
        "people install it, and it is to be deleted",
        declaration(SECRET, "static", "deletionPolicy: Delete"),
        14,
        "spec.deletionPolicy: what people install rotator cannot withdraw; expected Retain",
        "spec.deletionPolicy: what people install rotator cannot withdraw; expected Retain",
    ),
]
"""The same for custom resources, which alone may ask for deletion."""
