"""What each encoder's reader accepts, as its program was seen to behave."""

from __future__ import annotations

import struct

import numpy as np

Grids = dict[int, np.ndarray]


def read_svt_av1(text: str, width: int, height: int) -> Grids:
    """Offsets in qindex by frame, as SvtAv1EncApp --roi-map-file takes them."""
    columns, rows = -(-width // 64), -(-height // 64)
    grids: Grids = {}
    last = -1
    assert text, "an empty file ends the encoder"
    for line in text.splitlines():
        assert len(line) <= 10 * columns * rows + 10, "longer than the reader's buffer"
        number, *values = (int(word) for word in line.split(" "))
        assert number > last, "an event out of order blocks all later ones"
        assert len(values) == columns * rows, "the wrong number of blocks"
        assert len(set(values)) <= 8, "more values than AV1 has segments"
        assert all(-255 <= value <= 255 for value in values)
        assert max(values) >= 0, "negative values alone may not be decodable"
        assert min(values) >= -20, "SVT-AV1 2.3 turns round below -20"
        grids[number] = np.array(values).reshape(rows, columns)
        last = number
    assert 0 in grids, "frames before the first event have no map"
    return grids


def read_kvazaar(data: bytes, width: int, height: int, *, binary: bool = False) -> list[np.ndarray]:
    """Offsets in QP, in the order of coding, as kvazaar --roi takes them."""
    columns, rows = -(-width // 64), -(-height // 64)
    grids = []
    if binary:
        while data:
            assert struct.unpack_from("<ii", data) == (columns, rows)
            end = 8 + columns * rows
            assert len(data) >= end, "a map cut short ends the encoder"
            grids.append(np.frombuffer(data[8:end], np.int8).reshape(rows, columns))
            data = data[end:]
    else:
        words = [int(word) for word in data.decode("ascii").split()]
        while words:
            assert words[:2] == [columns, rows]
            end = 2 + columns * rows
            assert len(words) >= end, "a map cut short ends the encoder"
            grids.append(np.array(words[2:end]).reshape(rows, columns))
            words = words[end:]
    for grid in grids:
        for axis in (0, 1):
            steps = np.diff(grid.astype(int), axis=axis)
            assert steps.size == 0 or (steps.min() >= -26 and steps.max() <= 25)
    return grids
