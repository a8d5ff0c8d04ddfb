"""Photos of the kinds that metadata has to survive, made in code."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

XMP = b"http://ns.adobe.com/xap/1.0/\0"


def picture(size: tuple[int, int] = (64, 48)) -> Image.Image:
    rng = np.random.default_rng(size[0])
    return Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), np.uint8))


def jpeg(**options: object) -> bytes:
    stream = io.BytesIO()
    picture().save(stream, "JPEG", quality=90, **options)
    return stream.getvalue()


def segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2) + payload


def behind_head(data: bytes, *segments: bytes) -> bytes:
    """Segments put behind APP0 (and Exif, where it is there)."""
    at = 2
    while data[at + 1] in (0xE0, 0xE1):
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return data[:at] + b"".join(segments) + data[at:]


def exif() -> Image.Exif:
    found = Image.Exif()
    found[0x010F], found[0x0110], found[0x0112] = "Make", "Model", 1
    inner = found.get_ifd(0x8769)
    inner[0x9003] = "2023:07:04 12:30:00"
    inner[0x927C] = b"MAKERNOTE\0" + bytes(range(200))
    return found


def packet(*keywords: str, extra: str = "", rating: int = 3) -> bytes:
    items = "".join(f"<rdf:li>{word}</rdf:li>" for word in keywords)
    subject = f"<dc:subject><rdf:Bag>{items}</rdf:Bag></dc:subject>" if keywords else ""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Somebody 1.0">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        '  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"\n'
        '    xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:own="http://example.org/own/"\n'
        f'    xmp:Rating="{rating}">\n   <own:note>kept &amp; safe</own:note>{subject}{extra}\n'
        "  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n" + " " * 200 + '\n<?xpacket end="w"?>'
    ).encode()


def with_xmp(data: bytes, body: bytes) -> bytes:
    return behind_head(data, segment(0xE1, XMP + body))


def mpf(order: str = "<") -> bytes:
    """A JPEG with a second picture behind it, as MPF names it."""
    return mpf_of(jpeg(exif=exif()), jpeg(), order)


def mpf_of(first: bytes, second: bytes, order: str = "<") -> bytes:
    """Two JPEGs in one file, named by MPF behind the head of the first."""
    at = behind_head(first, b"MARK").index(b"MARK")
    entries = 8 + 2 + 3 * 12 + 4  # where they stand behind the MPF header
    whole = len(first) + 2 + 2 + 4 + entries + 32
    offset = whole - (at + 8)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    body = mark + struct.pack(order + "IH", 8, 3)
    body += struct.pack(order + "HHI", 0xB000, 7, 4) + b"0100"
    body += struct.pack(order + "HHII", 0xB001, 4, 1, 2)
    body += struct.pack(order + "HHII", 0xB002, 7, 32, entries) + struct.pack(order + "I", 0)
    body += struct.pack(order + "IIIHH", 0x20030000, whole, 0, 0, 0)
    body += struct.pack(order + "IIIHH", 0, len(second), offset, 0, 0)
    return behind_head(first, segment(0xE2, b"MPF\0" + body)) + second


def second_picture(data: bytes) -> bytes:
    """What the second entry of MPF points to."""
    base = data.index(b"MPF\0") + 4
    order = "<" if data[base : base + 2] == b"II" else ">"
    size, offset = struct.unpack_from(order + "II", data, base + 50 + 16 + 4)
    return data[base + offset : base + offset + size]


def first_size(data: bytes) -> int:
    base = data.index(b"MPF\0") + 4
    order = "<" if data[base : base + 2] == b"II" else ">"
    return int(struct.unpack_from(order + "I", data, base + 50 + 4)[0])


def motion() -> bytes:
    return jpeg(exif=exif()) + struct.pack(">I", 24) + b"ftypmp42\0\0\0\0isommp42" + b"\0" * 100


def seft() -> bytes:
    return jpeg(exif=exif()) + b"MotionPhoto_Data" + b"x" * 50 + b"SEFH\1\0\0\0" + b"\x10\0\0\0SEFT"


def iim(*keywords: bytes, utf8: bool, digest: bool = True) -> bytes:
    sets = b"\x1c\x01\x5a\x00\x03\x1b%G" if utf8 else b""
    for word in keywords:
        sets += b"\x1c\x02\x19" + len(word).to_bytes(2) + word
    blocks = [(0x0404, sets)]
    if digest:
        import hashlib

        blocks.append((0x0425, hashlib.md5(sets).digest()))
    body = b"Photoshop 3.0\0"
    for identity, data in blocks:
        body += b"8BIM" + identity.to_bytes(2) + b"\0\0" + len(data).to_bytes(4) + data
        body += b"\0" * (len(data) % 2)
    return behind_head(jpeg(exif=exif()), segment(0xED, body))


def png(body: bytes | None = None, *, packed: bool = False) -> bytes:
    stream = io.BytesIO()
    picture().save(stream, "PNG")
    data = stream.getvalue()
    if body is None:
        return data
    text = zlib.compress(body) if packed else body
    chunk = b"iTXtXML:com.adobe.xmp\0" + bytes((packed, 0, 0, 0)) + text
    built = (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4)
    return data[:33] + built + data[33:]


def webp(**options: object) -> bytes:
    stream = io.BytesIO()
    picture().save(stream, "WEBP", **options)
    return stream.getvalue()


def the_older_way(data: bytes, body: bytes) -> bytes:
    """XMP ahead of Exif, where versions before 0.2 put it; offsets in Exif as they were."""
    at = 2
    while not data.startswith(b"Exif\0\0", at + 4):
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return data[:at] + segment(0xE1, XMP + body) + data[at:]
