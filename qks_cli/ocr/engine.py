"""Text in pictures by RapidOCR: PP-OCRv6's networks, which its package carries, by ONNX Runtime.

The only importer of rapidocr, the extra ``text``. It is handed pixels alone: no file is opened by
it, and nothing is fetched (its networks are named by their files, so that none is looked for).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from qks_cli.errors import MissingPackageError, install_extra
from qks_cli.types import UInt8Array

SIDE = 1600  # pixels of the longer side of what is read: of a page of A4, 150 a inch
_DETECTED = 960  # pixels of that side where lines are looked for; they are read at full size
_LEAST_SCORE = 0.6  # of a line, 0 to 1: below it are mostly patterns that look like letters
_MOST_LINES = 300  # of a photo: bounds the time that a hostile one can take
_NETWORKS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",  # turns lines that stand on their heads
}
NAME = f"PP-OCRv6 small, {SIDE} pixels"


class TextReader(Protocol):
    """What reads text. ``name`` says how; what was read in another way is read anew."""

    name: str

    def lines(self, pixels_HW3: UInt8Array) -> list[str]:
        """The lines of text in an upright sRGB picture, from top to bottom."""
        ...


class RapidReader:
    """RapidOCR on one thread. Not for several threads at a time."""

    name = NAME

    def __init__(self) -> None:
        """Raises ``MissingPackageError`` without the extra ``text``."""
        check_installed()
        import cv2
        import rapidocr

        cv2.setNumThreads(1)
        models = Path(rapidocr.__file__).parent / "models"
        self._engine: Any = rapidocr.RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.max_side_len": SIDE,
                "Global.text_score": _LEAST_SCORE,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Det.limit_type": "max",
                "Det.limit_side_len": _DETECTED,
                "Det.max_candidates": _MOST_LINES,
                **{f"{task}.model_path": str(models / file) for task, file in _NETWORKS.items()},
            }
        )

    def lines(self, pixels_HW3: UInt8Array) -> list[str]:
        """As ``TextReader``."""
        found = self._engine(np.ascontiguousarray(pixels_HW3[:, :, ::-1]))
        lines = [" ".join(text.split()) for text in found.txts or ()]
        return [line for line in lines if len(line) > 1]  # of one letter: a handle, a wheel


def check_installed() -> None:
    """Raise ``MissingPackageError`` without the extra ``text``, or with another release of it."""
    found = importlib.util.find_spec("rapidocr")
    hint = install_extra("text")
    if found is None or found.origin is None:
        raise MissingPackageError(
            "this needs rapidocr, which comes with the extra 'text'", hint=hint
        )
    models = Path(found.origin).parent / "models"
    if any(not (models / file).is_file() for file in _NETWORKS.values()):
        raise MissingPackageError(
            "the rapidocr that is installed does not carry the networks of PP-OCRv6", hint=hint
        )
