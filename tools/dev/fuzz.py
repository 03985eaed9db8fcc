"""`./dev fuzz`: builds the fuzz targets (preset `fuzz`) and runs them from the checked-in seeds."""

from pathlib import Path

from project import ROOT, run, say

import build

PRESET = "fuzz"
SECONDS_PER_INPUT = 20
MEMORY_MB = 3000


def run_targets(target: str | None, runs: int) -> int:
    """`runs` executions of one target, or of each. Seeds lie in `seeds/<target>/` beside the target's source; what
    fuzzing adds stays in fuzz-corpus/, findings in fuzz-corpus/<target>-findings/."""
    folder = build.build(PRESET)
    known = {p.name: p for p in sorted(folder.rglob("*_fuzz")) if p.is_file() and p.stat().st_mode & 0o111}
    chosen = [target] if target else list(known)
    if not chosen or any(name not in known for name in chosen):
        say(f"fuzz: no such target; known: {', '.join(known) or 'none'}")
        return 2
    failed = [name for name in chosen if not fuzz_one(known[name], runs)]
    say(f"fuzz: {len(chosen) - len(failed)} of {len(chosen)} targets ran {runs} inputs without a finding")
    for name in failed:
        say(f"fuzz: {name} has findings in fuzz-corpus/{name}-findings")
    return 1 if failed else 0


def fuzz_one(binary: Path, runs: int) -> bool:
    corpus, findings = (ROOT / "fuzz-corpus" / (binary.name + suffix) for suffix in ("", "-findings"))
    for made in (corpus, findings):
        made.mkdir(parents=True, exist_ok=True)
    seeds = [p for p in ROOT.glob(f"**/seeds/{binary.name}") if p.is_dir() and "build" not in p.parts]
    options = [f"-runs={runs}", f"-timeout={SECONDS_PER_INPUT}", f"-rss_limit_mb={MEMORY_MB}", "-print_final_stats=1"]
    say(f"fuzz: {binary.name}, {runs} inputs")
    return run(binary, *options, f"-artifact_prefix={findings}/", corpus, *seeds, check=False).returncode == 0
