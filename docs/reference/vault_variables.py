"""The variables by which rotator finds Vault and logs in, as a table: a part of the page of the environment."""

from __future__ import annotations

from typing import Any

from rotator.systems.vault.settings import LOGINS
from rotator.systems.vault.variables import METHOD, VARIABLES, Variable


def table() -> str:
    """Write them out."""
    rows = [f"| `{v.name}` | {_means(v)} | {_goes_with(v)} | {v.default} |" for v in VARIABLES]
    return "\n".join(["| variable | means | goes with | default |", "|---|---|---|---|", *rows])


def _means(variable: Variable[Any]) -> str:
    return f"{variable.means}: {_code(*LOGINS)}" if variable is METHOD else variable.means


def _goes_with(variable: Variable[Any]) -> str:
    """Return the variable that it needs, or the ways to log in that use it."""
    if variable.partner:
        return _code(variable.partner)
    return _code(*(name for name, login in LOGINS.items() if variable in login.uses))


def _code(*names: str) -> str:
    return ", ".join(f"`{name}`" for name in names)
