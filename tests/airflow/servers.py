"""Starts PostgreSQL and RabbitMQ from the distribution's packages, for the tests alone."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from hack.lab.node.prerequisites import install_missing
from tests.airflow.processes import NOBODY, Process, accepts, own, wait_until
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

GRANTS = Path(__file__).resolve().parents[2] / "base/migrate/grants.sql"
# Every character that shells, URLs, SQL, YAML and connection strings trip over.
PASSWORD = """a"b'c/d\\e@:#%? $x$(HOME)"""


def install_servers() -> None:
    """Install what is missing, without starting the distribution's own instances."""
    install_missing({"pg_ctlcluster": "postgresql", "/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server"})


def _postgres_programs() -> Path | None:
    # Debian keeps them out of PATH, a folder per version.
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return found[-1] if found else None


class Postgres:
    """A server of our own; `airflow` owns the databases, `gitsync` is made by `grant`."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self._folder = own(folder)
        self._logs = logs
        self.port = free_port()

    def start(self) -> Process:
        programs = _postgres_programs()
        if programs is None:
            raise RuntimeError("no PostgreSQL below /usr/lib/postgresql")
        secret = self._folder / "superuser"
        secret.write_text(PASSWORD)
        os.chown(secret, self._folder.stat().st_uid, self._folder.stat().st_gid)
        data = self._folder / "data"
        self._initialize(
            [programs / "initdb", "--pgdata", data, "--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8",
             "--locale=C", f"--pwfile={secret}", "--no-sync"]
        )  # fmt: skip
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 200,
            "timezone": "America/St_Johns",  # nothing may depend on the server's
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # SIGINT: a fast shutdown; SIGTERM would wait for every client.
        process = Process(
            "postgres",
            [programs / "postgres", "-D", data, *options],
            logs=self._logs,
            env=self._env(),
            unprivileged=True,
            stop=signal.SIGINT,
        )
        wait_until("PostgreSQL accepts connections", lambda: process.check() and self._answers())
        return process

    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self._folder), "LC_ALL": "C.UTF-8"}

    def _initialize(self, command: list[str | Path]) -> None:
        root = os.geteuid() == 0
        done = subprocess.run(
            command, env=self._env(), cwd=self._folder, capture_output=True, text=True, check=False,
            user=NOBODY if root else None, group=NOBODY if root else None, extra_groups=[] if root else None,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"initdb: {done.stderr}")

    def _answers(self) -> bool:
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        """As the superuser, each statement for itself."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user="postgres", password=PASSWORD, autocommit=True
        )

    def make(self, role: str, database: str, *, template: str = "template0") -> None:
        with self.connect("postgres") as connection:
            known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            name = sql.Identifier(role)
            if known is None:
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(PASSWORD)))
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                    sql.Identifier(database), name, sql.Identifier(template)
                )
            )

    def grant(self, database: str) -> None:
        """What the migration grants gitsync, and nothing else."""
        with self.connect(database) as connection:
            known = connection.execute("SELECT FROM pg_roles WHERE rolname = 'gitsync'").fetchone()
            if known is None:
                connection.execute(sql.SQL("CREATE ROLE gitsync LOGIN PASSWORD {}").format(sql.Literal(PASSWORD)))
            connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO gitsync").format(sql.Identifier(database)))
            connection.execute(GRANTS.read_bytes())


class Pooler:
    """pgbouncer before that server: each transaction may meet another of its connections."""

    def __init__(self, folder: Path, logs: Path, postgres: Postgres) -> None:
        self._folder = own(folder)
        self._logs = logs
        self._postgres = postgres
        self.port = free_port()

    def start(self) -> Process:
        program = Path("/usr/sbin/pgbouncer")
        install_missing({str(program): "pgbouncer"})
        quoted = PASSWORD.replace('"', '""')
        users = self._write("users.txt", f'"gitsync" "{quoted}"\n')
        settings = f"""
            [databases]
            * = host=127.0.0.1 port={self._postgres.port}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {self.port}
            unix_socket_dir =
            auth_type = scram-sha-256
            auth_file = {users}
            pool_mode = transaction
            """
        lines = [line.strip() for line in settings.splitlines()]
        file = self._write("pgbouncer.ini", "\n".join(lines))
        process = Process("pgbouncer", [program, file], logs=self._logs, env={"PATH": "/usr/bin"}, unprivileged=True)
        wait_until("pgbouncer listens", lambda: process.check() and accepts(self.port))
        return process

    def _write(self, name: str, text: str) -> Path:
        file = self._folder / name
        file.write_text(text)
        os.chown(file, self._folder.stat().st_uid, self._folder.stat().st_gid)
        return file


class RabbitMQ:
    """One node, with a port mapper of its own, so that no other node on the machine is met."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self._folder = own(folder)
        self._logs = logs
        self.port = free_port()
        self._mapper_port = free_port()

    def start(self) -> Iterator[Process]:
        """Give each program as it is started; they take some seconds more until they listen."""
        env = self._env()
        mapper = ["epmd", "-port", str(self._mapper_port), "-address", "127.0.0.1"]
        yield Process("epmd", mapper, logs=self._logs, env=env, unprivileged=True)
        wait_until("the Erlang port mapper listens", lambda: accepts(self._mapper_port))
        program = "/usr/lib/rabbitmq/bin/rabbitmq-server"
        yield Process("rabbitmq", [program], logs=self._logs, env=env, unprivileged=True)

    def _env(self) -> dict[str, str]:
        folder = str(self._folder)
        return {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "HOME": folder,
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "tests@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONFIG_FILE": f"{folder}/none",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/none.config",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none.sh",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_FEATURE_FLAGS_FILE": f"{folder}/feature_flags",
        }
