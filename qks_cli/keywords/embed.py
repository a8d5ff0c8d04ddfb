"""Keywords inside a photo's own bytes: JPEG, PNG and WebP. Pure: bytes in, checked bytes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.formats import iptc, jpeg, png, webp
from qks_cli.keywords.xmp import SUBJECT, TAGS_LIST, Keyword, Packet, Source

HEAD, LONG_HEAD, WHOLE = 1 << 17, 1 << 20, 256 << 20  # bytes that are read to look for keywords

Photo = jpeg.Jpeg | png.Png | webp.WebP


@dataclass(frozen=True, slots=True)
class Before:
    """What stood where we wrote; None for none.

    ``xmp`` is the packet. ``other`` is what else it takes to restore the bytes: a JPEG's image
    resources with IPTC, a PNG's whole chunk (the packet in it may be packed)."""

    xmp: bytes | None
    other: bytes | None = None


def parse(data: bytes) -> Photo:
    """The photo's structure by its first bytes. Raises ``Refusal`` for other formats."""
    if data[:2] == b"\xff\xd8":
        return jpeg.parse(data)
    if data[:8] == png.SIGNATURE:
        return png.parse(data)
    if data[:4] == b"RIFF":
        return webp.parse(data)
    raise Refusal("keywords are not put into files of this format")


def packet_of(photo: Photo) -> Packet:
    """The photo's XMP, an empty one where it has none."""
    return Packet(photo.xmp())


def with_keywords(
    data: bytes, keywords: Sequence[Keyword], source: Source, *, immich: bool = False
) -> tuple[bytes, Before]:
    """The photo with ``keywords`` as ours, and what stood there; checked by reading it again.

    No keywords takes ours out. Raises ``Refusal``; ``data`` is never changed.
    """
    photo = parse(data)
    before = Before(photo.xmp(), None if isinstance(photo, webp.WebP) else photo.other())
    packet = Packet(before.xmp)
    is_jpeg = isinstance(photo, jpeg.Jpeg)
    theirs = _iptc_keywords(before.other) if is_jpeg else None
    ours_before = [label for label, _ in packet.ours()]
    if not packet.restate(keywords, source, create=(TAGS_LIST,) if immich else ()):
        return data, before
    ours = [label for label, _ in packet.ours()]
    document = packet.document(packet=True)
    if is_jpeg and len(document) > jpeg.MOST:
        document = packet.document(packet=True, padding=0)
    new = photo.with_xmp(document)
    if theirs is not None and before.other is not None:
        resources = iptc.with_keywords(
            before.other, ours, [x for x in ours_before if x not in ours]
        )
        if resources != before.other:
            changed = parse(new)
            assert isinstance(changed, jpeg.Jpeg)
            new = changed.with_photoshop(resources)
    check(photo, new, ours)
    return new, before


def keywords_in(path: Path) -> list[str]:
    """The user's own keywords inside a photo, ours left out; none where they cannot be read."""
    try:
        with path.open("rb") as stream:
            data = stream.read(HEAD)
            if data[:2] == b"\xff\xd8":
                head = jpeg.head_of(data)
                if not jpeg.reaches_scan(data, head):
                    data += stream.read(LONG_HEAD)
                    head = jpeg.head_of(data)
                photo: Photo = jpeg.Jpeg(data, head, len(data))
            else:
                photo = parse(data + stream.read(WHOLE))
        packet = Packet(photo.xmp())
        found = packet.own_labels()
        if isinstance(photo, jpeg.Jpeg):
            ours = {label for label, _ in packet.ours()}
            found += [x for x in _iptc_keywords(photo.other()) or () if x not in ours]
        return list(dict.fromkeys(found))
    except (Refusal, OSError):
        return []


def restored(data: bytes, before: Before) -> list[bytes]:
    """What the photo may have been before we wrote, the likeliest first."""
    photo = parse(data)
    if isinstance(photo, webp.WebP) and before.xmp is None:
        return [photo.with_xmp(None, simple=True), photo.with_xmp(None)]
    if isinstance(photo, png.Png):
        return [photo.with_chunk(before.other)]
    new = photo.with_xmp(before.xmp)
    if before.other is not None and isinstance(photo, jpeg.Jpeg):
        changed = parse(new)
        assert isinstance(changed, jpeg.Jpeg)
        if changed.other() is not None:
            new = changed.with_photoshop(before.other)
    return [new]


def check(one: Photo, new: bytes, labels: Sequence[str]) -> None:
    """Read ``new`` again, and refuse it where anything but keywords differs from the photo."""
    other = parse(new)
    match one, other:
        case (jpeg.Jpeg(), jpeg.Jpeg()) | (png.Png(), png.Png()) | (webp.WebP(), webp.WebP()):
            same = one.same_picture(other)  # type: ignore[arg-type]
        case _:
            same = False
    if not same:
        raise Refusal("writing would change more than keywords")
    found = set(packet_of(other).keywords(SUBJECT))
    if not found.issuperset(labels):
        raise Refusal("the keywords would not read back")


def _iptc_keywords(resources: bytes | None) -> list[str] | None:
    return None if resources is None else iptc.keywords(resources)
