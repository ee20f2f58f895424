"""Policy files: what is accepted, and that every refusal names file, line and what was expected."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.errors import PolicyError
from rotator.policy.files import LARGEST, MOST, load
from rotator.policy.model import RotationPolicy
from rotator.vocabulary.types import AUTH_MOUNT_IS_RESERVED, MOUNT_HAS_API, MOUNT_IS_RESERVED, PATH_HAS_API
from tests import declared_providers

GOOD = """\
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {name: payments-jwt, namespace: payments}
spec:
  credential:
    jwtSigningKey: {algorithm: ES256}
  every: 30d
  overlap: {tokenTTL: 15m, clockSkew: 60s}        # lead is computed from the verifiers
  store:
    vault: {mount: rotator, path: payments/jwt}    # or: kubernetes: {}
  verifiers:
    - jwks: {configMap: payments-jwks, maxAge: 5m}
  holders:
    - secret: {name: payments-signing-key}
      restart: {workloads: auto, timeout: 10m}
    - vault: {mount: secret, path: payments/jwt}
  gates:
    beforeActivate: [{jwksProbe: {url: "https://api.example.com/.well-known/jwks.json"}}]
"""
"""The example of the design, section 4, without `beforeDestroy`. Its line numbers are what the tables below name."""

SHARED = """\
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {name: webhook, namespace: payments}
spec:
  credential:
    sharedSecret: {}
  every: 7d
  overlap: {tokenTTL: 1h}
  store:
    kubernetes: {}
  verifiers:
    - acceptedList: {secret: webhook-accepted}
  holders:
    - secret: {name: webhook}
"""

LEAD = (
    "5m (cache of jwks configmap payments/payments-jwks) + 3m (propagation to jwks configmap "
    "payments/payments-jwks) + 1m (clock skew) = 9m"
)


def put(folder: Path, text: str | bytes, name: str = "rotation.yaml") -> Path:
    """Write a policy file."""
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def good(old: str = "", new: str = "") -> str:
    """Return the good example with one text replaced."""
    assert GOOD.count(old) == 1 or not old, old
    return GOOD.replace(old, new) if old else GOOD


def shared(old: str, new: str) -> str:
    """Return the good shared secret with one text replaced."""
    assert SHARED.count(old) == 1, old
    return SHARED.replace(old, new)


def problems(*paths: Path) -> list[str]:
    """Return what is wrong with files."""
    with pytest.raises(PolicyError) as caught:
        load(paths)
    return str(caught.value).splitlines()


# --- what is accepted ---------------------------------------------------------------------------------------


def test_the_example_of_the_design_is_accepted_and_its_windows_are_computed(tmp_path: Path) -> None:
    """Proves the sums of the design's own example."""
    (policy,) = load([put(tmp_path, GOOD)])
    assert policy.ref == "payments/payments-jwt"
    assert policy.kind_name == "jwtSigningKey"
    assert policy.lead == timedelta(minutes=5 + 3 + 1)
    assert str(policy.least_lead) == LEAD
    assert policy.overlap.total == timedelta(minutes=15 + 1)
    assert str(policy.overlap) == "15m (longest token or session lifetime) + 1m (clock skew) = 16m"
    assert policy.converge == timedelta(minutes=10)


def test_a_shared_secret_has_safe_defaults(tmp_path: Path) -> None:
    """Proves that what is left out is the careful choice: a cache of a day, a minute of skew."""
    (policy,) = load([put(tmp_path, SHARED)])
    assert policy.lead == timedelta(hours=24, minutes=3 + 1)
    assert policy.overlap.total == timedelta(hours=1, minutes=1)
    assert policy.spec.first_lead is False
    assert policy.converge == 2 * timedelta(minutes=3)


def test_a_longer_lead_is_kept(tmp_path: Path) -> None:
    """Proves that `lead` may be asked for, and replaces the computed one."""
    (policy,) = load([put(tmp_path, good("  every: 30d\n", "  every: 30d\n  lead: 1h\n"))])
    assert policy.lead == timedelta(hours=1)


def test_a_lead_of_exactly_the_sum_is_kept(tmp_path: Path) -> None:
    """Proves that the bound itself is allowed."""
    (policy,) = load([put(tmp_path, good("  every: 30d\n", "  every: 30d\n  lead: 9m\n"))])
    assert policy.lead == timedelta(minutes=9)


def test_every_has_to_be_longer_than_lead_and_overlap_together(tmp_path: Path) -> None:
    """Proves the bound itself: equal is refused, a millisecond more is accepted."""
    assert len(problems(put(tmp_path, good("every: 30d", "every: 25m")))) == 1
    (policy,) = load([put(tmp_path, good("every: 30d", "every: 25m1ms"))])
    assert policy.spec.every == timedelta(minutes=25, milliseconds=1)


def test_the_slowest_verifier_makes_the_lead(tmp_path: Path) -> None:
    """Proves that the maximum over verifiers counts, with Vault's longer propagation."""
    text = good("maxAge: 5m}\n", "maxAge: 5m}\n    - jwks: {vault: {mount: kv, path: jwks}, maxAge: 4m}\n")
    (policy,) = load([put(tmp_path, text)])
    assert policy.lead == timedelta(minutes=4 + 5 + 1)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ufeff" + GOOD, id="a byte order mark"),
        pytest.param(GOOD.replace("\n", "\r\n"), id="lines that end the way of Windows"),
        pytest.param("---\n" + GOOD + "...\n", id="document markers"),
        pytest.param(GOOD + "---\n# nothing\n---\n", id="empty documents behind it"),
        pytest.param(
            good("maxAge: 5m", "maxAge: &five 5m").replace("10m", "*five"), id="an anchor and its alias"
        ),
        pytest.param(
            good("{workloads: auto", "{workloads: {matchLabels: {app: x}}"), id="workloads by label"
        ),
        pytest.param(
            good("{workloads: auto", "{workloads: [{name: a}, {kind: Rollout, name: b}]"), id="by name"
        ),
        pytest.param(good("ES256", "RS256, bits: 4096"), id="an RSA size"),
        pytest.param(
            good("{name: payments-signing-key}", "{name: k, data: {tls.key: private_key}}"), id="mapping"
        ),
        pytest.param(
            good("{name: payments-signing-key}", "{name: k, namespaces: [a, b]}"), id="many namespaces"
        ),
        pytest.param(SHARED, id="a shared secret"),
        pytest.param(shared("{}\n  every", "{algorithm: HS512}\n  every"), id="an HMAC key"),
        pytest.param(
            shared("{}\n  every", "{length: 40, alphabet: 0123456789abcdef}\n  every"), id="characters"
        ),
        pytest.param(shared("{}\n  every", "{bytes: 64, encoding: hex}\n  every"), id="bytes in hex"),
    ],
)
def test_good_files_are_accepted(tmp_path: Path, text: str) -> None:
    """Proves that the ways people write YAML are read."""
    assert len(load([put(tmp_path, text)])) == 1


WRITTEN = (
    "private_key|sec1",
    "previous.private_key|der-base64",
    "public_key|spki",
    "jwk|jwks",
    "kid|json",
    "${kid}",
    "previous is ${kid} $${kid} $ $$ {}",
    '{"new": ${private_key|json},\n "old": ${previous.private_key|json}}',
    "${private_key|sec1},${previous.private_key|sec1}",
)


@pytest.mark.parametrize("ours", WRITTEN)
def test_what_holders_read_may_be_written_in_many_ways(tmp_path: Path, ours: str) -> None:
    """Proves that encodings and texts with fields in them are read."""
    text = good("{name: payments-signing-key}", f"{{name: k, data: {{b: kid, a: {json.dumps(ours)}}}}}")
    assert len(load([put(tmp_path, text)])) == 1


@pytest.mark.parametrize("name", declared_providers.ACCEPTED)
def test_good_declarations_with_providers_are_accepted(tmp_path: Path, name: str) -> None:
    """Proves for each credential, and each verifier that suits it, that it can be declared, with every field there is."""
    assert len(load([put(tmp_path, declared_providers.ACCEPTED[name])])) == 1


@pytest.mark.parametrize("form", declared_providers.CREDENTIALS)
@pytest.mark.parametrize("verifier", declared_providers.VERIFIERS)
def test_each_credential_has_its_verifiers_and_no_other(tmp_path: Path, form: str, verifier: str) -> None:
    """Proves the whole table: what suits is taken, what does not is refused, at the verifier or for the client's name."""
    file = put(tmp_path, declared_providers.pair(form, verifier))
    if (form, verifier) in declared_providers.SUITING:
        assert len(load([file])) == 1
    else:
        where = (f"{file}:11: spec.verifiers.0: ", f"{file}:6: spec.credential.oauthClient.clientId: ")
        assert any(problem.startswith(where) for problem in problems(file))


def test_what_overlaps_waits_for_its_slowest_verifier_and_an_outage_for_none(tmp_path: Path) -> None:
    """Proves the leads of providers: how long each needs until all its nodes know, and nothing where that is an outage."""
    leads = {
        verifier: load([put(tmp_path, declared_providers.pair(form, verifier))])[0].lead.total_seconds() - 60
        for form, verifier in sorted(declared_providers.SUITING)
        if verifier not in {"jwks", "pem", "acceptedList", "static"}
    }
    assert leads == {
        "keycloak": 5,
        "keycloakRealmKeys": 24 * 3600 + 5,
        "okta": 30,
        "entra": 120,
        "auth0": -60,  # the one secret of a client; nothing at all is waited for, not even clocks
        "holders": -60,  # the same for holders of one value
        "hydra": 5,
        "registration": 5,
        "ldap": 30,
        "appRole": 0,
    }


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_files_are_accepted(tmp_path: Path, indent: int | str | None) -> None:
    """Proves that JSON, which is YAML, gives the same policy, whatever its white space."""
    document = yaml.safe_load(GOOD)
    (policy,) = load([put(tmp_path, json.dumps(document, indent=indent), "rotation.json")])
    assert policy == load([put(tmp_path, GOOD)])[0]


def test_a_merge_key_is_followed(tmp_path: Path) -> None:
    """Proves that `<<` fills in what a mapping lacks."""
    text = good("{tokenTTL: 15m, clockSkew: 60s}", "&o {tokenTTL: 15m, clockSkew: 60s}")
    text += "---\n" + text.replace("payments", "orders").replace(
        "&o {tokenTTL: 15m,", "&o {<<: {tokenTTL: 9m},"
    )
    assert [p.overlap.total for p in load([put(tmp_path, text)])] == [
        timedelta(minutes=16),
        timedelta(minutes=10),
    ]


def test_a_folder_is_read_in_order_and_hidden_files_are_left_alone(tmp_path: Path) -> None:
    """Proves that a mounted ConfigMap (hidden links beside the files) is read once, by name."""
    for name in ("b", "a"):
        put(tmp_path, GOOD.replace("payments", name), f"{name}.yaml")
    put(tmp_path, "not: [yaml", ".hidden.yaml")
    put(tmp_path, "not: [yaml", "README.md")
    (tmp_path / "..data").mkdir()
    assert [p.metadata.namespace for p in load([tmp_path])] == ["a", "b"]


def test_several_documents_and_files_are_read_together(tmp_path: Path) -> None:
    """Proves that one file may declare many rotations, beside others."""
    one = put(tmp_path, GOOD + "---\n" + SHARED, "one.yaml")
    two = put(tmp_path, GOOD.replace("payments", "orders"), "two.yml")
    assert [p.ref for p in load([one, two])] == [
        "payments/payments-jwt",
        "payments/webhook",
        "orders/orders-jwt",
    ]


def test_the_digest_changes_with_the_spec_and_with_nothing_else(tmp_path: Path) -> None:
    """Proves that labels and comments make no new digest, and a window does."""

    def digest(text: str) -> str:
        policies: list[RotationPolicy] = load([put(tmp_path, text)])
        return policies[0].digest

    same = good("namespace: payments}", "namespace: payments, labels: {team: a}}  # changed")
    assert digest(same) == digest(GOOD)
    assert digest(good("30d", "720h")) == digest(GOOD)
    assert digest(good("30d", "31d")) != digest(GOOD)


# --- what is refused ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bad:
    """A text, and each problem expected of it, in order: its line, and what the message has to say."""

    name: str
    text: str
    expected: tuple[tuple[int, str], ...]


def bad(name: str, text: str, *expected: tuple[int, str]) -> Bad:
    """Return one row of the table."""
    return Bad(name, text, expected)


_UNKNOWN = "unknown field; see `rotator schema` for what is known"
_WORKLOADS = "restart.workloads: expected auto, a mapping with matchLabels, or a list of names"
_NO_DURATION = "is no duration: expected numbers with units d, h, m, s or ms, as 30d or 1h30m"
_PATH = "expected letters, digits, -, _ and . in parts between /, none of them starting with a dot"
_STORE = "path: payments/jwt}    # or"
_HOLDER = "{name: payments-signing-key}"
_VERIFIER = "jwks: {configMap: payments-jwks, maxAge: 5m}"

FILES = [
    bad("empty", "", (1, "the file is empty; expected at least one document of kind Rotation")),
    bad("only a comment", "# nothing\n", (1, "the file is empty")),
    bad("only a document marker", "---\n", (1, "the file is empty")),
    bad("null", "null\n", (1, "the file is empty")),
    bad("a list", "- a\n- b\n", (1, "expected a mapping with apiVersion, kind, metadata and spec")),
    bad("a word", "hello\n", (1, "expected a mapping with apiVersion, kind, metadata and spec")),
    bad("not YAML", "kind: Rotation\nspec: [1\nb: 2\n", (3, "not YAML: did not find expected ',' or ']'")),
    bad(
        "a tab",
        "kind: Rotation\nmetadata:\n\tname: x\n",
        (3, "not YAML: found character that cannot start any"),
    ),
    bad("a NUL", "kind: Rotation\nmetadata: a\0b\n", (2, "not YAML: control characters are not allowed")),
    bad("an alias to nothing", good("30d", "*nothing"), (7, "not YAML: found undefined alias")),
    bad(
        "a tag of Python",
        good("30d", "!!python/object:os.system x"),
        (7, "!!python/object:os.system is no plain"),
    ),
    bad(
        "a tag of one's own",
        good("30d", "!ours x"),
        (7, "spec.every: !ours is no plain value; expected a text"),
    ),
    bad("a set", "!!set {a, b}\n", (1, "!!set is no plain value")),
    bad("a date that is none", good("30d", "2020-99-99"), (7, "spec.every: !!timestamp is no plain value")),
    bad("a number that is none", good("30d", "!!int thirty"), (7, "spec.every: !!int is no plain value")),
    bad("a list as a key", GOOD + "? [a, b]\n: c\n", (19, "a key that is no text; quote it")),
    bad("a mapping as a key", GOOD + "? {a: b}\n: c\n", (19, "a key that is no text; quote it")),
    bad(
        "a number as a key",
        good("  every: 30d", "  every: 30d\n  7: x"),
        (8, "spec.7: a key that is no text"),
    ),
    bad("a list in itself", GOOD + "x: &a [*a]\n", (19, "x.0: contains itself; expected plain values")),
    bad("a mapping in itself", "apiVersion: &a\n  b: *a\n", (1, "apiVersion.b: contains itself")),
    bad(
        "a merge of no mapping",
        good("{tokenTTL: 15m,", "{<<: 15m,"),
        (8, "expected a mapping or list of mappings"),
    ),
    bad("too deep", "a:\n  " + "[" * 200_000, (2, "nested too deep; expected at most 50 levels")),
    bad("another kind", good("kind: Rotation", "kind: Secret"), (2, "kind: expected Rotation")),
    bad("no kind", good("kind: Rotation\n", ""), (1, "kind: expected Rotation")),
    bad("another version", good("/v1alpha1", "/v2"), (1, "apiVersion: expected rotator.dev/v1alpha1")),
    bad(
        "neither", "a: b\n", (1, "apiVersion: expected rotator.dev/v1alpha1"), (1, "kind: expected Rotation")
    ),
    bad(
        "a key twice",
        good("  every: 30d", "  every: 30d\n  every: 31d"),
        (8, "spec.every: given twice; expected on"),
    ),
    bad(
        "a deep key twice",
        good("{algorithm: ES256}", "{algorithm: ES256, algorithm: ES384}"),
        (6, "spec.credential.jwtSigningKey.algorithm: given twice; expected once"),
    ),
]

FIELDS = [
    bad(
        "an unknown field",
        good("every:", "evry:"),
        (4, "spec.every: required, but missing"),
        (7, f"spec.evry: {_UNKNOWN}"),
    ),
    *(
        bad(
            f"a kid {named}",
            good(
                "  every: 30d",
                f"  takeOver: {{secret: {{name: a, key: k}}, kid: {json.dumps(kid)}}}\n  every: 30d",
            ),
            (7, expected),
        )
        for named, kid, expected in (
            ("with colours", "a\x1b[31m", "spec.takeOver.kid: expected characters that can be printed"),
            ("with a line end", "a\n", "spec.takeOver.kid: expected characters that can be printed"),
            ("of blanks", "  ", "spec.takeOver.kid: expected characters that can be printed"),
            (
                "that turns the line",
                "a\u202eb",
                "spec.takeOver.kid: expected at most 512 bytes, of characters that can be printed",
            ),
            ("without end", "k" * 513, "spec.takeOver.kid: "),
            ("of too many bytes", "ü" * 257, "spec.takeOver.kid: expected at most 512 bytes"),
        )
    ),
    bad(
        "an encoding of a key",
        good("  every: 30d", "  takeOver: {secret: {name: a, key: k}, encoding: hex}\n  every: 30d"),
        (7, "a key shows by itself how it is written"),
    ),
    *(
        bad(
            f"an encoding of {form} for today alone",
            shared(
                "{}\n  every",
                f"{{{form}}}\n  takeOver: {{secret: {{name: a, key: k}}, encoding: base64}}\n  every",
            ),
            (
                7,
                "spec.takeOver.encoding: it counts for the value of today alone; expected credential.sharedSecret.encoding",
            ),
        )
        for form in ("algorithm: HS256", "algorithm: HS512")
    ),
    bad("an empty name of a field", good("  every: 30d", "  every: 30d\n  '': x"), (8, _UNKNOWN)),
    bad(
        "a name that breaks lines",
        good("  every: 30d", '  every: 30d\n  "a\\n\\x1b[31m": x'),
        (8, "spec.a??[31m: unknown"),
    ),
    bad(
        "a field of ours in snake case",
        good("tokenTTL", "token_ttl"),
        (8, "spec.overlap.tokenTTL: required, but missing"),
        (8, f"spec.overlap.token_ttl: {_UNKNOWN}"),
    ),
    bad("no namespace", good(", namespace: payments", ""), (3, "metadata.namespace: required, but missing")),
    bad("no spec", "\n".join(GOOD.splitlines()[:3]), (1, "spec: required, but missing")),
    bad("an empty spec", "\n".join(GOOD.splitlines()[:4]), (4, "spec: expected a mapping")),
    bad(
        "a word as metadata",
        good("{name: payments-jwt, namespace: payments}", "x"),
        (3, "metadata: expected a map"),
    ),
    bad("a mapping as list", good("    - jwks", "      jwks"), (11, "spec.verifiers: expected a list")),
    bad(
        "a name with capitals",
        good("payments-jwt,", "Payments_JWT,"),
        (3, "metadata.name: expected lower-case letters"),
    ),
    bad(
        "a name with dots",
        good("payments-jwt,", "payments.jwt,"),
        (3, "metadata.name: expected lower-case letters"),
    ),
    bad(
        "a long name",
        good("payments-jwt,", "a" * 53 + ","),
        (3, "metadata.name: expected at most 52 characters"),
    ),
    bad(
        "a long namespace",
        good("namespace: payments", "namespace: " + "a" * 64),
        (3, "expected at most 63 characters"),
    ),
    bad(
        "a number as name",
        good("namespace: payments", "namespace: 7"),
        (3, "metadata.namespace: expected a text"),
    ),
    bad(
        "a number as label",
        good("payments}", "payments, labels: {a: 1}}"),
        (3, "metadata.labels.a: expected a text"),
    ),
    bad(
        "yes as name",
        good("configMap: payments-jwks", "configMap: yes"),
        (12, "spec.verifiers.0.jwks.configMap: exp"),
    ),
    bad(
        "two dots in a name",
        good("payments-jwks", "a..b"),
        (12, "spec.verifiers.0.jwks.configMap: expected lower-"),
    ),
    bad(
        "an algorithm that is none",
        good("ES256", "none"),
        (6, "algorithm: expected 'ES256', 'ES384', 'ES512', 'RS"),
    ),
    bad(
        "a weak RSA key",
        good("ES256", "RS256, bits: 1024"),
        (6, "jwtSigningKey.bits: expected at least 2048"),
    ),
    bad(
        "a huge RSA key",
        good("ES256", "RS256, bits: 16384"),
        (6, "jwtSigningKey.bits: expected at most 8192"),
    ),
    bad(
        "an odd RSA key",
        good("ES256", "PS256, bits: 3071"),
        (6, "jwtSigningKey.bits: expected a multiple of 8"),
    ),
    bad(
        "a size in quotes",
        good("ES256", "RS256, bits: '4096'"),
        (6, "jwtSigningKey.bits: expected a whole number"),
    ),
    bad(
        "a size where there is one",
        good("ES256", "ES256, bits: 4096"),
        (6, "jwtSigningKey: bits goes with RS and PS"),
    ),
    bad(
        "yes in quotes",
        good("  every: 30d", "  every: 30d\n  firstLead: 'yes'"),
        (8, "spec.firstLead: expected true or"),
    ),
    bad(
        "no way to keep",
        good("    vault: {mount: rotator, path: payments/jwt}    # or", "    {} #"),
        (9, "spec.store: expected exactly one of vault, kubernetes"),
    ),
    bad(
        "two ways to keep",
        good("    vault: {mount: r", "    kubernetes: {}\n    vault: {mount: r"),
        (9, "spec.store: expected exactly one of vault, kubernetes"),
    ),
    bad(
        "a path upwards",
        good(_STORE, "path: ../../sys/raw}    # or"),
        (10, f"spec.store.vault.path: {_PATH}"),
    ),
    bad("a path through here", good(_STORE, "path: a/./b}    # or"), (10, f"spec.store.vault.path: {_PATH}")),
    bad("a path from the root", good(_STORE, "path: /a}    # or"), (10, f"spec.store.vault.path: {_PATH}")),
    bad(
        "a path with a query",
        good(_STORE, "path: 'a?version=1'}    # or"),
        (10, f"spec.store.vault.path: {_PATH}"),
    ),
    bad("a mount upwards", good("mount: rotator", "mount: .."), (10, f"spec.store.vault.mount: {_PATH}")),
    bad(
        "a mount of Vault's", good("mount: rotator", "mount: sys"), (10, f"vault.mount: {MOUNT_IS_RESERVED}")
    ),
    bad("a mount and more", good("mount: rotator", "mount: a/data"), (10, f"vault.mount: {MOUNT_HAS_API}")),
    bad("an address as path", good(_STORE, "path: data/a}    # or"), (10, f"vault.path: {PATH_HAS_API}")),
    bad(
        "a long mount", good("mount: rotator", "mount: " + "a" * 129), (10, "expected at most 128 characters")
    ),
    bad("a long path", good(_STORE, f"path: {'a' * 513}}}    # or"), (10, "expected at most 512 characters")),
    bad(
        "a login of Vault's",
        declared_providers.declaration("vaultAppRole: {role: a, mount: auth/approle}", "appRole"),
        (6, f"vaultAppRole.mount: {AUTH_MOUNT_IS_RESERVED}"),
    ),
    bad(
        "two kinds of verifier",
        good(_VERIFIER, f"{_VERIFIER}\n      acceptedList: {{secret: x}}"),
        (12, "spec.verifiers.0: expected exactly one of jwks, pem, acceptedList"),
    ),
    bad(
        "no kind of verifier",
        good(_VERIFIER, "restart: {}"),
        (12, "spec.verifiers.0: expected exactly one of jwks,"),
    ),
    bad("no verifier", good(f"\n    - {_VERIFIER}", " []"), (11, "spec.verifiers: expected at least 1")),
    bad(
        "no place to read",
        good("configMap: payments-jwks, ", ""),
        (12, "spec.verifiers.0.jwks: expected exactly one of configMap, secret, vault"),
    ),
    bad(
        "no namespaces",
        good(_HOLDER, "{name: k, namespaces: []}"),
        (14, "secret.namespaces: expected at least 1"),
    ),
    bad(
        "restart and pick-up",
        good("timeout: 10m}", "timeout: 10m}\n      pickUp: 1m"),
        (14, "spec.holders.0: expected restart or pickUp, not both"),
    ),
    bad(
        "workloads of a Vault path",
        good("path: payments/jwt}\n  gates", "path: payments/jwt}\n      restart: {}\n  gates"),
        (
            16,
            "spec.holders.1: restart.workloads: nothing in Kubernetes references a Vault path; name the workloads",
        ),
    ),
    bad("workloads: a word", good("workloads: auto", "workloads: all"), (15, _WORKLOADS)),
    bad(
        "workloads: an odd kind",
        good("workloads: auto", "workloads: [{kind: Job, name: a}]"),
        (15, "workloads.0.kind: expected 'Deployment', 'StatefulSet', 'DaemonSet' or 'Rollout'"),
    ),
    bad(
        "workloads: no name", good("workloads: auto", "workloads: []"), (15, "workloads: expected at least 1")
    ),
    bad(
        "workloads: no label",
        good("workloads: auto", "workloads: {matchLabels: {}}"),
        (15, "workloads.matchLabels: expected at least 1"),
    ),
    bad(
        "a port that is none",
        good("https://api.example.com/", "https://api.example.com:65536/"),
        (
            18,
            "spec.gates.beforeActivate.0.jwksProbe.url: expected a URL that starts with https:// or http://",
        ),
    ),
    bad(
        "a port that goes on as a name",
        good("https://api.example.com/", "https://api:443.evil.example/"),
        (18, "spec.gates.beforeActivate.0.jwksProbe.url: expected a URL"),
    ),
    bad(
        "half an address",
        good("https://api.example.com/", "https://[/"),
        (18, "spec.gates.beforeActivate.0.jwksProbe.url: expected a URL"),
    ),
    bad(
        "a port of zero",
        good("https://api.example.com/", "https://api.example.com:0/"),
        (18, "spec.gates.beforeActivate.0.jwksProbe.url: expected a URL"),
    ),
    bad(
        "a gate with no kind",
        good('{jwksProbe: {url: "https://api.example.com/.well-known/jwks.json"}}', "{}"),
        (18, "spec.gates.beforeActivate.0: expected exactly one of jwksProbe"),
    ),
    bad(
        "a gate by FTP",
        good("https://api", "ftp://api"),
        (18, "jwksProbe.url: expected a URL that starts with https"),
    ),
    bad(
        "a gate that never looks",
        good('jwks.json"', 'jwks.json", times: 0'),
        (18, "jwksProbe.times: expected at leas"),
    ),
]

WINDOWS = [
    bad("a number", good("30d", "30"), (7, "spec.every: expected a duration such as 30d, 15m or 90s")),
    bad("words", good("30d", "30 days"), (7, f"spec.every: '30 days' {_NO_DURATION}")),
    bad("less than nothing", good("30d", "-3d"), (7, f"spec.every: '-3d' {_NO_DURATION}")),
    bad("digits of another script", good("30d", "٣d"), (7, _NO_DURATION)),
    bad("a date", good("30d", "2030-01-01"), (7, "spec.every: expected a duration such as 30d, 15m or 90s")),
    bad("nothing", good("15m,", "0s,"), (8, "spec.overlap.tokenTTL: expected more than 0s")),
    bad(
        "less than can be told from nothing", good("15m,", "0.0004s,"), (8, "tokenTTL: expected more than 0s")
    ),
    bad(
        "more than there are dates",
        good("30d", "99999999999d"),
        (7, "spec.every: too long: expected at most 36500d"),
    ),
    bad("many digits", good("30d", "9" * 5000 + "d"), (7, "spec.every: too long: expected at most 36500d")),
    bad(
        "a period that is too short",
        good("30d", "20m"),
        (
            7,
            (
                "spec.every: 20m is too short; expected more than lead + overlap = 9m + 16m = 25m, where lead = "
                f"{LEAD} and overlap = 15m (longest token or session lifetime) + 1m (clock skew) = 16m"
            ),
        ),
    ),
    bad(
        "a period too short for the lead asked for",
        good("every: 30d", "every: 1d\n  lead: 25h"),
        (7, "spec.every: 1d is too short; expected more than lead + overlap = 1d1h + 16m = 1d1h16m"),
    ),
    bad(
        "a lead that is too short",
        good("  every: 30d", "  every: 30d\n  lead: 7m29s"),
        (8, f"spec.lead: 7m29s is too short; expected at least {LEAD}"),
    ),
]

MEANING = [
    bad(
        "a shared secret for everybody",
        shared("{secret: webhook-a", "{configMap: webhook-a"),
        (
            12,
            "spec.verifiers.0: a secret in a ConfigMap is readable by everybody; expected secret or vault",
        ),
    ),
    bad(
        "a list of signing keys",
        good(_VERIFIER, "acceptedList: {secret: a}"),
        (12, "spec.verifiers.0: does not suit jwtSigningKey; expected jwks, pem, gateway, istio, kong"),
    ),
    bad(
        "a JWK of an opaque secret",
        shared("acceptedList:", "jwks:"),
        (12, "spec.verifiers.0: an opaque secret is no JWK; expected acceptedList"),
    ),
    bad(
        "a probe for a shared secret",
        SHARED + '  gates:\n    beforeActivate: [{jwksProbe: {url: "https://a"}}]\n',
        (15, "spec.gates: jwksProbe reads public keys; this credential has none"),
    ),
    bad(
        "a probe before destruction",
        good("beforeActivate:", "beforeDestroy:"),
        (18, "spec.gates.beforeDestroy: jwksProbe shows that a key is there; expected prometheus"),
    ),
    bad(
        "a served set that may be cached for ever",
        good("maxAge: 5m}", "served: {}}"),
        (
            12,
            "spec.verifiers.0.jwks: served: how long may it be cached? Expected maxAge: the lead is computed from it, and it is sent",
        ),
    ),
    bad(
        "a served set at another host than the issuer",
        good("maxAge: 5m}", 'maxAge: 5m, served: {host: a.example, issuer: "https://b.example"}}'),
        (
            12,
            "spec.verifiers.0.jwks.served: issuer: its configuration is asked for at its own host; expected the same host",
        ),
    ),
    bad(
        "a set in place of the issuer's configuration",
        good(
            "maxAge: 5m}",
            'maxAge: 5m, served: {path: /a/.well-known/openid-configuration, issuer: "https://b.example/a/"}}',
        ),
        (
            12,
            "spec.verifiers.0.jwks.served: path: /.well-known/openid-configuration is the issuer's configuration; expected another path",
        ),
    ),
    bad(
        "a path that leads upwards",
        good("maxAge: 5m}", "maxAge: 5m, served: {path: /a/../b}}"),
        (12, "spec.verifiers.0.jwks.served.path: expected a path as /.well-known/jwks.json"),
    ),
    bad(
        "a served HMAC key",
        shared("{}\n  every", "{algorithm: HS256}\n  every").replace(
            "acceptedList: {", "jwks: {maxAge: 5m, served: {}, "
        ),
        (12, "spec.verifiers.0.jwks.served: a shared secret is for its holders alone; expected no served"),
    ),
    bad(
        "two documents at one address",
        good("maxAge: 5m}", "maxAge: 5m, served: {}}").replace(
            "  holders:", "    - jwks: {configMap: another, maxAge: 5m, served: {}}\n  holders:"
        ),
        (
            13,
            (
                "spec.verifiers.1.jwks.served: https://*/.well-known/jwks.json is answered with configmap payments/payments-jwks "
                "already; expected one document at one address"
            ),
        ),
    ),
    bad(
        "raw bytes as lines",
        shared("{}\n  every", "{encoding: raw}\n  every").replace(
            "webhook-accepted}", "webhook-accepted, format: lines}"
        ),
        (12, "acceptedList.format: raw bytes are no lines; expected json, or base64 or hex"),
    ),
    bad(
        "raw bytes as text",
        shared("{}\n  every", "{encoding: raw}\n  every").replace(
            "secret: {name: webhook}", "vault: {mount: a, path: b}"
        ),
        (13, "spec.holders: raw bytes do not fit in Vault's text fields; expected base64 or hex"),
    ),
    bad(
        "two forms",
        shared("{}\n  every", "{algorithm: HS256, length: 32}\n  every"),
        (6, "spec.credential.sharedSecret: expected one of algorithm, length, bytes"),
    ),
    bad(
        "an alphabet of bytes",
        shared("{}\n  every", "{alphabet: abcdefghij}\n  every"),
        (6, "alphabet goes with len"),
    ),
    bad(
        "an encoding of characters",
        shared("{}\n  every", "{length: 20, encoding: hex}\n  every"),
        (6, "goes with bytes or algorithm"),
    ),
    bad(
        "raw bytes of a key",
        shared("{}\n  every", "{algorithm: HS256, encoding: raw}\n  every"),
        (6, "without an encoding the value is the key"),
    ),
    bad(
        "a letter twice",
        shared("{}\n  every", "{length: 20, alphabet: aabcdefghij}\n  every"),
        (6, "expected distinct"),
    ),
    bad(
        "white space",
        shared("{}\n  every", '{length: 20, alphabet: "abcdefghij\\n"}\n  every'),
        (6, "no white space"),
    ),
    bad(
        "raw bytes",
        shared("{}\n  every", "{encoding: utf-8}\n  every"),
        (6, "spec.credential.sharedSecret.encoding: expected 'base64', 'base64url', 'hex' or 'raw'"),
    ),
    bad(
        "a short secret",
        shared("{}\n  every", "{length: 8}\n  every"),
        (6, "sharedSecret.length: expected at least 16"),
    ),
    bad(
        "an unknown field of ours",
        good(_HOLDER, "{name: k, data: {a: token, b: kid}}"),
        (
            14,
            (
                "spec.holders.0.secret.data.a: unknown field token; expected one of private_key, public_key, jwk, kid, "
                "algorithm, or previous.FIELD"
            ),
        ),
    ),
    bad(
        "an unknown field of the previous version",
        good(_HOLDER, "{name: k, data: {a: previous.token, b: kid}}"),
        (14, "spec.holders.0.secret.data.a: unknown field previous.token"),
    ),
    bad(
        "a JWK of an opaque secret for a holder",
        shared("{name: webhook}", "{name: webhook, data: {a: jwk}}"),
        (
            14,
            "spec.holders.0.secret.data.a: unknown field jwk; expected one of value, kid, algorithm, or previous.",
        ),
    ),
    *(
        bad(
            name,
            good(_HOLDER, f"{{name: k, data: {{a: {json.dumps(ours)}, b: kid}}}}"),
            (14, f"secret.data.a: {says}"),
        )
        for name, ours, says in (
            (
                "an encoding that nobody knows",
                "kid|rot13",
                "unknown encoding rot13; expected one of base64, base64url, ",
            ),
            ("an encoding without a name", "kid|", "unknown encoding (none); expected one of base64"),
            (
                "two encodings",
                "private_key|pkcs8|base64",
                "unknown encoding pkcs8|base64; expected one of pkcs8, pkcs1, sec1",
            ),
            ("a kid as PKCS #1", "kid|pkcs1", "kid is not written as pkcs1; expected one of base64"),
            (
                "a public key as PKCS #8",
                "public_key|pkcs8",
                "public_key is not written as pkcs8; expected one of spki, der-base64",
            ),
            ("a set of no JWK", "previous.kid|jwks", "kid is not written as jwks"),
            (
                "PKCS #1 on a curve",
                "private_key|pkcs1",
                "a key of ES256 is not written as pkcs1; expected pkcs8, or RS… or PS… as algorithm",
            ),
            (
                "an unknown field in a text",
                "a ${token}",
                "unknown field token; expected one of private_key, ",
            ),
            ("an unknown encoding in a text", "${kid|rot13}", "unknown encoding rot13"),
            (
                "an encoding in a text that the algorithm has not",
                "${previous.private_key|pkcs1}${kid}",
                "a key of ES256 is not written as pkcs1",
            ),
            (
                "a placeholder that is left open",
                "a ${kid",
                "a placeholder that is none; expected ${FIELD}, ${FIELD|ENCODING}, ${previous.FIELD} or ${other.FIELD}",
            ),
            ("an empty placeholder", "a ${}", "a placeholder that is none"),
            ("logic in a placeholder", "${if kid}", "a placeholder that is none"),
            ("a placeholder in a placeholder", "${${kid}}", "a placeholder that is none"),
            ("a field of another rotation", "${payments/other.kid}", "a placeholder that is none"),
            ("a text without a field", "a $${kid}", "it takes no field; expected ${FIELD}"),
            (
                "a text that begins like a field",
                "previous.kid ${kid}",
                "a template cannot begin with the word previous.",
            ),
            ("a text without an end", "${kid}" + "x" * 1020, ""),
        )
    ),
    bad(
        "SEC 1 of an RSA key",
        good("ES256", "RS256").replace(_HOLDER, "{name: k, data: {a: private_key|sec1}}"),
        (14, "secret.data.a: a key of RS256 is not written as sec1; expected pkcs8, or ES… as algorithm"),
    ),
    bad(
        "SEC 1 of an Edwards key in Vault",
        good("ES256", "EdDSA").replace(
            "path: payments/jwt}\n  gates", "path: payments/jwt, data: {a: private_key|sec1}}\n  gates"
        ),
        (16, "vault.data.a: a key of EdDSA is not written as sec1"),
    ),
    bad(
        "bytes as a word of JSON",
        shared("{}\n  every", "{encoding: raw}\n  every").replace(
            "{name: webhook}\n", "{name: webhook, data: {a: value|json}}\n"
        ),
        (14, "secret.data.a: raw bytes are not written as json, which is for text; expected base64 or hex"),
    ),
    bad(
        "characters that readers of .env do not agree on",
        shared("{}\n  every", "{length: 40, alphabet: '0123456789#$'}\n  every").replace(
            "{name: webhook}\n", "{name: webhook, data: {a: value|dotenv}}\n"
        ),
        (14, "secret.data.a: readers of dotenv do not agree on $; expected an alphabet without"),
    ),
    bad(
        "only the previous version in a text",
        good(_HOLDER, "{name: k, data: {a: 'x ${previous.kid}'}}"),
        (14, "spec.holders.0.secret.data: only previous or other fields"),
    ),
    bad(
        "only the previous version",
        good(_HOLDER, "{name: k, data: {a: previous.kid}}"),
        (
            14,
            "spec.holders.0.secret.data: only previous or other fields; expected at least one of the active version",
        ),
    ),
    bad(
        "a key with a space",
        good(_HOLDER, "{name: k, data: {'a b': kid}}"),
        (14, "data.a b: expected letters, digits"),
    ),
    bad(
        "a key upwards",
        good(_HOLDER, "{name: k, data: {'..': kid}}"),
        (14, "secret.data...: expected letters, digits"),
    ),
    bad(
        "a field that is ours",
        good("path: payments/jwt}\n  gates", "path: payments/jwt, data: {revision: kid}}\n  gates"),
        (
            16,
            (
                "spec.holders.1.vault.data.revision: reserved; expected a name other than rotation, revision, version, "
                "content_revision, since"
            ),
        ),
    ),
    bad(
        "declared twice",
        GOOD + "---\n" + GOOD,
        (22, "metadata.name: payments/payments-jwt is declared twice, first at"),
    ),
    bad(
        "everything twice",
        GOOD + "---\n" + good("payments-jwt,", "other,"),
        (
            28,
            "spec.store: vault rotator/payments/jwt is used already by payments/payments-jwt; expected one owner",
        ),
        (31, "spec.verifiers.0: configmap payments/payments-jwks is used already by payments/payments-jwt"),
        (33, "spec.holders.0: secret payments/payments-signing-key is used already by payments/payments-jwt"),
        (35, "spec.holders.1: vault secret/payments/jwt is used already by payments/payments-jwt"),
    ),
    bad(
        "one path under two names",
        good("mount: secret, path: p", "mount: rotator/payments, path: j").replace(
            "path: jayments/jwt", "path: jwt"
        ),
        (16, "vault rotator/payments/jwt is named twice in this rotation"),
    ),
    bad(
        "the holder is the store",
        shared("{name: webhook}\n", "{name: rotation-webhook}\n"),
        (
            14,
            "spec.holders.0: secret payments/rotation-webhook is named twice in this rotation, first by spec.store",
        ),
    ),
    bad(
        "one Secret twice",
        good(_HOLDER, "{name: k, namespaces: [a, a]}"),
        (14, "secret a/k is named twice in this rotation, first by spec.holders.0; name it once"),
    ),
    bad(
        "a list under such a data key",
        good("{configMap: payments-jwks,", "{configMap: payments-jwks, key: ROTATOR_FENCE_1_a,"),
        (12, "reserved; expected a name that does not begin with ROTATOR_FENCE_"),
    ),
    bad(
        "a data key that keeps nodes from old copies",
        good(_HOLDER, "{name: k, data: {ROTATOR_FENCE_1_a: private_key}}"),
        (14, "reserved; expected a name that does not begin with ROTATOR_FENCE_"),
    ),
]

PROVIDED = [Bad(row.name, row.text, row.expected) for row in declared_providers.REFUSED]
TABLE = [*FILES, *FIELDS, *WINDOWS, *MEANING, *PROVIDED]


@pytest.mark.parametrize("row", [pytest.param(r, id=r.name) for r in TABLE])
def test_a_bad_file_is_refused_with_line_and_expectation(tmp_path: Path, row: Bad) -> None:
    """Proves for each row that exactly its problems are named, in order, each at its line."""
    file = put(tmp_path, row.text)
    found = problems(file)
    assert len(found) == len(row.expected), found
    for problem, (line, says) in zip(found, row.expected, strict=True):
        assert problem.startswith(f"{file}:{line}: "), problem
        assert says in problem, problem


@pytest.mark.parametrize(
    "content",
    [bytes(range(256)), GOOD.encode("utf-16"), b"\x89PNG\r\n\x1a\n"],
    ids=["bytes", "UTF-16", "picture"],
)
def test_a_binary_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Proves that a file that is no text is named, and that its contents are not quoted."""
    file = put(tmp_path, content)
    assert problems(file) == [f"{file}: cannot be read (UnicodeDecodeError); expected a UTF-8 YAML file"]


def test_a_folder_named_like_a_file_is_refused(tmp_path: Path) -> None:
    """Proves that what cannot be opened is named."""
    (tmp_path / "a.yaml").mkdir()
    assert problems(tmp_path) == [
        f"{tmp_path / 'a.yaml'}: cannot be read (IsADirectoryError); expected a UTF-8 YAML file"
    ]


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    """Proves that an empty folder is no success: a forgotten mount rotates nothing."""
    put(tmp_path, GOOD, "rotation.txt")
    assert problems(tmp_path) == [f"{tmp_path}: no policy file in this folder; expected files named *.yaml"]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Proves that a wrong path is named."""
    missing = tmp_path / "nope.yaml"
    assert problems(missing) == [f"{missing}: no such file; expected a policy file or a folder of them"]


def test_all_problems_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    """Proves that one run names everything: several fields, documents and files."""
    one = put(tmp_path, good("30d", "30").replace("ES256", "XX") + "---\n" + good("15m,", "x,"), "one.yaml")
    two = put(tmp_path, "", "two.yaml")
    three = put(tmp_path, GOOD.replace("payments", "orders").replace("30d", "5m"), "three.yaml")
    found = problems(one, two, three)
    assert [p.split(": ")[0] for p in found] == [
        f"{one}:6",
        f"{one}:7",
        f"{one}:27",
        f"{two}:1",
        f"{three}:7",
    ]


def test_a_duplicate_in_another_file_names_both_places(tmp_path: Path) -> None:
    """Proves that the second declaration points to the first."""
    one, two = put(tmp_path, GOOD, "one.yaml"), put(tmp_path, "# again\n" + GOOD, "two.yaml")
    assert problems(one, two) == [
        f"{two}:4: metadata.name: payments/payments-jwt is declared twice, first at {one}:3"
    ]


def test_many_aliases_cost_nothing(tmp_path: Path) -> None:
    """Proves that a file of aliases of aliases (9 to the power of 20 nodes) is refused, not walked."""
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 21))
    file = put(tmp_path, "a0: &a0 [x]\n" + levels)
    assert problems(file) == [
        f"{file}:5: too large with all that its aliases stand for; expected at most {MOST} values in a document"
    ]


def _levels(first: str, step: str, levels: int) -> str:
    """Write `first`, and then levels that each name the one before as often as `step` says."""
    named = (f"a{n}: &a{n} {step.replace('$', f'*a{n - 1}')}\n" for n in range(1, levels))
    return f"a0: &a0 {first}\n{''.join(named)}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (_levels("{k: v}", "{<<: [$, $, $, $, $, $, $, $, $, $]}", 30), "too large with all"),
        (_levels("{k: v}", "{<<: [$, $]}", 40), "too large with all"),
        (_levels("{k: v}", "{<<: $, b: {<<: $}}", 40), "too large with all"),
        (_levels("[x]", "{a: $, b: $}", 40), "too large with all"),
        (_levels("[x]", "[$]", 60), "nested too deep"),
        (_levels("[x]", "[$]", 5_000), "nested too deep"),
        (f"x: &x {{k: v}}\ny:\n  <<: [{', '.join(['*x'] * 20_000)}]\n", "too large with all"),
        (f"x: [{', '.join(['a'] * 20_000)}]\n", "too large with all"),
        ("x: &x {y: *x}\n", "contains itself"),
        ("x: &x\n  <<: *x\n", "contains itself"),
        ("<<: &x [*x]\n", "contains itself"),
        (f"x: 1{':59' * 100_000}\n", "no plain value"),
        (f"x: {'9' * 100_000}\n", "no plain value"),
        (f"x: 0x{'f' * 100_000}\n", "no plain value"),
        (f"x: {'9' * 400}.5\n", "no plain value"),
        ("x: .inf\n", "no plain value"),
        ("x: -.Inf\n", "no plain value"),
        ("x: .nan\n", "no plain value"),
        ("x: 1.0e+400\n", "no plain value"),
        ("x: 2026-99-99\n", "no plain value"),
        ("x: *y\n", "undefined alias"),
        ("# " + "x" * (LARGEST + 1), "too large; expected at most"),
    ],
    ids=lambda value: f"{len(value)} {value[:30]!r}",
)
def test_what_grows_without_end_is_refused_before_it_is_built(
    tmp_path: Path, text: str, expected: str
) -> None:
    """Whatever a file of few bytes stands for, reading it costs little, and the line is named."""
    file = put(tmp_path, text)
    assert any(expected in problem for problem in problems(file))


@settings(deadline=None)
@given(text=st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#,?~<=%@ \t\n\r1\u00e9\x00"), max_size=60))
def test_no_text_is_answered_with_anything_but_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """Proves that whatever a file holds, the answer is a PolicyError that names it."""
    file = put(tmp_path_factory.getbasetemp(), text, "fuzzed.yaml")
    assert all(p.startswith(f"{file}:") for p in problems(file))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_PLACES = sorted(
    {
        ("metadata",),
        ("spec",),
        ("metadata", "name"),
        ("metadata", "labels"),
        ("spec", "credential"),
        ("spec", "credential", "jwtSigningKey"),
        ("spec", "every"),
        ("spec", "overlap"),
        ("spec", "store"),
        ("spec", "store", "vault"),
        ("spec", "verifiers"),
        ("spec", "holders"),
        ("spec", "gates"),
        ("spec", "overlap", "tokenTTL"),
        ("spec", "lead"),
        ("spec", "gates", "beforeActivate"),
    }
)


@settings(deadline=None)
@given(place=st.sampled_from(_PLACES), value=_VALUES)
def test_no_value_anywhere_is_answered_with_anything_but_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str, ...], value: object
) -> None:
    """Proves that any plain value at any place is either accepted or refused with file, line and a sentence."""
    document = yaml.safe_load(GOOD)
    parent = document
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = value
    file = put(tmp_path_factory.getbasetemp(), yaml.safe_dump(document), "fuzzed.yaml")
    try:
        load([file])
    except PolicyError as error:
        for problem in str(error).splitlines():
            where, line, *_ = problem.split(":")
            assert (where, line.isdecimal()) == (str(file), True)


def test_a_thousand_declarations_share_what_is_the_same_in_all(tmp_path: Path) -> None:
    """Of thousands of declarations only what differs is kept: which fields are given is the same in nearly all."""
    one, other = (SHARED.replace("webhook", name) for name in ("a", "b"))
    (tmp_path / "all.yaml").write_text(f"{one}---\n{other}")
    first, second = load([tmp_path])
    assert first.spec.model_fields_set is second.spec.model_fields_set
    assert first.spec.gates is second.spec.gates
    assert first.spec.model_copy(update={"lead": None}).model_fields_set != second.spec.model_fields_set
