"""Towns around coordinates, with the towns that the data package brings."""

from __future__ import annotations

import numpy as np
import pytest

from qks_cli.places.gazetteer import Gazetteer, load, on_sphere
from qks_cli.types import Place


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return load()


def name(gazetteer: Gazetteer, latitude: float, longitude: float) -> tuple[str, str]:
    (place,) = gazetteer.names_of(np.array([[latitude, longitude]]))
    return place.name, place.code


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [
        (48.2082, 16.3738, ("Vienna", "AT")),
        (48.8584, 2.2945, ("Paris", "FR")),  # the middle of a suburb is nearer
        (48.8846, 2.2688, ("Neuilly-sur-Seine", "FR")),  # that suburb
        (40.7580, -73.9855, ("New York City", "US")),
        # Across a border the next town is nearer.
        (47.6603, 9.1758, ("Konstanz", "DE")),
        (47.6458, 9.1753, ("Kreuzlingen", "CH")),
        (43.0896, -79.0849, ("Niagara Falls", "CA")),
        (43.0945, -79.0567, ("Niagara Falls", "US")),
        (41.9029, 12.4534, ("Vatican City", "VA")),
        # Countries that share a time zone with another
        (42.66, 21.16, ("Pristina", "XK")),
        (21.03, 105.85, ("Hanoi", "VN")),
    ],
)
def test_known_places(
    gazetteer: Gazetteer, latitude: float, longitude: float, expected: tuple[str, str]
) -> None:
    assert name(gazetteer, latitude, longitude) == expected


def test_far_from_any_town_only_the_country_is_known(gazetteer: Gazetteer) -> None:
    found = gazetteer.names_of(np.array([[30.0, -30.0], [-24.0, 127.0], [-90.0, 0.0]]))
    assert found[0] == Place()
    assert found[1] == Place(country="Australia", code="AU")
    assert (found[2].name, found[2].code) == ("", "AQ")


def test_the_nearest_is_found_over_the_date_line_and_near_a_pole() -> None:
    towns = (Place("east", code="A"), Place("west", code="A"), Place("north", code="A"))
    degrees = np.array([[0.0, 179.9], [0.0, 170.0], [89.9, 0.0]])
    made = Gazetteer(towns, degrees, np.zeros(3))
    assert [x.name for x in made.names_of(np.array([[0.0, -179.9], [89.8, 180.0]]))] == [
        "east",
        "north",
    ]


def test_distances_on_the_sphere() -> None:
    one, two = on_sphere(np.array([[48.2082, 16.3738], [48.1486, 17.1077]]))
    assert 6371 * 2 * np.arcsin(np.linalg.norm(one - two) / 2) == pytest.approx(54.9, abs=0.5)


def test_nearly_every_town_is_in_its_own_country(gazetteer: Gazetteer) -> None:
    """Asked for a place 300 m beside a town's middle, over 1,000 towns from all over the world."""
    towns = np.random.default_rng(0).choice(len(gazetteer.places), 1000, replace=False)
    beside = gazetteer.degrees_T2[towns] + [0.002, 0.002]
    found = gazetteer.names_of(beside)
    same = [gazetteer.places[town].code == x.code for town, x in zip(towns, found, strict=True)]
    assert np.mean(same) >= 0.995
