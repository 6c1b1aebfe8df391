"""Free ports for servers under test."""

from __future__ import annotations

import secrets
import socket

LOWEST, HIGHEST = 10000, 32000
"""Below the ports that Linux gives to connections (`net.ipv4.ip_local_port_range`): none of these takes one away."""


def free_port() -> int:
    """A port that is free at the moment; by chance, so that two processes do not get the same."""
    while True:
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
