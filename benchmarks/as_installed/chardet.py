"""Not there, as for everybody who installs rotator: requests would load the real one where it finds it."""

raise ImportError
