"""One namespace of a Kubernetes cluster, decoded straight into the model."""
