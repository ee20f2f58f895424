"""Verifiers, one file a kind: what those who accept a credential are to be shown."""
