"""The `jwks` of one rule of a RequestAuthentication, as a document with one field.

API: https://istio.io/latest/docs/reference/config/security/request_authentication/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rotator.core.sensitive import Sensitive
from rotator.errors import Conflict, Frozen, NotFound
from rotator.kinds import MARK
from rotator.ports import Seen, Stamp
from rotator.systems.kubernetes.api import Json
from rotator.systems.kubernetes.target import KubernetesObject

FIELD = "jwks"
"""The name of the only field."""


@dataclass
class IssuerRule(KubernetesObject):
    """The rule of one issuer. Other rules, and all else of the object, are written back as they were read."""

    issuer: str = ""

    def write(
        self, fields: Mapping[str, Sensitive | None], stamp: Stamp, seen: Seen | None, note: Mapping[str, str]
    ) -> Seen:
        """Change the rule at the resourceVersion that was seen. The object is never made."""
        if seen is None:
            if self._document() is None:
                raise Frozen(f"{self.label} does not exist. {self._expected()}")
            raise Conflict(self.label, "it is there, and was not looked at")
        return super().write(fields, stamp, seen, note)

    def obstacle(self, names: Sequence[str], *, adopted: bool) -> str:
        """See `rotator.ports.Target`."""
        if self._last is None:
            return f"it does not exist. {self._expected()}"
        return super().obstacle(names, adopted=adopted)

    def remove(
        self, names: Sequence[str], seen: Seen, rest: Mapping[str, Sensitive] = MappingProxyType({})
    ) -> tuple[str, ...]:
        """Take our keys out of the rule. A rule without any key is never left: Istio would ask the issuer for its own."""
        del names
        document = self._document()
        if document is None:
            return ()
        if document["metadata"]["resourceVersion"] != seen.fence:
            raise Conflict(self.label, "it changed in between")
        if not rest:
            raise Frozen(
                f"{self.label}: the rule of {self.issuer} would be left without a key, and Istio would ask the issuer for keys. "
                "Nothing was removed. Delete the rule, or put another key into it, then this goes on"
            )
        self._last = document
        metadata = {
            "resourceVersion": seen.fence,
            "annotations": self._annotations(None),
            **({} if self.sharers.keys() - {self.signature.sharer} else {"labels": {MARK: None}}),
        }
        at = self.address
        try:
            self.api.patch(
                at.kind, at.namespace, at.name, {"metadata": metadata, **self._placed(document, rest)}
            )
        except NotFound:
            return ()
        return ("the object itself, which others made",)

    # --- where the field is -----------------------------------------------------------------------------------

    def _data(self, document: Mapping[str, Any]) -> Mapping[str, str]:
        rule = self._rules(document)[self._position(document)]
        if rule.get("jwksUri"):
            raise Frozen(
                f"{self.label}: istiod fetches the keys of {self.issuer} from {rule['jwksUri']}, and a rule has jwksUri or jwks. It was left "
                "untouched. Declare jwks and gateway in place of istio, or take jwksUri out of the rule"
            )
        return {FIELD: rule[FIELD]} if rule.get(FIELD) else {}

    def _placed(self, document: Mapping[str, Any], fields: Mapping[str, Sensitive | None]) -> Json:
        """Return the change that sets the field: a list of rules is replaced as a whole (RFC 7386)."""
        position, value = self._position(document), fields.get(FIELD)
        rules = [dict(rule) for rule in self._rules(document)]
        if value is not None:
            rules[position][FIELD] = value.reveal()
        return {"spec": {"jwtRules": rules}}

    def _applies(self, seen: Seen, fields: Mapping[str, Sensitive | None]) -> bool:
        """A rule is part of a list that has one owner for server-side apply: it is patched."""
        del seen, fields
        return False

    def _rules(self, document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return list((document.get("spec") or {}).get("jwtRules") or ())

    def _position(self, document: Mapping[str, Any]) -> int:
        found = [i for i, rule in enumerate(self._rules(document)) if rule.get("issuer") == self.issuer]
        if len(found) == 1:
            return found[0]
        how_many = "no rule" if not found else f"{len(found)} rules"
        raise Frozen(
            f"{self.label} has {how_many} of the issuer {self.issuer}; it was left untouched. {self._expected()}"
        )

    def _expected(self) -> str:
        return f"Expected one rule in spec.jwtRules with issuer: {self.issuer}, with or without jwks"
