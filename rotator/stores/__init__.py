"""Stores keep the ring and the material of its live versions, in one document that changes in one write."""
