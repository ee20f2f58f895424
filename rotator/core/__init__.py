"""The pure core: rings, the machine that moves them, and the sums that make it safe.

Nothing here reads a clock, draws a random number, logs, or speaks to another system. Time and observations
are arguments; what comes back is a value.
"""
