"""Builds a program of a copy of its module without parts that nobody here uses and that would take the longest."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING

from hack.addons import crds
from hack.node import build
from hack.progress import step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hack.node.build import Module


def build_reduced(cache: Path, module: Module, source: crds.Source, reduce: Callable[[Path], None]) -> None:
    """Build ``module``, whose go.mod replaces ``source`` by the folder where its reduced copy is.

    Go takes no part of a module from elsewhere, so it builds in a copy of the module's folder, with that in it.
    """
    if build.programs_of(cache, module).exists():
        return  # without having read the source
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
