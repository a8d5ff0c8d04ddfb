"""What becomes of photos and sidecars, without a model and without a command line."""

from __future__ import annotations

import hashlib
import io
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qks_cli.keywords.choices import Backend, Style, Target
from qks_cli.keywords.embed import packet_of, parse
from qks_cli.keywords.formats import jpeg
from qks_cli.keywords.xmp import SUBJECT, TAGS_LIST, Packet
from qks_cli.library import ledger
from qks_cli.library.ledger import Write
from qks_cli.library.store import Library
from qks_cli.workflows.checking import verify_all
from qks_cli.workflows.photo_writer import Options
from tests.keywords import files
from tests.photos.made import psd
from tests.workflows.libraries import (
    WORDS,
    chosen,
    is_in_step,
    library_of,
    tag,
    undo,
    untag,
    write,
)

EMBED = Options(to=Target.embed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "photos"
    made.mkdir()
    return made


def opened(folder: Path, **photos: bytes) -> Library:
    """A library of these photos (``a_jpg`` is a.jpg), all with the same tags."""
    paths = {folder / name.replace("_", "."): data for name, data in photos.items()}
    for path, data in paths.items():
        path.write_bytes(data)
    return library_of(folder.parent / "library.db", dict.fromkeys(paths, WORDS))


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def subjects(file: Path) -> list[str]:
    return Packet(file.read_bytes()).keywords(SUBJECT)


@pytest.fixture
def shared(folder: Path) -> Iterator[Library]:
    """Two photos beside one sidecar with a keyword of the user's."""
    (folder / "x.xmp").write_bytes(files.packet("Grandma"))
    with opened(folder, x_jpg=files.jpeg(), x_png=files.png()) as library:
        yield library


@pytest.mark.parametrize("style", Style)
def test_photos_of_one_name_get_a_sidecar_each(shared: Library, folder: Path, style: Style) -> None:
    before = everything(folder)
    outcomes = write(shared, Options(style=style))
    assert {outcome.status for outcome in outcomes.values()} == {"written"}
    assert outcomes["x.jpg"].file.name == "x.xmp"
    assert outcomes["x.png"].file.name == "x.png.xmp"
    assert subjects(folder / "x.xmp") == ["Grandma", *WORDS]
    assert subjects(folder / "x.png.xmp") == list(WORDS)
    assert {one.status for one in verify_all(shared, chosen(shared))} == {"ok"}
    assert {one.status for one in write(shared).values()} == {"unchanged"}
    untag(shared)
    assert everything(folder) == before


@pytest.mark.parametrize("style", Style)
def test_new_sidecars_of_one_name(folder: Path, style: Style) -> None:
    with opened(folder, x_jpg=files.jpeg(), x_png=files.png(), x_jpg_png=files.png()) as library:
        written = {outcome.file for outcome in write(library, Options(style=style)).values()}
        assert len(written) == 3
        assert all(file.exists() for file in written)


def as_before_0_2(library: Library, folder: Path, *names: str) -> None:
    """Write one sidecar for several photos, the later over the earlier."""
    by_name = {path.name: photo_id for photo_id, path in chosen(library)}
    run = library.runs.begin("write", *library.runs.latest())
    side = folder / "x.xmp"
    for name, word in zip(names, WORDS, strict=True):
        old = side.read_bytes()
        new = old.replace(b"<rdf:li>Grandma</rdf:li>", b"<rdf:li>Grandma</rdf:li>" + word.encode())
        side.write_bytes(new)
        with library.atomic():
            ledger.enter(
                library,
                Write(
                    by_name[name],
                    "sidecar",
                    side,
                    True,
                    old,
                    None,
                    hashlib.sha256(old).digest(),
                    hashlib.sha256(new).digest(),
                    (word,),
                ),
                run,
            )


def test_a_sidecar_that_two_photos_were_written_into(shared: Library, folder: Path) -> None:
    before = everything(folder)
    as_before_0_2(shared, folder, "x.jpg", "x.png")
    found = {one.path.name: one.status for one in verify_all(shared, chosen(shared))}
    assert found["x.jpg"] in ("shared", "lost")
    assert found["x.png"] == "ok"
    refused = untag(shared, ["x.jpg"])["x.xmp"]
    assert refused.status == "refused"
    assert "x.png shares its sidecar" in refused.reason
    # The next write gives each its own, and all of it can be taken back.
    outcomes = write(shared)
    assert outcomes["x.jpg"].file.name == "x.jpg.xmp"
    assert outcomes["x.png"].file.name == "x.xmp"
    assert {one.status for one in verify_all(shared, chosen(shared))} == {"ok"}
    untag(shared)
    assert everything(folder) == before


def test_one_of_two_photos_of_a_shared_sidecar_is_untagged(shared: Library, folder: Path) -> None:
    before = everything(folder)
    as_before_0_2(shared, folder, "x.jpg", "x.png")
    assert untag(shared, ["x.png"])["x.xmp"].status == "removed"
    assert untag(shared, ["x.jpg"])["x.xmp"].status == "removed"
    assert everything(folder) == before
    as_before_0_2(shared, folder, "x.jpg", "x.png")
    assert [one.status for one in undo(shared)] == ["removed"]
    assert everything(folder) == before


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("suffix", ["dng", "NEF", "gpr"])
def test_the_raw_files_sidecar_is_left_to_it(folder: Path, style: Style, suffix: str) -> None:
    (folder / "p.xmp").write_bytes(files.packet("of the raw file"))
    (folder / f"p.{suffix}").write_bytes(b"II*\0")
    with opened(folder, p_jpg=files.jpeg()) as library:
        outcomes = write(library, Options(style=style))
    assert outcomes["p.jpg"].file.name == "p.jpg.xmp"
    assert subjects(folder / "p.xmp") == ["of the raw file"]
    assert subjects(folder / "p.jpg.xmp") == list(WORDS)


def test_a_read_only_photos_sidecar(folder: Path) -> None:
    with opened(folder, a_jpg=files.jpeg()) as library:
        photo, side = folder / "a.jpg", folder / "a.jpg.xmp"
        photo.chmod(0o444)
        assert write(library)["a.jpg"].status == "written"
        assert side.stat().st_mode & stat.S_IWUSR
        tag(library, {photo: ["cat"]})
        assert write(library)["a.jpg"].status == "written"
        assert subjects(side) == ["cat"]
        # As versions before 0.2 left it.
        side.chmod(0o444)
        tag(library, {photo: ["tree"]})
        assert write(library)["a.jpg"].status == "written"
        assert subjects(side) == ["tree"]
        side.chmod(0o444)
        assert untag(library)["a.jpg.xmp"].status == "removed"
        assert [path.name for path in folder.iterdir()] == ["a.jpg"]
        # Embedding is refused, and the sidecar takes the keywords.
        found = write(library, EMBED)["a.jpg"]
        assert (found.status, found.reason) == ("written", "it is read-only")
        assert subjects(side) == ["tree"]
        assert untag(library)["a.jpg.xmp"].status == "removed"


def test_a_sidecar_that_the_user_made_read_only_stays(folder: Path) -> None:
    side = folder / "a.jpg.xmp"
    side.write_bytes(files.packet("mine"))
    side.chmod(0o444)
    with opened(folder, a_jpg=files.jpeg()) as library:
        found = write(library)["a.jpg"]
        assert (found.status, found.reason) == ("refused", "it is read-only")
    assert subjects(side) == ["mine"]


@pytest.mark.parametrize("bytes_", [252, 253, 255])
@pytest.mark.parametrize("letter", ["n", "猫"])
def test_names_that_are_too_long_are_refused_and_the_rest_goes_on(
    folder: Path, bytes_: int, letter: str
) -> None:
    stem = letter * ((bytes_ - 4) // len(letter.encode()))
    name = f"{stem}{'x' * (bytes_ - 4 - len(stem.encode()))}.jpg"
    assert len(name.encode()) == bytes_
    (folder / name).write_bytes(files.jpeg())
    (folder / "a.jpg").write_bytes(files.jpeg())
    photos = dict.fromkeys((folder / name, folder / "a.jpg"), WORDS)
    with library_of(folder.parent / "library.db", photos) as library:
        before = everything(folder)
        outcomes = write(library)
        assert outcomes["a.jpg"].status == "written"
        assert outcomes[name].status == "refused"
        assert "too long" in outcomes[name].reason
        assert write(library, Options(dry_run=True))[name].status == "refused"
        # Its bytes can take them, and the shorter name of a sidecar fits.
        assert write(library, EMBED)[name].status == "written"
        untag(library)
        assert everything(folder) == before
        assert write(library, Options(style=Style.adobe))[name].status == "written"
        untag(library)
        assert everything(folder) == before


@pytest.mark.parametrize("name", ["a.HEIC", "a.tif", "a.dng", "a.png", "a", "a.MPO", "a.nef"])
def test_the_bytes_say_what_a_photo_is(folder: Path, name: str) -> None:
    photo = folder / name
    for data in (files.jpeg(), files.png(), files.webp()):
        photo.write_bytes(data)
        (folder.parent / "library.db").unlink(missing_ok=True)
        with library_of(folder.parent / "library.db", {photo: WORDS}) as library:
            for backend in Backend:
                found = write(library, Options(to=Target.embed, backend=backend))[name]
                assert (found.status, found.file, found.reason) == ("written", photo, "")
                assert packet_of(parse(photo.read_bytes())).keywords(SUBJECT) == list(WORDS)
                untag(library)
                assert everything(folder) == {name: data}


def test_what_is_no_jpeg_gets_a_sidecar_whatever_its_name_is(folder: Path) -> None:
    for number, data in enumerate((b"GIF89a", b"\0\0\0\x18ftypheic", b"BM", b"II*\0\x08\0\0\0")):
        (folder / f"{number}.jpg").write_bytes(data + bytes(64))
    photos = {path: WORDS for path in folder.iterdir()}
    with library_of(folder.parent / "library.db", photos) as library:
        for outcome in write(library, EMBED).values():
            assert outcome.status == "written"
            assert "files of this format" in outcome.reason


def test_photos_of_the_older_way_are_moved_over(folder: Path) -> None:
    """The library says that XMP was not there before us, whoever edited it since."""
    old = files.jpeg(exif=files.exif())
    edited = files.packet("added elsewhere", *WORDS, extra=PROVENANCE)
    older = jpeg.parse(old).with_xmp(edited, ahead=True, correct=False)
    with opened(folder, a_jpg=older) as library:
        ((photo_id, photo),) = chosen(library)
        run = library.runs.begin("write", *library.runs.latest())
        digests = hashlib.sha256(old).digest(), hashlib.sha256(older).digest()
        with library.atomic():
            entry = Write(photo_id, "embed", photo, True, None, None, *digests, WORDS)
            ledger.enter(library, entry, run)
        assert write(library, EMBED)["a.jpg"].status == "written"
        new = photo.read_bytes()
        assert new.index(b"Exif\0\0") < new.index(jpeg.XMP)
        assert b"added elsewhere" in new
        assert is_in_step(library)
        assert write(library, EMBED)["a.jpg"].status == "unchanged"
        undo(library)
        assert photo.read_bytes() == older
        write(library, EMBED)
        untag(library)
        assert photo.read_bytes() == old


PROVENANCE = (
    '<qks:Tags xmlns:qks="http://ns.qks-tagger.org/1.0/"><rdf:Bag>'
    + "".join(
        f'<rdf:li rdf:parseType="Resource"><qks:label>{word}</qks:label>'
        f"<qks:places>dc:subject={word}</qks:places></rdf:li>"
        for word in WORDS
    )
    + "</rdf:Bag></qks:Tags>"
)


def test_a_broken_sidecar_of_another_program_is_ignored(folder: Path) -> None:
    (folder / "a.jpg.xmp").write_bytes(b"broken")
    with opened(folder, a_jpg=files.jpeg()) as library:
        assert untag(library) == {}
        (folder / "a.jpg.xmp").write_bytes("broken http://ns.qks-tagger.org/1.0/".encode("utf-16"))
        assert untag(library)["a.jpg.xmp"].status == "refused"


def jxl(body: bytes) -> bytes:
    pytest.importorskip("pillow_jxl")  # which registers itself with Pillow
    stream = io.BytesIO()
    files.picture().save(stream, "JXL", lossless=True, xmp=body)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "make"),
    [("a_jxl", jxl), ("a_psd", lambda body: psd(files.picture(), resources={1060: body}))],
)
@pytest.mark.parametrize("to", Target)
def test_jpeg_xl_and_photoshop_files_get_sidecars_and_keep_their_bytes(
    folder: Path, name: str, make: Callable[[bytes], bytes], to: Target
) -> None:
    data = make(files.packet("Grandma"))
    file, side = name.replace("_", "."), name.replace("_", ".") + ".xmp"
    with opened(folder, **{name: data}) as library:
        for backend in Backend:
            assert write(library, Options(to=to, backend=backend))[file].status == "written"
            assert everything(folder)[file] == data
            # Programs that read the sidecar's list first still see what the photo holds.
            assert set(Packet((folder / side).read_bytes()).keywords(TAGS_LIST)) >= {
                "Grandma",
                *WORDS,
            }
            assert untag(library)[side].status == "removed"
            assert everything(folder) == {file: data}
