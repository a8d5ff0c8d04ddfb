"""What heads and baselines read, and the parts of the small model, each written once more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from qks_cli.errors import ModelError
from qks_cli.network.config import DecoderConfig, ModelConfig, TextConfig
from qks_cli.network.head import ClipSource, CompactSource, HeadedModel, build_head
from qks_cli.network.model import CompactModel
from qks_cli.network.pixels import Normalise, PixelsToTokens
from qks_cli.network.text import TextTower, _attend
from qks_cli.network.zero_shot import GRID, ZeroShotImage, ZeroShotText, build_clip
from tests.network.test_model import small
from tests.training import tiny


def spread(module: Any) -> Any:
    torch.manual_seed(4)
    for parameter in module.parameters():
        if parameter.dim() < 3:
            torch.nn.init.normal_(parameter, 0.3, 0.5)
    return module.eval()


def compact(neck: int = 1) -> tuple[CompactModel, ModelConfig]:
    config = small(neck=neck)
    config = replace(config, decoder=replace(config.decoder, width=12, heads=2))
    return spread(CompactModel(config)), config


def test_pixels_are_brought_to_the_models_mean_and_deviation() -> None:
    config = replace(small(), mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    pixels = np.random.default_rng(1).integers(0, 256, (2, 4, 5, 3)).astype(np.uint8)
    expected = (pixels / 255 - np.array(config.mean)) / np.array(config.std)
    found = Normalise(config)(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(found, expected.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [64, 128])
def test_the_small_model_narrows_adds_norms_and_places_its_maps(size: int) -> None:
    model, _ = compact()
    pixels = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        query, memory, placed = model.read(pixels)
        fine, coarse = model.backbone.maps(pixels)
        narrow = [entry(one) for entry, one in zip(model.entries, (fine, coarse), strict=True)]
        side = fine.shape[1]
        # Each coarse cell counts for the four that lie in it.
        doubled = narrow[1].repeat_interleave(2, 1).repeat_interleave(2, 2)
        grid = model.neck((narrow[0] + doubled).permute(0, 3, 1, 2))
        cells = grid.flatten(2).transpose(1, 2)
        normed = functional.layer_norm(
            cells, (12,), model.entry_norm.weight, model.entry_norm.bias, 1e-5
        )
        places = functional.interpolate(
            model.positions, (side, side), mode="bilinear", align_corners=False
        )
        torch.testing.assert_close(memory, normed)
        torch.testing.assert_close(placed, normed + places.flatten(2).transpose(1, 2))
        direct = model.direct(coarse.mean((1, 2)))
        torch.testing.assert_close(query, model.decoder(placed) + direct[:, None])
        torch.testing.assert_close(model(pixels).query_BME, query)
    assert side == size // 16


def test_a_small_model_as_a_source() -> None:
    model, config = compact()
    source = CompactSource(model)
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        query, _, placed = model.read(pixels)
        memory, image, places = source.read(pixels)
        expected = torch.cat([query.mean(1, keepdim=True), query, placed], 1)
        torch.testing.assert_close(memory, expected)
        torch.testing.assert_close(source(pixels), expected)
    torch.testing.assert_close(image, query.mean(1))
    torch.testing.assert_close(places, query)
    assert memory.shape == (2, source.tokens, source.width) == (2, 1 + 3 + 16, 12)
    assert source.projection_WE is None
    with pytest.raises(ModelError, match="of one width"):
        CompactSource(CompactModel(replace(config, label_width=8)))


@pytest.mark.parametrize("kind", ["reference", "compact", "linear"])
def test_a_headed_model_reads_its_source(kind: str) -> None:
    source = ClipSource(tiny.clip())
    config = DecoderConfig(kind, queries=3, width=32, layers=1, heads=2)
    head = spread(build_head(config, source, 16))
    model = HeadedModel(source, head).eval()
    pixels = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        tokens = model(pixels)
        torch.testing.assert_close(tokens.query_BME, head(source(pixels)))
        torch.testing.assert_close(tokens.memory_BPD, source(pixels))
        whole = PixelsToTokens(model, replace(small(), mean=(0.0,) * 3, std=(1.0,) * 3))
        bytes_ = torch.randint(0, 255, (2, 32, 32, 3), dtype=torch.uint8)
        expected = model(bytes_.permute(0, 3, 1, 2) / 255).query_BME
        torch.testing.assert_close(whole(bytes_), expected, rtol=1e-3, atol=1e-3)
    assert tokens.query_BME.shape == (2, 1 if kind == "linear" else 3, 16)
    if kind == "reference":
        started = build_head(config, source, 16)
        assert torch.equal(started.projection, source.projection_WE)  # type: ignore[arg-type]


def test_tokens_of_a_model_without_a_head_are_class_token_and_means_of_patches() -> None:
    config: Any = {**tiny.CLIP, "vision_cfg": tiny.CLIP["vision_cfg"] | {"image_size": 96}}
    clip: Any = spread(build_clip(config))
    model = ZeroShotImage(clip)
    pixels = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        found = model(pixels).query_BME
        memory = ClipSource(clip)(pixels)
        patches = memory[:, 1:].reshape(2, 6, 6, 32)
        cells = [memory[:, 0]]
        for row in range(GRID):
            for column in range(GRID):
                part = patches[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
                cells.append(part.mean((1, 2)))
        expected = torch.stack(cells, 1) @ clip.visual.proj
        expected = expected / expected.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert found.shape[1] == model.queries == 1 + GRID * GRID


def test_texts_of_a_model_without_a_head() -> None:
    ids = torch.tensor([[5, 9, 63, 0, 0, 0, 0, 0], [7, 63, 0, 0, 0, 0, 0, 0]])
    with torch.inference_mode():
        expected = tiny.clip().encode_text(ids)  # type: ignore[operator]
        long = ZeroShotText(tiny.clip(), normalize=False)(ids)
        unit = ZeroShotText(tiny.clip())(ids)
    torch.testing.assert_close(long, expected)
    torch.testing.assert_close(unit, expected / expected.norm(dim=-1, keepdim=True))


@pytest.mark.parametrize(("lexical", "readout"), [(0, 0), (0, 9), (7, 9)])
def test_the_text_tower_is_the_mean_over_its_tokens(lexical: int, readout: int) -> None:
    """With a block that adds nothing the whole of it can be written down."""
    config = TextConfig(
        50, width=16, heads=2, layers=1, output_dim=8, lexical=lexical, readout=readout
    )
    tower = spread(TextTower(config, 6))
    (block,) = tower.transformer.transformer.resblocks
    for last in (block.attn.out_proj, block.mlp.c_proj):
        last.weight.data.zero_()
        last.bias.data.zero_()
    tower.mean_S.normal_()
    tower.whiten_SE.normal_()
    ids = torch.tensor([[7, 8, 1, 0, 0], [3, 4, 5, 6, 2]])
    with torch.inference_mode():
        found, sentences = tower(ids), tower.sentences(ids)
        rows = []
        for row, length in zip(ids, (3, 5), strict=True):
            inner = tower.transformer
            x = inner.token_embedding(row[:length]) + inner.positional_embedding[:length]
            mean = inner.ln_final(x).mean(0)
            raw = mean @ inner.text_projection
            if readout:
                parts = [mean]
                if lexical:
                    parts.append(tower.readout.words(row[:length]).mean(0))
                hidden = functional.gelu(tower.readout.hidden(torch.cat(parts)))
                raw = raw + tower.readout.output(hidden)
            rows.append(raw / raw.norm())
        torch.testing.assert_close(sentences, torch.stack(rows), rtol=1e-4, atol=1e-5)
        white = (sentences - tower.mean_S) @ tower.whiten_SE
    torch.testing.assert_close(found[:, :-1], white)
    assert found[:, -1].tolist() == [1.0, 1.0]


def test_attention_of_the_text_tower_is_torchs() -> None:
    torch.manual_seed(5)
    attention = torch.nn.MultiheadAttention(16, 4, batch_first=True).eval()
    x, read = torch.randn(2, 5, 16), torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]) > 0
    with torch.inference_mode():
        found = _attend(attention, x, read[:, None, None])
        expected, _ = attention(x, x, x, key_padding_mask=~read)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
