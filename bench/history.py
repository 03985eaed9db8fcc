"""The history of measurements: JSON lines, one for each model, precision and number of threads of a run.

Fields: `date`, `commit`, `cpu`, `model`, `precision`, `threads`, `p50_ms`, `best_peer` and `best_ms` (the fastest peer
of the run), `ratio` (`p50_ms / best_ms`), `load_ms`, `compile_ms`, `compile_warm_ms`, `peak_mb`, `size_mb`,
`peak_share` (of the cores' measured f32 peak). A run's
speed depends on what else the machine did, its ratio much less: a regression is a loss of both.
"""

import datetime
import json
import statistics
import subprocess
from pathlib import Path

from report import processor

FORMER = 5  # entries that the last one is compared with
CARRIED = (
    "model",
    "precision",
    "threads",
    "p50_ms",
    "load_ms",
    "compile_ms",
    "compile_warm_ms",
    "peak_mb",
    "size_mb",
    "peak_share",
)


def append(path: Path, rows: list[dict]) -> None:
    """Adds a run's rows (bench/peers.py)."""
    stamp = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "cpu": processor(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(json.dumps({**stamp, **entry}) + "\n" for entry in entries(rows))


def entries(rows: list[dict]) -> list[dict]:
    made = []
    for row in rows:
        if row["peer"] != "tenon" or row["p50_ms"] is None:
            continue
        same = [r for r in rows if all(r[k] == row[k] for k in ("model", "precision", "threads"))]
        peers = [r for r in same if r["peer"] != "tenon" and r["p50_ms"]]
        best = min(peers, key=lambda r: r["p50_ms"], default={"peer": None, "p50_ms": None})
        ratio = row["p50_ms"] / best["p50_ms"] if best["p50_ms"] else None
        made.append(
            {**{k: row.get(k) for k in CARRIED}, "best_peer": best["peer"], "best_ms": best["p50_ms"], "ratio": ratio}
        )
    return made


def commit() -> str:
    """The commit that was measured, with a + when files differ from it; empty outside of a clone."""
    here = Path(__file__).resolve().parent
    words = ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--exclude=*"]
    done = subprocess.run(words, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def read(path: Path) -> list[dict]:
    """All entries, oldest first; none without a file."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()] if path.exists() else []


def series(lines: list[dict]) -> dict[tuple, list[dict]]:
    """(cpu, model, precision, threads) -> its entries, oldest first."""
    table: dict[tuple, list[dict]] = {}
    for entry in lines:
        key = tuple(entry[k] for k in ("cpu", "model", "precision", "threads"))
        table.setdefault(key, []).append(entry)
    return table


def regressions(lines: list[dict], percent: float) -> list[str]:
    """What the last entry of a series lost against the median of those before it."""
    found = []
    for (_, model, precision, threads), entries in series(lines).items():
        *former, last = entries[-FORMER - 1 :]
        if not former:
            continue
        slower = change(former, last, "p50_ms")
        against = change(former, last, "ratio")
        if slower > percent and (against is None or against > percent):
            by_ratio = "" if against is None else f", {against:+.1f} % against the fastest peer"
            found.append(
                f"regression: {model}, {precision}, {threads} threads: {slower:+.1f} %{by_ratio} "
                f"({last['p50_ms']:.3g} ms, {last['commit']}; before: {former[-1]['commit']})"
            )
    return found


def change(former: list[dict], last: dict, field: str) -> float | None:
    """Percent by which `field` grew over the median of the former entries."""
    values = [entry[field] for entry in former if entry[field]]
    return 100 * (last[field] / statistics.median(values) - 1) if values and last[field] else None
