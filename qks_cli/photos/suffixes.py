"""File name suffixes of photos, raw files and videos: one list of each for the whole program.

A suffix only says which files of a folder are worth opening; what a file is comes from its bytes
(``recognise.py``).
"""

from __future__ import annotations

PHOTOS = frozenset(
    ".jpg .jpeg .jpe .jfif .jif .jps .mpo .pjp .pjpeg .png .apng .webp .gif .bmp .dib .tif .tiff "
    ".heic .heif .hif .heics .heifs .avif .avifs .jp2 .j2k .jpf .jpx .jpc .psd".split()
)
JXL = frozenset({".jxl"})  # photos where pillow-jxl-plugin is installed
# What LibRaw, exiftool and darktable read as raw. DNG is one of them, whoever made it.
RAW = frozenset(
    ".3fr .ari .arw .bay .cap .cr2 .cr3 .crw .cs1 .dcr .dcs .dng .drf .eip .erf .fff .gpr .iiq "
    ".k25 .kc2 .kdc .mdc .mef .mfw .mos .mrw .nef .nrw .orf .ori .pef .ptx .pxn .qtk .raf .raw "
    ".rdc .rw2 .rwl .rwz .sr2 .srf .srw .sti .x3f".split()
)
VIDEOS = frozenset(".3g2 .3gp .avi .m4v .mkv .mov .mp4 .qt .webm".split())  # read where PyAV is
OTHER_VIDEOS = frozenset(
    ".asf .dv .flv .insv .lrv .m2ts .mod .mpe .mpeg .mpg .mts .mxf .ogv .rm .rmvb .tod .ts .vob "
    ".wmv".split()
)
# What programs keep beside a photo: part of it, and none of its own.
SIDECARS = frozenset(".aae .arp .cos .dop .mie .on1 .pp3 .thm .xmp".split())


KINDS = {
    suffix: kind
    for kind, suffixes in (
        ("photo", PHOTOS),
        ("raw", RAW),
        ("jxl", JXL),
        ("video", VIDEOS),
        ("other-video", OTHER_VIDEOS),
        ("sidecar", SIDECARS),
    )
    for suffix in suffixes
}


def kind_of(name: str) -> str:
    """What a file's name promises: ``photo``, ``raw``, ``jxl``, ``video``, ``other-video``,
    ``sidecar`` or ``other``."""
    at = name.rfind(".")  # as ``Path.suffix``, which takes ten times as long
    return KINDS.get(name[at:].lower(), "other") if at > 0 else "other"
