"""One real Kubernetes node on a machine without a container engine."""
