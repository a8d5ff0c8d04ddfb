"""Which sidecar is whose: no two photos share one."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.names import Folders, existing, locate, path_of
from qks_cli.photos.suffixes import RAW


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def test_names(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    make(tmp_path, "a.jpg")
    assert path_of(photo, "ext").name == "a.jpg.xmp"
    assert path_of(photo, "adobe").name == "a.xmp"
    make(tmp_path, "a.xmp")
    assert path_of(photo, "ext").name == "a.xmp"
    # It is the RAW file's, which no tag of the JPEG may get into, whatever the style is.
    make(tmp_path, "a.CR2")
    assert locate(photo, "ext") == (tmp_path / "a.jpg.xmp", False)
    assert locate(photo, "adobe") == (tmp_path / "a.jpg.xmp", False)
    assert path_of(tmp_path / "a.CR2", "ext").name == "a.xmp"
    make(tmp_path, "a.jpg.xmp")
    assert locate(photo, "ext") == (tmp_path / "a.jpg.xmp", True)
    assert locate(photo, "adobe") == (tmp_path / "a.jpg.xmp", True)


@pytest.mark.parametrize("suffix", sorted(RAW))
def test_every_raw_format_keeps_its_sidecar(tmp_path: Path, suffix: str) -> None:
    make(tmp_path, "p.jpg", f"p{suffix.upper()}", "p.xmp")
    assert locate(tmp_path / "p.jpg", "ext") == (tmp_path / "p.jpg.xmp", False)
    assert path_of(tmp_path / f"p{suffix.upper()}", "ext").name == "p.xmp"


@pytest.mark.parametrize("style", ["ext", "adobe"])
@pytest.mark.parametrize("there", [(), ("x.xmp",)])
def test_every_photo_gets_a_sidecar_of_its_own(
    tmp_path: Path, style: str, there: tuple[str, ...]
) -> None:
    photos = ("x.jpg", "x.png", "x.tif", "x.jpg.png", "x.HEIC", "x.dng", "x.nef")
    make(tmp_path, *photos, *there)
    for order in permutations(photos, 3):
        chosen = [path_of(tmp_path / name, style) for name in order]
        assert len(set(chosen)) == len(order)
    assert (path_of(tmp_path / "x.nef", style).name == "x.xmp") == (style == "adobe" or bool(there))
    assert path_of(tmp_path / "x.jpg.png", style).name == "x.jpg.png.xmp"


def test_the_first_photo_has_the_short_name(tmp_path: Path) -> None:
    make(tmp_path, "x.jpg", "x.png", "x.xmp", "x.txt")
    assert locate(tmp_path / "x.jpg") == (tmp_path / "x.xmp", True)
    assert locate(tmp_path / "x.png") == (tmp_path / "x.png.xmp", False)
    assert existing(tmp_path / "x.png") is None


def test_what_the_ledger_says_comes_first(tmp_path: Path) -> None:
    make(tmp_path, "x.jpg", "x.png", "x.xmp")
    theirs = {tmp_path / "x.xmp": "x.png"}
    for name, wanted in (("x.jpg", "x.jpg.xmp"), ("x.png", "x.xmp")):
        claim = lambda file, name=name: None if file not in theirs else theirs[file] == name  # noqa: E731
        assert path_of_claimed(tmp_path / name, claim) == wanted
    with pytest.raises(Refusal, match="taken by other photos"):
        locate(tmp_path / "x.jpg", claim=lambda file: False)


def path_of_claimed(photo: Path, claim: object) -> str:
    return locate(photo, claim=claim)[0].name  # type: ignore[arg-type]


def test_suffixes_in_any_case(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "a.jpg.XMP", "b.jpg", "b.Xmp")
    assert locate(tmp_path / "a.jpg") == (tmp_path / "a.jpg.XMP", True)
    assert locate(tmp_path / "b.jpg") == (tmp_path / "b.Xmp", True)
    make(tmp_path, "a.jpg.xmp")
    assert locate(tmp_path / "a.jpg") == (tmp_path / "a.jpg.xmp", True)


@pytest.mark.parametrize("name", ["n" * 248 + ".jpg", "n" * 251 + ".jpg", "\u732b" * 83 + ".jpg"])
def test_long_names_are_refused(tmp_path: Path, name: str) -> None:
    make(tmp_path, name)
    with pytest.raises(Refusal, match="too long") as refused:
        locate(tmp_path / name)
    assert not refused.value.sidecar
    assert existing(tmp_path / name) is None
    # The shorter name fits.
    assert path_of(tmp_path / name, "adobe").name == name.removesuffix(".jpg") + ".xmp"


def test_names_as_long_as_they_may_be(tmp_path: Path) -> None:
    make(tmp_path, "n" * 247 + ".jpg")
    assert len(path_of(tmp_path / ("n" * 247 + ".jpg")).name) == 255


def test_a_folder_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, *(f"{n}.jpg" for n in range(50)))
    read = []
    real = Path.iterdir

    def counted(folder: Path) -> object:
        read.append(folder)
        return real(folder)

    monkeypatch.setattr(Path, "iterdir", counted)
    folders = Folders()
    for number in range(50):
        locate(tmp_path / f"{number}.jpg", "adobe", folders=folders)
    assert len(read) == 1


def test_a_sidecar_that_is_a_broken_link_is_not_written_over(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    (tmp_path / "a.jpg.xmp").symlink_to("nowhere")
    assert locate(tmp_path / "a.jpg") == (tmp_path / "a.jpg.xmp", True)
