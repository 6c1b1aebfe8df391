"""The parts of the reference that come from programs: commands, Events, notices, Git hosts, metrics."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from prometheus_client.metrics import MetricWrapperBase

from gitsync import cli
from gitsync import metrics as collectors
from gitsync import reasons as words
from gitsync.notify.notice import Kind, Notice
from gitsync.webhooks.hosts import HOSTS
from hack.operate import options, verbs
from hack.reference_pages.text import about, cell, code, codes, descriptions, row, sentence, table

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

KEPT = "The published revision stays"


def command_line() -> Iterator[str]:
    """Every command of gitsync, with its arguments."""
    yield "\n## gitsync's command line\n\nIn its pods: `kubectl exec statefulset/dev-gitsync -- gitsync COMMAND`."
    yield from _commands("gitsync", cli._parser())


def operation() -> Iterator[str]:
    """Every verb of hack/kube-airflow, with its arguments."""
    yield "\n## hack/kube-airflow\n"
    yield "It needs Python and kubectl, and works on the cluster that kubectl talks to. `make apply` and `make status`"
    yield "run it on the cluster that `CLUSTER` names. Verbs that ask a running instance have these options:"
    yield f"\n{table('argument', 'default')}"
    which = argparse.ArgumentParser(add_help=False)
    options.instance(which)
    yield from map(_argument, which._actions)
    said = {each.help for each in which._actions}
    yield from _commands(verbs.PROGRAM, verbs.parser(), said)


def _commands(program: str, grammar: argparse.ArgumentParser, said: Container[str | None] = ()) -> Iterator[str]:
    """A section for each command. Arguments with a help text in ``said`` are left out, because they stand elsewhere."""
    (commands,) = (each for each in grammar._actions if isinstance(each, argparse._SubParsersAction))
    helps = {each.dest: each.help for each in commands._choices_actions}
    for name, parser in commands.choices.items():
        yield f"\n### {program} {name}\n\n{sentence(helps[name] or '')}"
        rows = [each for each in parser._actions if not isinstance(each, argparse._HelpAction)]
        rows = [each for each in rows if each.help not in said or each.required]
        if rows:
            yield f"\n{table('argument', 'default')}"
        yield from map(_argument, rows)


def _argument(action: argparse.Action) -> str:
    called = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    value = f" {action.metavar or action.dest.upper()}" if action.option_strings and action.nargs != 0 else ""
    default = "" if action.default in (None, False, "", []) or not action.option_strings else str(action.default)
    shown = "required" if action.required and action.option_strings else code(default.removesuffix(".0"))
    return row(code(called + value), shown, cell(action.help or ""))


def reasons() -> Iterator[str]:
    """Every reason of an Event."""
    yield "\n## Events and reasons\n"
    yield "Events are on the controller's pod: `kubectl events --for pod/dev-gitsync-0`. The same words are `reason`"
    yield "of `gitsync_refusals_total` and of notices. `gitsync status` shows them in `refused` and `last error`."
    warnings = "`FlipFailed`, `ForcePushed` and `NotSerialized` are warnings."
    yield from _reasons("Publications", words.HAPPENED, f"The way of a candidate. {warnings}")
    yield from _reasons("Refusals", words.REFUSED, f"{KEPT} until somebody pushes a better one or changes the rule.")
    yield from _reasons("Failures", words.FAILED, f"{KEPT}. The remote is tried again after 5, 10, 20 … 300 seconds.")
    yield from _reasons("Not an Event", words.NOT_EVENTS, "In the logs of sidecars, `gitsync stage` and `gitsync run`.")


def _reasons(title: str, meanings: Mapping[str, str], said: str) -> Iterator[str]:
    yield f"\n### {title}\n\n{said}\n\n{table('reason')}"
    yield from (row(code(reason), cell(meaning)) for reason, meaning in meanings.items())


def notices() -> Iterator[str]:
    """The kinds of notice, and the keys of the JSON document that a webhook gets."""
    kinds, keys = descriptions(Kind), descriptions(Notice)
    yield f"\n## Notices\n\n`sources.notify` says who gets them.\n\n{table('kind')}"
    yield from (row(code(kind.value), kinds[kind.name]) for kind in Kind)
    yield f"\n{about(Notice)}\n\n{table('key')}"
    named = {field.name: keys[field.name] for field in dataclasses.fields(Notice)}
    document = {"id": named.pop("name"), **named}
    yield from (row(code(key), text) for key, text in document.items())


def git_hosts() -> Iterator[str]:
    """The Git hosts with webhooks."""
    yield "\n## Git hosts\n\nA webhook proves by the first of these headers that it knows the secret. The last column"
    yield f"says what to choose at the host.\n\n{table('host', 'name', 'headers')}"
    for host in sorted(HOSTS, key=lambda each: each.title):
        yield row(host.title, code(host.name), codes(host.proofs), sentence(host.set_up))


def metrics() -> Iterator[str]:
    """Every metric, from the collectors."""
    yield f"\n## Metrics\n\n`/metrics` on port 8080 of the controller.\n\n{table('metric', 'type', 'labels')}"
    for each in vars(collectors).values():
        if isinstance(each, MetricWrapperBase):
            (family,) = each.describe()
            name = family.name + ("_total" if family.type == "counter" else "")
            yield row(code(name), family.type, codes(each._labelnames), sentence(family.documentation))
