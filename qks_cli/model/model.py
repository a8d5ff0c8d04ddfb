"""One object for whoever needs a model: a bundle and the engine that runs it.

Pixels become query tokens, words become label vectors, and both together calibrated scores and
tags. What is not asked for is not loaded: a search reads no image network, a status no network.

Axes: B, N photos, H×W pixels, M query tokens, E label space, C labels, K phrases, T taught words.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qks_cli import settings
from qks_cli.folding import fold
from qks_cli.model import floor
from qks_cli.model.bundle import Bundle, read_bundle
from qks_cli.model.calibration import Calibration, LabelStats
from qks_cli.model.engine import Engine, open_engine
from qks_cli.model.floor import Floor
from qks_cli.model.selection import TOP, Selector
from qks_cli.model.tagger import LabelSpace, Tagger, selection_name
from qks_cli.packing import as_stored
from qks_cli.types import BoolArray, Float32Array, Tag, UInt8Array
from qks_cli.vocabulary import neighbours
from qks_cli.vocabulary.embeddings import EMBEDDINGS_FILE, embed_labels, read_known, to_length
from qks_cli.vocabulary.english import is_english, words_of
from qks_cli.vocabulary.labels_file import Label, Vocabulary, parse_labels, read_labels
from qks_cli.vocabulary.plurals import singular
from qks_cli.vocabulary.relatives import relatives_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from qks_cli.model.learned import Learned
    from qks_cli.photos.readers import Readers


@dataclass(frozen=True, slots=True)
class Phrase:
    """``text`` counts ``weight`` times in a sum of phrases; a negative weight takes it away."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase or a sum of phrases asks of photos: the vector [E] that their query tokens are
    compared with, and the scale that the best of those products stands on. ``worth`` (0 to 1) is
    what scores count when they are held against the floor: less where its words are like none that
    the model was taught."""

    vector_E: Float32Array
    calibration: Calibration
    stats: LabelStats
    worth: float = 1.0

    def probabilities(self, raw_N: Float32Array) -> Float32Array:
        """Raw scores [N], each the maximum over a photo's query tokens, to scores [N], 0 to 1."""
        return self.calibration.probabilities(raw_N[:, None], self.stats)[:, 0]


class Model:
    """A bundle and its engine. ``Model.open("mini")`` opens one by name."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        device: str = "cpu",
        threads: int = 0,
        cache: Path | None = None,
        engine: Engine | None = None,
    ) -> None:
        """``device`` and ``threads`` as for ``open_engine``; ``cache`` is the folder that keeps
        label embeddings (None: none are kept); ``engine`` replaces the one that would be opened."""
        self.bundle = bundle
        self.cache = cache
        self._device = device
        self._threads = threads
        self._engine = engine

    @classmethod
    def open(cls, name: str = "mini", *, device: str = "cpu", threads: int = 0) -> Model:
        """The model of that name, or in that folder, with the user's cache of label embeddings.

        Raises ``ModelError`` where it is missing or damaged."""
        return cls(read_bundle(name), device=device, threads=threads, cache=settings.cache_path())

    @property
    def name(self) -> str:
        """The model's name."""
        return self.bundle.name

    @property
    def hash(self) -> str:
        """SHA-256 of the model, in hexadecimal; no two models have the same."""
        return self.bundle.hash

    @property
    def cutoff(self) -> float:
        """The calibrated score, 0 to 1, from which a label becomes a tag by default."""
        return self.calibration.cutoff

    @cached_property
    def engine(self) -> Engine:
        """What runs the networks, opened when first needed. Raises as ``open_engine``."""
        return self._engine or open_engine(self.bundle, self._device, threads=self._threads)

    @cached_property
    def calibration(self) -> Calibration:
        """The scale of the scores. Raises ``ModelError`` where it is missing or damaged."""
        return Calibration.read(self.bundle)

    @cached_property
    def taught(self) -> Float32Array | None:
        """Vectors [T, E] of the words that the model was taught; None where it does not say."""
        if not self.bundle.has(neighbours.TAUGHT_FILE):
            return None
        return neighbours.read_taught(self.bundle.file(neighbours.TAUGHT_FILE))

    @cached_property
    def floor(self) -> Floor:
        """How well a photo must fit a phrase before that means anything: what the bundle says, else
        what is measured when it is first needed, and cached."""
        if self.bundle.has(floor.FLOOR_FILE):
            found = Floor.read(self.bundle.file(floor.FLOOR_FILE))
            if found is not None:
                return found
        kept = None if self.cache is None else self.cache / f"floor-{self.hash[:16]}.json"
        found = None if kept is None else Floor.read(kept)
        if found is None:
            nonsense = [Label(text, prompts=("{}",)) for text in floor.NONSENSE]
            found = floor.measure(self.calibration, self.label_vectors(nonsense))
            if kept is not None:
                with suppress(OSError):
                    found.write(kept)
        return found

    def unknown_words(self, phrase: str) -> list[str]:
        """Words of a phrase, folded, that the model cannot know: its text tower learnt English
        words. None where the tower is another one, of a model that read the web."""
        if self.bundle.config["model"].get("text") is None:
            return []
        words = words_of(phrase)
        if not words:  # numbers, single letters, signs
            return [fold(phrase)]
        return [word for word in words if not is_english(word) and word not in self._taught_words]

    @cached_property
    def _known(self) -> dict[str, Float32Array]:
        """Embeddings that the bundle brings along: of these words the text tower is not asked."""
        return (
            read_known(self.bundle.file(EMBEDDINGS_FILE))
            if self.bundle.has(EMBEDDINGS_FILE)
            else {}
        )

    @cached_property
    def _taught_names(self) -> list[str]:
        if not self.bundle.has(neighbours.TAUGHT_FILE):
            return []
        return neighbours.read_names(self.bundle.file(neighbours.TAUGHT_FILE))

    @cached_property
    def _taught_words(self) -> frozenset[str]:
        return frozenset(word for name in self._taught_names for word in words_of(name))

    @cached_property
    def _taught_rows(self) -> dict[str, int]:
        return {fold(name): row for row, name in enumerate(self._taught_names)}

    def vocabulary(self, labels: Sequence[str] | Path | Vocabulary | None = None) -> Vocabulary:
        """The words to tag with: lines as of a labels file (docs/labels.md), the path of such a
        file, a vocabulary, or None for the model's own. Raises ``VocabularyError``."""
        if isinstance(labels, Vocabulary):
            return labels
        if labels is None or isinstance(labels, Path | str):
            return read_labels(Path(labels or self.bundle.labels_file))[0]
        return parse_labels("\n".join(labels), "the given labels")[0]

    def tag(
        self,
        photos: Sequence[Path | str | Image],
        labels: Sequence[str] | Path | Vocabulary | None = None,
        *,
        min_score: float | None = None,
        top: int = TOP,
    ) -> list[list[Tag]]:
        """Choose the tags of each photo, best first.

        ``photos`` are paths or Pillow images, ``labels`` as for ``vocabulary``. Labels with a
        calibrated score of at least ``min_score`` (0 to 1; None: the model's own cut-off) become
        tags, at most ``top`` per photo. Raises ``PhotoError`` for a photo that cannot be read, and
        as ``vocabulary``.
        """
        tagger = self.tagger(self.vocabulary(labels), min_score=min_score, top=top)
        from qks_cli.photos.readers import Readers

        tags: list[list[Tag]] = []
        with Readers() as readers:
            for photo in photos:
                pixels_1HW3 = self._pixels(photo, readers)[None]
                tags += map(list, tagger(self.query_tokens(pixels_1HW3)))
        return tags

    def query_tokens(self, pixels_BHW3: UInt8Array) -> Float32Array:
        """Upright sRGB pixels, uint8 in the bundle's size, to query tokens [B, M, E].

        They are as the library stores them (packing.py), so that tags chosen now, and later from
        the library, are the same."""
        return as_stored(self.engine.query_tokens(pixels_BHW3))

    def tokens_of(self, files: Sequence[Any]) -> tuple[Float32Array, BoolArray]:
        """Query tokens [N, M, E] of photos, and which of them could be read [N]. ``files`` as for
        ``photos.loader.pixel_batches``; what cannot be read counts as black."""
        from qks_cli.photos.loader import pixel_batches

        bundle = self.bundle
        tokens_NME = np.zeros((len(files), bundle.queries, bundle.width), np.float32)
        read_N = np.zeros(len(files), bool)
        batches = pixel_batches(files, size=bundle.image_size, resize=bundle.resize)
        for rows, pixels_BHW3, read_B in batches:
            tokens_NME[rows] = self.query_tokens(pixels_BHW3)
            read_N[rows] = read_B
        return tokens_NME, read_N

    def tokens_of_photo(self, photo: Path | str | Image) -> Float32Array:
        """Query tokens [M, E] of one photo, a path or a Pillow image. Raises ``PhotoError`` where
        it cannot be read."""
        from qks_cli.photos.readers import Readers

        with Readers() as readers:
            pixels_1HW3 = self._pixels(photo, readers)[None]
        return np.asarray(self.query_tokens(pixels_1HW3)[0], np.float32)

    def embedded(self, labels: Sequence[Label], *, as_written: bool = False) -> Float32Array:
        """What the text tower makes of labels [C, E], before untaught words are interpolated;
        ``as_written`` as for ``embed_labels``."""
        return embed_labels(
            labels,
            templates=self.bundle.templates,
            embed=lambda texts: self.engine.text_embeddings(texts),
            model_hash=self.bundle.hash,
            cache=self.cache,
            length=self.bundle.label_length,
            known=self._known,
            as_written=as_written,
        )

    def label_vectors(self, labels: Sequence[Label], *, as_written: bool = False) -> Float32Array:
        """What query tokens are compared with [C, E]; words that the model was not taught are
        interpolated towards those that it was (vocabulary/neighbours.py)."""
        return self._interpolated(labels, self.embedded(labels, as_written=as_written))

    def tagger(
        self,
        vocabulary: Vocabulary,
        *,
        min_score: float | None = None,
        top: int = TOP,
        learned: Learned | None = None,
    ) -> Tagger:
        """Query tokens to tags of ``vocabulary``: at most ``top`` a photo, from ``min_score`` on (0
        to 1; None: the model's own cut-off). ``learned`` are heads of this model that say more
        than the words of their labels, and labels that are known by examples alone."""
        cutoff = self.cutoff if min_score is None else min_score
        placed = None if learned is None else learned.over(vocabulary)
        extra = () if placed is None else placed.extra
        return Tagger(
            self.calibration,
            Selector(
                Vocabulary((*vocabulary.labels, *extra)) if extra else vocabulary,
                min_score=cutoff,
                top=top,
            ),
            selection_name(cutoff, top, placed),
            partial(self._space, vocabulary.labels, len(extra)),
            placed,
        )

    def _space(self, labels: Sequence[Label], extra: int) -> LabelSpace:
        """Of labels with words, and of ``extra`` ones that are known by examples alone."""
        raw_CE = self.embedded(labels)
        labels_CE = self._interpolated(labels, raw_CE)
        trust_C = np.ones(len(raw_CE), np.float32)
        if self.taught is not None:
            trust_C = neighbours.trust(raw_CE, self.taught)
        stats = self.calibration.label_stats(labels_CE)
        none_XE = np.zeros((extra, labels_CE.shape[1]), labels_CE.dtype)
        return LabelSpace(np.concatenate([labels_CE, none_XE]), trust_C, stats)

    def meanings(self, sums: Sequence[Sequence[Phrase]]) -> list[Meaning]:
        """What each sum of phrases asks of photos, on the same scale as tags."""
        texts = list(dict.fromkeys(phrase.text for terms in sums for phrase in terms))
        labels = [Label(text) for text in texts]
        if "calibration" in vars(self):
            vectors_KE = self._embedded_once(labels)
        else:
            # The reference bank is read while the text tower loads: neither holds Python.
            with ThreadPoolExecutor(1) as pool:
                reading = pool.submit(lambda: self.calibration)
                vectors_KE = self._embedded_once(labels)
                reading.result()
        calibration = self.calibration
        vector_of = dict(zip(texts, self._interpolated(labels, vectors_KE), strict=True))
        worth_of = dict.fromkeys(texts, 1.0)
        if self.taught is not None:
            worth_K = neighbours.familiarity(vectors_KE, self.taught)
            worth_of = dict(zip(texts, worth_K.tolist(), strict=True))
        sums_KE = np.stack([self._sum(terms, vector_of) for terms in sums]).astype(np.float32)
        stats = calibration.label_stats(sums_KE)
        rows = [slice(k, k + 1) for k in range(len(sums))]
        return [
            Meaning(sum_E, calibration, stats[k], min(worth_of[term.text] for term in terms))
            for sum_E, k, terms in zip(sums_KE, rows, sums, strict=True)
        ]

    def _embedded_once(self, labels: Sequence[Label]) -> Float32Array:
        """As ``embedded``, and not kept in the cache."""
        return embed_labels(
            labels,
            templates=self.bundle.templates,
            embed=lambda texts: self.engine.text_embeddings(texts),
            model_hash=self.bundle.hash,
            cache=None,
            length=self.bundle.label_length,
            known=self._known,
        )

    def nearest_of(self, phrase: str, labels: Sequence[str]) -> list[str]:
        """Those of ``labels`` that the model was taught, nearest in meaning first; none where it
        does not say what it was taught."""
        if self.taught is None:
            return []
        names = self._taught_names
        row_of = {name: row for row, name in enumerate(names)}
        known = [label for label in labels if label in row_of]
        if not known:
            return []
        taught_TE = self.taught[[row_of[label] for label in known]]
        order = neighbours.order(self.embedded([Label(phrase)]), taught_TE)
        return [known[row] for row in order]

    def nearest_taught(self, labels: Sequence[Label]) -> list[tuple[str, float]] | None:
        """For each label the nearest word that the model was taught, and their cosine similarity;
        None where the model does not say what it was taught."""
        if self.taught is None:
            return None
        nearest_C, cosine_C = neighbours.nearest(self.embedded(labels), self.taught)
        names = self._taught_names
        return [(names[t], float(c)) for t, c in zip(nearest_C, cosine_C, strict=True)]

    def interpolated_from(
        self, labels: Sequence[Label], count: int
    ) -> list[list[tuple[str, float]]] | None:
        """For each label the taught words that it is brought towards where it is none itself,
        nearest first, with their cosine similarities; None as for ``nearest_taught``."""
        if self.taught is None:
            return None
        words_CK, cosine_CK = neighbours.interpolated_from(
            self.embedded(labels), self.taught, count
        )
        names = self._taught_names
        return [
            [(names[t], float(c)) for t, c in zip(words_K, cosine_K, strict=True)]
            for words_K, cosine_K in zip(words_CK, cosine_CK, strict=True)
        ]

    def _pixels(self, photo: Path | str | Image, readers: Readers) -> UInt8Array:
        side = self.bundle.image_size
        if not isinstance(photo, Path | str):
            return _squared(photo, side, self.bundle.resize)
        pixels_HW3 = np.empty((side, side, 3), np.uint8)
        readers.read(Path(photo), self.bundle.resize, pixels_HW3)
        return pixels_HW3

    def _sum(self, terms: Sequence[Phrase], vector_of: dict[str, Float32Array]) -> Float32Array:
        if len(terms) == 1:
            return vector_of[terms[0].text]
        total_E = np.sum([x.weight * vector_of[x.text] for x in terms], axis=0)
        return np.asarray(to_length(total_E[None], self.bundle.label_length)[0])

    def _interpolated(self, labels: Sequence[Label], own_CE: Float32Array) -> Float32Array:
        if self.taught is None:
            return own_CE
        labels_CE = neighbours.interpolate_to_known(own_CE, self.taught)
        relatives = [self._relatives(label) for label in labels]
        return neighbours.bring_to_relatives(labels_CE, own_CE, self.taught, relatives)

    def _relatives(self, label: Label) -> list[int]:
        """Rows of the taught words that a dictionary puts beside a label which is none itself; none
        where the label says itself how it is asked."""
        row_of = self._taught_rows
        name = fold(label.name)
        if label.prompts or name in row_of or singular(name) in row_of:
            return []
        return [row_of[word] for word in relatives_of(label.name) if word in row_of]


def _squared(image: Image, side: int, resize: str) -> UInt8Array:
    """A Pillow image as ``photos.decode.decode`` brings photos to a model: upright, [S, S, 3]."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    upright = ImageOps.exif_transpose(image).convert("RGB")
    box = None
    if resize == "crop":
        short = min(upright.size)
        left, top = (upright.width - short) / 2, (upright.height - short) / 2
        box = (left, top, left + short, top + short)
    small = upright.resize((side, side), Resampling.BICUBIC, box=box, reducing_gap=2.0)
    return np.asarray(small, np.uint8)
