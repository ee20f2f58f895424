"""Gateways: what they answer, and how rotations live with them."""
