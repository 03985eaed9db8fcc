"""The kernels of the test models, each measured alone:  kernels.py --models DIR [--json FILE] [MODEL ...]

Every command of every model is repeated by itself (`tenon profile --alone`) and set beside what the CPU was measured to
do in the same run (peaks.c): multiplications and additions in registers alone, and bytes a second from the level of
memory that a command's bytes fit into. A kernel is bound by whichever would take longer; its share is that time over
its own. Elementwise work counts as the instructions that it takes (an exponential as 16), at the rate of
multiplications and additions: no CPU starts more of them. Families are weighted by the time that they take in the
models.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "tests/models")]

import peaks as machine  # noqa: E402
from inputs import make_inputs  # noqa: E402

READING = ("contraction", "conv", "attention")  # families whose traffic is mostly read
TITLES = ("family", "kernels", "ms", "of time", "compute-bound", "of peak", "memory-bound", "of bandwidth")


def best_of(runs: list[dict]) -> dict:
    """The best of each figure: what else the machine does only lowers them."""
    best = {key: max(run[key] for run in runs) for key in runs[0] if key != "bandwidth"}
    rows = zip(*(run["bandwidth"] for run in runs), strict=True)
    return {**best, "bandwidth": [{key: max(row[key] for row in same) for key in same[0]} for same in rows]}


def bandwidth(peaks: dict, size: float, kind: str) -> float:
    """Gigabytes a second for a working set of `size` bytes, between the sizes that were measured."""
    points = [(row["bytes"], row[f"{kind}_gbs"]) for row in peaks["bandwidth"]]
    if size <= points[0][0]:
        return points[0][1]
    for (low, slow), (high, fast) in zip(points, points[1:], strict=False):
        if size <= high:
            part = math.log(size / low) / math.log(high / low)
            return slow + part * (fast - slow)
    return points[-1][1]


def judge(row: dict, peaks: dict) -> dict:
    """A command with `bound` (compute or memory) and `share` of what the machine can do."""
    peak = {"int8": peaks["int8_gops"], "bf16": peaks.get("bf16_gflops", peaks["f32_gflops"])}
    computing = (row["flop"] or 0) / peak.get(row["arithmetic"], peaks["f32_gflops"])
    kind = "read" if row["family"] in READING else "copy"
    moving = (row["bytes"] or 0) / bandwidth(peaks, row["bytes"] or 0, kind)
    bound = "compute" if computing >= moving else "memory"
    least = max(computing, moving)
    return {**row, "bound": bound, "least_ns": least, "share": least / row["ns"] if row["ns"] else 0.0}


def arithmetic_of(schedule: str) -> str:
    """What a kernel multiplies, as its schedule says."""
    return next((kind for kind in ("int8", "bf16") if kind in schedule), "f32")


def family_of(row: dict) -> str:
    return "movement" if row["family"] == "map" and not row["flop"] else row["family"]


def measure(name: str, package: Path, shapes: list[str]) -> list[dict]:
    """The dispatches of a package."""
    with tempfile.TemporaryDirectory(prefix="tenon-kernels-") as folder:
        report = Path(folder) / "profile.json"
        command = ["tenon", "profile", package, *shapes, "--threads", "1", "--alone", "--json", report]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
        rows = json.loads(report.read_text())["rows"]
    kept = []
    for row in rows:
        if row["kind"] == "dispatch" and row.get("alone_ns"):
            fields = {k: row[k] for k in ("kernel", "nodes", "flop", "bytes", "schedule")}
            family = family_of(row)
            arithmetic = arithmetic_of(row["schedule"])
            kept.append({"model": name, "family": family, "arithmetic": arithmetic, "ns": row["alone_ns"], **fields})
    return kept


def summarize(rows: list[dict]) -> list[dict]:
    """One row for each family, the most expensive first. Shares are weighted by time."""
    whole = sum(row["ns"] for row in rows)
    table = []
    for family in dict.fromkeys(row["family"] for row in rows):
        here = [row for row in rows if row["family"] == family]
        line = {"family": family, "kernels": len(here), "ns": sum(r["ns"] for r in here)}
        line["time"] = line["ns"] / whole if whole else 0.0
        for bound in ("compute", "memory"):
            part = [r for r in here if r["bound"] == bound]
            time = sum(r["ns"] for r in part)
            line[f"{bound}_time"] = time / line["ns"] if line["ns"] else 0.0
            line[f"{bound}_share"] = sum(r["least_ns"] for r in part) / time if time else None
        table.append(line)
    return sorted(table, key=lambda line: -line["ns"])


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def text(peaks: dict, rows: list[dict], worst: int) -> str:
    table = [list(TITLES)]
    for line in summarize(rows):
        shares = [percent(line[f"{bound}_{what}"]) for bound in ("compute", "memory") for what in ("time", "share")]
        table.append([line["family"], str(line["kernels"]), f"{line['ns'] / 1e6:.3f}", percent(line["time"]), *shares])
    widths = [max(len(row[i]) for row in table) for i in range(len(TITLES))]
    lines = [
        "  ".join(v.ljust(w) if i == 0 else v.rjust(w) for i, (v, w) in enumerate(zip(row, widths, strict=True)))
        for row in table
    ]
    outer = peaks["bandwidth"][-1]
    lines.append(
        f"\nmeasured on one core: {peaks['f32_gflops']:.1f} GFLOP/s f32, {peaks['int8_gops']:.0f} GOP/s int8, DRAM "
        f"{outer['read_gbs']:.1f} GB/s read, {outer['copy_gbs']:.1f} GB/s copied"
    )
    lines.append("most time above the bound:")
    for row in sorted(rows, key=lambda r: r["least_ns"] - r["ns"])[:worst]:
        lost = (row["ns"] - row["least_ns"]) / 1e3
        nodes = ", ".join(row["nodes"])[:60]
        lines.append(
            f"  {lost:8.1f} us  {row['model']}  {row['kernel']}  {percent(row['share'])} of {row['bound']}  "
            f"{row['schedule']}  {nodes}"
        )
    return "\n".join(lines)


def shape_flags(entry: dict) -> list[str]:
    shapes = ((i["name"], "x".join(map(str, i["shape"]))) for i in entry["inputs"] if i["shape"])
    return [f"--shape={name}={sizes}" for name, sizes in shapes]


def input_flags(entry: dict, folder: Path) -> list[str]:
    """The model's usual inputs: masks, image-like values and index ranges change what kernels do."""
    import numpy as np

    flags = []
    for name, value in make_inputs(entry["inputs"], {}).items():
        file = folder / f"{name}.npy"
        np.save(file, value)
        flags.append(f"--input={name}={file}")
    return flags


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="MODEL")
    parser.add_argument("--models", type=Path, required=True, help="folder of collected models")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--winograd", choices=("on", "off"), help="as for tenon compile; work is counted as without")
    parser.add_argument("--worst", type=int, default=10, metavar="N", help="kernels to list (default: 10)")
    options = parser.parse_intermixed_args()
    manifest = json.loads((options.models / "manifest.json").read_text())["models"]
    for name in options.names:
        if name not in manifest:
            parser.error(f"{name!r} is not collected in {options.models}; known: {', '.join(manifest)}")
    os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
    rows = []
    with tempfile.TemporaryDirectory(prefix="tenon-kernels-") as folder:
        packages = {name: Path(folder) / f"{name}.tenon" for name in options.names or manifest}
        for name, package in packages.items():
            entry = manifest[name]
            command = ["tenon", "compile", options.models / entry["file"], *shape_flags(entry), "-o", package]
            command += ["--winograd", options.winograd] if options.winograd else []
            subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
        program = machine.build(Path(folder))
        if program is None:
            sys.exit("kernels: no C compiler builds bench/kernels/peaks.c")
        runs = [machine.measure(program)]
        for name, package in packages.items():
            rows += measure(name, package, input_flags(manifest[name], Path(folder)))
            runs.append(machine.measure(program))
            print(f"kernels: {name}: measured", file=sys.stderr, flush=True)
    peaks = best_of(runs)
    rows = [judge(row, peaks) for row in rows]
    print(text(peaks, rows, options.worst))
    if options.json:
        result = {"peaks": peaks, "families": summarize(rows), "kernels": rows}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
