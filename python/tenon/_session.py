"""Sessions: running the functions of a package."""

import json
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import _runtime
from ._dtypes import TYPES, code_of, is_packed, to_memory, unpack, writable_memory
from ._errors import RunError
from ._package import Package

MAX_THREADS = 1024


class _Plan:
    """What running one function needs to know, looked up once."""

    def __init__(self, package: Package, index: int):
        self.index = index
        self.inputs = [(name, code) for name, code, _ in package._native.inputs(index)]
        self.outputs = [(name, code) for name, code, _ in package._native.outputs(index)]
        self.input_names = {name for name, _ in self.inputs}
        self.output_index = {name: i for i, (name, _) in enumerate(self.outputs)}
        self.no_outputs = [None] * len(self.outputs)


class Session:
    """State, working memory and threads for runs of a package; made by `Package.session`.

    May be called from several threads, which take turns; for runs at the same time make several sessions."""

    def __init__(
        self, package: Package, threads: int | None = None, function: str = "main", profile: bool = False, _native=None
    ):
        if threads is not None and not 1 <= threads <= MAX_THREADS:
            raise RunError("TN0905", f"threads is {threads}, expected 1 to {MAX_THREADS}, or None for one per CPU")
        self.package = package
        self._profiled = profile
        self._threads = threads
        self._lock = threading.Lock()
        self._plans: dict[str | None, _Plan] = {}
        self._function = package.functions[package._index(None if function == "main" else function)]
        self._native = _native or self._make()

    def _make(self):
        try:
            return _runtime.Session(self.package._native, self._threads or 0, self._profiled)
        except _runtime.Error as error:
            raise RunError(*error.args) from None

    def run(self, inputs: Mapping[str, Any], function: str | None = None) -> dict[str, np.ndarray]:
        """Runs a function on arrays (NumPy, or with DLPack) by input name. Returns new arrays by output name."""
        plan = self._plan(function)
        with self._lock:
            self._run(plan, inputs, plan.no_outputs)
            return {name: self._copy(plan, i, code) for i, (name, code) in enumerate(plan.outputs)}

    def run_into(
        self, inputs: Mapping[str, Any], outputs: Mapping[str, np.ndarray], function: str | None = None
    ) -> None:
        """Runs and writes into the caller's arrays, which have the outputs' types and shapes and C order. Outputs that
        are not named are computed and dropped. Repeated on the same arrays it allocates nothing but small objects."""
        plan = self._plan(function)
        targets = list(plan.no_outputs)
        for name, array in outputs.items():
            index = plan.output_index.get(name)
            if index is None:
                raise RunError("TN0904", f"there is no output '{name}'; the outputs are {', '.join(plan.output_index)}")
            targets[index] = _target(name, array, plan.outputs[index][1])
        with self._lock:
            self._run(plan, inputs, targets)
            for name, array in outputs.items():
                _, shape = self._call(self._native.output_info, plan.index, plan.output_index[name])
                if shape != array.shape:
                    raise RunError("TN0909", f"output '{name}' has the shape {shape}, but the array is {array.shape}")

    def _run(self, plan: _Plan, inputs: Mapping[str, Any], targets: list) -> None:
        bound = []
        for name, code in plan.inputs:
            if name not in inputs:
                raise RunError("TN0906", f"input '{name}' is missing; the inputs are {_names(plan.inputs)}")
            bound.append(_source(name, inputs[name], code))
        if len(inputs) != len(bound):
            unknown = sorted(set(inputs) - plan.input_names)
            raise RunError("TN0904", f"there is no input '{unknown[0]}'; the inputs are {_names(plan.inputs)}")
        self._call(self._native.run, plan.index, bound, targets)

    def _copy(self, plan: _Plan, index: int, code: int) -> np.ndarray:
        _, shape = self._call(self._native.output_info, plan.index, index)
        if is_packed(code):
            packed = np.empty((int(np.prod(shape, dtype=np.int64)) + 1) // 2, np.uint8)
            self._call(self._native.copy_output, plan.index, index, packed)
            return unpack(packed, shape, code)
        result = np.empty(shape, TYPES[code])
        self._call(self._native.copy_output, plan.index, index, writable_memory(result, code))
        return result

    def _plan(self, function: str | None) -> _Plan:
        plan = self._plans.get(function)
        if plan is None:
            plan = _Plan(self.package, self.package._index(function or self._function))
            self._plans[function] = plan
        return plan

    def _call(self, method, *arguments):
        try:
            return method(*arguments)
        except _runtime.Error as error:
            raise RunError(*error.args) from None

    @property
    def profile(self) -> list[dict]:
        """Rows of `tenon profile` for the session's function, one a command: `command`, `kernel`, `nodes`, `ns` (of the
        last run), `flop`, `bytes`, `schedule`, `total_ns`, `runs`. RunError unless made with profile=True.

        Dispatches of devices also have `device`, and of their last execution `cycles`, `ideal_cycles`, `device_ns`, and
        the device's `report`: for Mortise what `tenon sim --json` writes, of which `limit`, `stall` (cycles by reason,
        of the array or else the vector core), `traffic` and `energy_pj` stand in the row itself."""
        if not self._profiled:
            raise RunError("TN0905", "the session measures nothing; make it with profile=True")
        with self._lock:
            rows = self._call(self._native.profile, self._plan(None).index)
        for row in rows:
            if row.get("report"):
                _unfold(row)
        return rows

    @property
    def stats(self) -> dict[str, int]:
        """`allocations` and `locks` since the session was made, bytes of `arena`, `scratch`, `state` and `outputs`,
        `runs`, `threads`; for packages with devices `cycles` and `device_ns` of the last run, in the devices' time."""
        with self._lock:
            return self._native.stats()

    def reserve(self, function: str | None = None) -> None:
        """Makes room for the largest sizes now, so that later runs allocate nothing."""
        plan = self._plan(function)
        with self._lock:
            self._call(self._native.reserve, plan.index)

    def reset(self) -> None:
        """Sets all states to their initial values."""
        with self._lock:
            self._call(self._native.reset_state)

    def fork(self) -> "Session":
        """A session of its own with a copy of the state."""
        with self._lock:
            native = self._call(self._native.fork)
        return Session(self.package, self._threads, self._function, self._profiled, _native=native)

    def truncate(self, length: int) -> None:
        """Shortens sequences (key/value caches) to `length` positions."""
        with self._lock:
            self._call(self._native.truncate_state, length)

    def export_state(self) -> dict[str, bytes]:
        """A copy of all states, by name."""
        with self._lock:
            return {name: self._call(self._native.export_state, name) for name in self.package.states}

    def import_state(self, states: Mapping[str, bytes]) -> None:
        """Sets states to what `export_state` returned."""
        with self._lock:
            for name, data in states.items():
                self._call(self._native.import_state, name, data)


def _unfold(row: dict) -> None:
    """Puts what matters most of a device's report into the row."""
    report = row["report"] = json.loads(row["report"])
    engine = "matrix" if report["macs"] else "vector"
    stalls: dict[str, int] = {}
    for name, cycles in report["engines"].items():
        if name.split(".")[-1] == engine:
            for reason, count in cycles["stall"].items():
                stalls[reason] = stalls.get(reason, 0) + count
    row["limit"] = report["limit"]["resource"]
    row["stall"] = stalls
    row["traffic"] = report["traffic"]
    row["energy_pj"] = report["energy_pj"]


def _names(tensors: list[tuple[str, int]]) -> str:
    return ", ".join(name for name, _ in tensors) or "none"


def _source(name: str, value: Any, expected: int) -> tuple:
    """(memory, dtype, shape) for the runtime, which checks type and shape."""
    array = as_array(name, value, expected)
    code = code_of(array.dtype, expected)
    if code == 0:
        raise RunError("TN0907", f"input '{name}' has the type {array.dtype}, expected {TYPES[expected]}")
    return to_memory(array, code), code, array.shape


def as_array(name: str, value: Any, expected: int) -> np.ndarray:
    """NumPy arrays as they are, others through DLPack, numbers and sequences converted to the expected type."""
    if isinstance(value, np.ndarray):
        return value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="))
    try:
        if hasattr(value, "__dlpack__") and not isinstance(value, np.generic):
            return np.from_dlpack(value)
        return np.asarray(value) if hasattr(value, "dtype") else np.asarray(value, TYPES[expected])
    except (TypeError, ValueError, BufferError, RuntimeError, OverflowError) as error:
        raise RunError("TN0907", f"input '{name}' cannot be read as an array of {TYPES[expected]}: {error}") from error


def _target(name: str, array: Any, expected: int) -> np.ndarray:
    if not isinstance(array, np.ndarray) or code_of(array.dtype, expected) != expected or is_packed(expected):
        found = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
        raise RunError("TN0907", f"output '{name}' is {found}, expected a NumPy array of {TYPES[expected]}")
    if not (array.flags.c_contiguous and array.flags.writeable and array.flags.aligned):
        raise RunError("TN0918", f"the array for output '{name}' must be writable, aligned and in C order")
    return writable_memory(array, expected)
