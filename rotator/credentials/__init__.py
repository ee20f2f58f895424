"""Credential kinds, one file each. A kind only says how to make a version and what of it goes to whom."""
