"""Odd photos, made in code: Exif byte by byte, files that are small and decode to gigabytes."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

ASCII, SHORT, LONG, RATIONAL = 2, 3, 4, 5
Tags = dict[int, tuple[int, Any]]


def picture(width: int = 320, height: int = 240) -> Image.Image:
    """Grain over a gradient: no two blocks of it are alike."""
    grain = np.random.default_rng(5).integers(0, 60, (height, width, 3))
    slope = np.linspace(20, 190, width, dtype=int)[None, :, None]
    return Image.fromarray((grain + slope).astype(np.uint8))


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def exif(main: Tags, *, inner: Tags | None = None, gps: Tags | None = None) -> bytes:
    """A little-endian TIFF block with up to three directories."""
    main = dict(main)
    if inner:
        main[0x8769] = (LONG, 0)
    if gps:
        main[0x8825] = (LONG, 0)
    sizes = [
        6 + 12 * len(part) + sum(len(_body(x)) for x in part.values()) if part else 0
        for part in (main, inner, gps)
    ]
    start = 8
    places = [start, start + sizes[0], start + sizes[0] + sizes[1]]
    if inner:
        main[0x8769] = (LONG, places[1])
    if gps:
        main[0x8825] = (LONG, places[2])
    out = b"II*\0" + struct.pack("<I", start)
    for tags, place in zip((main, inner, gps), places, strict=True):
        if tags:
            out += _directory(tags, place)
    return out


def jpeg_with_exif(block: bytes, image: Image.Image | None = None) -> bytes:
    return saved(image or picture(), "JPEG", exif=b"Exif\0\0" + block)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk, behind its header."""
    return png[:33] + png_chunk(kind, body) + png[33:]


def png_bomb(width: int, height: int, *, depth: int, colour: int) -> bytes:
    """A PNG whose header says: depth bits a sample, colour type 0 grey, 2 RGB, 3 a palette."""
    packed = zlib.compress(bytes(width), 9)  # the beginning of it will do
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", packed), (b"IEND", b"")]
    if colour == 3:
        parts.insert(1, (b"PLTE", bytes(6)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


def gif_bomb(side: int = 17_300) -> bytes:
    """A GIF of 43 bytes: a huge canvas, a frame of one pixel."""
    screen = struct.pack("<HHBBB", side, side, 0x80, 0, 0)
    frame = bytes.fromhex("000000ffffff21f90401000000002c00000000010001000002024401003b")
    return b"GIF89a" + screen + frame


def slow_photo(side: int = 11_000) -> bytes:
    """A bitmap of 45 kB that Pillow unpacks one pixel at a time, for many seconds."""
    rows = b"\1\1\0\0" * side
    start = 14 + 40 + 1024
    head = b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start)
    info = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(rows), 0, 0, 256, 0)
    palette = b"".join(bytes((n, n, 255 - n, 0)) for n in range(256))
    return head + info + palette + rows


def xmp(attributes: str = "", inner: str = "") -> bytes:
    spaces = " ".join(
        f'xmlns:{prefix}="{uri}"'
        for prefix, uri in {
            "xmp": "http://ns.adobe.com/xap/1.0/",
            "exif": "http://ns.adobe.com/exif/1.0/",
            "photoshop": "http://ns.adobe.com/photoshop/1.0/",
            "tiff": "http://ns.adobe.com/tiff/1.0/",
        }.items()
    )
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-'
        f'rdf-syntax-ns#"><rdf:Description {spaces} {attributes}>{inner}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def _directory(tags: Tags, place: int) -> bytes:
    heap = place + 6 + 12 * len(tags)
    entries, blob = struct.pack("<H", len(tags)), b""
    for tag in sorted(tags):
        kind, value = tags[tag]
        data = _data(kind, value)
        count = len(data) // {ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8}[kind]
        entries += struct.pack("<HHI", tag, kind, count)
        if len(data) <= 4:
            entries += data.ljust(4, b"\0")
        else:
            entries += struct.pack("<I", heap + len(blob))
            blob += data
    return entries + struct.pack("<I", 0) + blob


def _body(tag: tuple[int, Any]) -> bytes:
    data = _data(*tag)
    return data if len(data) > 4 else b""


def _data(kind: int, value: Any) -> bytes:
    if kind == ASCII:
        return (value if isinstance(value, bytes) else value.encode()) + b"\0"
    if kind == RATIONAL:
        return b"".join(struct.pack("<II", *pair) for pair in value)
    values = value if isinstance(value, list) else [value]
    return struct.pack(f"<{len(values)}{'H' if kind == SHORT else 'I'}", *values)
