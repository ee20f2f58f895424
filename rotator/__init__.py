"""Rotate credentials on Kubernetes: verifiers accept first, holders switch, verifiers forget."""

__version__ = "0.1.0"
