from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qks_cli.folding import fold
from qks_cli.library import keywords
from qks_cli.library.paths import fold_key, path_key
from qks_cli.library.store import Library
from qks_cli.search import compact
from qks_cli.search.evaluation import Meaning
from qks_cli.search.filters import folded
from qks_cli.search.grammar import QueryError
from qks_cli.search.plan import make_plan
from qks_cli.search.ranking import Evidence, most_similar, search
from qks_cli.search.words import Words, match_labels
from qks_cli.types import Details, Photo, Tag, TaggedPhoto
from qks_cli.vocabulary.labels_file import parse_labels

VOCABULARY, _ = parse_labels(
    "dog | puppy\nbeach\nhot dog\ntraffic light\nberry\nperson | people", "x"
)


def lookup(word: str) -> str | None:
    label = VOCABULARY.lookup(word)
    return None if label is None else label.name


@pytest.mark.parametrize(
    ("query", "labels", "covered"),
    [
        ("dog beach", ("dog", "beach"), 1.0),
        ("Puppies on the BEACH", ("dog", "beach"), 1.0),
        ("a hot dog", ("hot dog",), 1.0),
        ("traffic lights", ("traffic light",), 1.0),
        ("red dog", ("dog",), 0.5),
        ("berries", ("berry",), 1.0),
        ("people", ("person",), 1.0),
        ("sunset", (), 0.0),
        ("!?", (), 0.0),
    ],
)
def test_words_to_labels(query: str, labels: tuple[str, ...], covered: float) -> None:
    assert match_labels(query, lookup) == Words(labels, covered)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    rows = [
        ("/both.jpg", [1, 1], (Tag("dog", 0.8, 0), Tag("beach", 0.6, 0))),
        ("/dog.jpg", [1, 0], (Tag("dog", 0.9, 0),)),
        ("/twin.jpg", [1, 0], (Tag("dog", 0.9, 0),)),
        ("/2023/none.heic", [0, 0], ()),
    ]
    details = [
        Details(taken_at="2023-06-30T23:59:59", camera="FUJIFILM X100V", iso=1600, rating=4),
        Details(taken_at="2023-07-01T00:00:00", exposure=0.004, aperture=2.8),
        Details(latitude=48.2, longitude=16.37),
        Details(),
    ]
    library = Library.open(tmp_path / "l.db")
    model = library.models.id_of("m", "1", "hash", 2, 2)
    words = library.vocabularies.id_of("d", "dog")
    photos = [
        TaggedPhoto(
            Photo(Path(path), 1, 1),
            tags,
            np.array([[0, 0], tokens], np.float16),
            (40, 30),
            None,
            detail,
        )
        for (path, tokens, tags), detail in zip(rows, details, strict=True)
    ]
    library.save(photos, (), model_id=model, vocabulary_id=words, selection="s")
    return library


def found(
    library: Library,
    query: str,
    *,
    meanings: bool = False,
    min_score: float = 0.0,
    limit: int = 20,
) -> list[tuple[str, float]]:
    """Hits of a query; every phrase means the second coordinate, halved."""
    plan = make_plan(query, lookup, min_score=min_score)
    meaning = Meaning(np.array([0, 1], np.float32), lambda raw_N: raw_N / 2)
    evidence = Evidence(
        library.models.stored("hash"),
        meanings={one: meaning for one in plan.phrases} if meanings else {},
        likes={one: np.array([[0, 0], [1, 1]], np.float32) for one in plan.likes},
    )
    hits = search(library, plan, evidence, limit=limit)
    return [(str(hit.path), round(hit.score, 3)) for hit in hits]


def names(library: Library, query: str) -> set[str]:
    return {Path(path).stem for path, _ in found(library, query)}


def test_by_tags(library: Library) -> None:
    assert found(library, "dog beach") == [("/both.jpg", 0.7)]
    everyone = [("/dog.jpg", 0.9), ("/twin.jpg", 0.9), ("/both.jpg", 0.8)]
    assert found(library, "dog") == everyone
    assert found(library, "dog", limit=1) == everyone[:1]
    assert found(library, "dog", min_score=0.85) == everyone[:2]
    assert found(library, "dog score:<0.85") == everyone[2:]
    assert found(library, "puppies -beach") == everyone[:2]
    assert found(library, "dog beach OR dog") == [
        ("/both.jpg", 0.94),
        ("/dog.jpg", 0.9),
        ("/twin.jpg", 0.9),
    ]
    assert found(library, "red dog") == [(path, score / 2) for path, score in everyone]
    assert found(library, "tag:dog NOT (tag:beach OR name:twin.jpg)") == [("/dog.jpg", 0.9)]


def test_by_meaning_and_both(library: Library) -> None:
    assert found(library, "sunset", meanings=True, min_score=0.1) == [("/both.jpg", 0.5)]
    both = found(library, "dog", meanings=True)
    assert both == [("/both.jpg", 0.9), ("/dog.jpg", 0.9), ("/twin.jpg", 0.9)]
    assert found(library, "dog + sunset", meanings=True) == [("/both.jpg", 0.5)]
    assert found(library, "sunset tag:beach", meanings=True) == [("/both.jpg", 0.3)]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("date:2023-06", {"both"}),
        ("date:2023", {"both", "dog"}),
        ("date:>2023-06-30", {"dog"}),
        ("date:2023-06-30..2023-07-01", {"both", "dog"}),
        ("date:..2022", set()),
        ('camera:"fujifilm x100v"', {"both"}),
        ("camera:x100", {"both"}),
        ("iso:>800", {"both"}),
        ("iso:100..1600 rating:>=3", {"both"}),
        ("exposure:1/250 aperture:f/2.8", {"dog"}),
        ("aperture:<2.8", set()),
        ("gps:48.21,16.4~5km", {"twin"}),
        ("gps:48.21,16.4~500m", set()),
        ("has:gps", {"twin"}),
        ("missing:tags", {"none"}),
        ("folder:/2023", {"none"}),
        ("folder:2023", {"none"}),
        ("type:heic", {"none"}),
        ("name:*O*", {"both", "dog", "none"}),
        ("shape:landscape -type:heic", {"both", "dog", "twin"}),
        ("-has:date", {"twin", "none"}),
        ("-iso:>=100", {"dog", "twin", "none"}),
        ("missing:date OR rating:4", {"both", "twin", "none"}),
    ],
)
def test_filters(library: Library, query: str, wanted: set[str]) -> None:
    assert names(library, query) == wanted


@pytest.mark.parametrize(
    ("query", "at"),
    [
        ("dog colour:red", 4),
        ("date:yesterday", 0),
        ("iso:fast", 0),
        ("gps:48.2", 0),
        ("gps:91,0~1km", 0),
        ("has:legs", 0),
        ("shape:round", 0),
        ("dog -unicorn", 5),
        ("tag:unicorn", 0),
        ("dog OR score>0.5", 7),
        ("dog NOT (a + b)", 9),
    ],
)
def test_errors_point_at_the_spot(library: Library, query: str, at: int) -> None:
    with pytest.raises(QueryError) as wrong:
        found(library, query)
    assert wrong.value.at == at
    assert wrong.value.message.endswith("\n     " + " " * at + "^")


def test_a_renamed_label_is_found_under_both_names(library: Library) -> None:
    library.execute("INSERT INTO labels (name) VALUES ('hound')")
    library.execute(
        "UPDATE labels SET shown_as = (SELECT id FROM labels WHERE name = 'hound') "
        "WHERE name = 'dog'"
    )
    assert [path for path, _ in found(library, "tag:dog beach")] == ["/both.jpg"]
    (hit,) = search(library, make_plan("dog beach", lookup), Evidence())
    assert [tag.label for tag in hit.tags] == ["hound", "beach"]


def test_the_first_pass_finds_what_all_tokens_find(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    library = Library.open(tmp_path / "l.db")
    model = library.models.id_of("m", "1", "hash", 4, 32)
    words = library.vocabularies.id_of("d", "dog")
    tokens_NME = rng.normal(size=(9000, 4, 32)).astype(np.float16)
    photos = [
        TaggedPhoto(Photo(Path(f"/{number:05}.jpg"), 1, 1), (), tokens_ME)
        for number, tokens_ME in enumerate(tokens_NME)
    ]
    library.save(photos, (), model_id=model, vocabulary_id=words, selection="s")
    plan = make_plan("sunset", lookup)
    direction_E = rng.normal(size=32).astype(np.float32)
    meaning = Meaning(direction_E, lambda raw_N: 1 / (1 + np.exp(-raw_N / 10)))
    evidence = Evidence(model, meanings={plan.phrases[0]: meaning})
    exact = search(library, plan, evidence, exact=True)
    for _ in range(2):  # blocks that are made, blocks that are read
        assert search(library, plan, evidence) == exact
    count = "SELECT count(*) FROM compact"
    assert library.value(count) == 3
    # A photo that changes takes its block with it, and is found by what it is now.
    tokens_ME = np.tile(direction_E, (4, 1)).astype(np.float16)
    changed = TaggedPhoto(Photo(Path("/05000.jpg"), 1, 1), (), tokens_ME)
    library.save([changed], (), model_id=model, vocabulary_id=words, selection="s")
    assert library.value(count) == 2
    assert search(library, plan, evidence)[0].path == Path("/05000.jpg")
    own_ME = tokens_NME[7].astype(np.float32)
    like = make_plan("like:x.jpg", lookup)
    beside = search(library, like, Evidence(model, likes={like.likes[0]: own_ME}))
    assert beside[0].path == Path("/00007.jpg")
    assert beside[0].score == pytest.approx(1, abs=1e-3)
    assert most_similar(library, model, own_ME) == beside


def test_blocks_without_photos_of_the_model_are_remembered(tmp_path: Path) -> None:
    library = Library.open(tmp_path / "l.db")
    words = library.vocabularies.id_of("d", "dog")
    rng = np.random.default_rng(3)
    models = [library.models.id_of(name, "1", name, 2, 32) for name in ("old", "new")]
    for model, numbers in zip(models, (range(4200), range(4200, 8400)), strict=True):
        photos = [
            TaggedPhoto(Photo(Path(f"/{n:05}.jpg"), 1, 1), (), rng.normal(size=(2, 32)))
            for n in numbers
        ]
        library.save(photos, (), model_id=model, vocabulary_id=words, selection="s")
    for _ in range(2):  # blocks that are made, blocks that are read
        found = [block.ids for block, _ in compact.blocks(library, models[1])]
        assert np.concatenate(found).tolist() == list(range(4201, 8401))
    sizes = "SELECT length(ids) > 0 FROM compact WHERE model_id = ? ORDER BY block"
    assert [row[0] for row in library.rows(sizes, (models[1],))] == [0, 1, 1]
    # A photo that comes to an empty block is found.
    again = TaggedPhoto(Photo(Path("/00007.jpg"), 1, 2), (), rng.normal(size=(2, 32)))
    library.save([again], (), model_id=models[1], vocabulary_id=words, selection="s")
    found = [block.ids for block, _ in compact.blocks(library, models[1])]
    assert np.concatenate(found).tolist() == [8, *range(4201, 8401)]


@pytest.mark.parametrize("deleted", [(), (1,), (3,), (2, 6)])
def test_photos_that_are_gone_or_failed_are_left_out(
    tmp_path: Path, deleted: tuple[int, ...]
) -> None:
    library = Library.open(tmp_path / "l.db")
    model = library.models.id_of("m", "1", "hash", 2, 2)
    words = library.vocabularies.id_of("d", "dog")
    photos = [
        TaggedPhoto(Photo(Path(f"/{n}.jpg"), 1, 1), (), np.ones((2, 2), np.float32))
        for n in range(1, 7)
    ]
    library.save(photos, (), model_id=model, vocabulary_id=words, selection="s")
    library.execute("UPDATE photos SET missing_since = 'now' WHERE id = 5")
    library.execute("UPDATE photos SET status = 'failed' WHERE id = 4")
    for photo_id in deleted:
        library.execute("DELETE FROM photos WHERE id = ?", (photo_id,))
    shown = [number for number in (1, 2, 3, 6) if number not in deleted]
    hits = found(library, "sunset", meanings=True)
    assert {path for path, _ in hits} == {f"/{number}.jpg" for number in shown}


def test_compact_scores_are_near_exact_ones() -> None:
    rng = np.random.default_rng(2)
    base = rng.normal(size=(1, 1, 40))
    tokens_NME = (base + 0.3 * rng.normal(size=(50, 4, 40))).astype(np.float32)
    basis_ED = compact.directions(tokens_NME)
    block = compact.pack(list(range(50)), tokens_NME, basis_ED)
    query_KE = rng.normal(size=(3, 40)).astype(np.float32)
    exact = (tokens_NME @ query_KE.T).max(1)
    about = compact.raw_scores(block, basis_ED, query_KE)
    assert np.corrcoef(exact.ravel(), about.ravel())[0, 1] > 0.95


NAMES = ["/Ärger.jpg", "/ferien/отпуск.jpg", "/STRASSE.jpg", "/İstanbul.jpg", "/Bo\u0308e/x.jpg"]


@pytest.fixture
def foreign(tmp_path: Path) -> Library:
    """Photos with names beyond ASCII, one of them not UTF-8, and a camera of that kind."""
    library = Library.open(tmp_path / "l.db")
    model = library.models.id_of("m", "1", "hash", 2, 2)
    words = library.vocabularies.id_of("d", "dog")
    tokens_ME = np.zeros((2, 2), np.float16)
    paths = [*NAMES, os.fsdecode(b"/caf\xe9.jpg"), os.fsdecode(b"/\xff folder/deep/y.jpg")]
    photos = [
        TaggedPhoto(Photo(Path(path), 1, 1), (), tokens_ME, details=Details(camera="Zöllner Ё"))
        for path in paths
    ]
    ids = library.save(photos, (), model_id=model, vocabulary_id=words, selection="s")
    keywords.keep(library, [(ids[0], "file", ["Grüße", "Cafe\u0301"])])
    return library


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("name:ärger", {"Ärger"}),
        ("name:ÄRGER*", {"Ärger"}),
        ("name:a\u0308rger.jpg", {"Ärger"}),
        ("name:Отпуск", {"отпуск"}),
        ("name:straße", {"STRASSE"}),
        ("name:istanbul", {"İstanbul"}),
        ("name:İSTANBUL", {"İstanbul"}),
        ("name:caf", {os.fsdecode(b"caf\xe9")}),
        ("name:café", {os.fsdecode(b"caf\xe9")}),
        (os.fsdecode(b"name:caf\xe9"), {os.fsdecode(b"caf\xe9")}),
        ("folder:FERIEN", {"отпуск"}),
        ("folder:BÖE", {"x"}),
        ("folder:/böe", {"x"}),
        ("folder:deep", {"y"}),
        (os.fsdecode(b'folder:"\xff folder"'), {"y"}),
        ("camera:zo\u0308llner camera:ё name:y.*", {"y"}),
        ("tag:grüsse", {"Ärger"}),
        ("CAFÉ", {"Ärger"}),
    ],
)
def test_letters_of_any_language(foreign: Library, query: str, wanted: set[str]) -> None:
    others = {fold(name): name for name in foreign.tags.names()}
    plan = make_plan(query, lambda word: others.get(fold(word)))
    assert {hit.path.stem for hit in search(foreign, plan, Evidence())} == wanted


@settings(deadline=None)
@given(st.text(max_size=12) | st.binary(max_size=8).map(lambda x: "/" + os.fsdecode(x)))
def test_sql_folds_as_python_does(text: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.create_function("qks_fold", 1, fold_key)
        key = path_key(Path(text)) if text else ""
        (found,) = connection.execute(
            f"WITH x(name) AS (VALUES (?)) SELECT {folded('name')} FROM x", (key,)
        ).fetchone()
        assert found == fold_key(key)
