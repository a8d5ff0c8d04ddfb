from __future__ import annotations

import torch

from qks_cli.training.mini.attributes import NAMES, attributes

SKY = 3


def photo(top: tuple[int, int, int], bottom: tuple[int, int, int]) -> torch.Tensor:
    pixels = torch.zeros(32, 32, 3, dtype=torch.uint8)
    pixels[:16] = torch.tensor(top, dtype=torch.uint8)
    pixels[16:] = torch.tensor(bottom, dtype=torch.uint8)
    return pixels


def test_what_the_pixels_say() -> None:
    sky_above = torch.tensor([SKY] * 8 + [1] * 8)
    nowhere = torch.full((16,), 1)
    pixels = torch.stack(
        [
            photo((90, 140, 230), (60, 120, 40)),  # a blue sky over grass
            photo((200, 200, 202), (60, 120, 40)),  # a grey one
            photo((120, 120, 120), (30, 30, 30)),  # no colour at all
            photo((90, 140, 230), (60, 120, 40)),  # blue, but no sky
            photo((190, 195, 200), (60, 120, 40)),  # a little blue
        ]
    )
    cells = torch.stack([sky_above, sky_above, sky_above, nowhere, sky_above])
    there, known = attributes(pixels, cells, SKY)
    assert NAMES == ("black and white photo", "blue sky")
    assert there[:, 0].tolist() == [False, False, True, False, False]
    assert there[:, 1].tolist() == [True, False, False, False, False]
    assert known[:, 0].all()
    assert known[:, 1].tolist() == [True, True, True, True, False]
