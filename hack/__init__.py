"""Programs for people: `operate` for instances on any cluster, `lab` for a cluster on this machine."""
