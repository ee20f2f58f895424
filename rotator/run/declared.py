"""What files declare, read and chosen from."""

from __future__ import annotations

from rotator.policy.files import load
from rotator.policy.model import RotationPolicy
from rotator.run.request import Declarations, Selection


def files(declarations: Declarations) -> list[RotationPolicy]:
    """Return what files declare; all are checked, a bad one is never skipped over. Raises PolicyError."""
    return load(declarations.files) if declarations.files else []


def chosen(declarations: Declarations, selection: Selection) -> list[RotationPolicy]:
    """Return those that files declare and that are wanted. Raises PolicyError, SettingsError."""
    found = files(declarations)
    selection.check_names([p.ref for p in found])
    return [p for p in found if selection.wants(p)]
