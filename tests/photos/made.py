"""Odd photos, made in code: Exif byte by byte, files that are small and decode to gigabytes."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

BYTE, ASCII, SHORT, LONG, RATIONAL, SIGNED = 1, 2, 3, 4, 5, 10
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


def dng(
    image: Image.Image,
    *,
    preview: bytes | None = None,
    thumb: int = 0,
    orientation: int = 1,
    inner: Tags | None = None,
    gps: Tags | None = None,
) -> bytes:
    """A DNG of the sensor that would see ``image``, with an embedded JPEG ``preview``, and, as
    cameras do it, a thumbnail of ``thumb`` pixels each way in the first directory. ``inner`` and
    ``gps`` are directories of Exif, behind everything else."""
    colours = np.asarray(image).astype(np.uint16) * 257
    bayer = colours[..., 1].copy()
    bayer[::2, ::2], bayer[1::2, 1::2] = colours[::2, ::2, 0], colours[1::2, 1::2, 2]
    height, width = bayer.shape
    unit = [(1, 1), (0, 1), (0, 1), (0, 1), (1, 1), (0, 1), (0, 1), (0, 1), (1, 1)]
    camera: Tags = {
        0x010F: (ASCII, "Maker"),
        0x0110: (ASCII, "Raw One"),
        0x0112: (SHORT, orientation),
        0x0132: (ASCII, "2023:07:04 12:30:00"),
        50706: (BYTE, [1, 4, 0, 0]),
        50708: (ASCII, "Maker Raw One"),
        50721: (SIGNED, unit),
        50728: (RATIONAL, [(1, 1)] * 3),
        50778: (SHORT, 21),
    }
    sensor: Tags = {
        254: (LONG, 0),
        256: (LONG, width),
        257: (LONG, height),
        258: (SHORT, 16),
        259: (SHORT, 1),
        262: (SHORT, 32803),
        277: (SHORT, 1),
        278: (LONG, height),
        33421: (SHORT, [2, 2]),
        33422: (BYTE, [0, 1, 1, 2]),
        50717: (LONG, 65535),
    }
    parts: list[tuple[Tags, bytes]] = [(sensor, bayer.astype("<u2").tobytes())]
    if preview:
        with Image.open(io.BytesIO(preview), formats=("JPEG",)) as small:
            parts.append((_strip(small.size, 7, 6), preview))
    if thumb:
        parts.insert(0, (_strip((thumb, thumb), 1, 2), bytes(3 * thumb * thumb)))
    noted = {tag: tags for tag, tags in ((0x8769, inner), (0x8825, gps)) if tags}
    first = dict(parts[0][0]) | camera | {tag: (LONG, 0) for tag in noted}
    at = 8 + len(_directory(_placed(first, 0, 0, [0] * (len(parts) - 1)), 8))
    places, body, behind = [], b"", b""
    for tags, data in parts[1:]:
        block = _directory(_placed(tags, 0, 0, []), 0)
        start = at + len(body)
        places.append(start)
        body += _directory(_placed(tags, start + len(block), len(data), []), start) + data
    data = parts[0][1]
    end = at + len(body) + len(data)
    for tag, tags in noted.items():
        first[tag] = (LONG, end + len(behind))
        behind += _directory(tags, end + len(behind))
    head = _directory(_placed(first, at + len(body), len(data), places), 8)
    return b"II*\0" + struct.pack("<I", 8) + head + body + data + behind


def _strip(size: tuple[int, int], compression: int, photometric: int) -> Tags:
    return {
        254: (LONG, 1),
        256: (LONG, size[0]),
        257: (LONG, size[1]),
        258: (SHORT, [8, 8, 8]),
        259: (SHORT, compression),
        262: (SHORT, photometric),
        277: (SHORT, 3),
        278: (LONG, size[1]),
    }


def _placed(tags: Tags, offset: int, length: int, below: list[int]) -> Tags:
    placed = tags | {273: (LONG, offset), 279: (LONG, length)}
    return placed | {330: (LONG, below)} if below else placed


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


def psd(
    image: Image.Image,
    *,
    layers: int = 0,
    depth: int = 8,
    resources: dict[int, bytes] | None = None,
) -> bytes:
    """A Photoshop file with its flattened picture, uncompressed; of layers only their number."""
    mode = {"L": 1, "RGB": 3, "RGBA": 3, "CMYK": 4}[image.mode]
    bands = image.split()
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, len(bands), image.height, image.width, depth, mode)
    parts = b""
    for identity, data in (resources or {}).items():
        parts += (
            b"8BIM" + struct.pack(">HHI", identity, 0, len(data)) + data + b"\0" * (len(data) % 2)
        )
    info = struct.pack(">IIh", 6, 2, layers) if layers else b""
    info = info or struct.pack(">I", 0)
    inverted = image.mode == "CMYK"
    body = b"".join(
        (band.point(lambda v: 255 - v) if inverted else band).tobytes() for band in bands
    )
    sections = struct.pack(">II", 0, len(parts)) + parts + info
    return head + sections + struct.pack(">H", 0) + body


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
        count = len(data) // {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, SIGNED: 8}[kind]
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
    if kind in (RATIONAL, SIGNED):
        pairs = "<II" if kind == RATIONAL else "<ii"
        return b"".join(struct.pack(pairs, *pair) for pair in value)
    values = value if isinstance(value, list) else [value]
    return struct.pack(f"<{len(values)}{ {BYTE: 'B', SHORT: 'H'}.get(kind, 'I') }", *values)
