"""A Kubernetes API server in memory, for the sandbox, the demo and the tests."""

from .cluster import Cluster
from .server import EmulatorServer
from .workloads import WorkloadController

__all__ = ["Cluster", "EmulatorServer", "WorkloadController"]
