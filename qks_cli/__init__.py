"""Tag and search your own photo library with your own words, offline.

Three lines tag a picture, three search a library (docs/python.md):

    import qks_cli
    model = qks_cli.load_model("mini")
    print(model.tag(["cat.jpg"], labels=["cat", "dog"]))

    with qks_cli.open_library() as library:
        for hit in library.search("dog beach"):
            print(hit.path, hit.score)
"""

# Nothing is imported here, nor is typing: the command's first module comes after this one, and only
# from there on does Ctrl-C end without a traceback. Type checkers take this name for true.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from qks_cli.api import (
        Library,
        explain,
        heat_map,
        load_model,
        open_library,
        restore_library,
    )
    from qks_cli.api.archives import retag_archive, search_archive, tag_archive
    from qks_cli.errors import (
        LibraryError,
        ModelError,
        PhotoError,
        QksError,
        UsageError,
        VocabularyError,
    )
    from qks_cli.model.model import Model
    from qks_cli.search.grammar import QueryError
    from qks_cli.search.ranking import Hit
    from qks_cli.types import Tag
    from qks_cli.workflows.archive import Archived
    from qks_cli.workflows.archive_scores import Match
    from qks_cli.workflows.explain import Reason
    from qks_cli.workflows.results import Result

__version__ = "0.2.0"

# Loaded when first asked for: `qks --help` needs none of them.
_PLACES = {
    "Archived": "qks_cli.workflows.archive",
    "Hit": "qks_cli.search.ranking",
    "Library": "qks_cli.api",
    "LibraryError": "qks_cli.errors",
    "Match": "qks_cli.workflows.archive_scores",
    "Model": "qks_cli.model.model",
    "ModelError": "qks_cli.errors",
    "PhotoError": "qks_cli.errors",
    "QksError": "qks_cli.errors",
    "QueryError": "qks_cli.search.grammar",
    "Reason": "qks_cli.workflows.explain",
    "Result": "qks_cli.workflows.results",
    "Tag": "qks_cli.types",
    "UsageError": "qks_cli.errors",
    "VocabularyError": "qks_cli.errors",
    "explain": "qks_cli.api",
    "heat_map": "qks_cli.api",
    "load_model": "qks_cli.api",
    "open_library": "qks_cli.api",
    "restore_library": "qks_cli.api",
    "retag_archive": "qks_cli.api.archives",
    "search_archive": "qks_cli.api.archives",
    "tag_archive": "qks_cli.api.archives",
}

__all__ = [
    "Archived",
    "Hit",
    "Library",
    "LibraryError",
    "Match",
    "Model",
    "ModelError",
    "PhotoError",
    "QksError",
    "QueryError",
    "Reason",
    "Result",
    "Tag",
    "UsageError",
    "VocabularyError",
    "__version__",
    "explain",
    "heat_map",
    "load_model",
    "open_library",
    "restore_library",
    "retag_archive",
    "search_archive",
    "tag_archive",
]


def __getattr__(name: str) -> object:
    """Load a name of the API when it is first asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
