"""The sidecar of a member: keeps the trees on one pod's volume as the controller says."""
