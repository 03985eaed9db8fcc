"""Attention of one layer on the machine edge-512k: fused, with a causal mask, decoding, and as three kernels.

    python bench/mortise_attention.py [--tool BUILD/.../mortise_attention_bench] [--heads 32] [--length 2048]
                                      [--depth 128] [--hw edge-512k]

All run on the simulator with random data, two minutes for 32 heads. `serial`: scores, softmax and
weighted sum are kernels from memory to memory, in which transfers, array and vector core take turns; `overlapped`: the
same with doubled buffers, all engines at work. Printed are cycles, traffic, the share of the array's peak and how many
times as long as the fused one each takes.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = {
    "fused": "fused",
    "causal": "fused, causal",
    "decode": "fused, one query",
    "serial": "three kernels, serial",
    "overlapped": "three kernels, double-buffered",
}


def default_tool() -> Path:
    return ROOT / "build/release/bench/attention/mortise_attention_bench"


def measure(tool: Path, sizes: list[str]) -> dict[str, dict]:
    """Cases by name, each with `cycles`, `dram_bytes` and `macs`."""
    done = subprocess.run([str(tool), *sizes], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{tool.name}: {done.stderr.strip()}")
    return {case["case"]: case for case in map(json.loads, done.stdout.splitlines())}


def table(cases: dict[str, dict], peak: int) -> str:
    lines = [
        "| | million cycles | MB of DRAM traffic | of the array's peak | cycles / fused |",
        "|---|---|---|---|---|",
    ]
    for name, text in NAMES.items():
        case = cases[name]
        numbers = [f"{case['cycles'] / 1e6:.2f}", f"{case['dram_bytes'] / 1e6:.0f}"]
        if name == "decode":  # limited by memory: most of the array's columns hold no query
            numbers += ["", ""]
        else:
            numbers.append(f"{100 * case['macs'] / case['cycles'] / peak:.0f} %")
            numbers.append(f"{case['cycles'] / cases['fused']['cycles']:.2f}")
        lines.append(f"| {text} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=Path, default=default_tool())
    parser.add_argument("--heads", default="32")
    parser.add_argument("--length", default="2048")
    parser.add_argument("--depth", default="128")
    parser.add_argument("--hw", default="edge-512k")
    parser.add_argument("--peak", type=int, default=1024, help="multiply-accumulates a cycle")
    options = parser.parse_args()
    if not options.tool.exists():
        sys.exit(f"{options.tool} is not built: ninja mortise_attention_bench in the build folder")
    print(table(measure(options.tool, [options.heads, options.length, options.depth, options.hw]), options.peak))


if __name__ == "__main__":
    main()
