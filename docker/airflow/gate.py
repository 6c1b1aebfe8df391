"""Probe: does the gate answer? It says which Airflow it has at a socket of its own, so no work delays this answer."""

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
            connection.connect(f"\0kube-airflow/{name}/about")  # as in gitsync/airflow/gate/place.py
            answered = connection.recv(1) == b"{"
        except OSError as error:
            sys.exit(f"the gate {name}: {error}")
    sys.exit(None if answered else f"the gate {name} does not answer")


if __name__ == "__main__":
    main()
