"""Where things are, and how commands are run."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LLVM_BIN = Path("/usr/lib/llvm-22/bin")
PRESETS = ("release", "dev", "asan", "fuzz")


def models_dir() -> Path:
    """Collected models: `models/` of the clone, or where TENON_MODELS says."""
    return Path(os.environ.get("TENON_MODELS", ROOT / "models")).resolve()


def jobs() -> int:
    return len(os.sched_getaffinity(0))


def say(text: str) -> None:
    print(text, flush=True)


def run(*command, check: bool = True, **options) -> subprocess.CompletedProcess:
    """Runs a command in the root of the clone; a failure ends `./dev` with the command's own status."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=options.pop("cwd", ROOT), **options)
    if check and done.returncode:
        if done.stdout or done.stderr:
            print(done.stdout or "", done.stderr or "", sep="", file=sys.stderr)
        print(f"dev: failed with status {done.returncode}: {shlex.join(words)}", file=sys.stderr)
        sys.exit(done.returncode if done.returncode > 0 else 1)
    return done


def output(*command) -> str:
    return run(*command, capture_output=True, text=True).stdout


def tracked(*patterns: str) -> list[Path]:
    """Files that git knows or would add (not the ignored ones), relative to the root."""
    listing = output("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns)
    return sorted({Path(name) for name in listing.split("\0") if name and (ROOT / name).is_file()})
