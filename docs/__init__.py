"""Texts that are generated from the code, so that they cannot rot."""
