"""The systems that a rotation can be about, one folder each; `registry` is the only list of the providers."""
