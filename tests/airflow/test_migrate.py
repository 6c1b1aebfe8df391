"""The script of the pod migrate, in a database of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.airflow.processes import Process, wait_until
from tests.airflow.servers import GRANTS, PASSWORD
from tests.ports import free_port

if TYPE_CHECKING:
    from tests.airflow.stack import Stack

SCRIPT = Path(__file__).resolve().parents[2] / "base/migrate/migrate.sh"
NAME = "migrated"
LIMIT = 300
"""Seconds for all migrations on a busy machine."""


class Pod:
    """The script in a folder of its own: every path that it names is there instead of in a pod."""

    def __init__(self, folder: Path, stack: Stack) -> None:
        self.folder = folder
        self.stack = stack
        self.done = folder / "done"
        paths = {
            "/tmp/done": self.done,
            "/etc/migrate/grants.sql": GRANTS,
            "/etc/airflow/secrets/admin-password": folder / "admin-password",
            "/run/airflow/sql_alchemy_conn": folder / "sql_alchemy_conn",
        }
        text = SCRIPT.read_text()
        for path, other in paths.items():
            assert path in text
            text = text.replace(path, str(other))
        (folder / "migrate.sh").write_text(text)
        url = f"postgresql+psycopg2://{NAME}:{quote(PASSWORD, safe='')}@127.0.0.1:{stack.postgres.port}/{NAME}"
        (folder / "sql_alchemy_conn").write_text(url)
        (folder / "admin-password").write_text(PASSWORD)

    def start(self, port: int) -> Process:
        """Start the script, for a server at ``port``."""
        variables = {
            **self.stack.env,
            "PATH": f"{self.stack.environment}/bin:{self.stack.env['PATH']}",
            "AIRFLOW_HOME": str(self.folder / "home"),
            "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": (self.folder / "sql_alchemy_conn").read_text(),
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(port),
        }
        return Process(NAME, ["bash", self.folder / "migrate.sh"], logs=self.folder, env=variables)

    def runs_to_the_end(self) -> None:
        """Start the script, look at what it has made, and stop it while it waits."""
        process = self.start(self.stack.postgres.port)
        wait_until("it is done", lambda: process.check() and self.done.exists(), LIMIT)
        wait_until("it only waits", lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n")
        with self.stack.postgres.connect(NAME) as connection:
            assert connection.execute("select username from ab_user").fetchall() == [("admin",)]
            granted = "select has_column_privilege('gitsync', 'dag_run', 'state', 'select')"
            assert connection.execute(granted).fetchone() == (True,)
        process.end()


def test_it_migrates_says_that_it_is_done_and_waits(stack: Stack, tmp_path: Path) -> None:
    """1. what an earlier container has left does not count while the server is away; 2. all is made, and the process
    only waits; 3. another start finds everything done."""
    stack.postgres.make(NAME, NAME)
    pod = Pod(tmp_path, stack)
    pod.done.touch()
    process = pod.start(free_port())
    wait_until("it has forgotten the earlier run", lambda: process.check() and not pod.done.exists(), LIMIT)
    process.end()
    pod.runs_to_the_end()
    pod.done.unlink()
    pod.runs_to_the_end()
