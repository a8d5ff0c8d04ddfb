"""The keywords and the rating that a user gave a photo, wherever they stand. Reads only."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qks_cli.keywords import names, sidecar
from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.formats import container, iptc, jpeg, png, tiff, webp, windows
from qks_cli.keywords.formats.container import Kind
from qks_cli.keywords.xmp import LIMIT, Packet
from qks_cli.photos.readers import shared
from qks_cli.photos.xmp import without_rest

HEAD, LONG_HEAD, WHOLE = 1 << 17, 1 << 20, 256 << 20  # bytes that are read to look for keywords
MOST = 1 << 20  # bytes of a tag that is looked at


@dataclass(frozen=True, slots=True)
class Own:
    """What a user noted in one file. ``problem`` says why some of it could not be read."""

    keywords: tuple[str, ...] = ()
    rating: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The blocks of a photo that can hold keywords."""

    packets: Sequence[bytes] = ()
    iim: Sequence[bytes] = ()
    exif: Sequence[tiff.Block] = ()


def of_photo(photo: Path) -> Own:
    """What stands inside a photo: XMP, IPTC, and the keywords that Windows writes into Exif. Ours
    are left out. Formats that are not known are asked for XMP alone."""
    try:
        with photo.open("rb") as stream:
            kind = container.kind_of_bytes(stream.read(16))
            if kind is Kind.tiff:
                return _of_tiff(stream)
            stream.seek(0)
            if kind is None:
                # A decoder of the system's hands it out, which a broken file can bring down.
                packet = shared().packet(photo) if _by_decoder(stream.peek(12)) else b""
                return _own(_Blocks(_some(packet or None)))
            return _own(_blocks(stream, kind))
    except Refusal as refusal:
        return Own(problem=refusal.reason)
    except (OSError, ValueError) as error:
        return Own(problem=getattr(error, "strerror", None) or str(error))


def of_sidecar(file: Path) -> Own:
    """What stands in a sidecar; ours is left out."""
    try:
        data = sidecar.read(file)
        if data is None:
            return Own(problem="it links to a file that is gone" if file.is_symlink() else "")
        return _own(_Blocks([data]))
    except Refusal as refusal:
        return Own(problem=refusal.reason)


def of_sidecars(
    photo: Path, *, folders: names.Folders | None = None, claim: names.Claim = names.unclaimed
) -> list[tuple[Path, Own]]:
    """What stands in each of a photo's sidecars, by the names of these."""
    try:
        sides = names.every(photo, folders=folders, claim=claim)
    except Refusal as refusal:
        return [(photo.with_name(photo.name + names.XMP), Own(problem=refusal.reason))]
    return [(side, of_sidecar(side)) for side in sides]


def _by_decoder(head: bytes) -> bool:
    """Whether a file that begins so is HEIC, AVIF, JPEG XL or Photoshop's."""
    return head[4:8] in (b"ftyp", b"JXL ") or head[:4] == b"8BPS"


def _own(blocks: _Blocks) -> Own:
    found: list[str] = []
    ratings: list[int | None] = []
    ours: set[str] = set()
    problem = ""
    for data in blocks.packets:
        try:
            packet = Packet(without_rest(data))
            ours |= {label for label, _ in packet.ours()}
            found += packet.own_labels()
            ratings.append(packet.rating())
        except Refusal as refusal:
            problem = refusal.reason
    for iim in blocks.iim:
        found += [word for word in iptc.keywords_of_any(iim) if word not in ours]
    for exif in blocks.exif:
        found += windows.keywords(exif)
        ratings.append(windows.rating(exif))
    rating = next((stars for stars in ratings if stars is not None), None)
    return Own(tuple(dict.fromkeys(found)), rating, problem)


def _blocks(stream: io.BufferedReader, kind: Kind) -> _Blocks:
    if kind is Kind.jpeg:
        return _of_jpeg(stream)
    data = stream.read(WHOLE)
    if kind is Kind.png:
        image = png.parse(data)
        return _Blocks(_some(image.xmp()), exif=_some(image.exif_block()))
    photo = webp.parse(data)
    return _Blocks(_some(photo.xmp()), exif=_some(photo.exif_block()))


def _of_jpeg(stream: io.BufferedReader) -> _Blocks:
    data = stream.read(HEAD)
    head = jpeg.head_of(data)
    if not jpeg.reaches_scan(data, head):
        data += stream.read(LONG_HEAD)
        head = jpeg.head_of(data)
    packets = [x.payload[len(jpeg.XMP) :] for x in head if x.payload.startswith(jpeg.XMP)]
    exif = [x.payload[6:] for x in head if x.payload.startswith(jpeg.EXIF)]
    start = len(jpeg.PHOTOSHOP)
    resources = [x.payload[start:] for x in head if x.payload.startswith(jpeg.PHOTOSHOP)]
    return _Blocks(packets, iptc.iims_of(resources), exif)


def _of_tiff(stream: io.BufferedReader) -> Own:
    """TIFF, DNG and raw files that are TIFFs: their tags may stand anywhere in the file."""
    data = tiff.OpenFile(stream.fileno())
    packets = _some(tiff.value(data, tiff.XMP, LIMIT))
    iim: Sequence[bytes] = _some(tiff.value(data, tiff.IPTC, MOST))
    resources = tiff.value(data, tiff.PHOTOSHOP, MOST)
    if not iim and resources is not None:
        iim = iptc.iims_of([resources])
    return _own(_Blocks(packets, iim, [data]))


def _some(data: bytes | None) -> Sequence[bytes]:
    return () if data is None else (data,)


def joined(found: Iterable[Own]) -> list[str]:
    """The keywords of several files, once each."""
    return list(dict.fromkeys(word for own in found for word in own.keywords))
