"""Builds a program from a reduced copy of a module, without unused parts that take the longest to build."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING

from hack.lab.addons import crds
from hack.lab.node import build
from hack.progress import step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hack.lab.node.build import Module


def build_reduced(cache: Path, module: Module, source: crds.Source, reduce: Callable[[Path], None]) -> None:
    """Build ``module``, whose go.mod replaces the module ``source`` by a folder with its reduced copy.

    The build is in a copy of the module's folder, because the reduced copy must be inside. ``reduce`` removes the
    unused parts.
    """
    if build.programs_of(cache, module).exists():
        return  # the source need not be downloaded
    staged = cache / "addons" / module.key
    shutil.rmtree(staged, ignore_errors=True)
    folder = staged / module.name
    folder.mkdir(parents=True)
    try:
        with step(f"reading {source.module} {source.version}"):
            reduce(shutil.copytree(crds.download(cache, source, staged), folder / source.name))
            shutil.copytree(module.folder, folder, dirs_exist_ok=True)
        build.build_modules(cache, (dataclasses.replace(module, parent=staged),))
    finally:
        shutil.rmtree(staged)
