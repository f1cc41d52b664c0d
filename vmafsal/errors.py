"""The errors that a user can correct, as one tree of exceptions.

VmafsalError            exit status
├── UsageError          2  the command line does not make sense
├── InputError          1  a video or a log cannot be read as asked
├── ModelError          1  a model is missing, damaged or differs from its record
├── DeviceError         1  the device asked for is not there
└── OutputError         1  a result cannot be written

The message is one or two sentences: a fact, and what to do about it.
"""

from __future__ import annotations

__all__ = [
    "DeviceError",
    "InputError",
    "ModelError",
    "OutputError",
    "UsageError",
    "VmafsalError",
]


class VmafsalError(Exception):
    """An error whose message is for the user, with a remedy."""

    exit_code = 1


class UsageError(VmafsalError):
    """The options contradict each other or name something that does not exist."""

    exit_code = 2


class InputError(VmafsalError):
    """A video, a frame or a log cannot be read as asked."""


class ModelError(VmafsalError):
    """A model is missing, damaged, not allowed, or answers nonsense."""


class DeviceError(VmafsalError):
    """The device or provider asked for is not there."""


class OutputError(VmafsalError):
    """A log or another result cannot be written."""
