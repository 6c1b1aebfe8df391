"""Probe: does the gate answer? The gate forks a process for each request, so a long request does not delay this one."""

from __future__ import annotations

import socket
import sys

TIMEOUT = 4.0
"""Seconds, for the connection and for the answer."""


def main() -> None:
    """Exit with 0 if the gate answers at the socket that is named first, else with 1 and the fault in one line."""
    name = sys.argv[1]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        try:
            connection.connect(f"\0kube-airflow/{name}")  # as in gitsync/airflow/gate/place.py
            connection.sendall(b'{"do": "about"}\n')
            answered = connection.recv(1) == b"{"
        except OSError as error:
            sys.exit(f"the gate {name}: {error}")
    sys.exit(None if answered else f"the gate {name} does not answer")


if __name__ == "__main__":
    main()
