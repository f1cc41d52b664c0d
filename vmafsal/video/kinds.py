"""What a file is, by its bytes: containers, pictures and coded streams, or none of them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmafsal.video.files import ByteInput

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = ["Kind", "coded_kind", "container_name"]

_SIGNATURES = (
    (0, b"YUV4MPEG2", "Y4M"),
    *((4, box, "MP4 or MOV") for box in (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"skip")),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (0, b"DKIF", "IVF"),
    (0, b"FLV\x01", "FLV"),
    (0, b"nut/multimedia container\0", "NUT"),
    (0, b"OggS", "Ogg"),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01", "MXF"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "ASF or WMV"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (0, b"\xb7\xd8\x00\x20\x37\x49\xda\x11", "WTV"),
    (0, b"P7\nWIDTH", "PAM"),
    (0, b"\0\0\x01\xba", "MPEG program stream"),
    (0, b"\xff\x0a", "JPEG XL without a container"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
)
"""(offset, bytes, name): how files of common formats begin."""

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"avif"}

_RIFF = {b"AVI ": "AVI", b"WEBP": "WebP", b"WAVE": "WAV"}

_WEAK = frozenset(
    {"MPEG program stream", "MPEG-TS", "JPEG", "JPEG XL without a container", "TIFF", "BMP"}
)
"""Signatures so short that the first pixels of a picture may look like them."""

_BITMAP_HEADERS = {length.to_bytes(4, "little") for length in (12, 40, 52, 56, 64, 108, 124)}

_STREAM_STARTS = (b"\0\0\1", b"\0\0\0\1", b"\x12\0\n", b"\x1f\7\0")
"""How streams without a container begin: MPEG's start codes, AV1's temporal delimiter, DV."""

_NAMES = {
    "h264": "H.264",
    "hevc": "HEVC",
    "vvc": "VVC",
    "mpegvideo": "MPEG-1 or MPEG-2 video",
    "m4v": "MPEG-4 video",
    "mjpeg": "MJPEG",
    "obu": "AV1",
    "av1": "AV1",
    "dv": "DV",
    "gif": "GIF",
    "mpeg": "MPEG program stream",
    "mpegts": "MPEG-TS",
    "avi": "AVI",
}
"""ffmpeg's name of a format: ours."""

_TOO_WILLING = frozenset({"tty", "cdg", "bin", "adf", "idf"})
"""ffmpeg's formats that accept almost any bytes as a drawing."""

_PROBED_BYTES = 4 << 20
_PROBED_PACKETS = 60
_SEEN_AT_ONCE = 1 << 16
"""Bytes of a pipe that are looked at before anything is known of it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the bytes of a file are."""

    name: str
    """As a person calls it: "MP4 or MOV", "H.264"."""

    format_name: str | None = None
    """ffmpeg's name of the format where its bytes do not begin with a signature, so that the
    ending of the file's name does not decide."""


def container_name(head: bytes) -> str | None:
    """The container or picture format that the first bytes of a file announce, or None.

    Args:
        head: the first bytes of the file, 512 where it has as many.
    """
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return "HEIF or AVIF"
    for offset, signature, name in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return name
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], "RIFF")
    if _is_bitmap(head):
        return "BMP"
    return "MPEG-TS" if _is_transport_stream(head) else None


def coded_kind(source: ByteInput, frame_bytes: int | None) -> Kind | None:
    """What the file is, if it is coded video or a picture; None if it may be raw video.

    Samples may begin like anything. A short signature, and what ffmpeg takes a file for, count
    only if a picture can be decoded, or if the file holds no whole number of raw frames.

    Args:
        source: nothing of it was read yet.
        frame_bytes: of one raw frame as the user described it; None where that is not known.
    """
    name = container_name(source.head)
    if name is not None:
        fits = frame_bytes and (source.size is None or source.size % frame_bytes == 0)
        if name not in _WEAK or (frame_bytes and not fits):
            return Kind(name)
    if source.size is not None:
        seen = _PROBED_BYTES
    elif frame_bytes is None or source.head.startswith(_STREAM_STARTS):
        seen = _SEEN_AT_ONCE
    else:
        # The first frame is needed anyway, so this wait costs no time.
        seen = min(frame_bytes, _PROBED_BYTES)
    # Without a name, so that its ending decides nothing.
    kind, decodes = _probe(io.BytesIO(source.look(seen)))
    if kind is not None and frame_bytes and not decodes and seen < _PROBED_BYTES:
        kind, decodes = _probe(io.BytesIO(source.look(_PROBED_BYTES)))
    if kind is None and source.size is not None:
        # Some pictures have no signature (TGA): those are known by the ending.
        kind, decodes = _probe(f"file:{source.path}")
    if kind is None or (frame_bytes and not decodes):
        return None
    return kind if name is None else Kind(name, kind.format_name)


def _probe(file: io.BytesIO | str) -> tuple[Kind | None, bool]:
    """What ffmpeg takes a file for, and whether a picture can be decoded from it."""
    import av

    try:
        options = {"pattern_type": "none", "protocol_whitelist": "file"}
        container = av.open(file, "r", metadata_errors="replace", container_options=options)
    except (av.error.FFmpegError, OSError):
        return None, False
    with container:
        name = container.format.name
        streams = container.streams.video
        if not streams or streams[0].codec_context is None or name in _TOO_WILLING:
            return None, False
        codec = streams[0].codec_context.name
        if codec == "rawvideo":
            return None, False
        picture = name in {codec, "image2"} or name.endswith("_pipe")
        known = codec.upper() if picture else f"{codec} ({name})"
        return Kind(_NAMES.get(name, known), name), _gives_picture(container)


def _gives_picture(container: InputContainer) -> bool:
    """True if one of the first packets decodes to a picture without an error."""
    import av

    stream = container.streams.video[0]
    try:
        for number, packet in enumerate(container.demux(stream)):
            if number >= _PROBED_PACKETS:
                return False
            for picture in stream.decode(packet):
                return not picture.is_corrupt
    except (av.error.FFmpegError, OSError):
        return False
    return False


def _is_bitmap(head: bytes) -> bool:
    """A file header with its reserved bytes zero, then the length of a known info header."""
    return head[:2] == b"BM" and head[6:10] == bytes(4) and head[14:18] in _BITMAP_HEADERS


def _is_transport_stream(head: bytes) -> bool:
    """Three packet headers in a row: a sync byte every 188 bytes, no error flag, and payload or
    adaptation present, which rules out a flat raw picture (ISO/IEC 13818-1, 2.4.3.2)."""
    packets = [head[start : start + 4] for start in (0, 188, 376)]
    return all(
        len(packet) == 4 and packet[0] == 0x47 and not packet[1] & 0x80 and packet[3] & 0x30
        for packet in packets
    )
