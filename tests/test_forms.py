"""What stands in a data key: encodings as independent programs read them, the grammar, lists, and what is no template."""

from __future__ import annotations

import base64
import binascii
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import KeySet

from rotator.core.sensitive import Sensitive
from rotator.credentials.jwt_signing_key.maker import JwtSigningKey
from rotator.credentials.shared_secret.maker import SharedSecret
from rotator.ports import Credential
from rotator.systems.forms import ENCODINGS, SHAPE, encodings_of, parse, read, render
from rotator.systems.registry import CREDENTIALS

KEYS: Mapping[str, Credential] = {
    alg: JwtSigningKey(alg, 2048) for alg in ("RS256", "ES256", "ES384", "ES512", "EdDSA")
}
TEXTS = (
    "abcXYZ0189",
    'it\'s "so" & $HOME `id` \\n #%/@:?+',
    '{"a": "so" , "b": "# `id` %"}',
    "ümläut\nand\ttab",
    "-----BEGIN X-----\nabc=\n-----END X-----\n",
)


def fields_of(credential: Credential) -> Mapping[str, Sensitive]:
    """Return the fields of a version just made."""
    made = credential.make("a/b", 1)
    return credential.fields(made.id, made.material)


def written(
    ours: str, current: Mapping[str, Sensitive], previous: Mapping[str, Sensitive] | None = None
) -> str:
    """Return what a data key holds."""
    value = render(parse(ours), current, previous or {})
    assert value is not None
    return value.reveal()


def texts(**values: str) -> dict[str, Sensitive]:
    """Return fields with values that are known."""
    return {name: Sensitive(value) for name, value in values.items()}


OTHERS = {
    "node": "NO NODE: it reads keys, base64url and .env files",
    "java": "NO JAVA: it reads keys in DER",
}


def run(*command: str, given: str) -> str:
    """Return what another program prints that reads `given`."""
    if command[0] in OTHERS and shutil.which(command[0]) is None:
        pytest.skip(OTHERS[command[0]])
    done = subprocess.run(command, input=given.encode(), capture_output=True, check=True, timeout=60)
    return done.stdout.decode()


def as_pkcs8(text: str, form: str = "PEM") -> str:
    """Have openssl read a private key, and write it as PKCS #8."""
    return run("openssl", "pkcs8", "-topk8", "-nocrypt", "-inform", form, given=text)


# --- keys -------------------------------------------------------------------------------------------------------

BEGINS = {
    "pkcs1": "-----BEGIN RSA PRIVATE KEY-----\n",
    "sec1": "-----BEGIN EC PRIVATE KEY-----\n",
    "pkcs8": "-----BEGIN PRIVATE KEY-----\n",
}


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("encoding", BEGINS)
def test_openssl_and_node_read_a_private_key_in_each_form_that_it_has(algorithm: str, encoding: str) -> None:
    """Proves header and content; what the algorithm has not is refused in words that quote nothing."""
    fields = fields_of(KEYS[algorithm])
    pem = fields["private_key"].reveal()
    if not algorithm.startswith(ENCODINGS[encoding].algorithms):
        with pytest.raises(
            ValueError, match=f"private_key cannot be written as {encoding}: only keys of"
        ) as caught:
            written(f"private_key|{encoding}", fields)
        assert pem[40:60] not in str(caught.value)
        return
    text = written(f"private_key|{encoding}", fields)
    assert text.startswith(BEGINS[encoding])
    assert as_pkcs8(text) == as_pkcs8(pem) == pem
    code = "process.stdout.write(require('crypto').createPrivateKey(require('fs').readFileSync(0)).export({type:'pkcs8',format:'pem'}))"
    assert run("node", "-e", code, given=text) == pem


def test_java_reads_der_in_base64() -> None:
    """Proves that the keys of every algorithm are what Java takes as PKCS #8 and SPKI, and writes alike."""
    lines, expected = [], []
    for name, algorithm in KEYS.items():
        fields = fields_of(algorithm)
        family = "RSA" if name.startswith(("RS", "PS")) else "EC" if name.startswith("ES") else "Ed25519"
        for kind in ("private", "public"):
            text = written(f"{kind}_key|der-base64", fields)
            lines.append(f"{family} {kind} {text}")
            expected.append(text)
    program = Path(__file__).parent / "encodings" / "Reads.java"
    assert run("java", str(program), given="\n".join(lines)).split() == expected


@pytest.mark.parametrize("algorithm", KEYS)
def test_der_in_base64_is_the_key_without_its_armour(algorithm: str) -> None:
    """Proves by openssl, for both halves of a key, that it is one line and the same key."""
    fields = fields_of(KEYS[algorithm])
    private, public = (written(f"{field}|der-base64", fields) for field in ("private_key", "public_key"))
    assert not set(private + public) & set("\r\n- ")
    read_by = ("openssl", "base64", "-d", "-A")
    for text, field, how in ((private, "private_key", ("pkey",)), (public, "public_key", ("pkey", "-pubin"))):
        der = subprocess.run(read_by, input=text.encode(), capture_output=True, check=True, timeout=60).stdout
        done = subprocess.run(
            ("openssl", *how, "-inform", "DER"), input=der, capture_output=True, check=True, timeout=60
        )
        assert done.stdout.decode() == fields[field].reveal()


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_set_of_one_jwk_is_read_by_joserfc_and_pyjwt(algorithm: str) -> None:
    """Proves that both find the key by its kid, and that tokens of the one are good for the other."""
    fields = fields_of(KEYS[algorithm])
    whole = json.loads(written("jwk|jwks", fields))
    (key,) = KeySet.import_key_set(whole).keys
    assert key.kid == fields["kid"].reveal()
    token = jwt.encode({"sub": "a"}, written("private_key|pkcs8", fields), algorithm=algorithm)
    verifying = jwt.PyJWK(key.as_dict(private=False), algorithm=algorithm)
    assert jwt.decode(token, verifying, algorithms=[algorithm]) == {"sub": "a"}
    assert written("public_key|spki", fields) == fields["public_key"].reveal()


# --- texts ------------------------------------------------------------------------------------------------------

DOTENV = r"""
const line = require('fs').readFileSync(0, 'utf8');
process.stdout.write(require('util').parseEnv('A=' + line + '\nB=1\n').A)
"""
READERS: Mapping[str, Callable[[str], str]] = {
    "base64": lambda t: base64.b64decode(t, validate=True).decode(),
    "base64url": lambda t: base64.b64decode(t, altchars=b"-_", validate=True).decode(),
    "base64url-nopad": lambda t: run(
        "node",
        "-e",
        "process.stdout.write(Buffer.from(require('fs').readFileSync(0,'utf8'),'base64url'))",
        given=t,
    ),
    "hex": lambda t: binascii.unhexlify(t).decode(),
    "json": lambda t: str(json.loads(f'{{"a": {t}}}')["a"]),
    "escaped": lambda t: t.replace("\\n", "\n"),
    "dotenv": lambda t: run("node", "-e", DOTENV, given=t),
    "shell": lambda t: run("sh", given=f"printf %s {t}"),
    "url": lambda t: unquote(urlsplit(f"postgres://{t}:x@db/one").username or ""),
}


def test_every_encoding_of_texts_has_its_reader() -> None:
    """Proves that the tables below leave none out."""
    assert READERS.keys() == {one.name for one in ENCODINGS.values() if not one.of}
    assert BEGINS.keys() | {"der-base64", "jwks", "spki"} == {
        one.name for one in ENCODINGS.values() if one.of
    }


@pytest.mark.parametrize("text", TEXTS, ids=["letters", "quotes", "JSON", "letters of others", "PEM"])
@pytest.mark.parametrize("encoding", READERS)
def test_a_text_is_what_its_reader_reads(encoding: str, text: str) -> None:
    """Proves it by another program than ours, and that we read it back; what readers do not agree on is refused."""
    if set(text) & set(ENCODINGS[encoding].never):
        with pytest.raises(ValueError, match=f"value cannot be written as {encoding}: its value holds"):
            written(f"value|{encoding}", texts(value=text))
        return
    found = written(f"value|{encoding}", texts(value=text))
    assert READERS[encoding](found) == text
    assert read(parse(f"value|{encoding}"), Sensitive(found)) == Sensitive(text)


@given(octets=st.binary(min_size=1, max_size=80))
def test_whatever_can_be_written_is_read_back(octets: bytes) -> None:
    """Proves it for bytes of any kind; those that are no text are refused where only text can be."""
    for name in READERS:
        shape = parse(f"value|{name}")
        try:
            value = render(shape, {"value": Sensitive(octets)}, {})
        except ValueError:
            assert ENCODINGS[name].only_text
            continue
        assert value is not None
        assert read(shape, value) == Sensitive(octets)


def test_shell_words_are_one_word() -> None:
    """Proves by Python's own reader of shell words that nothing of a value is a word, or a command, of its own."""
    assert shlex.split(written("A=${value|shell} b", texts(value="x'; id; '$(id)"))) == [
        "A=x'; id; '$(id)",
        "b",
    ]


ODD: Mapping[str, str | bytes] = {
    "nothing": "",
    "other characters": "no base64!",
    "a list": '["a"]',
    "two words": "a b",
    "an open quote": "'a",
    "bytes": b"\xff",
}


@pytest.mark.parametrize("theirs", ODD)
@pytest.mark.parametrize("encoding", READERS)
def test_what_others_wrote_is_no_error(encoding: str, theirs: str) -> None:
    """Proves that an odd value in a data key is another value, whatever it is."""
    found = read(parse(f"value|{encoding}"), Sensitive(ODD[theirs]))
    assert found is None or isinstance(found, Sensitive)


# --- templates --------------------------------------------------------------------------------------------------

NEW, OLD = texts(value="new", kid="k2"), texts(value="old", kid="k1")


@pytest.mark.parametrize(
    ("ours", "both", "alone"),
    [
        ("${value},${previous.value}", "new,old", "new"),
        ("${previous.value},${value}", "old,new", "new"),
        ("${value} ${previous.value}", "new old", "new"),
        ("${value}\n${previous.value}\n", "new\nold\n", "new\n"),
        ("[${value|json}, ${previous.value|json}]", '["new", "old"]', '["new"]'),
        ("${kid}:${value};${previous.kid}:${previous.value}", "k2:new;k1:old", "k2:new"),
        ("${value},${previous.value},${kid}", "new,old,k2", "new,k2"),
        ("A=${value}\nB=${previous.value}\nC=1\n", "A=new\nB=old\nC=1\n", "A=new\nB=\nC=1\n"),
        ("a: ${value}\nb: ${previous.value}", "a: new\nb: old", "a: new\nb: "),
        ("${value}, and ${previous.value}.", "new, and old.", "new, and ."),
        ("$${value} $ $$ ${value} {}", "${value} $ $$ new {}", "${value} $ $$ new {}"),
    ],
)
def test_a_list_has_the_previous_one_as_long_as_there_is_one(ours: str, both: str, alone: str) -> None:
    """Proves what becomes of separators: those that stand alone between two placeholders go, all others stay."""
    assert written(ours, NEW, OLD) == both
    assert written(ours, NEW) == alone


@pytest.mark.parametrize(
    ("ours", "both", "alone"),
    [
        ("${value},${other.value}", "new,old", "new"),
        ("other.value", "old", ""),
        ("other.value|hex", "6f6c64", ""),
        ("${value|hex} ${other.value|hex}", "6e6577 6f6c64", "6e6577"),
        ("[${other.value|json}]", '["old"]', "[]"),
        ("[${value|json}, ${other.value|json}]", '["new", "old"]', '["new"]'),
        ("old: ${other.value}", "old: old", "old: "),
        ("${value},${other.value},${previous.value}", "new,old", "new"),
    ],
)
def test_a_list_has_the_other_one_as_long_as_there_is_one(ours: str, both: str, alone: str) -> None:
    """Proves that what takes the other version alone is there in any case: those who read it find it at each start."""
    for other, expected in ((OLD, both), ({}, alone)):
        found = render(parse(ours), NEW, {}, other)
        assert found is not None
        assert found.reveal() == expected


@pytest.mark.parametrize(
    ("ours", "value"),
    [
        ("${value},${other.value}", "a,b"),
        ("${value}, ${previous.value}", "a,b"),
        ("${value} ${other.value}", "a b"),
        ("${value}\n${other.value}", "a\nb"),
        ("x=${other.value};${value}", "a;b"),
    ],
)
def test_no_value_becomes_two_of_a_list(ours: str, value: str) -> None:
    """Proves that a value with the separator in it is refused, whichever version has it; encoded, or elsewhere, it may have it."""
    for new, old in ((value, "x"), ("x", value)):
        with pytest.raises(ValueError, match="at which readers of the list split it") as refused:
            render(parse(ours), texts(value=new), texts(value=old), texts(value=old))
        assert value not in str(refused.value)
    written_in_hex = ours.replace("value}", "value|hex}")
    assert render(parse(written_in_hex), texts(value=value), texts(value="x"), texts(value="x"))
    assert written("a=${value},b=${value}", texts(value=value))


@pytest.mark.parametrize("ours", ["other.${value}", "previous.${value}"])
def test_a_template_does_not_begin_like_a_field(ours: str) -> None:
    """Proves that a text is not taken for a field of another version."""
    with pytest.raises(ValueError, match="a template cannot begin with the word"):
        parse(ours)


def test_what_is_all_of_the_previous_version_goes_with_it() -> None:
    """Proves that no empty text is left behind."""
    assert render(parse("old: ${previous.value}"), NEW, {}) is None
    assert render(parse("previous.value|hex"), NEW, {}) is None


def test_a_value_is_no_template() -> None:
    """Proves that what looks like a placeholder in a value stays what it is."""
    assert written("a ${value}", texts(value="${kid}", kid="k2")) == "a ${kid}"


def test_a_template_sees_its_own_credential_only() -> None:
    """Proves with a canary in another rotation that no template, and no encoding, carries any of it."""
    canary, own = SharedSecret(length=40), SharedSecret(length=40)
    other = fields_of(canary)["value"].reveal()
    mine = fields_of(own)
    for field in ("value", "kid", "algorithm"):
        for encoding in encodings_of(field):
            found = written(f"${{{field}|{encoding}}} ${{{field}}}", mine)
            assert other not in found
            assert base64.b64encode(other.encode()).decode() not in found
    for ours in (
        "${canary.value}",
        "${../canary.value}",
        "${env.HOME}",
        "${file:/etc/passwd}",
        "${value!r}",
        "${value.__class__}",
    ):
        with pytest.raises(ValueError, match="a placeholder that is none"):
            parse(ours)


# --- the grammar in two languages --------------------------------------------------------------------------------

_PIECES = st.sampled_from(
    [
        "$",
        "$$",
        "{",
        "}",
        "${",
        "|",
        "previous.",
        "kid",
        "value",
        "jwk",
        "private_key",
        "pkcs1",
        "jwks",
        "base64",
        "base64url-nopad",
        "x",
        ",",
        "\n",
    ]
)


@given(text=st.lists(_PIECES, min_size=1, max_size=9).map("".join))
def test_the_schema_reads_templates_as_we_do(text: str) -> None:
    """Proves that the pattern in the schema takes a template exactly where its reader does."""
    try:
        shape = parse(text)
    except ValueError as error:
        said = str(error)
        if "${" in text and "it takes no field" not in said and "cannot begin" not in said:
            assert re.fullmatch(SHAPE, text) is None
    else:
        assert re.fullmatch(SHAPE, text) or not shape.is_template
        assert re.fullmatch(SHAPE, text) or "$" in text


def test_fields_of_credentials_are_as_placeholders_name_them() -> None:
    """Proves that no credential has a field that no placeholder could take."""
    fields = {field for kind in CREDENTIALS for one in kind.examples().values() for field in one.fields}
    assert fields
    for field in fields:
        assert [t.field for t in parse(f"${{{field}}}").taken] == [field]
        assert re.fullmatch(SHAPE, f"${{previous.{field}|base64}}")
