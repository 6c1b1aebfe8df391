"""The sidecar: one pod's trees."""
