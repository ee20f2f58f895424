"""The systems that a rotation can be about: one folder each, and `registry`, the only list of them."""
