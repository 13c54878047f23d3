"""A Kubernetes API server in the process, for the demo and the fast tests."""

from console.demo.cluster.demo_cluster import DemoCluster, DeploymentState
from console.demo.cluster.pods import Pace

__all__ = ["DemoCluster", "DeploymentState", "Pace"]
