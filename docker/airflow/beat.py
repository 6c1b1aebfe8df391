"""Probe: has this pod's Airflow job sent a heartbeat lately? `beat.py DagProcessorJob|SchedulerJob|TriggererJob`.

It sends the query of `airflow jobs check`, and takes 0.1 s of CPU instead of 5.
"""

from __future__ import annotations

import argparse
import socket
import sys
from contextlib import closing
from pathlib import Path

CONNECTION = Path("/run/airflow/sql_alchemy_conn")
QUERY = """
select extract(epoch from now() - latest_heartbeat) from job
where job_type = %s and hostname = %s and state = 'running'
order by latest_heartbeat desc limit 1
"""


def verdict(job: str, host: str, age: float | None, max_age: float) -> str | None:
    """Return the job's fault in words, or None. ``age`` and ``max_age`` are in seconds."""
    if age is None:
        return f"no running {job} on {host}"
    if age > max_age:
        return f"the last heartbeat of {job} on {host} is {age:.0f} s old, the limit is {max_age:.0f} s"
    return None


def heartbeat_age(job: str, host: str) -> float | None:
    """Return the seconds since the job's last heartbeat, by the database's clock; None without a running job."""
    import psycopg2  # noqa: PLC0415 - only the image has it; the rest of this file is tested outside

    url = CONNECTION.read_text().replace("postgresql+psycopg2:", "postgresql:", 1)
    with closing(psycopg2.connect(url, connect_timeout=3)) as connection, connection.cursor() as cursor:
        cursor.execute(QUERY, (job, host))
        row = cursor.fetchone()
    return float(row[0]) if row else None


def main() -> None:
    """Exit with 0 if the job is well, else with 1 and the fault in one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=["DagProcessorJob", "SchedulerJob", "TriggererJob"])
    parser.add_argument("--max-age", type=float, default=60, metavar="SECONDS")
    options = parser.parse_args()
    host = socket.getfqdn()  # as Airflow registers its jobs
    sys.exit(verdict(options.job, host, heartbeat_age(options.job, host), options.max_age))


if __name__ == "__main__":
    main()
