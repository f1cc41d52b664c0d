"""Whether a container is whole, by the sizes that its own structure states."""

from __future__ import annotations

import os
from typing import BinaryIO

__all__ = ["lacks_index", "stated_size"]

_EBML_SEGMENT = 0x18538067
_FIRST_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip"})
_MP4_BOXES = 4096
"""More top-level boxes than this are a long fragmented file; only its end is left unchecked."""


def stated_size(path: str) -> int | None:
    """Bytes that an MP4, MOV, Matroska or WebM file should have, by its own account.

    Args:
        path: a regular file.
    Returns:
        The end of the last box or of the segment; None where the file does not say.
    Source: ISO/IEC 14496-12, 4.2 (boxes); RFC 8794, 4 and 5 (EBML sizes).
    """
    with open(path, "rb") as file:
        head = file.read(8)
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return _segment_end(file)
        if head[4:] in _FIRST_BOXES:
            return _boxes(file)[1]
    return None


def lacks_index(path: str) -> bool:
    """True for an MP4 or MOV file without a moov box, which nothing can decode."""
    with open(path, "rb") as file:
        return file.read(8)[4:] in _FIRST_BOXES and b"moov" not in _boxes(file)[0]


def _boxes(file: BinaryIO) -> tuple[set[bytes], int | None]:
    """The kinds of top-level boxes, and where the last one ends."""
    size = os.fstat(file.fileno()).st_size
    kinds: set[bytes] = set()
    position = 0
    for _ in range(_MP4_BOXES):
        if position >= size:
            break
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:
            return kinds, position + 8
        kind = header[4:8]
        if not all(32 <= letter < 127 or letter == 0xA9 for letter in kind):
            return kinds, None  # padding or rubbish behind the last box
        kinds.add(kind)
        length = int.from_bytes(header[:4], "big")
        if length == 0:  # to the end of the file
            return kinds, None
        if length == 1:  # 64-bit size follows
            length = int.from_bytes(header[8:16], "big")
        if length < 8:
            return kinds, None
        position += length
    return kinds, position


def _segment_end(file: BinaryIO) -> int | None:
    """End of the first segment of a Matroska file."""
    file.seek(0)
    position = 0
    for _ in range(8):  # the EBML header, perhaps Void elements, then the segment
        file.seek(position)
        header = file.read(12)
        if len(header) < 2:
            return None
        id_length = 9 - header[0].bit_length()
        identifier = int.from_bytes(header[:id_length], "big")
        first = header[id_length : id_length + 1]
        size_length = 9 - first[0].bit_length() if first else 9
        if size_length > 8 or id_length > 4:
            return None
        data = header[id_length : id_length + size_length]
        size = int.from_bytes(data, "big") & ((1 << 7 * size_length) - 1)
        if size == (1 << 7 * size_length) - 1:  # unknown, as in a live stream
            return None
        position += id_length + size_length + size
        if identifier == _EBML_SEGMENT:
            return position
    return None
