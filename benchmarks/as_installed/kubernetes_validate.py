"""Not there, as for everybody who installs rotator: the Kubernetes client would load the real one where it finds it."""

raise ImportError
