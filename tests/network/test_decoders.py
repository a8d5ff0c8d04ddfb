"""Every decoder against its formulas, written once more in numpy.

Axes: B photos, P image tokens, W their width, M query tokens, D decoder width, E label space.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import erf

from qks_cli.network.config import DecoderConfig
from qks_cli.network.decoder import CompactDecoder, LinearProbe, ReferenceDecoder

Array = Any
B, P, W, E, HEADS = 3, 7, 10, 5, 2
CONFIG = DecoderConfig(queries=4, width=12, layers=2, heads=HEADS, ffn_ratio=1.5, dropout=0.3)


def spread(module: torch.nn.Module) -> Any:
    """Weights that are not all alike, norms and biases too."""
    torch.manual_seed(1)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, 0.2, 0.6)
    return module.eval()


def weights(module: torch.nn.Module) -> dict[str, Array]:
    return {name: value.double().numpy() for name, value in module.state_dict().items()}


def linear(w: dict[str, Array], name: str, x: Array) -> Array:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def norm(w: dict[str, Array], name: str, x: Array, eps: float) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
    return centred / scale * w[f"{name}.weight"] + w[f"{name}.bias"]


def attend(query: Array, key: Array, value: Array) -> Array:
    """Multi-head attention, one head after the other."""
    out = []
    for one in range(HEADS):
        part = slice(one * 12 // HEADS, (one + 1) * 12 // HEADS)
        q, k, v = query[..., part], key[..., part], value[..., part]
        logits = q @ k.swapaxes(-1, -2) / np.sqrt(12 / HEADS)
        shares = np.exp(logits - logits.max(-1, keepdims=True))
        out.append(shares / shares.sum(-1, keepdims=True) @ v)
    return np.concatenate(out, -1)


def gelu(x: Array) -> Array:
    return x * 0.5 * (1 + erf(x / np.sqrt(2)))


def parts(
    w: dict[str, Array], layer: str, key_value: str, memory: Array
) -> list[Callable[[Array], Array]]:
    """Self-attention, cross-attention and feed-forward of a layer."""

    def to_itself(h: Array) -> Array:
        own = f"{layer}.self_key_value"
        query = linear(w, f"{layer}.self_attention.query", h)
        mixed = attend(query, linear(w, f"{own}.key", h), linear(w, f"{own}.value", h))
        return linear(w, f"{layer}.self_attention.output", mixed)

    def to_image(h: Array) -> Array:
        query = linear(w, f"{layer}.cross_attention.query", h)
        key, value = (linear(w, f"{key_value}.{name}", memory) for name in ("key", "value"))
        return linear(w, f"{layer}.cross_attention.output", attend(query, key, value))

    def forward(h: Array) -> Array:
        inner = gelu(linear(w, f"{layer}.feed_forward.0", h))
        return linear(w, f"{layer}.feed_forward.2", inner)

    return [to_itself, to_image, forward]


def memory() -> torch.Tensor:
    return torch.randn(B, P, W, generator=torch.Generator().manual_seed(2))


def agree(decoder: torch.nn.Module, expected: Array) -> None:
    with torch.inference_mode():
        found = decoder(memory()).numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_the_reference_decoder_is_post_norm_with_keys_and_values_of_each_layer() -> None:
    decoder = spread(ReferenceDecoder(CONFIG, W, E))
    w = weights(decoder)
    h = np.broadcast_to(norm(w, "entry_norm", w["queries"], 1e-12), (B, 4, 12))
    for number in range(2):
        layer = f"layers.{number}"
        steps = parts(w, layer, f"key_values.{number}", memory().double().numpy())
        for place, step in enumerate(steps):
            h = norm(w, f"{layer}.norms.{place}", h + step(h), 1e-12)
    agree(decoder, h @ w["projection"])


def test_the_compact_decoder_is_pre_norm_with_keys_and_values_for_all_layers() -> None:
    decoder = spread(CompactDecoder(CONFIG, E, W))
    w = weights(decoder)
    h = np.broadcast_to(w["queries"], (B, 4, 12))
    for number in range(2):
        layer = f"layers.{number}"
        for place, step in enumerate(parts(w, layer, "key_value", memory().double().numpy())):
            h = h + step(norm(w, f"{layer}.norms.{place}", h, 1e-12))
    agree(decoder, linear(w, "projection", norm(w, "exit_norm", h, 1e-5)))


def test_the_linear_probe_reads_the_first_token_and_the_mean() -> None:
    probe = spread(LinearProbe(CONFIG, E, W))
    w, x = weights(probe), memory().double().numpy()
    both = np.concatenate([x[:, 0], x.mean(1)], 1)
    agree(probe, linear(w, "projection", norm(w, "norm", both, 1e-5))[:, None])


def test_what_decoders_start_with() -> None:
    """Query tokens and the last maps begin as the classes say, biases at nothing."""
    torch.manual_seed(1)
    config = DecoderConfig(queries=64, width=256, layers=1, heads=4)
    compact, probe = CompactDecoder(config, 512, 300), LinearProbe(config, 512, 150)
    reference = ReferenceDecoder(config, 300, 512)
    for weight, deviation in (
        (compact.queries, 0.5),
        (compact.projection.weight, 256**-0.5),
        (compact.key_value.key.weight, 0.02),
        (probe.projection.weight, 300**-0.5),
        (reference.queries, 0.02),
        (reference.projection, 256**-0.5),
    ):
        assert float(weight.detach().std()) == pytest.approx(deviation, rel=0.05)
    for bias in (compact.key_value.key.bias, compact.projection.bias, probe.projection.bias):
        assert not bias.detach().any()


def test_the_projection_of_the_backbone_is_taken_where_it_fits() -> None:
    given = torch.randn(12, E, generator=torch.Generator().manual_seed(3))
    assert torch.equal(ReferenceDecoder(CONFIG, W, E, given).projection, given)
    other = ReferenceDecoder(CONFIG, W, E, torch.zeros(12, E + 1)).projection
    assert other.shape == (12, E) and bool(other.detach().any())


@pytest.mark.parametrize("kind", [ReferenceDecoder, CompactDecoder])
def test_dropout_is_drawn_in_training_alone(kind: Any) -> None:
    made = kind(CONFIG, W, E) if kind is ReferenceDecoder else kind(CONFIG, E, W)
    decoder = spread(made)
    assert torch.equal(decoder(memory()), decoder(memory()))
    decoder.train()
    assert not torch.equal(decoder(memory()), decoder(memory()))
