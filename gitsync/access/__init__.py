"""Credentials for Git hosts and their APIs: passwords, tokens and keys. Also proxies and certificates."""
