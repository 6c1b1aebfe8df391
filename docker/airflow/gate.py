"""Probe: does the gate answer? Each question has a process of its own there, so a long one delays this by nothing."""

from __future__ import annotations

import socket
import sys

TIMEOUT = 4.0
"""Seconds, for the connection and for the answer."""


def main() -> None:
    """Exit with 0 if the gate at the socket that is named answers, else with 1 and one line."""
    path = sys.argv[1]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        try:
            connection.connect(path)
            connection.sendall(b'{"do": "about"}\n')
            answered = connection.recv(1) == b"{"
        except OSError as error:
            sys.exit(f"{path}: {error}")
    sys.exit(None if answered else f"{path} does not answer")


if __name__ == "__main__":
    main()
