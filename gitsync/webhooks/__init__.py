"""Webhooks of Git hosts: their formats and signatures. Also signatures as standardwebhooks.com defines them."""
