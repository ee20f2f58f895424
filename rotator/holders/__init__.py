"""Holders: what those who use a credential are handed, as a mapping from their names to our fields."""
