"""Errors, sorted by what the caller should do about them.

Every message is one line for the person who must act: it names the thing and the cure, and holds no secret.
"""


class GitSyncError(Exception):
    """Anything that gitsync itself reports; everything else is a defect in gitsync."""


class SettingsError(GitSyncError):
    """A person must fix the deployment: exit at once."""


class RemoteError(GitSyncError):
    """The Git host, the network or the credentials failed: keep what is published and try again later.

    ``reason`` is a CamelCase word for Events and metrics, such as ``RefNotFound``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Refused(GitSyncError):
    """The candidate must not be published: keep what is, until a person pushes a better one.

    ``reason`` is a CamelCase word for Events and metrics, such as ``Unsigned``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class StoreError(GitSyncError):
    """The disk failed or a tree could not be built: the current tree is untouched."""


class VolumeFull(StoreError):
    """There is no room for what was to be written: nothing was."""


class DatabaseError(GitSyncError):
    """Airflow's database cannot be asked: nothing is published meanwhile."""


class HoldTimeout(DatabaseError):
    """The lock was not free in time: try again later."""


class ClusterError(GitSyncError):
    """The Kubernetes API cannot be asked: nothing is published meanwhile."""


class Superseded(ClusterError):
    """Another controller has taken over: this one must commit nothing more."""


class OrderRefused(GitSyncError):
    """What an operator asked for cannot be done: nothing has changed."""


class UnknownSource(GitSyncError):
    """No source of that name is configured."""


class GateError(GitSyncError):
    """The gate cannot be asked: the candidate waits, and is not refused."""


class GateLost(GateError):
    """The gate ended before it answered: once may be chance, more often is the candidate's doing."""


class NotDelivered(GitSyncError):
    """Somebody could not be told what has happened: it is tried again, for a while.

    ``retry_after``: seconds to wait first, where the receiver has said so.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Undeliverable(NotDelivered):
    """The receiver will not take this, however often it is sent: it is given up."""
