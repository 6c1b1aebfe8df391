"""The embedded node: one real Kubernetes node on a machine without a container engine."""
