"""Input arrays for a model, from the catalogue's inputs or from a manifest's."""

import numpy as np


def make_inputs(inputs, sizes: dict, seed: int = 7) -> dict[str, np.ndarray]:
    """Arrays by input name. `inputs`: `catalog.Input`s or manifest rows; `sizes`: a size for each symbol to change,
    everything else has its typical size."""
    r = np.random.default_rng(seed)
    return {field(i, "name"): fill(r, i, [axis_size(d, sizes) for d in axes(i)]) for i in inputs}


def field(row, name: str):
    return row.get(name) if isinstance(row, dict) else getattr(row, name)


def axes(row) -> list:
    """Each axis as (symbol or None, typical size)."""
    if isinstance(row, dict):
        return [(d if isinstance(d, str) else None, s) for d, s in zip(row["dims"], row["shape"], strict=True)]
    return [(None, getattr(d, "typical", d)) for d in row.shape]


def axis_size(axis: tuple, sizes: dict) -> int:
    symbol, typical = axis
    return sizes.get(symbol, typical)


def fill(r: np.random.Generator, row, shape: list[int]) -> np.ndarray:
    kind = field(row, "fill")
    if kind == "randn":
        value = r.standard_normal(shape)
    elif kind == "randint":
        value = r.integers(0, field(row, "high"), shape)
    elif kind == "ones":
        value = np.ones(shape)
    elif kind == "full":
        value = np.full(shape, field(row, "value"))
    else:
        raise ValueError(f"unknown fill {kind!r} of input {field(row, 'name')!r}")
    return np.asarray(value).astype(field(row, "dtype"))
