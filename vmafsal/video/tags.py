"""The colour tags of a stream, and notices about them."""

from __future__ import annotations

__all__ = ["colour_notices", "full_range", "matrix", "transfer"]

# Numbers of ITU-T H.273, which ffmpeg's enumerations share.
_MATRICES = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}
_OTHER_MATRICES = {
    4: "FCC",
    7: "SMPTE 240M",
    8: "YCgCo",
    10: "BT.2020 constant luminance",
    11: "SMPTE 2085",
    12: "chromaticity-derived",
    13: "chromaticity-derived constant luminance",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}
_TRANSFERS = {16: "pq", 18: "hlg"}
_TRANSFER_NAMES = {"pq": "PQ (SMPTE ST 2084)", "hlg": "HLG (ARIB STD-B67)"}
_RANGES = {1: False, 2: True}


def matrix(number: int) -> str | None:
    """The name of a matrix coefficients number; None where it is unspecified or another."""
    return _MATRICES.get(number)


def full_range(number: int) -> bool | None:
    """ffmpeg's colour range: True full (2), False limited (1), None unspecified."""
    return _RANGES.get(number)


def transfer(number: int) -> str | None:
    """ "pq", "hlg", or None for every other transfer characteristic."""
    return _TRANSFERS.get(number)


def colour_notices(name: str, matrix_number: int, transfer_number: int) -> list[str]:
    """Sentences about colours that are not treated as their tags say.

    Args:
        name: what the user calls the input.
        matrix_number, transfer_number: as in ITU-T H.273.
    """
    notices = []
    other = _OTHER_MATRICES.get(matrix_number)
    if other is not None:
        notices.append(
            f"{name} is tagged with the {other} matrix, which is not known here; it is treated "
            "as untagged."
        )
    curve = _TRANSFERS.get(transfer_number)
    if curve is not None:
        notices.append(
            f"{name} is {_TRANSFER_NAMES[curve]} video and is scored as stored, without tone "
            "mapping."
        )
    return notices
