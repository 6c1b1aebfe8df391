"""Probe: does this pod's Celery worker answer? The main process is asked, not the log server.

It does what `celery inspect ping` does, for 0.25 s of CPU instead of 6.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

CONNECTION = Path("/run/airflow/broker_url")
TIMEOUT = 5.0
"""Seconds, for the connection and for the answer."""


def ping(node: str) -> bool:
    """Return whether the worker of that name answered through the broker."""
    from kombu import Connection  # noqa: PLC0415 - only the image has it
    from kombu.pidbox import Mailbox  # noqa: PLC0415
    from wait import broker_tls  # noqa: PLC0415 - beside this file in the image

    url = CONNECTION.read_text()
    with Connection(url, connect_timeout=TIMEOUT, ssl=broker_tls(url, os.environ)) as connection:
        # An exclusive queue for the answer: newer brokers refuse the kind that Celery 5 makes by default.
        mailbox = Mailbox("celery", type="fanout", accept=["json"], queue_exclusive=True)(connection)
        return bool(mailbox.call([node], "ping", timeout=TIMEOUT, channel=connection.default_channel))


def main() -> None:
    """Exit with 0 if the worker answers, else with 1 and one line."""
    node = f"celery@{socket.gethostname()}"
    sys.exit(None if ping(node) else f"{node} does not answer")


if __name__ == "__main__":
    main()
