"""The component connections with a real Airflow's database. No other part of Airflow runs."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cached_property
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPT = CHECKOUT / "base/components/connections/connections.py"
AWKWARD = "a\"b'c/d\\e@:#%? $x${HOME}"
APPLY = f"""
import importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("connections", {str(SCRIPT)!r})
connections = importlib.util.module_from_spec(spec)
spec.loader.exec_module(connections)
folder = pathlib.Path(sys.argv[1])
connections.FILES, connections.VALUES, connections.RENDERED = folder, folder / "values", folder / "rendered.json"
try:
    connections.apply_all()
except connections.DeclarationError as error:
    sys.exit(f"connections: {{error}}")
"""
SHOW = """
import json
from airflow.models import Connection, Pool, Variable
from airflow.utils.session import create_session
from sqlalchemy import select
with create_session() as session:
    connections = {
        each.conn_id: [each.conn_type, each.host, each.login, each.password, each.port, each.extra_dejson]
        for each in session.scalars(select(Connection))
    }
    variables = {each.key: [each.get_val(), each.description, each._val] for each in session.scalars(select(Variable))}
    pools = {each.pool: [each.slots, each.description, each.include_deferred] for each in session.scalars(select(Pool))}
print(json.dumps({"connections": connections, "variables": variables, "pools": pools}))
"""
CONNECTIONS = """
warehouse:
  conn_type: postgres
  host: warehouse.example.org
  login: etl
  password: ${secret:warehouse}
  port: 5432
  extra: {sslmode: require, token: "Bearer ${secret:token}"}
partner: https://user:${secret:token}@api.example.org
"""
VARIABLES = """
region: eu-west
limits: {value: {rows: 1000}, description: kept as JSON}
token: ${secret:token}
"""
POOLS = "warehouse: {slots: 4, description: what it bears}\n"


class Database:
    """An Airflow with nothing but its database, and the files that an overlay would bring."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "values").mkdir()

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / f"{name}.yaml").write_text(text)

    def secret(self, **values: str) -> None:
        for name, value in values.items():
            (self.folder / "values" / name).write_text(value)

    def apply(self) -> list[str]:
        """What the script said was done."""
        done = self._run(["-c", APPLY, str(self.folder)])
        assert done.returncode == 0, done.stderr
        return [
            line for line in done.stdout.splitlines() if line.split(":")[0] in ("connections", "variables", "pools")
        ]

    def refused(self) -> str:
        done = self._run(["-c", APPLY, str(self.folder)])
        assert done.returncode == 1, done.stderr
        return done.stderr.splitlines()[-1]

    def show(self) -> dict[str, dict[str, list[object]]]:
        done = self._run(["-c", SHOW])
        assert done.returncode == 0, done.stderr
        found: dict[str, dict[str, list[object]]] = json.loads(done.stdout.splitlines()[-1])
        return found

    def migrate(self) -> None:
        done = self._run(["-m", "airflow", "db", "migrate"])
        assert done.returncode == 0, done.stderr

    @cached_property
    def _python(self) -> str:
        command = [str(CHECKOUT / "hack/lab/bootstrap"), "airflow"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return str(Path(done.stdout.strip()) / "bin/python")

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "AIRFLOW_HOME": str(self.folder / "home"),
            "AIRFLOW__CORE__FERNET_KEY": "cFRpbWVzIGFyZSBub3QgYSBzZWNyZXQgaGVyZSwgMzI=",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder}/airflow.db",
        }
        command = [self._python, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    database = Database(tmp_path_factory.mktemp("connections"))
    database.migrate()
    return database


def test_files_are_applied_once_changed_removed_and_refused(database: Database) -> None:
    """1. all is made, with the Secret's values; 2. again: nothing is done; 3. a change, a removal and a name that is no
    longer there: the first two alone are done; 4. a missing key of the Secret is named, and nothing changes."""
    database.secret(warehouse=f"{AWKWARD}\n", token="simple")
    database.write(connections=CONNECTIONS, variables=VARIABLES, pools=POOLS)
    said = database.apply()
    assert said == [
        "connections: warehouse: made",
        "connections: partner: made",
        "variables: region: made",
        "variables: limits: made",
        "variables: token: made",
        "pools: warehouse: made",
    ]
    made = database.show()
    extra = {"sslmode": "require", "token": "Bearer simple"}
    assert made["connections"]["warehouse"] == ["postgres", "warehouse.example.org", "etl", AWKWARD, 5432, extra]
    assert made["connections"]["partner"][:4] == ["https", "api.example.org", "user", "simple"]
    assert json.loads(str(made["variables"]["limits"][0])) == {"rows": 1000}
    assert made["variables"]["token"][0] == "simple"
    assert made["pools"]["warehouse"] == [4, "what it bears", False]
    assert not (database.folder / "rendered.json").exists()

    assert {line.rpartition(": ")[2] for line in database.apply()} == {"unchanged"}
    assert database.show() == made, "an encrypted value was written anew"

    database.write(connections="warehouse: null\n", variables="region: eu-north\n")
    said = database.apply()
    assert said == ["connections: warehouse: removed", "variables: region: changed", "pools: warehouse: unchanged"]
    left = database.show()
    assert left["connections"].keys() == {"partner"}
    assert left["variables"].keys() == {"region", "limits", "token"}

    database.write(variables="other: ${secret:nothing}\n", connections="late: {conn_type: http}\n")
    assert database.refused() == "connections: variables.yaml: other: the Secret 'connections' has no key 'nothing'"
    assert database.show() == left
