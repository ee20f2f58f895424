"""Octets as text: base64, base64url and hex (RFC 4648), written one way and read in every way that people write them."""

from __future__ import annotations

import base64
import binascii
import re

ENCODINGS = ("base64", "base64url", "hex")

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


def encode(octets: bytes, encoding: str | None) -> bytes:
    """Write `octets` in an encoding, in one line; None: as they are. base64url goes without padding, as in a JWK."""
    if encoding == "base64":
        return base64.b64encode(octets)
    if encoding == "base64url":
        return base64.urlsafe_b64encode(octets).rstrip(b"=")
    return octets.hex().encode() if encoding == "hex" else octets


def decode(text: bytes, encoding: str) -> bytes:
    """Read what is said to be in an encoding. Raises ValueError, without quoting it, where it is not, or is empty."""
    try:
        found = (from_hex if encoding == "hex" else from_base64)(text.decode())
    except UnicodeDecodeError:
        found = None
    if not found:
        raise ValueError(f"it is not {encoding}")
    return found


def from_hex(text: str) -> bytes | None:
    """Read hex in capitals or not, with white space in it or not; None for anything else."""
    bare = "".join(text.split())
    return bytes.fromhex(bare) if _HEX.fullmatch(bare) else None


def from_base64(text: str) -> bytes | None:
    """Read base64 in either alphabet, in one line or several, with padding or without; None for anything else."""
    bare = "".join(text.split())
    if not _BASE64.fullmatch(bare):
        return None
    plain = bare.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        return None
