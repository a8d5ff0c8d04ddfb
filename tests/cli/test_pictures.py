"""Pictures in a terminal: which way is taken, and that what is written is the picture."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from qks_cli.cli import pictures
from qks_cli.cli.pictures import (
    GraphicsProtocol,
    drawn,
    half_blocks,
    iterm,
    kitty,
    protocol,
    require_terminal,
    sixel,
)
from qks_cli.errors import UsageError


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def image() -> Image.Image:
    """Noise, which no PNG makes small, beside two plain colours."""
    pixels = np.random.default_rng(1).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    pixels[:, :30] = (200, 20, 20)
    pixels[25:, :30] = (20, 20, 200)
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-kitty"}, GraphicsProtocol.kitty),
        ({"TERM": "xterm-ghostty"}, GraphicsProtocol.kitty),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, GraphicsProtocol.iterm),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, GraphicsProtocol.iterm),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, GraphicsProtocol.iterm),
        ({"TERM": "foot"}, GraphicsProtocol.sixel),
        ({"TERM": "foot-extra"}, GraphicsProtocol.sixel),
        ({"TERM": "xterm-256color"}, GraphicsProtocol.blocks),
        ({"TERM": "footless"}, GraphicsProtocol.blocks),
        ({}, GraphicsProtocol.blocks),
        ({"TERM": "tmux-256color", "LC_TERMINAL": "iTerm2"}, GraphicsProtocol.blocks),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux-0/default,1,0"}, GraphicsProtocol.blocks),
        ({"TERM": "screen", "TERM_PROGRAM": "iTerm.app"}, GraphicsProtocol.blocks),
    ],
)
def test_only_terminals_that_are_known_get_full_pictures(
    environ: dict[str, str], expected: GraphicsProtocol
) -> None:
    assert protocol(environ) is expected


def test_kitty_gets_the_picture_in_parts(image: Image.Image) -> None:
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", kitty(image))
    assert len(parts) > 1
    assert parts[0][0].startswith("a=T,f=100")
    assert [control.endswith("m=1") for control, _ in parts] == [True] * (len(parts) - 1) + [False]
    assert all(len(data) <= 4096 for _, data in parts)
    assert as_pixels("".join(data for _, data in parts)) == as_bytes(image)


def test_iterm_gets_the_picture_whole(image: Image.Image) -> None:
    found = re.fullmatch(r"\x1b\]1337;File=inline=1;size=(\d+):([^\x07]*)\x07", iterm(image))
    assert found is not None
    assert len(base64.b64decode(found[2])) == int(found[1])
    assert as_pixels(found[2]) == as_bytes(image)


def test_sixels_are_the_picture(image: Image.Image) -> None:
    """Read back, every pixel has the colour that a palette of as many colours gives it."""
    expected = np.asarray(
        image.quantize(pictures.PALETTE, dither=Image.Dither.NONE).convert("RGB"), int
    )
    assert np.abs(read_sixels(sixel(image)) - expected).max() <= 2  # colours are per cents there


def test_half_blocks_have_both_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    pixels = np.zeros((4, 3, 3), np.uint8)
    pixels[0] = (255, 0, 0)
    pixels[1] = (0, 0, 255)
    lines = half_blocks(Image.fromarray(pixels), 10).splitlines()
    assert [line.count("▀") for line in lines] == [3, 3]
    assert "38;2;255;0;0" in lines[0] and "48;2;0;0;255" in lines[0]
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(UsageError, match="colours"):
        require_terminal()


def test_no_picture_goes_into_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.setenv("TERM", "xterm-kitty")
    with pytest.raises(UsageError, match="elsewhere"):
        require_terminal()


def test_what_is_drawn_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.delenv("STY", raising=False)
    for name in ("NO_COLOR", "TERM_PROGRAM", "LC_TERMINAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    pixels = np.random.default_rng(1).integers(0, 256, (900, 600, 3), dtype=np.uint8)
    lines = drawn(pixels).splitlines()
    assert 0 < max(line.count("▀") for line in lines) <= 29
    assert len(lines) <= 15  # two rows each, the longer side 29 pixels
    monkeypatch.setenv("TERM", "xterm-kitty")
    data = "".join(re.findall(r"\x1b_G[^;]*;([^\x1b]*)\x1b", drawn(pixels)))
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (320, 480)


def as_bytes(image: Image.Image) -> bytes:
    return image.tobytes()


def as_pixels(coded: str) -> bytes:
    with Image.open(io.BytesIO(base64.b64decode(coded))) as image:
        return image.convert("RGB").tobytes()


def read_sixels(text: str) -> np.ndarray:
    """The pixels [H, W, 3] that a terminal would show."""
    head = re.match(r'\x1bP0;1q"1;1;(\d+);(\d+)', text)
    assert head is not None and text.endswith("\x1b\\")
    width, height = int(head[1]), int(head[2])
    out = np.full((height + 6, width, 3), -1, int)
    colours: dict[int, list[int]] = {}
    x = top = 0
    colour = [0, 0, 0]
    pattern = r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|([$-])"
    for token in re.finditer(pattern, text[head.end() : -2]):
        if token[1]:
            colours[int(token[1])] = [round(int(token[i]) * 2.55) for i in (2, 3, 4)]
        elif token[5]:
            colour = colours[int(token[5])]
        elif token[9]:
            x, top = 0, top + 6 * (token[9] == "-")
        else:
            count = int(token[6] or 1)
            bits = ord(token[7] or token[8]) - 63
            for row in range(6):
                if bits >> row & 1:
                    out[top + row, x : x + count] = colour
            x += count
    return out[:height]
