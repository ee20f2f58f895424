"""A Kubernetes API server in memory, for the sandbox, the demo and the tests."""

from .argo import rollout_definition
from .calls import Caller, HttpCaller, cluster_call
from .cluster import Cluster
from .server import EmulatorServer
from .workloads import WorkloadController

__all__ = [
    "Caller",
    "Cluster",
    "EmulatorServer",
    "HttpCaller",
    "WorkloadController",
    "cluster_call",
    "rollout_definition",
]
