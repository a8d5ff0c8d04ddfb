"""XMP read safely: one hardened parser, with a cap, asked once a photo."""

from __future__ import annotations

import re
from typing import Any

LIMIT = 8 << 20  # bytes of a packet or sidecar
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
NAMESPACES = {
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "exifEX": "http://cipa.jp/exif/1.0/",
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
}
# The properties that details are read from, by their full names.
PROPERTIES = {
    f"{{{NAMESPACES[prefix]}}}{local}": f"{prefix}:{local}"
    for prefix, local in (
        name.split(":")
        for name in (
            "xmp:Rating xmp:CreateDate exif:DateTimeOriginal exif:DateTimeDigitized "
            "photoshop:DateCreated exif:GPSLatitude exif:GPSLongitude exif:FNumber "
            "exif:ExposureTime exif:FocalLength tiff:Make tiff:Model aux:Lens exifEX:LensModel"
        ).split()
    )
}
# What libxml2 says in words for programmers.
_PLAINLY = {
    "Document is empty": "it is empty or no XML",
    "Excessive depth": "it is nested too deep",
    "Maximum entity amplification": "its entities grow without end",
    "Start tag expected": "it is not XML",
}
_WHITESPACE = b"\0 \t\r\n"


def parse(data: bytes, *, limit: int = LIMIT) -> Any:
    """A packet as an lxml tree. Raises ``ValueError`` with the reason for what is too large, has a
    DOCTYPE, is nested too deep or is not well-formed; nothing outside of it is ever read."""
    from lxml import etree

    if len(data) > limit:
        raise ValueError(f"larger than {limit >> 20} MB")
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        data = data.strip(_WHITESPACE)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        tree = etree.ElementTree(etree.fromstring(data, parser))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ValueError(_reason(str(error))) from error
    if tree.docinfo.doctype or tree.docinfo.internalDTD is not None:
        raise ValueError("it has a DOCTYPE")
    return tree


def without_rest(data: bytes) -> bytes:
    """A packet without what an older, longer one left behind its end. For reading alone: whoever
    writes must not lose what he does not understand."""
    end = data.find(b"<?xpacket end=")
    at = data.find(b"?>", end) + 2
    return data if end < 0 or at < 2 or not data[at:].strip(_WHITESPACE) else data[:at]


def _reason(text: str) -> str:
    """What libxml2 says, without the name that it gives to what has none."""
    reason = re.sub(r",? *\(<string>, line \d+\)$", "", (text or "not well-formed").splitlines()[0])
    for words, plain in _PLAINLY.items():
        if reason.startswith(words):
            return plain
    return reason


def properties(data: bytes) -> dict[str, str]:
    """The simple properties of ``PROPERTIES`` that a packet holds, the first of each name; nothing
    where it cannot be read."""
    if not data:
        return {}
    try:
        root = parse(without_rest(data)).getroot()
    except ValueError:
        return {}
    found: dict[str, str] = {}
    for description in root.iter(f"{RDF}Description"):
        for name, value in description.attrib.items():
            if name in PROPERTIES:
                found.setdefault(PROPERTIES[name], str(value).strip())
        for child in description:
            if child.tag in PROPERTIES and (child.text or "").strip():
                found.setdefault(PROPERTIES[child.tag], child.text.strip())
    return found
