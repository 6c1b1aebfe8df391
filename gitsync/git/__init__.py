"""Git repositories on disk: runs Git's commands, fetches from remotes, and exports revisions for members."""
