"""Texts to token ids, by the bundle's own ``tokenizer.json``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qks_cli.model.bundle import Bundle


class TextTokenizer:
    """Ids [N, T], padded with what the file says, else with 0."""

    def __init__(self, bundle: Bundle) -> None:
        from tokenizers import Tokenizer

        self.length = bundle.context_length
        self.tokenizer = Tokenizer.from_file(str(bundle.file("tokenizer.json")))
        padding = self.tokenizer.padding
        self.pad_id = int(padding["pad_id"]) if padding else 0
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.length)

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        ids_NT = np.full((len(texts), self.length), self.pad_id, np.int64)
        for row, coded in enumerate(self.tokenizer.encode_batch(list(texts))):
            ids_NT[row, : len(coded.ids)] = coded.ids
        return ids_NT
