"""Keywords inside a photo's own bytes: JPEG, PNG and WebP. Pure: bytes in, checked bytes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.formats import container, iptc, jpeg, png, webp, windows
from qks_cli.keywords.formats.container import Kind
from qks_cli.keywords.xmp import SUBJECT, TAGS_LIST, Keyword, Packet, Source

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
    match container.kind_of_bytes(data):
        case Kind.jpeg:
            return jpeg.parse(data)
        case Kind.png:
            return png.parse(data)
        case Kind.webp:
            return webp.parse(data)
    raise Refusal("keywords are not put into files of this format")


def is_embeddable(data: bytes) -> bool:
    """Whether we write into files of this kind ourselves."""
    return container.kind_of_bytes(data) in container.EMBEDDED


def packet_of(photo: Photo) -> Packet:
    """The photo's XMP, an empty one where it has none."""
    return Packet(photo.xmp())


def with_keywords(
    data: bytes,
    keywords: Sequence[Keyword],
    source: Source,
    *,
    immich: bool = False,
    ours_alone: bool = False,
) -> tuple[bytes, Before]:
    """The photo with ``keywords`` as ours, and what stood there; checked by reading it again.

    No keywords takes ours out. ``ours_alone`` says that the photo had no XMP before we wrote.
    Raises ``Refusal``; ``data`` is never changed.
    """
    photo = parse(data)
    before = Before(photo.xmp(), None if isinstance(photo, webp.WebP) else photo.other())
    packet = Packet(before.xmp)
    ours_before = [label for label, _ in packet.ours()]
    moves = (
        not isinstance(photo, webp.WebP)
        and photo.is_xmp_ahead()
        and bool(ours_before)
        and (ours_alone or packet.is_ours_alone())
    )
    changed = packet.restate(
        keywords,
        source,
        create=(TAGS_LIST,) if immich else (),
        seeds=[word for word in _beside_xmp(photo) if word not in ours_before],
    )
    if not changed and not moves:
        return data, before
    ours = [label for label, _ in packet.ours()]
    if isinstance(photo, jpeg.Jpeg):
        new = _into_jpeg(photo, before, packet, ours_before, moves=moves)
    elif isinstance(photo, png.Png) and moves:
        new = png.parse(photo.with_xmp(None)).with_xmp(packet.document(packet=True))
    else:
        new = photo.with_xmp(packet.document(packet=True))
    check(photo, new, ours, before)
    return new, before


def _into_jpeg(
    photo: jpeg.Jpeg, before: Before, packet: Packet, ours_before: Sequence[str], *, moves: bool
) -> bytes:
    """A JPEG with this packet, and our keywords in IPTC where it has that. ``moves``: the packet
    stands ahead of Exif, where versions before 0.2 put it."""
    ours = [label for label, _ in packet.ours()]
    resources = before.other
    if resources is not None and iptc.keywords(resources) is not None:
        gone = [label for label in ours_before if label not in ours]
        resources = iptc.with_keywords(resources, ours, gone)
    if resources == before.other:
        resources = None
    if moves:
        bare = parse(photo.with_xmp(None, correct=False))
        assert isinstance(bare, jpeg.Jpeg)
        photo = bare
    document = packet.document(packet=True)
    if len(document) > jpeg.MOST:
        document = packet.document(packet=True, padding=0)
    try:
        return photo.with_xmp(document, resources=resources)
    except Refusal:
        # Padded to the length that it had, it moves nothing.
        spare = len(before.xmp or b"") - len(packet.document(packet=True, padding=0))
        if moves or resources is not None or spare < 0:
            raise
        return photo.with_xmp(packet.document(packet=True, padding=spare))


def restored(data: bytes, before: Before) -> Iterator[bytes]:
    """What the photo may have been before we wrote, the likeliest first."""
    yield from _candidates(parse(data), before)


def _candidates(photo: Photo, before: Before) -> Iterator[bytes]:
    if isinstance(photo, png.Png):
        yield photo.with_chunk(before.other)
        if before.other is not None:  # versions before 0.2 put it right behind the header
            yield png.parse(photo.with_chunk(None)).with_chunk(before.other, first=True)
    elif isinstance(photo, webp.WebP):
        if before.xmp is None:
            yield photo.with_xmp(None, simple=True)
        yield photo.with_xmp(before.xmp)
    else:
        resources = before.other if photo.other() is not None else None
        with suppress(Refusal):
            yield photo.with_xmp(before.xmp, resources=resources, search=False)
        # Versions before 0.2 put XMP ahead of Exif and corrected no offset.
        yield photo.with_xmp(before.xmp, resources=resources, correct=False)
        if before.xmp is not None and photo.exif() is not None:
            bare = parse(photo.with_xmp(None, search=False))
            assert isinstance(bare, jpeg.Jpeg)
            yield bare.with_xmp(before.xmp, resources=resources, ahead=True, correct=False)


def check(one: Photo, new: bytes, labels: Sequence[str], before: Before) -> None:
    """Read ``new`` again, and refuse it where anything but keywords differs from the photo, where
    the keywords do not read back, or where the photo could not be made of it again."""
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
    if not any(candidate == one.data for candidate in _candidates(other, before)):
        raise Refusal("writing could not be undone exactly")


def _beside_xmp(photo: Photo) -> list[str]:
    """The user's keywords outside XMP: a list that we make starts with them."""
    resources = photo.other() if isinstance(photo, jpeg.Jpeg) else None
    blocks = [] if resources is None else iptc.iims_of([resources])
    found = [word for iim in blocks for word in iptc.keywords_of_any(iim)]
    return [*found, *windows.keywords(photo.exif_block())]
