"""The CPU engine: ONNX Runtime over the bundle's exported graphs; imports no torch.

Axes: B photos, M query tokens, E label space, N texts, T text tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from qks_cli import settings
from qks_cli.errors import ModelError
from qks_cli.model.bundle import WEIGHTS, Bundle
from qks_cli.model.places import over_places
from qks_cli.model.tokenizer import TextTokenizer
from qks_cli.types import Float32Array, UInt8Array

TEXT_BATCH = 256
FEW_TEXTS = 16  # up to here, making a graph faster takes longer than running it as it is
IMAGE_BATCH = 4  # more do not fit a processor's caches, which the decoding threads need too

CPU_FLAGS = Path("/proc/cpuinfo")


@cache
def adds_exactly(flags: Path = CPU_FLAGS) -> bool:
    """Whether this processor is known to add up products of 8-bit numbers without saturating.

    Without the VNNI instructions, x86 processors add pairs of them in 16 bits. False where the
    system does not say what the processor has."""
    try:
        words = set(flags.read_text(errors="replace").split())
    except OSError:
        return False
    return bool(words & {"avx512_vnni", "avx_vnni"})


class OnnxEngine:
    """``threads`` 0 takes every core for texts, and half of them for photos: the others decode.

    Sessions are made when needed: search reads no photo.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        self.bundle = bundle
        self.threads = threads or settings.processors()
        self._stays = False
        self.name = f"ONNX Runtime on {self.threads} CPU threads"

    def query_tokens(self, pixels_BHW3: UInt8Array) -> Float32Array:
        """See ``Engine``."""
        parts = []
        for at in range(0, len(pixels_BHW3), IMAGE_BATCH):
            some = pixels_BHW3[at : at + IMAGE_BATCH]
            # A batch of another size may be computed another way, which differs in the last
            # digits: a photo's tokens must not depend on how many others are read with it.
            full = np.pad(some, ((0, IMAGE_BATCH - len(some)), (0, 0), (0, 0), (0, 0)))
            parts.append(self._image.run(["tokens"], {"pixels": full})[0][: len(some)])
        return np.concatenate(parts, dtype=np.float32)

    def stay(self) -> None:
        """See ``Engine``."""
        self._stays = True

    def attention(self, pixels_BHW3: UInt8Array) -> Float32Array | None:
        """See ``Engine``."""
        if all(output.name != "attention" for output in self._image.get_outputs()):
            return None
        (attention_BHMP,) = self._image.run(["attention"], {"pixels": pixels_BHW3})
        return over_places(attention_BHMP.mean(1), self.bundle)

    def text_embeddings(self, texts: Sequence[str]) -> Float32Array:
        """See ``Engine``."""
        vectors_NE = np.empty((len(texts), self.bundle.width), np.float32)
        if "_tokenizer" not in vars(self):
            with ThreadPoolExecutor(1) as pool:  # the graph loads while the tokenizer does
                pool.submit(lambda: self._session_for(len(texts)))
                self._tokenizer  # noqa: B018
        ids_NT, text = self._tokenizer(texts), self._session_for(len(texts))
        lengths_N = (ids_NT != 0).sum(axis=1)
        # Texts of like length go together, so that a short one is not padded to the longest.
        order = np.argsort(lengths_N, kind="stable")
        fixed = text.get_inputs()[0].shape[1]  # open_clip's towers read texts of one length
        for start in range(0, len(order), TEXT_BATCH):
            rows = order[start : start + TEXT_BATCH]
            used = fixed if isinstance(fixed, int) else int(lengths_N[rows[-1]])
            vectors_NE[rows] = text.run(None, {"ids": ids_NT[rows, :used]})[0]
        return vectors_NE

    @cached_property
    def _tokenizer(self) -> TextTokenizer:
        return TextTokenizer(self.bundle)

    @cached_property
    def _image(self) -> Any:
        # Measured on two cores: a second thread doubles the model's CPU time and gains nothing.
        return self._session("image.onnx", max(1, self.threads // 2))

    @cached_property
    def _text(self) -> Any:
        return self._session("text.onnx", self.threads)

    @cached_property
    def _few_texts(self) -> Any:
        return self._session("text.onnx", self.threads, optimized=False)

    @cached_property
    def _often(self) -> Any:
        # A few short texts are done before a second thread begins.
        return self._session("text.onnx", 1)

    def _session_for(self, texts: int) -> Any:
        if texts > FEW_TEXTS:
            return self._text
        return self._often if self._stays else self._few_texts

    def _session(self, name: str, threads: int, *, optimized: bool = True) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        if not optimized:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Idle workers that spin would take the cores from the decoding threads.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not adds_exactly():
            # Slower by half, but sums of an 8-bit graph do not saturate.
            options.add_session_config_entry("session.x64quantprecision", "1")
        path = self.bundle.file(name)
        if self.bundle.has(WEIGHTS):  # graphs read what they share with it from there
            self.bundle.file(WEIGHTS)
        try:
            return onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own errors have no common public class
            raise ModelError(f"{path} cannot be run: {error}") from error
