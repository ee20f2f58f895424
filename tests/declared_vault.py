"""Mounts and paths of Vault: which may be declared, and what is said of the others. One table for files and custom resources."""

from __future__ import annotations

from rotator.vocabulary.types import (
    MOUNT_HAS_API,
    MOUNT_IS_RESERVED,
    PATH_HAS_API,
    PATTERNS,
    VAULT_PATH,
)

WORDS = PATTERNS[VAULT_PATH]
ODD = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/..",
    "a/../b",
    "a/./b",
    "a/.hidden",
    "...",
    "%2e%2e/sys",
    "%252e%252e/sys",
    "a%25",
    "a%2Fb",
    "a%00b",
    "a?version=1",
    "a#b",
    "a;b",
    "a\\b",
    "a b",
    "a\tb",
    "a\nb",
    "a\n",
    "a\rb",
    "a\x7fb",
    "a\x1b[2Jb",
    "a\u2028b",
    "a\u202eb",
    "\u00e4",
    "\uff0e\uff0e",
    "a*",
    "+",
    "{{identity.entity.id}}",
]
"""Neither a mount nor a path."""
RESERVED = [
    "sys",
    "sys/raw",
    "sys/policies/acl",
    "auth",
    "auth/token",
    "auth/approle/role/a",
    "identity",
    "identity/entity",
    "cubbyhole",
    "cubbyhole/a",
    "audit",
    "team/sys/policies/acl",
    "team/auth/token",
    "team/identity/group",
]
WITH_API = [
    "secret/data",
    "secret/metadata",
    "secret/data/payments",
    "secret/metadata/payments",
    "secret/destroy",
    "secret/delete",
    "secret/undelete",
    "secret/subkeys",
    "team/kv/data",
]
MOUNTS = {
    **dict.fromkeys(ODD, WORDS),
    **dict.fromkeys(RESERVED, MOUNT_IS_RESERVED),
    **dict.fromkeys(WITH_API, MOUNT_HAS_API),
}
"""By a mount that is refused, what is said of it."""
PATHS = {
    **dict.fromkeys(ODD, WORDS),
    **dict.fromkeys(["data", "data/payments/jwt", "metadata", "metadata/payments/jwt"], PATH_HAS_API),
}
"""By a path that is refused, what is said of it."""
GOOD_MOUNTS = [
    "team/sys",
    "secret",
    "kv",
    "team/kv",
    "data",
    "system",
    "authn",
    "sys-kv",
    "kv/data-team",
    "team/auth",
    "_a.b-c",
]
GOOD_PATHS = [
    "a",
    "sys",
    "auth/jwt",
    "identity",
    "payments/data",
    "payments/metadata/a",
    "database",
    "a..b",
    "a/b/c",
]
MESSAGES = {"mount": {MOUNT_IS_RESERVED, MOUNT_HAS_API}, "path": {PATH_HAS_API}}
"""By a field, what the API server says where the pattern alone lets it pass."""
