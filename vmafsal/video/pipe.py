"""Two pipes that one process may write in turns, read without a deadlock."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from typing import Self

__all__ = ["Pipe", "PipeBuffer", "PipePair"]

_CHUNK = 1 << 18
_AHEAD = 4 << 20
"""Bytes that are read ahead of a pipe whose reader does not wait for the other one."""
_AHEAD_AT_MOST = 256 << 20
"""Bytes that are read ahead while the other pipe is empty: its writer may be writing to this one,
or may be slow."""


class Pipe:
    """An open pipe, read in a thread of its own."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.parts: deque[bytes] = deque()
        self.buffered = 0
        """Bytes in `parts`."""
        self.ended = False
        self.error: OSError | None = None
        self.starving = False
        """True while a reader waits for its bytes and there are none."""


class PipePair:
    """Pipes that were opened together, by path. Each is taken out by the video that reads it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._pipes: list[Pipe] = []
        self._waiting: dict[str, PipeBuffer] = {}

    def add(self, path: str, pipe: Pipe) -> None:
        """Take over an open pipe; it is read once both are here."""
        self._pipes.append(pipe)
        self._waiting[path] = PipeBuffer(pipe, self._pipes, self._condition)
        if len(self._pipes) > 1:
            for buffer in self._waiting.values():
                buffer.start()

    def take(self, path: str) -> PipeBuffer | None:
        """The bytes of a pipe, once; None for every other path."""
        return self._waiting.pop(path, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the pipes that were not taken out."""
        for buffer in self._waiting.values():
            buffer.close()
        self._waiting.clear()


class PipeBuffer:
    """The bytes of one pipe of a pair, read like a file."""

    def __init__(self, pipe: Pipe, pair: list[Pipe], condition: threading.Condition) -> None:
        self._pipe = pipe
        self._pair = pair
        self._condition = condition
        self._wake, self._waker = os.pipe()
        self._closed = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to read ahead."""
        # A daemon, since a writer that never comes must not keep the process alive.
        self._thread = threading.Thread(target=self._read_ahead, name="pipe", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """The descriptor of the pipe."""
        return self._pipe.descriptor

    def seek(self, position: int) -> int:
        """Pipes cannot go back."""
        raise OSError(f"A pipe cannot go to byte {position}.")

    def readinto(self, target: memoryview) -> int:
        """Up to len(target) bytes; 0 at the end only."""
        part = self.read(len(target))
        target[: len(part)] = part
        return len(part)

    def read(self, count: int) -> bytes:
        """Up to count bytes; empty at the end only."""
        pipe = self._pipe
        with self._condition:
            if not pipe.parts:
                pipe.starving = True
                self._condition.notify_all()
                self._condition.wait_for(lambda: pipe.parts or pipe.ended or self._closed)
                pipe.starving = False
            if not pipe.parts:
                if pipe.error is not None:
                    raise pipe.error
                return b""
            part = pipe.parts.popleft()
            if len(part) > count:
                pipe.parts.appendleft(part[count:])
                part = part[:count]
            pipe.buffered -= len(part)
            self._condition.notify_all()
            return part

    def close(self) -> None:
        """Stop reading and close the pipe. May be called more than once."""
        with self._condition:
            if self._closed:
                return
            self._closed = True
            self._condition.notify_all()
        os.write(self._waker, b"x")
        if self._thread is not None:
            self._thread.join()
        for descriptor in (self._pipe.descriptor, self._wake, self._waker):
            os.close(descriptor)

    def _read_ahead(self) -> None:
        pipe = self._pipe
        poll = select.poll()
        # A pipe that no process has opened for writing yet neither gives bytes nor hangs up.
        poll.register(pipe.descriptor, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while self._wait_for_room():
            poll.poll()
            if self._closed:
                return
            try:
                part = os.read(pipe.descriptor, _CHUNK)
            except BlockingIOError:
                continue
            except OSError as error:
                pipe.error, part = error, b""
            with self._condition:
                pipe.ended = not part
                if part:
                    pipe.parts.append(part)
                    pipe.buffered += len(part)
                self._condition.notify_all()
            if not part:
                return

    def _wait_for_room(self) -> bool:
        """Wait until more may be read ahead; False once this is closed."""
        pipe = self._pipe
        with self._condition:
            self._condition.wait_for(
                lambda: (
                    self._closed
                    or pipe.buffered < _AHEAD
                    or (pipe.buffered < _AHEAD_AT_MOST and any(p.starving for p in self._pair))
                )
            )
            return not self._closed
