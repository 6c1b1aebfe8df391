"""Loads DAG files as Airflow does, and lists the files that this reads. It runs as a program; see `Loader`."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class Loader:
    """One process that forks for each DAG file, as Airflow's DAG processor does."""

    def __enter__(self) -> Loader:
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            self._input.close()

    @property
    def _input(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin

    def load(self, folder: Path, dag: str) -> set[str]:
        """Files below ``folder``, relative to it, that were opened or imported when ``dag`` was loaded."""
        print(json.dumps([str(folder), dag]), file=self._input, flush=True)
        assert self._process.stdout is not None
        return set(json.loads(self._process.stdout.readline()))


def main() -> None:
    """Answer each line with a line."""
    sys.dont_write_bytecode = True
    for line in sys.stdin:
        folder, dag = json.loads(line)
        if pid := os.fork():
            os.waitpid(pid, 0)
        else:
            print(json.dumps(sorted(_loaded(Path(folder), dag))), flush=True)
            os._exit(0)


def _loaded(folder: Path, dag: str) -> set[str]:
    seen: set[str] = set()
    sys.addaudithook(lambda event, args: seen.add(str(args[0])) if event == "open" else None)
    sys.path.append(str(folder))
    with contextlib.suppress(BaseException):  # what a broken DAG file has loaded counts as well
        _as_airflow_does(str(folder / dag))
    seen |= {str(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}
    inside = (Path(os.path.normpath(path)) for path in seen)
    return {str(path.relative_to(folder)) for path in inside if path.is_relative_to(folder) and path.is_file()}


def _as_airflow_does(path: str) -> None:
    """Airflow 3.3, `PythonDagImporter._load_modules_from_file`."""
    import importlib.machinery  # noqa: PLC0415 - only a child needs it
    import importlib.util  # noqa: PLC0415 - as above

    loader = importlib.machinery.SourceFileLoader("unusual_prefix_0_dag", path)
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    loader.exec_module(module)


if __name__ == "__main__":
    main()
