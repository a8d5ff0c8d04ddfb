"""Any mode and colour profile to sRGB. Large pictures are converted in strips, so that no second
copy of them stands in memory in a wider mode."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms

STRIP = 1 << 22  # pixels that are converted at a time
_Convert = Callable[[Image.Image], Image.Image]
_WHITE_IS_ZERO = 0  # TIFF's photometric interpretation
_PHOTOMETRIC = 262


def plain_mode(image: Image.Image, factor: int = 1) -> tuple[Image.Image, int]:
    """RGB, CMYK or L, without alpha and with 8 bits a channel; transparent parts are white.

    What has to be converted may be made smaller by ``factor`` on the way; returned with the factor
    that was used."""
    if image.mode in ("RGB", "CMYK", "L") and "transparency" not in image.info:
        return image, 1
    if image.mode.startswith(("I", "F")):
        return _in_strips(image, "L", _deep_to_grey(image), factor), factor
    if image.mode == "LAB":
        return _in_strips(image, "RGB", _lab_to_rgb, factor), factor
    if image.mode == "1":
        return _in_strips(image, "L", lambda strip: strip.convert("L"), factor), factor
    bands = image.getbands()
    if {"A", "a"} & set(bands) or image.mode in ("P", "PA") or "transparency" in image.info:
        return _in_strips(image, "RGB", _on_white, factor), factor
    return _in_strips(image, "RGB", lambda strip: strip.convert("RGB"), factor), factor


def to_srgb(small: Image.Image, profile: bytes | None) -> Image.Image:
    """Apply the photo's colour profile to the small picture; a broken one is ignored."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "srgb" not in ImageCms.getProfileDescription(source).lower():
                target = ImageCms.createProfile("sRGB")
                converted = ImageCms.profileToProfile(small, source, target, outputMode="RGB")
                if converted is not None:
                    return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return small if small.mode == "RGB" else small.convert("RGB")


def _in_strips(image: Image.Image, mode: str, convert: _Convert, factor: int) -> Image.Image:
    rows = max(1, STRIP // max(1, image.width * factor)) * factor
    if rows >= image.height and factor == 1:
        return convert(image)
    result = Image.new(mode, (-(-image.width // factor), -(-image.height // factor)))
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        strip.info = image.info  # where a palette's transparency stands
        strip = convert(strip)
        result.paste(strip if factor == 1 else strip.reduce(factor), (0, top // factor))
    return result


def _on_white(image: Image.Image) -> Image.Image:
    clear = image.convert("RGBA")
    white = Image.new("RGBA", clear.size, "white")
    return Image.alpha_composite(white, clear).convert("RGB")


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    return image.convert("RGB") if converted is None else converted


def _deep_to_grey(image: Image.Image) -> _Convert:
    """16-bit files use the full range; others (floats, 32 bits) say nothing of theirs."""
    high = _highest(image)
    top = 65535.0 if image.mode.startswith("I;16") or high > 255 else 255.0
    if image.mode == "F" and high <= 1:
        top = 1.0
    inverted = getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO

    def scale(strip: Image.Image) -> Image.Image:
        values = np.nan_to_num(np.asarray(strip).astype(np.float32))
        grey = (values.clip(0, top) * (255 / top)).astype(np.uint8)
        return Image.fromarray(255 - grey if inverted else grey)

    return scale


def _highest(image: Image.Image) -> float:
    try:
        return float(image.getextrema()[1])  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 65535.0
