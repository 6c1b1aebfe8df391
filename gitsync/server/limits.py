"""Limits on requests of strangers. The caller passes the time, in seconds of a monotonic clock."""

from __future__ import annotations

from collections import OrderedDict


class Bucket:
    """A token bucket: lets ``burst`` requests through at once, and ``per_second`` in the long run."""

    def __init__(self, *, burst: int, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._left = float(burst)
        self._at = 0.0

    def wait(self, now: float) -> float:
        """Take a token and return 0. Without a token, return the seconds until there is one."""
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / self._per_second
        self._left -= 1
        return 0.0


class Seen:
    """Remembers the newest ``most`` names."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, name: str) -> None:
        self._names[name] = None
        if len(self._names) > self._most:
            self._names.popitem(last=False)
