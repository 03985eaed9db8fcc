"""Summarizes the innermost loops of assembly on standard input, for FileCheck:

    kernel tn_0_contraction
    loop of 19 instructions, stack 0, masked 0, calls 0
      vfmadd231ps zmm 16 into 16
      vmovups zmm 2

A loop goes from a label to the last jump back to it that has no other loop inside. `stack` counts accesses to the
stack (spills), `masked` vector instructions under a mask. Then each vector opcode with its register width and count;
`into` tells how many different registers multiply-adds write: the accumulators. A last line counts prefetches, if any.
"""

import re
import sys
from collections import Counter

LABEL = re.compile(r"^(\.?LBB\w+|\w+):")
JUMP = re.compile(r"^\s+j\w+\s+(\.?LBB\w+)")
INSTRUCTION = re.compile(r"^\s+(?:\{vex\}\s+)?([a-z]\w+)(?:\s+([^#]*))?")
WIDTHS = ("zmm", "ymm", "xmm")


def innermost(lines: list[str]) -> list[list[str]]:
    """The instructions of each innermost loop, in the order of the text."""
    labels = {m[1]: i for i, line in enumerate(lines) if (m := LABEL.match(line))}
    ends: dict[int, int] = {}
    for i, line in enumerate(lines):
        m = JUMP.match(line)
        if m and labels.get(m[1], i) < i:
            ends[labels[m[1]]] = i
    loops = sorted(ends.items())
    leaves = [(a, b) for a, b in loops if not any(a < c and d <= b for c, d in loops)]
    return [[line for line in lines[a : b + 1] if INSTRUCTION.match(line)] for a, b in leaves]


def summary(loop: list[str]) -> list[str]:
    counts: Counter = Counter()
    written: dict[tuple, set] = {}
    stack = masked = calls = prefetches = 0
    for line in loop:
        opcode, operands = INSTRUCTION.match(line).groups(default="")
        stack += "(%rsp" in operands
        calls += opcode.startswith("call")
        prefetches += opcode.startswith("prefetch")
        width = next((w for w in WIDTHS if f"%{w}" in operands), None)
        if width:
            masked += "{%k" in operands
            counts[opcode, width] += 1
            written.setdefault((opcode, width), set()).update(re.findall(r"%([xyz]mm\d+)[^,]*$", operands.strip()))
    lines = [f"loop of {len(loop)} instructions, stack {stack}, masked {masked}, calls {calls}"]
    for (opcode, width), count in sorted(counts.items()):
        into = f" into {len(written[opcode, width])}" if opcode.startswith(("vfm", "vfnm", "vdp", "vpdp")) else ""
        lines.append(f"  {opcode} {width} {count}{into}")
    return lines + [f"  prefetches {prefetches}"] * bool(prefetches)


def main() -> int:
    kernels: list[list[str]] = []
    for line in sys.stdin.read().splitlines():
        if line.startswith("# kernel "):
            kernels.append([line.removeprefix("# ")])
        elif kernels and not line.strip().startswith(".") or kernels and LABEL.match(line):
            kernels[-1].append(line)
    for title, *lines in kernels:
        print(title)
        for loop in innermost(lines):
            print("\n".join(summary(loop)))
    return 0 if kernels else 1


if __name__ == "__main__":
    sys.exit(main())
