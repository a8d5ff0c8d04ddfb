"""Learning from verdicts, with a fake model in which photos are what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from qks_cli.errors import UsageError
from qks_cli.library import keywords, labels, learned, stacks, verdicts
from qks_cli.library.learned import StoredHead
from qks_cli.library.store import Library
from qks_cli.model.fake import QUERIES, WIDTH, Picture, direction, write_fake_bundle
from qks_cli.model.learned import Head, Learned, features, logit, probability
from qks_cli.model.learning import Measured
from qks_cli.model.model import Model
from qks_cli.packing import as_stored
from qks_cli.photos.walk import walk
from qks_cli.types import Float32Array, Photo, TaggedPhoto, UInt8Array
from qks_cli.vocabulary.labels_file import Label, Vocabulary
from qks_cli.workflows.cutoffs import scores_of
from qks_cli.workflows.diff import Choice, diff
from qks_cli.workflows.learn import LearnOptions, learn_examples, learn_labels, renew, unlearn
from qks_cli.workflows.naming import label_of
from qks_cli.workflows.report import Report
from qks_cli.workflows.stacks import group
from qks_cli.workflows.status import wanted_of
from qks_cli.workflows.suggest import suggest
from qks_cli.workflows.tag import Tagging, TagRun, retag
from qks_cli.workflows.words import choose_words
from tests.conftest import SEEN

LABELS = ("dog", "sky", "tree")
RNG = np.random.default_rng(7)


def tokens(*words: tuple[str, float], seed: int = 0) -> Float32Array:
    """Query tokens [M, E] of a photo of these words, with a little noise."""
    rng = np.random.default_rng(seed)
    made = rng.normal(0, 0.02, (QUERIES, WIDTH))
    for place, (word, cosine) in enumerate(words):
        made[place] += cosine * direction(word)
    return made.astype(np.float32)


def photo(number: int) -> Float32Array:
    """Dogs (0 to 39) that the text match hardly sees, wolves (40 to 79) that it takes for dogs, and
    others, in which there is sky. Every photo of rex (0 to 9) shows his collar."""
    if number < 40:
        words = [("dog", 0.55 + 0.001 * (number % 40)), ("bark", 0.6)]
        if number < 10:
            words.append(("collar", 0.7))
        return tokens(*words, seed=number)
    if number < 80:
        return tokens(("dog", 0.57 + 0.001 * (number % 40)), ("howl", 0.6), seed=number)
    return tokens(("sky", 0.9), seed=number)


def fill(library: Library, model: Model, numbers: Sequence[int] = range(160)) -> Tagging:
    """Photos as `qks tag` stores them; photo n has the id n + 1."""
    tagging = Tagging.from_words(model, choose_words(model, library.runs.kept()))
    target = tagging.destination(library)
    with library.runs.recorded("tag", target.model_id, target.vocabulary_id, tagging.chosen):
        stored = as_stored(np.stack([photo(n) for n in numbers]))
        tags = tagging.tagger(stored)
        library.save(
            [
                TaggedPhoto(Photo(Path(f"/p/{n:03}.jpg"), 1, 1), own, one, (8, 8))
                for n, own, one in zip(numbers, tags, stored, strict=True)
            ],
            [],
            model_id=target.model_id,
            vocabulary_id=target.vocabulary_id,
            selection=tagging.tagger.selection,
        )
    return tagging


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return Model.open(str(write_fake_bundle(tmp_path / "one", [], LABELS)))


@pytest.fixture
def library(tmp_path: Path, model: Model) -> Library:
    opened = Library.open(tmp_path / "l.db")
    fill(opened, model)
    return opened


def ids(*numbers: int) -> list[int]:
    return [number + 1 for number in numbers]


def judge(library: Library) -> None:
    verdicts.confirm(library, ids(*range(0, 12)), "dog", add=True)
    verdicts.reject(library, ids(*range(40, 52)), "dog", in_vocabulary=True)


def scores(library: Library, model: Model) -> np.ndarray:
    words = choose_words(model, library.runs.kept())
    tagger = Tagging.from_words(model, words).tagger
    return tagger.scores(np.stack([photo(n) for n in range(160)]).astype(np.float32))


def with_raw_files(library: Library, numbers: Sequence[int]) -> None:
    """Give photos a raw file each, which shares tags and verdicts."""
    found = library.photos.paths_of(ids(*numbers))
    _, own = library.tokens.of(list(found), 1)
    assert own is not None
    library.save(
        [
            TaggedPhoto(Photo(path.with_suffix(".dng"), 1, 1), (), one, (8, 8))
            for path, one in zip(found.values(), own, strict=True)
        ],
        [],
        model_id=1,
        vocabulary_id=1,
        selection="",
    )
    assert group(library)


def test_a_raw_file_is_no_evidence_beside_its_photo(library: Library, model: Model) -> None:
    judge(library)
    alone = learn_labels(library, model, LearnOptions(dry_run=True))
    keywords.keep(library, [(ids(0)[0], "file", ["Dog"])])
    with_raw_files(library, range(0, 160))
    # Everything is said of both, as by `qks tags` and in `qks review`.
    rows = stacks.leads(library)
    stacks.copy_verdicts(library, list(rows.items()))
    keywords.keep(library, [(x, "file", ["Dog"]) for x in rows])
    assert library.value("SELECT count(*) FROM verdicts") == 48
    assert learn_labels(library, model, LearnOptions(dry_run=True)) == alone
    assert learned.keyword_photos(library)["dog"] == {*ids(*range(160))}
    # What was said of the raw file alone is said of its photo; the photo's own comes first.
    other = {lead: member for member, lead in rows.items()}
    verdicts.confirm(library, [other[ids(60)[0]], other[ids(40)[0]]], "dog", add=True)
    said = learned.verdicts(library)["dog"]
    assert said[ids(60)[0]] and not said[ids(40)[0]]
    assert set(said) == {*ids(*range(12), *range(40, 52), 60)}


def test_no_raw_file_is_suggested_beside_its_photo(library: Library, model: Model) -> None:
    before = [x.path for x in suggest(library, ["dog"], limit=30, model=model)]
    with_raw_files(library, range(0, 160))
    assert [x.path for x in suggest(library, ["dog"], limit=30, model=model)] == before


def test_a_raw_file_stands_for_no_photo_of_its_own_around_a_cutoff(
    library: Library, model: Model
) -> None:
    before = scores_of(library, "dog", model=model)
    with_raw_files(library, range(0, 160))
    after = scores_of(library, "dog", model=model)
    assert after.ids_N.tolist() == before.ids_N.tolist()
    assert after.counts() == before.counts()


def everything(library: Library) -> list[tuple[object, ...]]:
    sql = (
        "SELECT photo_id, name, score, token, implied FROM tags JOIN labels ON labels.id = label_id"
    )
    return sorted(library.rows(sql))


def alike(one: list[tuple[object, ...]], two: list[tuple[object, ...]]) -> bool:
    """The same tags: scores may differ in bits that depend on how many labels were scored."""
    return [[*x[:2], *x[3:]] for x in one] == [[*x[:2], *x[3:]] for x in two] and bool(
        np.allclose([x[2] for x in one], [x[2] for x in two], atol=1e-5)  # type: ignore[arg-type]
    )


def test_verdicts_teach_what_the_words_do_not(library: Library, model: Model) -> None:
    before = scores(library, model)
    judge(library)
    found = learn_labels(library, model)
    (one,) = found.labels
    assert (one.label, one.confirmed, one.rejected, one.learned) == ("dog", 12, 12, True)
    assert one.measured is not None
    assert one.measured.precision_before is not None
    assert one.measured.precision > one.measured.precision_before
    assert found.rescored == 160
    after = scores(library, model)
    # Photos of which nothing was said: dogs now stand above wolves.
    assert before[12:40, 0].mean() < before[52:80, 0].mean()
    assert after[12:40, 0].min() > after[52:80, 0].max()
    carry = {photo_id for photo_id, _ in library.tags.carried("dog")}
    assert len(carry & set(ids(*range(12, 40)))) > len(carry & set(ids(*range(52, 80))))


def test_five_verdicts_help(library: Library, model: Model) -> None:
    def inversions() -> float:
        """The share of pairs in which a wolf of which nothing was said stands above such a dog."""
        dogs, wolves = scores(library, model)[3:40, 0], scores(library, model)[42:80, 0]
        return float((wolves[:, None] > dogs).mean())

    before = inversions()
    verdicts.confirm(library, ids(0, 1, 2), "dog", add=True)
    verdicts.reject(library, ids(40, 41), "dog", in_vocabulary=True)
    (one,) = learn_labels(library, model).labels
    assert one.learned and (one.confirmed, one.rejected) == (3, 2)
    assert before > 0.5
    assert inversions() < 0.1


def test_labels_without_evidence_stay_as_they_are_to_the_last_bit(
    library: Library, model: Model
) -> None:
    before, others = scores(library, model), [x for x in everything(library) if x[1] != "dog"]
    judge(library)
    learn_labels(library, model)
    after = scores(library, model)
    assert before[:, 1:].tobytes() == after[:, 1:].tobytes()
    assert before[:, 0].tobytes() != after[:, 0].tobytes()
    assert [x for x in everything(library) if x[1] != "dog"] == others


def test_a_dry_run_changes_nothing(library: Library, model: Model) -> None:
    judge(library)
    before = everything(library), scores(library, model).tobytes()
    found = learn_labels(library, model, LearnOptions(dry_run=True))
    assert [one.learned for one in found.labels] == [True]
    assert found.rescored == 0
    assert learned.heads(library) == ()
    assert (everything(library), scores(library, model).tobytes()) == before


def test_what_was_learned_is_taken_back_one_by_one(library: Library, model: Model) -> None:
    judge(library)
    bare = everything(library), scores(library, model).tobytes()
    learn_labels(library, model)
    once = everything(library), scores(library, model).tobytes()
    verdicts.confirm(library, ids(*range(12, 20)), "dog", add=True)
    verdicts.reset(library, ids(*range(12, 20)), "dog")
    learn_examples(library, "rex", ids(*range(5)), model=model)
    assert unlearn(library, model) == ["rex"]
    verdicts.reset(library, ids(*range(5)), "rex")
    assert alike(everything(library), once[0])
    assert scores(library, model).tobytes() == once[1]
    assert unlearn(library, model) == ["dog"]
    assert alike(everything(library), bare[0])
    assert scores(library, model).tobytes() == bare[1]
    assert unlearn(library, model) is None


def test_a_label_that_gains_nothing_is_left_alone(library: Library, model: Model) -> None:
    # Nothing but chance tells these from those: the text match is right already.
    verdicts.confirm(library, ids(*range(80, 90)), "sky", add=True)
    verdicts.reject(library, ids(*range(0, 10)), "sky", in_vocabulary=True)
    before = scores(library, model).tobytes()
    (one,) = learn_labels(library, model).labels
    assert not one.learned
    assert one.reason.startswith("left alone")
    assert scores(library, model).tobytes() == before
    assert learned.heads(library) == ()


def test_too_little_evidence_is_said(library: Library, model: Model) -> None:
    verdicts.confirm(library, ids(0), "dog", add=True)
    (one,) = learn_labels(library, model).labels
    assert (one.learned, one.measured) == (False, None)
    assert "too little" in one.reason
    with pytest.raises(UsageError, match="nothing was confirmed"):
        learn_labels(library, model, LearnOptions(("tree",)))


def test_a_name_becomes_a_label_by_examples(library: Library, model: Model) -> None:
    found = learn_examples(library, "rex", ids(*range(5)), ids(20, 21, 50), model=model)
    (one,) = found.labels
    assert (one.label, one.alone, one.learned) == ("rex", True, True)
    carry = {photo_id for photo_id, _ in library.tags.carried("rex")}
    assert carry == set(ids(*range(10)))  # five of them nobody named
    # It stays with later runs and other words, and `qks status` calls photos current.
    assert retag(library, Tagging.open(str(model.bundle.path), kept=library.runs.kept())).anew == 0
    row = library.row("SELECT selection FROM photos WHERE id = 7")
    wanted = wanted_of(str(model.bundle.path), kept=library.runs.kept())
    assert row == (wanted.selection,)
    with pytest.raises(UsageError, match="both as an example"):
        learn_examples(library, "rex", ids(1), ids(1), model=model)


def test_keywords_are_examples(library: Library, model: Model) -> None:
    keywords.keep(library, [(n + 1, "file", ["Dog"]) for n in range(12)])
    assert learn_labels(library, model, LearnOptions()).labels == ()
    (one,) = learn_labels(library, model, LearnOptions(from_keywords=True, dry_run=True)).labels
    assert (one.label, one.confirmed, one.rejected) == ("dog", 12, 0)
    assert one.presumed > 100


def test_other_words_are_compared_with_what_was_learned(
    library: Library, model: Model, tmp_path: Path
) -> None:
    judge(library)
    learn_labels(library, model)
    for judged in (*range(12), *range(40, 52)):  # what verdicts hold is no difference of words
        verdicts.reset(library, ids(judged), "dog")
    words = tmp_path / "words.txt"
    words.write_text("\n".join(LABELS))
    found = diff(library, "now", str(words), Choice(str(model.bundle.path)))
    assert (found.common, found.changed) == (160, ())


def test_a_new_model_learns_from_the_same_photos(
    library: Library, model: Model, tmp_path: Path
) -> None:
    judge(library)
    learn_labels(library, model)
    other = Model.open(str(write_fake_bundle(tmp_path / "two", [], [*LABELS, "cup"], name="two")))
    assert other.hash != model.hash
    assert renew(library, other) == 0  # no photo is of it yet
    fill(library, other)
    assert renew(library, other) == 1
    assert {(x.label, x.model_hash) for x in learned.heads(library)} == {
        ("dog", model.hash),
        ("dog", other.hash),
    }
    after = scores(library, other)
    assert after[12:40, 0].min() > after[52:80, 0].max()
    assert renew(library, other) == 0


def test_suggested_photos_are_unsure_unjudged_and_different(library: Library, model: Model) -> None:
    judge(library)
    found = suggest(library, ["dog"], limit=8, model=model)
    assert len({one.path for one in found}) == len(found) == 8
    judged = {f"/p/{n:03}.jpg" for n in (*range(12), *range(40, 52))}
    assert not judged & {str(one.path) for one in found}
    kinds = {int(one.path.stem) // 40 for one in found}
    assert {0, 1} <= kinds  # dogs and wolves: both are near the cut-off, and differ
    with pytest.raises(UsageError, match="not one of the words"):
        suggest(library, ["zebra"], model=model)


def test_a_merged_label_is_one_label_for_all_who_ask(library: Library, model: Model) -> None:
    judge(library)
    verdicts.confirm(library, ids(90), "tree", add=True)
    verdicts.reset(library, ids(90), "tree")
    labels.merge(library, "tree", "dog")
    labels.rename(library, "sky", "heaven")
    vocabulary = choose_words(model, library.runs.kept()).vocabulary
    for word, own in {
        "dog": "dog", "DOG": "dog", "tree": "dog", "heaven": "sky", "Heaven": "sky", "sky": "sky",
    }.items():  # fmt: skip
        assert label_of(library, vocabulary, word).name == own
    with pytest.raises(UsageError, match="not one of the words"):
        label_of(library, vocabulary, "cup")
    for asked in ("dog", "tree"):
        (one,) = learn_labels(library, model, LearnOptions((asked,), dry_run=True)).labels
        assert (one.label, one.alone, one.confirmed) == ("dog", False, 12)
        assert scores_of(library, asked, model=model).label == "dog"
        assert {x.label for x in suggest(library, [asked], limit=3, model=model)} == {"dog"}


def test_photos_judged_under_a_new_name_are_not_suggested(library: Library, model: Model) -> None:
    labels.rename(library, "dog", "hound")
    verdicts.confirm(library, ids(*range(12)), "hound", add=True)
    found = suggest(library, ["hound"], limit=100, model=model)
    assert found
    assert not {f"/p/{n:03}.jpg" for n in range(12)} & {str(one.path) for one in found}


def test_heads_are_stored_as_they_are() -> None:
    head = Head("dog", False, 0.5, RNG.normal(size=6).astype(np.float32), -1.0)
    again = Head.from_bytes("dog", False, head.to_bytes())
    assert again.weights_F.tobytes() == head.weights_F.tobytes()
    assert (again.gain, again.bias) == (0.5, -1.0)
    with pytest.raises(ValueError, match="damaged"):
        Head.from_bytes("dog", False, b"\0\0\xc0\x7f" * 4)


def test_a_head_that_adds_nothing_keeps_the_score() -> None:
    vocabulary = Vocabulary((Label("dog"), Label("sky")))
    placed = Learned((Head("sky", False, 1.0, np.zeros(6, np.float32), 0.0),)).over(vocabulary)
    assert placed is not None
    text_BC = RNG.uniform(0.01, 0.99, (4, 2)).astype(np.float32)
    tokens_BME = RNG.normal(size=(4, 2, 3)).astype(np.float32)
    np.testing.assert_allclose(placed.applied(tokens_BME, text_BC), text_BC, atol=1e-5)
    np.testing.assert_allclose(probability(logit(text_BC)), text_BC, atol=1e-5)
    np.testing.assert_array_equal(features(tokens_BME)[:, 3:], tokens_BME.max(1))
    assert (
        Learned((Head("cup", False, 1.0, np.zeros(6, np.float32), 0.0),)).over(vocabulary) is None
    )


def test_a_run_with_a_new_model_learns_again_and_says_so(
    photos: Path,
    pictures: dict[str, UInt8Array],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Four photos measure no gain; here it matters what is done with one.
    monkeypatch.setattr(Measured, "better", property(lambda self: True))

    def bundle(name: str, labels: Sequence[str]) -> Model:
        known = [Picture(pixels, SEEN[name]) for name, pixels in pictures.items()]
        return Model.open(str(write_fake_bundle(tmp_path / name, known, labels, name=name)))

    one, two = bundle("first", LABELS), bundle("second", [*LABELS, "cup"])
    notes: list[str] = []
    with Library.open(tmp_path / "run.db") as library:
        for model in (one, two):
            tagging = Tagging.from_words(model, choose_words(model, library.runs.kept()))
            run = TagRun(tagging, library, report=Report(note=notes.append))
            list(run.results(walk([photos])))
            if model is one:
                head = Head("dog", False, 1.0, np.zeros(2 * WIDTH, np.float32), 0.0)
                row = StoredHead("dog", False, False, one.hash, head.to_bytes())
                learned.keep(library, [row], None)
                ids_ = sorted(library.photos.tagged_ids())
                verdicts.confirm(library, ids_[:2], "dog", add=True)
                verdicts.reject(library, ids_[2:], "dog", in_vocabulary=True)
        hashes = {stored.model_hash for stored in learned.heads(library)}
        again = any("learned again" in note for note in notes)
        assert again == (two.hash in hashes)
        assert again
        (selection,) = {row[0] for row in library.rows("SELECT DISTINCT selection FROM photos")}
        assert "learned" in selection
