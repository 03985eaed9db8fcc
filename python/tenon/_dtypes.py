"""Element types: the runtime's numbers, NumPy's types, and memory as the runtime lays it out.

bf16, f8 and 4-bit integers are ml_dtypes' types where that package is installed; else bf16 and f8 are unsigned
integers of the same width that hold the bits, and 4-bit integers are 8-bit ones.
"""

import numpy as np

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

NAMES = {
    1: "float32",
    2: "float64",
    3: "float16",
    4: "bfloat16",
    5: "int8",
    6: "int16",
    7: "int32",
    8: "int64",
    9: "uint8",
    10: "uint16",
    11: "uint32",
    12: "uint64",
    13: "bool",
    14: "float8_e4m3fn",
    15: "float8_e5m2",
    16: "float8_e4m3fnuz",
    17: "float8_e5m2fnuz",
    18: "int4",
    19: "uint4",
}
_SUBSTITUTES = {4: "uint16", 14: "uint8", 15: "uint8", 16: "uint8", 17: "uint8", 18: "int8", 19: "uint8"}
_PACKED = {18, 19}


def _numpy_type(code: int) -> np.dtype:
    if code not in _SUBSTITUTES:
        return np.dtype(NAMES[code])
    return np.dtype(getattr(ml_dtypes, NAMES[code]) if ml_dtypes else _SUBSTITUTES[code])


TYPES: dict[int, np.dtype] = {code: _numpy_type(code) for code in NAMES}
_CODES: dict[np.dtype, int] = {dtype: code for code, dtype in reversed(TYPES.items())}


def code_of(dtype: np.dtype, expected: int) -> int:
    """The runtime's number for an array's type; 0 if it has none. Bits of bf16 or f8 may come as unsigned integers, and
    4-bit integers as 8-bit ones, where `expected` is such a type."""
    if dtype == TYPES[expected]:
        return expected
    if expected in _SUBSTITUTES and dtype == np.dtype(_SUBSTITUTES[expected]):
        return expected
    return _CODES.get(dtype, 0)


def to_memory(array: np.ndarray, code: int) -> np.ndarray:
    """The array as the runtime reads it: C order, aligned, native byte order, a type with the buffer protocol."""
    if code in _PACKED:
        return pack(array)
    array = np.require(array, requirements="CA")
    return array.view(_SUBSTITUTES[code]) if code in _SUBSTITUTES else array


def writable_memory(array: np.ndarray, code: int) -> np.ndarray:
    """A view of the caller's array for the runtime to write."""
    return array.view(_SUBSTITUTES[code]) if code in _SUBSTITUTES else array


def pack(array: np.ndarray) -> np.ndarray:
    """Two 4-bit elements a byte, the first in the low half."""
    nibbles = array.astype(np.int8).view(np.uint8).ravel() & 15
    nibbles = np.append(nibbles, np.zeros(nibbles.size % 2, np.uint8))
    return nibbles[0::2] | nibbles[1::2] << 4


def unpack(packed: np.ndarray, shape: tuple[int, ...], code: int) -> np.ndarray:
    """The inverse of pack."""
    count = int(np.prod(shape, dtype=np.int64))
    nibbles = np.stack([packed & 15, packed >> 4], axis=-1).ravel()[:count].astype(np.int8)
    if NAMES[code] == "int4":
        nibbles = np.where(nibbles > 7, nibbles - 16, nibbles).astype(np.int8)
    return nibbles.astype(TYPES[code]).reshape(shape)


def is_packed(code: int) -> bool:
    return code in _PACKED
