"""What Trino documents and the local Athena lacks: it is rejected as such, never as unknown.

Source: the pages "Functions and operators" of Trino's documentation.
"""

from collections.abc import Sequence
from types import MappingProxyType

from infra.local.athena.analysis import types
from infra.local.athena.analysis.types import Type

_OVERLOADS = """
array_intersect(array)
array_position(array, any, bigint)
date_add(varchar, bigint, time)
date_diff(varchar, time, time)
date_trunc(varchar, time)
from_base64(varbinary)
from_hex(varbinary)
from_unixtime(double, bigint, bigint)
hour(time)
lpad(varbinary, bigint, varbinary)
millisecond(time)
minute(time)
reverse(varbinary)
rpad(varbinary, bigint, varbinary)
second(time)
substr(varbinary, bigint)
substr(varbinary, bigint, bigint)
substring(varbinary, bigint)
substring(varbinary, bigint, bigint)
"""

_LATER = """
array_unique bing_tile_coordinates bitwise_xor_agg cosine_distance dot_product ends_with euclidean_distance
evaluate_classifier_predictions from_encoded_polyline fusion json_scalar json_serialize learn_classifier
learn_libsvm_classifier learn_libsvm_regressor learn_regressor objectid regress t_cdf t_pdf theta_sketch_cardinality
theta_sketch_union timestamp_objectid timezone title_case to_encoded_polyline
"""
WITH_LAMBDAS = frozenset({"array_sort", "regexp_replace"})
"""Functions with an overload for a lambda, which is rejected."""
LATER = frozenset(_LATER.split())
"""Functions of current releases of Trino, of which no page says whether Athena has them."""

_GEOSPATIAL = """
bing_tile bing_tile_at bing_tile_polygon bing_tile_quadkey bing_tile_zoom_level bing_tiles_around convex_hull_agg
geometry_from_hadoop_shape geometry_invalid_reason geometry_nearest_points geometry_to_bing_tiles geometry_union
geometry_union_agg great_circle_distance line_interpolate_point line_interpolate_points line_locate_point
spatial_partitioning to_geojson_geometry from_geojson_geometry to_geometry to_spherical_geography
"""
_GEOSPATIAL_NAMES = frozenset(_GEOSPATIAL.split())


def is_geospatial(name: str) -> bool:
    """Whether it is named as the functions of "Geospatial functions" are."""
    return name.startswith("st_") or name in _GEOSPATIAL_NAMES


def _parsed(text: str) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for line in text.split("\n"):
        name, _, rest = line.partition("(")
        if rest:
            found.setdefault(name, []).append(tuple(rest.removesuffix(")").split(", ")))
    return found


_MISSING = MappingProxyType(_parsed(_OVERLOADS))


def is_overload(name: str, kinds: Sequence[Type]) -> bool:
    """Whether Trino has such an overload of a function whose other overloads are answered."""
    return any(
        len(kinds) == len(parameters) and all(map(_takes, parameters, kinds)) for parameters in _MISSING.get(name, [])
    )


def _takes(parameter: str, kind: Type) -> bool:
    return parameter in {"any", kind.name} or (kind != types.UNKNOWN and types.coerces(kind, Type(parameter)))
