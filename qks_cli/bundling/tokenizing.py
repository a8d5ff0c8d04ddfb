"""open_clip's tokenizers as ``tokenizers`` files, which need no open_clip to run.

A file also says what texts are padded with, and how they are cleaned before.
"""

from __future__ import annotations

import string
from typing import Any

import open_clip
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from qks_cli.errors import ModelError


def convert_tokenizer(tokenizer: Any) -> Tokenizer:
    """Raises ``ModelError`` for a kind that is not known."""
    if isinstance(tokenizer, open_clip.SimpleTokenizer):
        return _simple(tokenizer)
    if hasattr(tokenizer, "tokenizer") and hasattr(tokenizer.tokenizer, "backend_tokenizer"):
        return _hugging_face(tokenizer)
    raise ModelError(f"a tokenizer of an unknown kind: {type(tokenizer).__name__}")


def _hugging_face(tokenizer: Any) -> Tokenizer:
    """The fast tokenizer inside, with open_clip's cleaning before its own (SigLIP's lower-cases and
    drops punctuation) and its padding."""
    if getattr(tokenizer, "tokenizer_mode", "") or getattr(tokenizer, "strip_sep_token", False):
        raise ModelError("a tokenizer with a mode of its own, which is not supported yet")
    inner = tokenizer.tokenizer
    made: Tokenizer = Tokenizer.from_str(inner.backend_tokenizer.to_str())
    cleaning = _cleaning(tokenizer)
    own = [made.normalizer] if made.normalizer is not None else []
    made.normalizer = normalizers.Sequence([*cleaning, *own])
    made.enable_padding(pad_id=int(inner.pad_token_id or 0), pad_token=str(inner.pad_token or ""))
    return made


def _cleaning(tokenizer: Any) -> list[Any]:
    """What open_clip does to a text first: ``canonicalize``, ``lower`` or ``whitespace``."""
    kind = getattr(getattr(tokenizer, "clean_fn", None), "__name__", "_clean_whitespace")
    spaces = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    if kind == "_clean_canonicalize":
        marks = "".join("\\" + mark for mark in string.punctuation if mark != "_")
        return [
            normalizers.NFC(),
            normalizers.Replace("_", " "),
            normalizers.Replace(Regex(f"[{marks}]"), ""),
            normalizers.Lowercase(),
            *spaces,
        ]
    return [
        normalizers.NFC(),
        *([normalizers.Lowercase()] if kind == "_clean_lower" else []),
        *spaces,
    ]


def _simple(tokenizer: open_clip.SimpleTokenizer) -> Tokenizer:
    """CLIP's own byte pairs."""
    start, end = "<start_of_text>", "<end_of_text>"
    merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__)
    made = Tokenizer(models.BPE(vocab=tokenizer.encoder, merges=merges, end_of_word_suffix="</w>"))
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, tokenizer.sot_token_id), (end, tokenizer.eot_token_id)],
    )
    return made
