"""A picture in the terminal: in full where the terminal is known to take one, else as coloured
half blocks, which every terminal with colours shows.

Which terminal it is, variables tell. It is not asked: one that does not understand the question
would show it, or leave the answer in the next command line. Inside tmux or screen the variables are
those of another terminal, so half blocks it is.

Axes: H×W pixels, 3 colours, K colours of a palette.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from base64 import standard_b64encode
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from qks_cli.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

    from qks_cli.types import UInt8Array

SIDE = 480  # pixels of the longer side
COLUMNS = 64  # half blocks in a row at most
CHUNK = 4096  # characters that kitty takes at a time
PALETTE = 128  # colours of a sixel picture


class GraphicsProtocol(StrEnum):
    """Ways to draw in a terminal."""

    kitty = "kitty"
    iterm = "iterm"
    sixel = "sixel"
    blocks = "blocks"


def protocol(environ: Mapping[str, str]) -> GraphicsProtocol:
    """What the terminal takes for sure, by its variables."""
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if "TMUX" in environ or "STY" in environ or term.startswith(("screen", "tmux")):
        return GraphicsProtocol.blocks
    if term in ("xterm-kitty", "xterm-ghostty"):
        return GraphicsProtocol.kitty
    if program in ("iTerm.app", "WezTerm") or environ.get("LC_TERMINAL") == "iTerm2":
        return GraphicsProtocol.iterm
    if term.split("-")[0] in ("foot", "mlterm", "contour"):
        return GraphicsProtocol.sixel
    return GraphicsProtocol.blocks


def require_terminal() -> None:
    """Raises ``UsageError`` where standard output is no terminal, or one without colours."""
    from rich.console import Console

    hint = "--heatmap FILE writes a PNG"
    if not sys.stdout.isatty():
        raise UsageError("--show draws in a terminal, and the output goes elsewhere", hint=hint)
    way = protocol(os.environ)
    if way is GraphicsProtocol.blocks and Console(file=sys.stdout).color_system is None:
        raise UsageError("--show needs a terminal with colours", hint=hint)


def drawn(pixels_HW3: UInt8Array) -> str:
    """What draws a picture, uint8 [H, W, 3], in the terminal that standard output is."""
    from PIL import Image as Pillow

    image = Pillow.fromarray(pixels_HW3)
    image.thumbnail((SIDE, SIDE))
    way = protocol(os.environ)
    if way is GraphicsProtocol.blocks:
        return half_blocks(image, min(COLUMNS, shutil.get_terminal_size().columns - 1))
    draw = {
        GraphicsProtocol.kitty: kitty,
        GraphicsProtocol.iterm: iterm,
        GraphicsProtocol.sixel: sixel,
    }[way]
    return draw(image) + "\n"


def kitty(image: Image) -> str:
    """In kitty's graphics protocol: a PNG in parts (sw.kovidgoyal.net/kitty/graphics-protocol)."""
    coded = standard_b64encode(_png(image)).decode()
    parts = [coded[at : at + CHUNK] for at in range(0, len(coded), CHUNK)]
    out = []
    for number, part in enumerate(parts):
        more = int(number + 1 < len(parts))
        # q=2: no answer, which would stand in the next command line.
        control = f"a=T,f=100,q=2,m={more}" if number == 0 else f"q=2,m={more}"
        out.append(f"\x1b_G{control};{part}\x1b\\")
    return "".join(out)


def iterm(image: Image) -> str:
    """In iTerm2's inline images protocol (iterm2.com/documentation-images.html)."""
    data = _png(image)
    coded = standard_b64encode(data).decode()
    return f"\x1b]1337;File=inline=1;size={len(data)}:{coded}\x07"


def sixel(image: Image) -> str:
    """As sixels: bands of six rows, each drawn once for each of its colours (DEC STD 070, 9)."""
    import numpy as np
    from PIL.Image import Dither

    reduced = image.quantize(PALETTE, dither=Dither.NONE)
    colours = np.array(reduced.getpalette()[: 3 * PALETTE]).reshape(-1, 3)  # type: ignore[index]
    index_HW = np.asarray(reduced)
    height, width = index_HW.shape
    out = [f'\x1bP0;1q"1;1;{width};{height}']
    for number, (red, green, blue) in enumerate((colours * 100 / 255).round().astype(int)):
        out.append(f"#{number};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        band = index_HW[top : top + 6]
        weights = 1 << np.arange(len(band))[:, None]
        drawn_of = []
        for number in np.unique(band):
            sixels_W = 63 + ((band == number) * weights).sum(0)
            drawn_of.append(f"#{number}{_runs(sixels_W.astype(np.uint8).tobytes().decode())}")
        out.append("$".join(drawn_of) + "-")
    return "".join(out) + "\x1b\\"


def half_blocks(image: Image, columns: int) -> str:
    """Two pixels a character, one above the other, in as many colours as the terminal has."""
    import numpy as np
    from rich.color import Color
    from rich.console import Console
    from rich.style import Style
    from rich.text import Text

    console = Console(file=sys.stdout, width=columns + 1)
    small = image.copy()
    small.thumbnail((columns, columns))
    pixels_HW3 = np.asarray(small)[: small.height // 2 * 2]
    lines = Text(no_wrap=True)
    for upper_W3, lower_W3 in zip(pixels_HW3[::2], pixels_HW3[1::2], strict=True):
        for upper, lower in zip(upper_W3.tolist(), lower_W3.tolist(), strict=True):
            style = Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower))
            lines.append("▀", style)
        lines.append("\n")
    with console.capture() as captured:
        console.print(lines, end="")
    return captured.get()


def _png(image: Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def _runs(text: str) -> str:
    """Repeated characters as sixels write them: ``!12~``."""
    out, at = [], 0
    while at < len(text):
        end = at
        while end < len(text) and text[end] == text[at]:
            end += 1
        count = end - at
        out.append(f"!{count}{text[at]}" if count > 3 else text[at] * count)
        at = end
    return "".join(out)
