"""Form and laws: formatters, clang-tidy on changed files, dependency laws, names and lengths of files."""

import os
import re
from pathlib import Path

import build
import environments
import include_laws
from project import LLVM_BIN, ROOT, jobs, run, say, tracked

CXX = ("*.cpp", "*.h", "*.c")
LONG_FILE = 600
MAX_DEPTH = 4
FOLDER_NAMES = {"common", "misc", "util", "utils", "helper", "helpers"}
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
PROSE_AND_CODE = {
    ".cpp",
    ".h",
    ".c",
    ".py",
    ".td",
    ".pdll",
    ".mlir",
    ".cmake",
    ".txt",
    ".md",
    ".sh",
    ".yaml",
    ".fbs",
    "",
}


def check(options) -> int:
    environments.ensure()
    cxx, everything = tracked(*CXX), tracked()
    results = {
        "clang-format": clang_format(cxx),
        "ruff": ruff(),
        "dependency laws": include_laws.check(ROOT, cxx),
        "folders": folders(everything),
        "unfinished work": unfinished(everything),
    }
    if not options.no_tidy:
        results["clang-tidy"] = clang_tidy(changed(cxx))
    for length, file in long_files(everything):
        say(f"lint: warning: {file} has {length} lines; over {LONG_FILE} a second room may be due")
    for name, problems in results.items():
        for problem in problems:
            say(problem)
        say(f"lint: {name}: {'ok' if not problems else f'{len(problems)} problems'}")
    return 1 if any(results.values()) else 0


def apply_format() -> int:
    environments.ensure()
    cxx = tracked(*CXX)
    if cxx:
        run(LLVM_BIN / "clang-format", "-i", *cxx)
    ruff_command("check", "--fix", "--quiet")
    ruff_command("format", "--quiet")
    return 0


def clang_format(files: list[Path]) -> list[str]:
    if not files:
        return []
    done = run(LLVM_BIN / "clang-format", "--dry-run", "--Werror", *files, check=False, capture_output=True, text=True)
    unformatted = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
    return [f"{file}: not formatted: run `./dev fmt`" for file in unformatted]


def ruff_command(*arguments: str):
    return run(environments.python(), "-m", "ruff", *arguments, check=False, capture_output=True, text=True)


def ruff() -> list[str]:
    results = [ruff_command("check", "--output-format=concise", "--quiet"), ruff_command("format", "--check")]
    return [line for r in results if r.returncode for line in (r.stdout + r.stderr).splitlines() if line.strip()]


def folders(files: list[Path]) -> list[str]:
    problems = []
    for folder in sorted({f.parent for f in files}):
        bad = FOLDER_NAMES.intersection(part.lower() for part in folder.parts)
        if bad:
            problems.append(f"{folder}: a folder is named for what it does, not `{bad.pop()}`")
        if len([p for p in folder.parts if p not in ("test", "seeds")]) > MAX_DEPTH:
            problems.append(f"{folder}: deeper than {MAX_DEPTH} levels")
    return problems


def unfinished(files: list[Path]) -> list[str]:
    problems = []
    for file in files:
        if file.suffix in PROSE_AND_CODE:
            for number, line in enumerate((ROOT / file).read_text(errors="replace").splitlines(), 1):
                if UNFINISHED.search(line):
                    problems.append(f"{file}:{number}: finish this, or make it an issue: {line.strip()[:80]}")
    return problems


def long_files(files: list[Path]) -> list[tuple[int, Path]]:
    sources = [f for f in files if f.suffix in (".cpp", ".h", ".c", ".py", ".td")]
    lengths = [(len((ROOT / f).read_text(errors="replace").splitlines()), f) for f in sources]
    return sorted((pair for pair in lengths if pair[0] > LONG_FILE), reverse=True)


def changed(files: list[Path]) -> list[Path]:
    """C++ sources that differ from the merge base with main, or in CI (and on main itself) from the last commit."""
    base = "HEAD~1"
    if not os.environ.get("CI"):
        merge_base = run(
            "git", "merge-base", "HEAD", "main", check=False, capture_output=True, text=True
        ).stdout.strip()
        head = run("git", "rev-parse", "HEAD", capture_output=True, text=True).stdout.strip()
        base = merge_base if merge_base and merge_base != head else base
    diff = run("git", "diff", "--name-only", base, check=False, capture_output=True, text=True)
    names = set(diff.stdout.splitlines())
    new = set(
        run("git", "ls-files", "--others", "--exclude-standard", capture_output=True, text=True).stdout.splitlines()
    )
    return [f for f in files if f.suffix == ".cpp" and f.as_posix() in names | new]


def clang_tidy(files: list[Path]) -> list[str]:
    """Needs generated headers, hence a build (which `./dev test` reuses)."""
    if not files:
        return []
    folder = build.build("release")
    database = (folder / "compile_commands.json").read_text()
    known = [f for f in files if str(ROOT / f) in database]
    if not known:
        return []
    say(f"lint: clang-tidy on {len(known)} changed files")
    done = run(
        LLVM_BIN / "run-clang-tidy",
        "-clang-tidy-binary",
        LLVM_BIN / "clang-tidy",
        "-quiet",
        "-p",
        folder,
        "-j",
        jobs(),
        *[f"^{re.escape(str(ROOT / f))}$" for f in known],
        check=False,
        capture_output=True,
        text=True,
    )
    found = [line for line in done.stdout.splitlines() if re.search(r": (error|warning): ", line)]
    return found or ([done.stderr.strip()[-2000:]] if done.returncode else [])
