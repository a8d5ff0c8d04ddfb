"""File name suffixes of cameras' raw formats: one list for the whole program."""

from __future__ import annotations

# What LibRaw, exiftool and darktable read as raw. DNG is one of them, whoever made it.
RAW = frozenset(
    ".3fr .ari .arw .bay .cap .cr2 .cr3 .crw .cs1 .dcr .dcs .dng .drf .eip .erf .fff .gpr .iiq "
    ".k25 .kc2 .kdc .mdc .mef .mfw .mos .mrw .nef .nrw .orf .ori .pef .ptx .pxn .qtk .raf .raw "
    ".rdc .rw2 .rwl .rwz .sr2 .srf .srw .sti .x3f".split()
)
