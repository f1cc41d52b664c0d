"""What was computed last, up to so many bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Kept"]

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by key; those used longest ago go first when there is no more room."""

    def __init__(self, limit_bytes: int, size: Callable[[T], int]) -> None:
        """
        Args:
            limit_bytes: of all values; the newest stays even where it is larger.
            size: of a value, in bytes.
        """
        self._limit, self._size = limit_bytes, size
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = Lock()
        self.bytes = 0
        """Of all values that are kept."""

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key; made where it is not there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            if key not in self._values:
                self._values[key] = value
                self.bytes += self._size(value)
            while self.bytes > self._limit and len(self._values) > 1:
                self.bytes -= self._size(self._values.popitem(last=False)[1])
        return value
