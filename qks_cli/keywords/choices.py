"""The choices that writing keywords offers; imports nothing, so that help texts are quick."""

from __future__ import annotations

from enum import StrEnum


class Target(StrEnum):
    """Where keywords go."""

    sidecar = "sidecar"
    embed = "embed"


class Style(StrEnum):
    """Names of new sidecars: photo.jpg.xmp or photo.xmp."""

    ext = "ext"
    adobe = "adobe"


class Mtime(StrEnum):
    """The modification time of a photo that was written to."""

    bump = "bump"
    keep = "keep"


class Backend(StrEnum):
    """What writes into photos: our own splicer, or exiftool for TIFF and DNG as well."""

    own = "own"
    exiftool = "exiftool"


class Compat(StrEnum):
    """Programs that need more than the rules say."""

    immich = "immich"
