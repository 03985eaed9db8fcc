"""The HTML page of `./dev bench`: one file with plots, no script, nothing loaded from elsewhere."""

import html as escaping

import history
import plots
import report

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1f2937}
pre{overflow-x:auto;font-size:11px}svg{display:block;max-width:100%;height:auto}
svg text{font:12px system-ui,sans-serif;fill:#1f2937}h2{margin-top:2.5rem}
.tiles{display:flex;flex-wrap:wrap;gap:1rem}.tile{border:1px solid #d6d3d1;border-radius:.5rem;padding:.6rem 1rem}
.tile b{display:block;font-size:1.6rem}.key{margin-right:1rem}.key i{display:inline-block;width:.8em;height:.8em;
margin-right:.4em}table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.15rem .6rem;
text-align:right;border-bottom:1px solid #e7e5e4}td:first-child,th:first-child{text-align:left}td.best{font-weight:600}
.failed{color:#a8a29e}.sparks{display:flex;flex-wrap:wrap}"""
COMPILE_LIMITS_MS = {"resnet50": 5000, "minilm": 3000}  # with an empty object cache, on two cores


def html(rows: list[dict], lines: list[dict]) -> str:
    """`rows`: of this run; `lines`: the history, oldest first."""
    cpu = escaping.escape(report.processor())
    sections = [
        f"<h1>Tenon and its peers</h1><p>{cpu}; {escaping.escape(precisions(rows))}. Medians of calls in turns, hot "
        "workers pinned to as many CPUs as they have threads. A peer that cannot run a model says why below.</p>",
        tiles(rows),
        *(speed(rows, threads) for threads in report.thread_counts(rows)),
        *(latency(rows, threads) for threads in report.thread_counts(rows)),
        costs(rows),
        past(lines),
        f"<h2>All figures</h2><pre>{escaping.escape(report.text(rows))}</pre>",
    ]
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Tenon and its peers</title>"
        f"<style>{STYLE}</style>{''.join(sections)}</html>\n"
    )


def precisions(rows: list[dict]) -> str:
    return ", ".join(sorted({row["precision"] for row in rows}))


def peers_of(rows: list[dict]) -> list[str]:
    return list(dict.fromkeys(row["peer"] for row in rows))


def tiles(rows: list[dict]) -> str:
    made = []
    for threads in report.thread_counts(rows):
        table = report.ratios(rows, threads)
        if table:
            worst = max(table, key=lambda name: table[name]["best"])
            mean = 1 / report.geometric_mean(row["best"] for row in table.values())
            made.append(
                f"<div class='tile'>{threads} threads, fastest peer of each model<b>{mean:.2f}x</b>geometric mean of "
                f"{len(table)}; least {1 / table[worst]['best']:.2f}x ({escaping.escape(worst)})</div>"
            )
    return f"<div class='tiles'>{''.join(made)}</div>"


def speed(rows: list[dict], threads: int) -> str:
    table = report.ratios(rows, threads)
    if not table:
        return ""
    peers = [p for p in peers_of(rows) if p != "tenon"]
    return (
        f"<h2>Times as fast as the peers, {threads} threads</h2><p>Bar: against the fastest peer; right of 1 Tenon is "
        f"faster. Dots: against each.</p>{plots.legend(peers)}{plots.speedups(table)}"
    )


def latency(rows: list[dict], threads: int) -> str:
    peers = peers_of(rows)
    head = "".join(f"<th>{escaping.escape(p)}</th>" for p in peers)
    body = []
    for name in dict.fromkeys(row["model"] for row in rows):
        here = {r["peer"]: r for r in rows if r["model"] == name and r["threads"] == threads}
        fastest = min((r["p50_ms"] for r in here.values() if r["p50_ms"]), default=None)
        cells = "".join(latency_cell(here.get(peer), fastest) for peer in peers)
        body.append(f"<tr><td>{escaping.escape(name)}</td>{cells}</tr>")
    return f"<h2>Latency, {threads} threads: median ms</h2><table><tr><th>model</th>{head}</tr>{''.join(body)}</table>"


def latency_cell(row: dict | None, fastest: float | None) -> str:
    if row is None:
        return "<td class='failed'>-</td>"
    if row["p50_ms"] is None:
        return f"<td class='failed' title='{escaping.escape(report.brief(row.get('error', '')))}'>failed</td>"
    mark = " class='best'" if row["p50_ms"] == fastest else ""
    return f"<td{mark}>{row['p50_ms']:.3g}</td>"


def costs(rows: list[dict]) -> str:
    """What a model costs besides its runs; at the smallest number of threads."""
    first = [row for row in rows if row["threads"] == report.thread_counts(rows)[0]]
    own = {row["model"]: row for row in first if row["peer"] == "tenon"}
    compiling = {
        name: {"tenon": row["compile_ms"], "compiled before": row["compile_warm_ms"]} for name, row in own.items()
    }
    legend = plots.legend(peers_of(rows))
    return (
        "<h2>Load: ms until a session is ready</h2>"
        f"{legend}{plots.bars(grouped(first, 'load_ms'), 'ms')}"
        "<h2>Compile: ms with an empty object cache, and with a full one</h2>"
        f"<p>Red marks: the limits that the project sets itself.</p>{plots.bars(compiling, 'ms', COMPILE_LIMITS_MS)}"
        f"<h2>Peak memory of the process: MB</h2><p>Of Tenon with Python and NumPy, as of its peers; "
        f"`tenon run --stats` shows it alone.</p>{legend}{plots.bars(grouped(first, 'peak_mb'), 'MB')}"
        f"<h2>Size of the file that is loaded: MB</h2>{legend}{plots.bars(grouped(first, 'size_mb'), 'MB')}"
    )


def grouped(rows: list[dict], field: str) -> dict[str, dict[str, float | None]]:
    table: dict[str, dict[str, float | None]] = {}
    for row in rows:
        table.setdefault(row["model"], {})[row["peer"]] = row[field]
    return table


def past(lines: list[dict]) -> str:
    """Ratios over time on this machine."""
    charts: dict[str, dict[str, list]] = {}
    for (cpu, model, precision, threads), entries in history.series(lines).items():
        points = [(f"{e['date'][:10]} {e['commit']}", e["ratio"]) for e in entries if e["ratio"]]
        if cpu == report.processor() and points:
            name = model if precision == "f32" else f"{model} {precision}"
            charts.setdefault(name, {})[f"{threads} threads"] = points
    if not charts:
        return ""
    drawn = "".join(plots.spark(name, series) for name, series in charts.items())
    return (
        "<h2>History: Tenon's time over the fastest peer's</h2><p>Below 1 Tenon is faster; first line 1 thread, second "
        f"2. Oldest to newest, on this CPU.</p><div class='sparks'>{drawn}</div>"
    )
