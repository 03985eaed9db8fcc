"""Input arrays for a model, from the catalogue's inputs or from a manifest's."""

import numpy as np


def make_inputs(inputs, sizes: dict, seed: int = 7) -> dict[str, np.ndarray]:
    """Arrays by input name. `inputs`: `catalog.Input`s or manifest rows; `sizes`: a size for each symbol to change,
    everything else has its typical size."""
    r = np.random.default_rng(seed)
    return {field(i, "name"): fill(r, i, [axis_size(d, sizes) for d in axes(i)]) for i in inputs}


def fixed_shapes(inputs: list[dict]) -> dict[str, tuple]:
    """What a manifest fixes of the inputs' sizes, None for each open one: some models declare more open than they can
    run."""
    return {
        i["name"]: tuple(d if isinstance(d, int) else None for d in i["dims"])
        for i in inputs
        if any(isinstance(d, int) for d in i["dims"])
    }


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
    elif kind == "page":
        value = page(r, shape)
    elif kind == "full":
        value = np.full(shape, field(row, "value"))
    else:
        raise ValueError(f"unknown fill {kind!r} of input {field(row, 'name')!r}")
    return np.asarray(value).astype(field(row, "dtype"))


def page(r: np.random.Generator, shape: list[int]) -> np.ndarray:
    """Images (batch x channels x height x width, -1 .. 1) of dark strokes in rows on light ground: text, to a detector.
    On noise its output is nearly zero everywhere, which would make a comparison by the largest value meaningless."""
    batch, _, height, width = shape
    image = np.full((batch, 1, height, width), 0.9)
    for row in range(6, height - 18, 28):
        for left in range(8, width - 16, 9):
            top, kind = row + int(r.integers(0, 4)), r.integers(0, 4, batch)
            for b in range(batch):
                if kind[b] < 2:
                    image[b, 0, top : top + 14, left : left + 2] = -0.9
                if kind[b] in (1, 2):
                    image[b, 0, top + 6 : top + 8, left : left + 7] = -0.9
                    image[b, 0, top : top + 14, left + 5 : left + 7] = -0.9
    return np.broadcast_to(image, shape) + 0.02 * r.standard_normal(shape)
