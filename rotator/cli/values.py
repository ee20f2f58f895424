"""The types of the values that options take: each reads a text, or says what was expected."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import click

from rotator.core.timing import parse_duration
from rotator.kinds import CONFIG_MAP, SECRET
from rotator.late import Late

if TYPE_CHECKING:
    from datetime import timedelta

    from rotator.engine import fleet
    from rotator.kinds import Kind
else:
    fleet = Late("rotator.engine.fleet")


class DurationType(click.ParamType[Any]):
    """A duration on the command line, such as 10m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it, or say what was expected."""
        try:
            length = parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not length:
            self.fail("expected more than 0s", param, ctx)
        return length


class ShardType(click.ParamType[Any]):
    """`I/N`, or `N` with the index from JOB_COMPLETION_INDEX (an Indexed Job)."""

    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> fleet.Shard:
        """Read it, or say what was expected."""
        index, slash, count = str(value).rpartition("/")
        if not slash:
            index = os.environ.get("JOB_COMPLETION_INDEX", "")
            if not index:
                self.fail(
                    f"{value}: expected I/N, as 0/4, or N where JOB_COMPLETION_INDEX is set", param, ctx
                )
        if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            self.fail(f"{index}/{count}: expected I/N with 0 <= I < N, as 0/4", param, ctx)
        return fleet.Shard(int(index), int(count))


_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ACCOUNT = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"(?P<key>[A-Za-z0-9._/-]+)\s*==?\s*(?P<value>[A-Za-z0-9._-]*)")


class LabelsType(click.ParamType[Any]):
    """Labels on the command line: `k=v,k2=v2`."""

    name = "labels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Read them, or say what was expected."""
        if isinstance(value, dict):
            return value
        pairs = [_LABEL.fullmatch(part.strip()) for part in value.split(",")] if value else []
        if not all(pairs):
            self.fail(f"{value}: expected k=v,k2=v2", param, ctx)
        return {pair["key"]: pair["value"] for pair in pairs if pair}


class NamespaceType(click.ParamType[Any]):
    """The name of a namespace."""

    name = "namespace"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take it, or say what was expected."""
        if not _NAMESPACE.fullmatch(str(value)):
            self.fail(f"{value}: expected the name of one namespace, as payments", param, ctx)
        return str(value)


class AccountType(click.ParamType[Any]):
    """A service account: `NAMESPACE/NAME`."""

    name = "account"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take it, or say what was expected."""
        namespace, _, account = str(value).partition("/")
        if not (_NAMESPACE.fullmatch(namespace) and _ACCOUNT.fullmatch(account)):
            self.fail(f"{value}: expected NAMESPACE/NAME", param, ctx)
        return str(value)


class KindsType(click.ParamType[Any]):
    """Kinds of targets on the command line: `configmaps,secrets`."""

    name = "kinds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Kind, ...]:
        """Read them, or say what was expected."""
        if not isinstance(value, str):
            return tuple(value)
        known = {kind.plural: kind for kind in (CONFIG_MAP, SECRET)}
        names = [name for name in value.replace(",", " ").split() if name != "none"]
        if unknown := set(names) - known.keys():
            self.fail(f"{', '.join(sorted(unknown))}: expected {', '.join(known)} or none", param, ctx)
        return tuple(known[name] for name in names)
