"""First passes of a search by meaning, held against every query token; one JSON line each.

Query tokens are those of real photos of the pool (not perturbed), phrases are 150 words of the
default vocabulary and 30 sentences. For every first pass: its bytes a photo, and of the twenty best
photos by every query token the share that is among its own best 1, 2, 4 and 8 in a hundred, the
mean over phrases and the least. ``growth`` has, for libraries of growing size, how many photos
the compact first pass has to hand on to find 0.98 and 0.99 of the best twenty, and all of them for
the median, 95 of 100 and the worst phrase. ``--libraries`` adds faiss (inverted lists and product
quantisation) and usearch (a graph, half precision), over every query token and over their mean,
and ``lists``: photos in lists by their mean token, as an index of compact vectors on a disk would
have them, of which a search reads those whose mean query tokens fit best: of the best twenty the
share that is in the first 2 to 30 hundredths of all photos.

    python benchmarks/first_pass.py --pool POOL --folder SCRATCH --photos 20000
"""

from __future__ import annotations

import argparse
import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from qks_cli.model.model import Model, Phrase
from qks_cli.photos.recognise import PILLOW_FORMATS
from qks_cli.search import compact
from qks_cli.similarity import max_similarity, unit
from qks_cli.types import Float32Array, IntArray

BEST = 20
WORDS = 150
SENTENCES = (
    "people dancing in the rain;a cup of coffee;a red bus in the rain;"
    "children playing on the beach;a dog running through grass;"
    "old man reading a newspaper;city skyline at night;"
    "snow covered mountains;a plate of pasta;two cats on a sofa;sunset over the sea;"
    "a man riding a bicycle;a crowded market;wedding dress;birthday cake with candles;"
    "a boat on a lake;an empty street;a laptop on a desk;flowers in a vase;a bird on a branch;"
    "a group of friends;black and white portrait;a bridge over a river;a train at a station;"
    "kitchen with wooden table;football players;a castle on a hill;a bowl of fruit;"
    "an aeroplane in the sky;a horse in a field"
).split(";")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pool", type=Path, required=True, help="folder of photos.jsonl and zips")
    parser.add_argument("--folder", type=Path, required=True, help="scratch folder")
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--libraries", action="store_true")
    given = parser.parse_args()
    model = Model.open("mini")
    tokens_NME = pool_tokens(model, given.pool, given.folder / "tokens.npy", given.photos)
    tokens_NME = tokens_NME[: given.photos].astype(np.float32)
    phrases_KE = unit(phrases(model))
    best = best_of(max_similarity(tokens_NME, phrases_KE))
    for name, size, scores_NK in first_passes(tokens_NME, phrases_KE):
        show({"pass": name, "bytes": size} | shares(ranks(scores_NK, best), len(tokens_NME)))
    count = 2500
    while count <= len(tokens_NME):
        show({"growth": count} | growth(tokens_NME[:count], phrases_KE))
        count *= 2
    if given.libraries:
        for count in (2500, 5000, 10_000, 20_000):  # as far as there are photos
            if count <= len(tokens_NME):
                some_NME = tokens_NME[:count]
                nearest = best_of(max_similarity(some_NME, phrases_KE))
                for row in lists(some_NME, phrases_KE, nearest):
                    show({"photos": count} | row)
        for row in libraries(tokens_NME, phrases_KE, best):
            show(row)


def show(row: dict[str, object]) -> None:
    print(json.dumps(row), flush=True)


def pool_tokens(model: Model, pool: Path, cache: Path, count: int) -> Float32Array:
    """Query tokens [N, M, E] of photos from all over the pool."""
    if not cache.exists():
        rows = [json.loads(line) for line in (pool / "photos.jsonl").open(encoding="utf-8")]
        size, archives, parts = model.bundle.image_size, {}, []
        chosen = np.random.default_rng(0).permutation(len(rows))[:count]
        for at in range(0, count, 16):
            pixels = []
            for row in chosen[at : at + 16]:
                source, _, name = rows[row]["file"].partition("/")
                if source not in archives:
                    archives[source] = zipfile.ZipFile(pool / f"{source}.zip")
                data = io.BytesIO(archives[source].read(name))
                picture = Image.open(data, formats=PILLOW_FORMATS).convert("RGB")
                pixels.append(np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC)))
            parts.append(model.query_tokens(np.stack(pixels)).astype(np.float16))
        np.save(cache, np.concatenate(parts))
    found: Float32Array = np.load(cache)
    return found


def phrases(model: Model) -> Float32Array:
    """Vectors [K, E]."""
    tagger = model.tagger(model.vocabulary())
    chosen = np.random.default_rng(3).permutation(len(tagger.labels_CE))[:WORDS]
    meant = [model.meanings([[Phrase(text)]])[0].vector_E for text in SENTENCES]
    return np.concatenate([tagger.labels_CE[chosen], np.stack(meant)])


def first_passes(
    tokens_NME: Float32Array, phrases_KE: Float32Array
) -> Iterator[tuple[str, int, Float32Array]]:
    """Name, bytes a photo, scores [N, K]."""
    queries, width = tokens_NME.shape[1:]
    basis_ED = compact.directions(tokens_NME[:4096])
    block = compact.pack(list(range(len(tokens_NME))), tokens_NME, basis_ED)
    size = width + queries * compact.DIRECTIONS
    yield "compact", size, compact.raw_scores(block, basis_ED, phrases_KE)
    mean_NE = tokens_NME.mean(1)
    yield "mean, single precision", 4 * width, mean_NE @ phrases_KE.T
    centred_NE = mean_NE - mean_NE.mean(0)
    _, axes_EE = np.linalg.eigh(centred_NE.T @ centred_NE)
    axes_EE = axes_EE[:, ::-1]
    for kept in (32, 64, 128):
        axes_EK = axes_EE[:, :kept]
        scores_NK = (centred_NE @ axes_EK) @ (axes_EK.T @ phrases_KE.T)
        yield f"mean, its {kept} main directions", kept, scores_NK
    yield "mean, signs alone", width // 8, np.sign(centred_NE) @ phrases_KE.T
    yield "mean, signs of both", width // 8, np.sign(centred_NE) @ np.sign(phrases_KE).T
    rest_NMD = four_bits((tokens_NME - mean_NE[:, None]) @ basis_ED)
    rest_NK = max_similarity(rest_NMD, phrases_KE @ basis_ED)
    axes_EK = axes_EE[:, :128]
    scores_NK = four_bits(centred_NE @ axes_EK) @ (axes_EK.T @ phrases_KE.T) + rest_NK
    yield "compact of 128 directions, 4 bits", 64 + size // 2 - width // 2, scores_NK


def four_bits(values: Float32Array) -> Float32Array:
    """Rounded to 15 steps, one scale a photo."""
    scale = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True) / 7
    return np.asarray(np.round(values / scale) * scale, np.float32)


def best_of(scores_NK: Float32Array) -> IntArray:
    """Rows of the best photos [BEST, K]."""
    return np.argsort(-scores_NK, axis=0)[:BEST]


def ranks(scores_NK: Float32Array, best: IntArray) -> IntArray:
    """Where the best photos stand by other scores [BEST, K]."""
    place_NK = np.argsort(np.argsort(-scores_NK, axis=0), axis=0)
    return np.take_along_axis(place_NK, best, 0)


def shares(ranks_BK: IntArray, photos: int) -> dict[str, object]:
    """Mean and least over phrases, of so many in a hundred photos."""
    found: dict[str, object] = {}
    for hundredths in (1, 2, 4, 8):
        share_K = (ranks_BK < photos * hundredths // 100).mean(0)
        found[f"{hundredths}%"] = [round(float(share_K.mean()), 3), float(share_K.min())]
    return found


def growth(tokens_NME: Float32Array, phrases_KE: Float32Array) -> dict[str, object]:
    """How many photos the compact first pass has to hand on."""
    best = best_of(max_similarity(tokens_NME, phrases_KE))
    _, _, scores_NK = next(first_passes(tokens_NME, phrases_KE))
    ranks_BK = ranks(scores_NK, best)
    every = np.sort(ranks_BK.ravel())
    least = {share: int(every[int(share * len(every))]) + 1 for share in (0.98, 0.99)}
    all_K = ranks_BK.max(0) + 1
    return {f"{share}": count for share, count in least.items()} | {
        "all": [int(np.percentile(all_K, share)) for share in (50, 95, 100)]
    }


def libraries(
    tokens_NME: Float32Array, phrases_KE: Float32Array, best: IntArray
) -> Iterator[dict[str, object]]:
    """faiss and usearch over every query token, and over the mean of a photo's."""
    import faiss
    from usearch.index import Index

    faiss.omp_set_num_threads(1)
    photos, queries, width = tokens_NME.shape
    for name, vectors, per in (
        ("tokens", tokens_NME.reshape(-1, width), queries),
        ("mean", tokens_NME.mean(1), 1),
    ):
        lists = max(16, int(len(vectors) ** 0.5))
        inverted = faiss.index_factory(width, f"IVF{lists},PQ64", faiss.METRIC_INNER_PRODUCT)
        began = time.process_time()
        sample = np.random.default_rng(0).permutation(len(vectors))[:20_000]
        inverted.train(vectors[sample])
        inverted.add(vectors)
        built, size = time.process_time() - began, 72 * per
        for share in (0.05, 0.2):
            inverted.nprobe = int(share * lists)
            for hundredths in (2, 4):
                wanted = photos * hundredths // 100 * per
                began = time.process_time()
                _, found = inverted.search(phrases_KE, wanted)
                yield {
                    "library": f"faiss {name}, {share} of the lists",
                    "bytes": size,
                    "build_s": round(built, 1),
                    "ms": round((time.process_time() - began) / len(phrases_KE) * 1e3, 2),
                } | agreed(found // per, best, hundredths, photos)
        graph = Index(ndim=width, metric="ip", dtype="f16", connectivity=16, expansion_add=64)
        began = time.process_time()
        graph.add(np.arange(len(vectors)), vectors, threads=1)
        built, size = time.process_time() - began, graph.serialized_length // photos
        for hundredths in (2, 4):
            wanted = photos * hundredths // 100 * per
            graph.expansion_search = wanted
            began = time.process_time()
            keys = np.asarray(graph.search(phrases_KE, wanted, threads=1).keys)
            yield {
                "library": f"usearch {name}",
                "bytes": size,
                "build_s": round(built, 1),
                "ms": round((time.process_time() - began) / len(phrases_KE) * 1e3, 2),
            } | agreed(keys.astype(np.int64) // per, best, hundredths, photos)


def lists(
    tokens_NME: Float32Array, phrases_KE: Float32Array, best: IntArray
) -> Iterator[dict[str, object]]:
    """What of the best twenty lies in the lists that fit a phrase best."""
    import faiss

    faiss.omp_set_num_threads(1)
    photos = len(tokens_NME)
    means_NE = tokens_NME.mean(1)
    means_NE -= means_NE.mean(0)
    for count in (int(photos**0.5), 4 * int(photos**0.5)):
        clusters = faiss.Kmeans(means_NE.shape[1], count, niter=12, seed=1)
        clusters.train(means_NE)
        list_N = clusters.index.search(means_NE, 1)[1][:, 0]
        sizes_L = np.bincount(list_N, minlength=count)
        filled = np.flatnonzero(sizes_L)
        centres_LME = np.stack([tokens_NME[list_N == one].mean(0) for one in filled])
        order_LK = filled[np.argsort(-max_similarity(centres_LME, phrases_KE), axis=0)]
        found: dict[str, object] = {"lists": count}
        for hundredths in (2, 5, 10, 20, 30):
            shares = []
            for own, wanted in zip(order_LK.T, best.T, strict=True):
                read = own[: np.searchsorted(sizes_L[own].cumsum(), photos * hundredths / 100) + 1]
                shares.append(float(np.isin(list_N[wanted], read).mean()))
            found[f"{hundredths}%"] = [round(float(np.mean(shares)), 3), min(shares)]
        yield found


def agreed(found: IntArray, best: IntArray, hundredths: int, photos: int) -> dict[str, object]:
    """The share of the best photos among the first so many in a hundred that were found [K, …]."""
    shares = []
    for own, wanted in zip(found, best.T, strict=True):
        _, first = np.unique(own[own >= 0], return_index=True)
        kept = own[np.sort(first)][: photos * hundredths // 100]
        shares.append(float(np.isin(wanted, kept).mean()))
    return {f"{hundredths}%": [round(float(np.mean(shares)), 3), min(shares)]}


if __name__ == "__main__":
    main()
