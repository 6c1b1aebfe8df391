"""docs/reference.md: every setting, from the models, parsers and files that have them; from-helm.md and versions.md."""

from __future__ import annotations

from pathlib import Path

from hack.lab import versions
from hack.operate.helm.translate import documentation
from hack.reference_pages.checkout import CHECKOUT, airflow, components, make
from hack.reference_pages.program import command_line, git_hosts, metrics, notices, operation, reasons
from hack.reference_pages.settings import configuration

__all__ = ["CHECKOUT", "pages"]

HEAD = """# Reference

<!-- Written by hack/reference: change what it describes, then run it. -->
[gitsync's configuration](#gitsyncs-configuration) · [gitsync's command line](#gitsyncs-command-line) ·
[Events and reasons](#events-and-reasons) · [notices](#notices) · [Git hosts](#git-hosts) · [metrics](#metrics) ·
[Airflow's settings](#airflows-settings) · [hack/kube-airflow](#hackkube-airflow) · [make](#make) ·
[components](#components).

[gitsync.md](gitsync.md) says how gitsync works. The [glossary](architecture.md#glossary) says what its words mean.
Stand-alone mode has the flags of upstream git-sync, which are in [standalone.md](standalone.md).
"""


def pages() -> dict[Path, str]:
    """The text of each generated page, by its path in the checkout."""
    program = [*command_line(), *reasons(), *notices(), *git_hosts(), *metrics()]
    parts = [HEAD, *configuration(), *program, *airflow(), *operation(), *make(), *components()]
    return {
        Path("docs/reference.md"): "\n".join(parts) + "\n",
        Path("docs/from-helm.md"): documentation(),
        Path("docs/versions.md"): versions.page(),
    }
