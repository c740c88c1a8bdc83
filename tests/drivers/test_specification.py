"""What is accepted of a user, and how the rest is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from hopkin.drivers.errors import SpecificationError
from hopkin.drivers.specification import (
    BandSpecification,
    BarrierSpecification,
    MDSpecification,
    preset_fields,
    specify,
)


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (BandSpecification, {"images": 2}, r"images: .* greater than or equal to 3, received 2"),
        (BandSpecification, {"images": 0}, r"^images: .* greater than or equal to 3, received 0$"),
        (BandSpecification, {"images": 100_000}, r"^images: .* less than or equal to 100, received 100000$"),
        (BandSpecification, {"force_tolerance_eV_per_A": 0.0}, r"force_tolerance_eV_per_A: .*received 0.0"),
        (BandSpecification, {"max_iterations": 0}, r"max_iterations: .*received 0"),
        (BarrierSpecification, {"hop": -1}, r"hop: .*received -1"),
        (
            BarrierSpecification,
            {"mechanism": "knock-on"},
            r"mechanism: .*'vacancy' or 'divacancy', received 'knock-on'",
        ),
        (BarrierSpecification, {"repeats": (1, 0, 1)}, r"repeats\.1: .*received 0"),
        (BarrierSpecification, {"max_length_A": float("inf")}, r"max_length_A: .*finite.*received inf"),
        (MDSpecification, {"temperature_K": -1.0}, r"temperature_K: .*greater than 0, received -1.0"),
        (MDSpecification, {"temperature_K": float("nan")}, r"temperature_K: .*received nan"),
        (MDSpecification, {"temperature_K": 300, "timestep_fs": 20}, r"timestep_fs: .*10, received 20"),
        (MDSpecification, {"temperature_K": 300, "seed": 0}, r"seed: .*received 0"),
        (MDSpecification, {"temperature_K": 300, "ensemble": "nph"}, r"ensemble: .*'nvt', 'npt' or 'nve'"),
        (MDSpecification, {}, "temperature_K: is missing"),
        (MDSpecification, {"temperature_K": 300, "time": 5}, "time: there is no such field"),
    ],
)
def test_wrong_field(kind: type[Any], fields: dict[str, object], message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        specify(kind, model="x", **fields)


def test_each_wrong_field_is_named_at_once() -> None:
    with pytest.raises(SpecificationError, match=r"images: .*; max_iterations: "):
        specify(BandSpecification, model="x", images=1, max_iterations=-1)


def test_specification_cannot_change() -> None:
    asked = specify(MDSpecification, model="x", temperature_K=300)
    with pytest.raises(ValidationError, match="frozen"):
        asked.temperature_K = 400  # type: ignore[misc]


def test_presets_have_the_tolerance_of_the_paper_and_differ_in_the_supercell() -> None:
    quick, paper = (
        specify(BarrierSpecification, model="x", **preset_fields(name)) for name in ("quick", "paper")
    )
    assert paper.force_tolerance_eV_per_A == quick.force_tolerance_eV_per_A == 0.05
    assert (quick.min_image_distance_A, paper.min_image_distance_A) == (7.0, 10.0)
