"""Errors that gitsync expects, a class for each reaction of the caller.

Every message is one line for the person who must act. It names the fault and the cure, and has no secret in it.
"""


class GitSyncError(Exception):
    """The base of all errors that gitsync expects. Any other exception is a defect in gitsync."""


class SettingsError(GitSyncError):
    """The deployment is wrong, and a person must correct it. The process ends at once."""


class RemoteError(GitSyncError):
    """The Git host, the network or the credentials failed. The published revision stays, and gitsync tries again.

    ``reason`` is a CamelCase word for Events and metrics, such as ``RefNotFound``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SecretUnreadable(RemoteError):
    """A mounted secret is missing, or does not have the form that it needs."""

    def __init__(self, message: str) -> None:
        super().__init__("CredentialsUnreadable", message)


class Refused(GitSyncError):
    """The revision breaks a rule, so it is never published. A person must push a better one.

    ``reason`` is a CamelCase word for Events and metrics, such as ``Unsigned``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class StoreError(GitSyncError):
    """The disk failed, or a tree could not be built. The current tree is unchanged."""


class VolumeFull(StoreError):
    """The volume has no room for the tree. Nothing was written."""


class CannotRun(GitSyncError):
    """A program is missing, or may not be run. The caller adds the cure."""


class DatabaseError(GitSyncError):
    """Airflow's database did not answer a question. Nothing is published until it does."""


class HoldTimeout(DatabaseError):
    """The scheduler's lock was not free in time. The publication is tried again later."""


class ClusterError(GitSyncError):
    """The Kubernetes API did not answer, or the record cannot be read. Nothing is published until that is cured."""


class Superseded(ClusterError):
    """Another controller has taken over. This one must not commit anything more."""


class OrderRefused(GitSyncError):
    """An operator's order is impossible. Nothing has changed."""


class UnknownSource(GitSyncError):
    """The configuration has no source with this name."""


class GateError(GitSyncError):
    """The gate did not answer. The revision waits, and is not refused."""


class GateLost(GateError):
    """The gate ended before it answered. Once is an accident; repeatedly, the revision's DAG code is the cause."""


class NotDelivered(GitSyncError):
    """A receiver did not accept a notice. The notice is sent again for some time.

    ``retry_after``: seconds that the receiver asks to wait; None if it did not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Undeliverable(NotDelivered):
    """The receiver will never accept the notice. gitsync gives the notice up."""
