"""What is said of one check in several places, and what comes of it: the last to speak of a key decides.

From the most general to the most particular: a profile's defaults for the probe, the inventory's defaults,
the profile's check (base profiles first), a block of the asset (`ssh` and the like), the asset's own check.
Conditions under `expect` are merged name by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from inventory.models import CHECK_KEYS, CheckSpec
from inventory.problems import Place


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Keys of a check as one place says them: its own and its probe's parameters, side by side."""

    label: str
    """For people: `profile service-hall`, `inventory defaults`, `the unit itself`."""
    place: Place
    keys: Mapping[str, Any]


def keys_of(spec: CheckSpec) -> dict[str, Any]:
    """Return what a check says, without its id and what it leaves open."""
    own = {key: getattr(spec, key) for key in CHECK_KEYS if key != "id"}
    return {key: value for key, value in own.items() if value is not None} | spec.parameters


def merge(layers: Iterable[Layer]) -> dict[str, Any]:
    """Return the keys of all layers, the later ones deciding."""
    merged: dict[str, Any] = {}
    for layer in layers:
        before = merged.get("expect")
        merged.update(layer.keys)
        if before and isinstance(merged["expect"], dict):
            merged["expect"] = before | merged["expect"]
    return merged


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """One effective check, not yet bound to an asset: profiles' recipes are shared by thousands of assets."""

    id: str
    probe: str
    layers: tuple[Layer, ...]
    values: Mapping[str, Any] = field(init=False)
    """The merged keys: times in seconds or as written, parameters as written."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", merge(self.layers))

    @property
    def enabled(self) -> bool:
        """Whether the check is to run."""
        return self.values.get("enabled") is not False

    @property
    def expect(self) -> Mapping[str, Any]:
        """The check's own conditions, as written."""
        return self.values.get("expect") or {}

    @property
    def parameters(self) -> dict[str, Any]:
        """The probe's parameters, as written."""
        return {key: value for key, value in self.values.items() if key not in CHECK_KEYS}

    def layer(self, key: str, inner: str | None = None) -> Layer:
        """Return the layer that decided `key` (and the key `inner` in it); the last where none says it."""
        for layer in reversed(self.layers):
            value = layer.keys.get(key)
            if key in layer.keys and (inner is None or (isinstance(value, dict) and inner in value)):
                return layer
        return self.layers[-1]

    def with_layer(self, layer: Layer, *, before_last: bool) -> Recipe:
        """Return the recipe with one more layer, as the last or the last but one."""
        at = len(self.layers) - (1 if before_last else 0)
        return Recipe(self.id, self.probe, (*self.layers[:at], layer, *self.layers[at:]))
