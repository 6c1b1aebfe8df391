"""Stand-alone mode: follows a ref of a Git repository in a directory, without a cluster. It can replace git-sync."""
