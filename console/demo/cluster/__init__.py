"""A Kubernetes API server in this process, for the demo and the fast tests."""

from console.demo.cluster.demo_cluster import ClusterDeployment, DemoCluster
from console.demo.cluster.pods import PodTimings

__all__ = ["ClusterDeployment", "DemoCluster", "PodTimings"]
