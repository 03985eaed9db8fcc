"""`./dev fuzz`: builds the fuzz targets (preset `fuzz`) and runs them from the checked-in seeds."""

import re
from pathlib import Path

import build
from project import ROOT, run, say, tracked

PRESET = "fuzz"
SECONDS_PER_INPUT = 20
MEMORY_MB = 3000


def run_targets(target: str | None, runs: int) -> int:
    """`runs` executions of one target, or of each. Seeds lie in `seeds/<target>/` beside the target's source, words
    that mutations put in, where there are some, in `seeds/<target>.dict`; what fuzzing adds stays in fuzz-corpus/,
    findings in fuzz-corpus/<target>-findings/."""
    names = known_targets()
    chosen = [target] if target else names
    if not chosen or any(name not in names for name in chosen):
        say(f"fuzz: no such target; known: {', '.join(names) or 'none'}")
        return 2
    build.build(PRESET, *chosen)
    failed = [name for name in chosen if not fuzz_one(build.program(name, PRESET), runs)]
    say(f"fuzz: {len(chosen) - len(failed)} of {len(chosen)} targets ran {runs} inputs without a finding")
    for name in failed:
        say(f"fuzz: {name} has findings in fuzz-corpus/{name}-findings")
    return 1 if failed else 0


def known_targets() -> list[str]:
    """What the CMake files declare with tenon_fuzz."""
    text = "".join((ROOT / file).read_text() for file in tracked("*CMakeLists.txt"))
    return sorted(re.findall(r"^\s*tenon_fuzz\((\w+)", text, re.MULTILINE))


def fuzz_one(binary: Path, runs: int) -> bool:
    corpus, findings = (ROOT / "fuzz-corpus" / (binary.name + suffix) for suffix in ("", "-findings"))
    for made in (corpus, findings):
        made.mkdir(parents=True, exist_ok=True)
    seeds = [p for p in ROOT.glob(f"**/seeds/{binary.name}") if p.is_dir() and "build" not in p.parts]
    options = [f"-runs={runs}", f"-timeout={SECONDS_PER_INPUT}", f"-rss_limit_mb={MEMORY_MB}", "-verbosity=0"]
    options += [f"-dict={p}" for p in ROOT.glob(f"**/seeds/{binary.name}.dict") if "build" not in p.parts]
    say(f"fuzz: {binary.name}, {runs} inputs")
    return run(binary, *options, f"-artifact_prefix={findings}/", corpus, *seeds, check=False).returncode == 0
