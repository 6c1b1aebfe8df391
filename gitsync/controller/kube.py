"""Kubernetes: the Lease, the ConfigMap with the record, the instance's pods, Events, restarts."""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import kubernetes.client
import kubernetes.config
from kubernetes.client.exceptions import ApiException
from kubernetes.leaderelection.electionconfig import Config as ElectionConfig
from kubernetes.leaderelection.leaderelection import LeaderElection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock
from urllib3.exceptions import HTTPError

from gitsync.controller.fleet import Pod
from gitsync.controller.record import Record
from gitsync.errors import ClusterError, SettingsError, Superseded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

log = logging.getLogger(__name__)

REQUEST_SECONDS = 10
LEASE_SECONDS = 15
RENEW_WITHIN = 10
"""Time without a renewal after which this replica stops leading. The Lease lasts longer, by more than any clock drift,
so no other replica leads yet."""
RETRY_SECONDS = 2
_CONFLICT = 409


@dataclass(frozen=True)
class Identity:
    """The names of this pod and of this instance's objects, as the manifests set them."""

    pod: str
    pod_uid: str
    pod_ip: str
    namespace: str
    instance: str
    lease: str
    state: str

    @classmethod
    def from_environment(cls) -> Identity:
        names = {
            "pod": "POD_NAME", "pod_uid": "POD_UID", "pod_ip": "POD_IP", "namespace": "POD_NAMESPACE",
            "instance": "GITSYNC_INSTANCE", "lease": "GITSYNC_LEASE", "state": "GITSYNC_STATE",
        }  # fmt: skip
        if missing := sorted(name for name in names.values() if not os.environ.get(name)):
            message = f"not set: {', '.join(missing)}; the controller's pod template provides them"
            raise SettingsError(message)
        return cls(**{field: os.environ[name] for field, name in names.items()})

    @property
    def holder(self) -> str:
        """This replica's name in the Lease. It contains the address for requests from other replicas."""
        return f"{self.pod}@{self.pod_ip}"


class _Client(kubernetes.client.ApiClient):
    """A client with a time limit on every request; the library has no setting for that."""

    def call_api(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the library passes
        kwargs["_request_timeout"] = kwargs.get("_request_timeout") or REQUEST_SECONDS
        return super().call_api(*args, **kwargs)  # type: ignore[misc] # missing in the stubs


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        raise ClusterError(f"cannot {what}: the Kubernetes API answers {error.status} {error.reason}") from error
    except HTTPError as error:
        raise ClusterError(f"cannot {what}: the Kubernetes API does not answer") from error


def connect() -> _Client:
    """A client for the cluster in which this pod runs. Raises SettingsError outside a cluster."""
    configuration = kubernetes.client.Configuration()
    try:
        kubernetes.config.load_incluster_config(configuration)
    except kubernetes.config.ConfigException as error:
        raise SettingsError(f"the controller runs in a pod with a service account: {error}") from error
    return _Client(configuration)


class Leadership(threading.Thread):
    """Renews the Lease in a thread of its own, so that a slow fetch does not lose it."""

    def __init__(self, client: _Client, identity: Identity) -> None:
        super().__init__(name="lease", daemon=True)
        self._lock = LeaseLock(identity.lease, identity.namespace, identity.holder)
        self._lock.api_instance = kubernetes.client.CoordinationV1Api(client)
        config = ElectionConfig(self._lock, LEASE_SECONDS, RENEW_WITHIN, RETRY_SECONDS, lambda: None, lambda: None)
        self._election = LeaderElection(config)
        self._renewed = float("-inf")
        self._ended = threading.Event()
        self.term = 0
        """Grows each time this replica begins to lead. Knowledge from an earlier term may be outdated."""

    @property
    def held(self) -> bool:
        return time.monotonic() - self._renewed < RENEW_WITHIN

    @property
    def leader_ip(self) -> str | None:
        """The IP address of the replica that leads, or None."""
        record = self._election.observed_record
        return record.holder_identity.rpartition("@")[2] or None if record and record.holder_identity else None

    def run(self) -> None:
        while not self._ended.wait(RETRY_SECONDS if self._renew() else RETRY_SECONDS / 2):
            pass

    def _renew(self) -> bool:
        asked = time.monotonic()  # before the request, so that this replica never believes longer than the Lease lasts
        try:
            renewed = bool(self._election.try_acquire_or_renew())
        except (ApiException, HTTPError) as error:
            log.warning("lease.unreachable", extra={"error": str(error)})
            return False
        if renewed:
            self.term += not self.held
            self._renewed = asked
        return renewed

    def release(self) -> None:
        """Give up the Lease, so that another replica leads at once."""
        self._ended.set()
        self.join(REQUEST_SECONDS)
        if self.held:
            self._renewed = float("-inf")
            with _explained("release the Lease"):
                body = {"spec": {"holderIdentity": ""}}
                self._lock.api_instance.patch_namespaced_lease(self._lock.name, self._lock.namespace, body)


class Cluster:
    """The instance's objects in its namespace. Methods raise ClusterError, except `event`."""

    def __init__(self, client: _Client, identity: Identity) -> None:
        self._core = kubernetes.client.CoreV1Api(client)
        self._apps = kubernetes.client.AppsV1Api(client)
        self._identity = identity
        self._version: str | None = None

    def take_over(self, sources: Iterable[str]) -> dict[str, Record]:
        """Read the records, and rewrite them in this replica's name. From then on an earlier leader's writes fail."""
        with _explained(f"read the ConfigMap {self._identity.state}"):
            found: Any = self._core.read_namespaced_config_map(self._identity.state, self._identity.namespace)
        self._version = found.metadata.resource_version
        texts = found.data or {}
        records = {name: Record.parse(texts[name]) if name in texts else Record() for name in sources}
        return self._write(records)

    def write(self, source: str, record: Record) -> Record:
        """Replace the record. Raises Superseded if another controller has written it since this one did."""
        return self._write({source: record})[source]

    def _write(self, records: Mapping[str, Record]) -> dict[str, Record]:
        ours = {name: replace(record, leader=self._identity.holder) for name, record in records.items()}
        data = {name: record.as_json() for name, record in ours.items()}
        body = {"metadata": {"resourceVersion": self._version}, "data": data}
        with _explained(f"write the ConfigMap {self._identity.state}"):
            try:
                written: Any = self._core.patch_namespaced_config_map(
                    self._identity.state, self._identity.namespace, body
                )
            except ApiException as error:
                if error.status == _CONFLICT:
                    raise Superseded("another controller has taken over") from error
                raise
        self._version = written.metadata.resource_version
        return ours

    def pods(self) -> tuple[Pod, ...]:
        """Every pod of this instance that has not ended."""
        selector = f"kube-airflow/instance={self._identity.instance}"
        with _explained("list the instance's pods"):
            found: Any = self._core.list_namespaced_pod(self._identity.namespace, label_selector=selector)
        return tuple(_pod(item) for item in found.items if item.status.phase not in ("Succeeded", "Failed"))

    def rollout_restart(self, components: Iterable[str]) -> tuple[str, ...]:
        """Restart the workloads of these components, such as ``worker``, as `kubectl rollout restart` does.

        Each pod ends as its workload says; workers finish their tasks. Gives the workloads' names. It needs the rights
        of the component gitsync-restart.
        """
        selector = (
            f"kube-airflow/instance={self._identity.instance},app.kubernetes.io/component in ({','.join(components)})"
        )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": now}}}
        namespace, body, restarted = self._identity.namespace, {"spec": {"template": template}}, []
        for kind, found, patch in (
            ("Deployment", self._apps.list_namespaced_deployment, self._apps.patch_namespaced_deployment),
            ("StatefulSet", self._apps.list_namespaced_stateful_set, self._apps.patch_namespaced_stateful_set),
        ):
            with _explained(f"restart a {kind} (the component gitsync-restart grants it)"):
                workloads: Any = found(namespace, label_selector=selector)
                for workload in workloads.items:
                    patch(workload.metadata.name, namespace, body)
                    restarted.append(workload.metadata.name)
        return tuple(sorted(restarted))

    def event(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Make an Event on the controller's pod. A failure is only logged."""
        now = datetime.now(UTC)
        reference = {
            "apiVersion": "v1", "kind": "Pod", "name": self._identity.pod,
            "namespace": self._identity.namespace, "uid": self._identity.pod_uid,
        }  # fmt: skip
        body: Any = {
            "metadata": {"generateName": f"{self._identity.pod}."},
            "involvedObject": reference,
            "reason": reason,
            "message": message[:1024],
            "type": "Warning" if warning else "Normal",
            "source": {"component": "gitsync"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            self._core.create_namespaced_event(self._identity.namespace, body)
        except (ApiException, HTTPError) as error:
            log.warning("event.lost", extra={"reason": reason, "error": str(error)})


def _pod(item: Any) -> Pod:  # noqa: ANN401 - the client has no types
    # The kubelet may restart a container at any moment, without waiting for the sidecar. So one that has run counts.
    statuses = item.status.container_statuses or []
    labels = item.metadata.labels or {}
    return Pod(
        name=item.metadata.name,
        uid=item.metadata.uid,
        runs_airflow=any(status.state.running or status.restart_count for status in statuses),
        leaving=item.metadata.deletion_timestamp is not None,
        member=labels.get("kube-airflow/gitsync") == "member",
        component=labels.get("app.kubernetes.io/component", ""),
        ready=any(one.type == "Ready" and one.status == "True" for one in item.status.conditions or []),
    )
