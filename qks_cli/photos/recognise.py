"""What a file is, by its first bytes: only the formats of this table are ever opened.

Pillow would open fifty, PostScript by way of Ghostscript among them. It is told which of its
formats may be tried, and only the plugins of those are imported.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

HEAD = 64  # bytes that tell a format


@dataclass(frozen=True, slots=True)
class Format:
    """``name`` as users know it; what Pillow calls it, and the module that reads it ('' where
    another library does); what FFmpeg calls it, of a video."""

    name: str
    pillow: str = ""
    plugin: str = ""
    ffmpeg: str = ""


JPEG = Format("JPEG", "JPEG", "PIL.JpegImagePlugin")
PNG = Format("PNG", "PNG", "PIL.PngImagePlugin")
WEBP = Format("WebP", "WEBP", "PIL.WebPImagePlugin")
GIF = Format("GIF", "GIF", "PIL.GifImagePlugin")
BMP = Format("BMP", "BMP", "PIL.BmpImagePlugin")
DIB = Format("DIB", "DIB", "PIL.BmpImagePlugin")
TIFF = Format("TIFF", "TIFF", "PIL.TiffImagePlugin")
AVIF = Format("AVIF", "AVIF", "PIL.AvifImagePlugin")
JPEG2000 = Format("JPEG 2000", "JPEG2000", "PIL.Jpeg2KImagePlugin")
PSD = Format("Photoshop", "PSD", "PIL.PsdImagePlugin")
HEIC = Format("HEIC")
JXL = Format("JPEG XL")
RAW = Format("RAW")
MP4 = Format("MP4", ffmpeg="mov")
MATROSKA = Format("Matroska", ffmpeg="matroska")
AVI = Format("AVI", ffmpeg="avi")
VIDEOS = frozenset({MP4, MATROSKA, AVI})
# For whoever opens pictures with Pillow itself: what it may try.
PILLOW_FORMATS = tuple(x.pillow for x in (JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, JPEG2000))
# Formats that are known by their bytes and not read: naming them helps more than "no image".
UNREAD = (
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"%PDF", "PDF"),
    (0, b"8BPS\0\2", "Photoshop's large documents (PSB)"),
    (0, b"icns", "Apple icon"),
    (0, b"\0\0\1\0", "Windows icon"),
    (0, b"gimp xcf", "GIMP"),
    (4, b"ftypM4A", "audio"),
    (4, b"ftypM4B", "audio"),
    (0, b"\x1aE\xdf\xa3", "Matroska of another kind"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "Windows Media"),
    (0, b"\0\0\1\xba", "MPEG video"),
    (0, b"FLV\1", "Flash video"),
    (0, b"OggS", "Ogg"),
    (0, b"<svg", "SVG"),
    (0, b"PK\3\4", "ZIP"),
)
_STARTS = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"\0\0\0\x0cjP  \r\n\x87\n", JPEG2000),
    (b"\xff\x4f\xff\x51", JPEG2000),
    (b"\xff\x0a", JXL),
    (b"\0\0\0\x0cJXL \r\n\x87\n", JXL),
    (b"8BPS\0\1", PSD),
    (b"BM", BMP),
    (b"FUJIFILMCCD-RAW", RAW),
    (b"IIRO", RAW),  # Olympus
    (b"IIRS", RAW),
    (b"MMOR", RAW),
    (b"IIU\0", RAW),  # Panasonic, Leica
    (b"FOVb", RAW),  # Sigma
    (b"II\x1a\0\0\0HEAPCCDR", RAW),  # Canon CRW
    (b"\0MRM", RAW),  # Minolta
)
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PHASE_ONE = (b"IIII", b"MMMM")  # what stands behind the head of its TIFFs
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}
_ANY_BRANDS = {b"mif1", b"msf1", b"mif2", b"miaf"}
_VIDEO_BRANDS = {b"qt  ", b"isom", b"mp41", b"mp42", b"avc1", b"dash", b"MSNV", b"XAVC", b"mmp4"}
_VIDEO_STARTS = {b"M4V", b"iso", b"3gp", b"3g2", b"3ge", b"f4v"}
_AUDIO_BRANDS = {b"M4A ", b"M4B ", b"M4P "}
_QUICKTIME_ATOMS = {b"moov", b"mdat", b"wide", b"pnot"}  # QuickTime files from before brands
# TIFF tags and values that only raw files have in their first directory
_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 254, 259, 262, 330, 0xC612
_RAW_COMPRESSIONS = {32767, 32769, 32770, 34713, 65000, 65535}
_RAW_PHOTOMETRICS = {32803, 34892}
_MOST_ENTRIES = 512


def recognise(stream: BinaryIO) -> Format | None:
    """The format of a file; None for one that is not read. Leaves ``stream`` anywhere."""
    stream.seek(0)
    head = stream.read(HEAD)
    for start, found in _STARTS:
        if head.startswith(start):
            return found
    if head.startswith(_TIFF_STARTS):
        is_raw = head[8:10] == b"CR" or head[8:12] in _PHASE_ONE or _is_raw_tiff(stream, head)
        return RAW if is_raw else TIFF
    if head[25:32] == b"ARECOYK":  # Kyocera, Contax
        return RAW
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return AVI
    if head.startswith(b"\x1aE\xdf\xa3") and (b"matroska" in head or b"webm" in head):
        return MATROSKA
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[4:8] in _QUICKTIME_ATOMS and 8 <= int.from_bytes(head[:4], "big") < 1 << 31:
        return MP4
    # A bitmap without its file header: its size, then planes 1 and a number of bits.
    if head[:4] == b"\x28\0\0\0" and head[12:14] == b"\1\0" and head[14:15] in b"\1\4\x08\x10\x18 ":
        return DIB
    return None


def name_of_unread(head: bytes) -> str:
    """What a file is that qks does not read; '' where nobody can tell."""
    for place, mark, name in UNREAD:
        if head[place : place + len(mark)] == mark:
            return name
    return ""


def _by_brand(head: bytes) -> Format | None:
    """HEIC, AVIF, Canon CR3 or a video, by the major brand, else by those that it is compatible
    with."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    major, *others = [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
    if major == b"crx ":
        return RAW
    if major in _AVIF_BRANDS:
        return AVIF
    if major in _HEIF_BRANDS:
        return HEIC
    if _AVIF_BRANDS & set(others):
        return AVIF
    if major in _ANY_BRANDS or _HEIF_BRANDS & set(others):
        return HEIC
    is_video = major in _VIDEO_BRANDS or major[:3] in _VIDEO_STARTS
    if is_video or (major not in _AUDIO_BRANDS and _VIDEO_BRANDS & set(others)):
        return MP4
    return None


def _is_raw_tiff(stream: BinaryIO, head: bytes) -> bool:
    """Whether the first directory of a TIFF is that of a raw file (DNG, NEF, ARW, PEF …)."""
    order = "<" if head[:2] == b"II" else ">"
    if head[2:4] in (b"+\0", b"\0+"):
        return False  # BigTIFF: no camera writes it
    try:
        stream.seek(struct.unpack(order + "I", head[4:8])[0])
        count = min(struct.unpack(order + "H", stream.read(2))[0], _MOST_ENTRIES)
        entries = stream.read(12 * count)
        tags = {}
        for at in range(0, len(entries) - 11, 12):
            tag, kind, many = struct.unpack_from(order + "HHI", entries, at)
            wide = "H" if kind == 3 else "I"
            tags[tag] = struct.unpack_from(order + wide, entries, at + 8)[0] if many else 0
    except (struct.error, OverflowError, ValueError):
        return False
    return (
        _DNG_VERSION in tags
        or tags.get(_COMPRESSION) in _RAW_COMPRESSIONS
        or tags.get(_PHOTOMETRIC) in _RAW_PHOTOMETRICS
        or (bool(tags.get(_SUBFILE, 0) & 1) and _SUB_IFDS in tags)
    )
