"""Tables and ratios of benchmark rows (see peers.py for their fields)."""

import math
import platform
from pathlib import Path


def ratios(rows: list[dict], threads: int) -> dict[str, dict[str, float]]:
    """model -> peer -> Tenon's median over the peer's, and `best`: over the fastest peer's. Below 1 Tenon is faster."""
    table: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(row["model"] for row in rows):
        times = {r["peer"]: r["p50_ms"] for r in rows if r["model"] == name and r["threads"] == threads and r["p50_ms"]}
        own = times.pop("tenon", None)
        if own and times:
            table[name] = {peer: own / time for peer, time in times.items()}
            table[name]["best"] = own / min(times.values())
    return table


def geometric_mean(values) -> float:
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def thread_counts(rows: list[dict]) -> list[int]:
    return sorted({row["threads"] for row in rows})


def cell(value: float | None, digits: str = ".3g") -> str:
    return "-" if value is None else format(value, digits)


def progress(rows: list[dict], name: str, threads: int) -> str:
    here = [r for r in rows if r["model"] == name and r["threads"] == threads]
    parts = [f"{r['peer']} {'failed' if r.get('error') else cell(r['p50_ms']) + ' ms'}" for r in here]
    return f"bench: {name}, {threads} threads: {', '.join(parts)}"


def brief(error: str) -> str:
    return " ".join(error.split())[:200]


SHARE = "peak_share"  # Tenon's products at their nominal work, over the peak of as many cores
DISTANCE = "round_trip_ns"  # the longer of before and after, of the first two CPUs; where several threads ran
FIELDS = (
    "model",
    "peer",
    "threads",
    "p50_ms",
    "min_ms",
    "load_ms",
    "compile_ms",
    "compile_warm_ms",
    "peak_mb",
    "size_mb",
)


def text(rows: list[dict]) -> str:
    """All rows as a table, then ratios and their geometric means."""
    table = [[*FIELDS, "max_rel_error", "of_peak", "ratio"]]
    for row in rows:
        ratio = ratios(rows, row["threads"]).get(row["model"], {})
        shown = ratio.get("best" if row["peer"] == "tenon" else row["peer"])
        values = [str(row[f]) if f in ("model", "peer", "threads") else cell(row[f]) for f in FIELDS]
        table.append([*values, cell(row["max_rel_error"], ".1e"), cell(row.get(SHARE), ".0%"), cell(shown, ".2f")])
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    lines = [
        "  ".join(v.ljust(w) if i < 2 else v.rjust(w) for i, (v, w) in enumerate(zip(line, widths, strict=True)))
        for line in table
    ]
    lines += [
        "",
        "ratio: Tenon's median over the peer's (on Tenon's rows: over the fastest peer's); below 1 Tenon is faster",
    ]
    lines += [f"geometric mean, {t} threads: {means(rows, t)}" for t in thread_counts(rows)]
    lines += distances(rows)
    lines += [
        f"failed: {r['model']}, {r['peer']}, {r['threads']} threads: {brief(r['error'])}"
        for r in rows
        if r.get("error")
    ]
    return "\n".join(lines)


def distances(rows: list[dict]) -> list[str]:
    """How far the CPUs were from each other, and which models met them far apart."""
    found = {row["model"]: row[DISTANCE] for row in rows if row.get(DISTANCE) is not None}
    if not found:
        return []
    nearest = min(found.values())
    far = [f"{model} {found[model]:.0f}" for model in found if found[model] > 3 * nearest]
    apart = f"; apart, so that several threads take longer: {', '.join(far)}" if far else ""
    return [f"two CPUs answer each other in {nearest:.0f} ns{apart}"]


def means(rows: list[dict], threads: int) -> str:
    table = ratios(rows, threads)
    peers = sorted({peer for row in table.values() for peer in row})
    parts = [f"{p} {geometric_mean(r[p] for r in table.values() if p in r):.2f}" for p in peers]
    worst = max(table.items(), key=lambda item: item[1]["best"], default=None)
    return ", ".join([*parts, *([f"worst {worst[0]} {worst[1]['best']:.2f}"] if worst else [])]) or "nothing to compare"


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's name, with its family and model where they are told: hosts give generations the same name."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    fields: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    name = fields.get("model name") or platform.machine()
    if "cpu family" not in fields or "model" not in fields:
        return name
    return f"{name} (family {fields['cpu family']}, model {fields['model']})"
