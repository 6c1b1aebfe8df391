"""Git: commands, remotes, credentials, mirrors."""
