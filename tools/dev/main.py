"""The verbs of ./dev."""

import argparse
import os
import sys
from pathlib import Path

import build
import environments
from project import PRESETS, ROOT, models_dir, run, say

DEMO_MODELS = ("minilm_embed", "ppocr4_det", "ppocr2_cls", "ppocr4_rec")
DESCRIPTION = "The developer command of Tenon. Each verb installs and builds what it needs first."
EXAMPLES = """examples:
  ./dev demo --sentences my_sentences.txt
  ./dev test -k softmax
  ./dev build --preset dev
  ./dev bench --json bench.json --html bench.html minilm resnet50
  ./dev bench --regressions --fail-over 10
"""


def setup(options) -> int:
    environments.ensure()
    if options.torch:
        environments.ensure(".venv-torch")
    say("setup: done")
    return 0


def do_build(options) -> int:
    build.build(options.preset, *options.targets)
    return 0


def test(options) -> int:
    import suites

    return suites.run_all(options)


def models(options) -> int:
    names = [*(["--torch-free"] if options.torch_free else []), *options.names]
    return collect(Path(options.dest).absolute(), names, needs_torch=not options.torch_free)


def collect(dest, arguments: list[str], needs_torch: bool) -> int:
    """Runs the collector in the venv that it needs."""
    python = environments.ensure(".venv-torch" if needs_torch else ".venv")
    run(python, ROOT / "tests/models/collect.py", dest, *arguments)
    return 0


def lint(options) -> int:
    import lint as linter

    return linter.check(options)


def fmt(options) -> int:
    import lint as linter

    return linter.apply_format()


def demo(options) -> int:
    build.build(options.preset)
    collect(models_dir(), ["--torch-free", *DEMO_MODELS], needs_torch=False)
    inputs = [w for flag in ("image", "sentences") if (v := getattr(options, flag)) for w in (f"--{flag}", v)]
    command = [environments.python(), ROOT / "tools/demo/demo.py", "--models", models_dir(), *inputs]
    return with_commands(options.preset, command)


def bench(options) -> int:
    script = [environments.ensure(".venv-bench"), ROOT / "bench/peers.py", "--models", models_dir()]
    flags = ("json", "html", "history", "peers", "threads", "precision", "winograd", "fail_over")
    given = [w for f in flags if (v := getattr(options, f)) is not None for w in (f"--{f.replace('_', '-')}", v)]
    if options.regressions:
        return run(*script, *given, "--regressions", check=False, cwd=Path.cwd()).returncode
    build.build("release")
    build.link_python("release")
    torch_free = ["--torch-free"] if options.torch_free else []
    if not options.torch_free and (options.peers is None or "litert" in options.peers.split(",")):
        environments.ensure(".venv-litert")
    collect(models_dir(), [*torch_free, *options.names], needs_torch=not options.torch_free)
    if options.kernels:
        flags = ("json", "winograd")
        report = [w for flag in flags if (v := getattr(options, flag)) for w in (f"--{flag}", v)]
        script = [environments.python(".venv-bench"), ROOT / "bench/kernels/kernels.py", "--models", models_dir()]
        return with_commands("release", [*script, *report, *options.names])
    return with_commands("release", [*script, *given, *torch_free, *options.names])


def with_commands(preset: str, command: list) -> int:
    """Runs a script that may call the built commands, from where the user stands."""
    environment = {**os.environ, "PATH": build.search_path(preset)}
    return run(*command, check=False, env=environment, cwd=Path.cwd()).returncode


def docs(options) -> int:
    import reference_docs

    return reference_docs.generate()


def fuzz(options) -> int:
    import fuzz as fuzzer

    return fuzzer.run_targets(options.target, options.runs)


def math(options) -> int:
    folder = build.build("release", "tenon-math")
    program = folder / "tools/tenon-math/tenon-math"
    return run(program, f"--stride={options.stride}", *options.names, check=False).returncode


def new_op(options) -> int:
    import scaffold

    return scaffold.new_op(options.name, options.family)


def new_pass(options) -> int:
    import scaffold

    return scaffold.new_pass(options.name, options.phase)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="./dev", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = top.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, function, help: str, preset: bool = False) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=help, description=help)
        made.set_defaults(function=function)
        if preset:
            made.add_argument("--preset", choices=PRESETS, default="release", help="CMake preset (default: release)")
        return made

    verb("setup", setup, "install what is missing").add_argument(
        "--torch", action="store_true", help="also .venv-torch"
    )
    verb("build", do_build, "build, and make `import tenon` work in .venv", True).add_argument("targets", nargs="*")
    add = verb("test", test, "build, then run the tests; the last line is the count", True).add_argument
    add("--models", action="store_true", help="also the models that torch exports")
    add("-k", dest="keyword", metavar="WORD", help="only tests whose name contains WORD")
    add("--suite", choices=("ctest", "lit", "pytest"), action="append", help="only this suite (repeatable)")
    add = verb("models", models, "collect the test models").add_argument
    add("dest", metavar="DEST")
    add("names", nargs="*", metavar="NAME")
    add("--torch-free", action="store_true", help="only the models that need no torch")
    verb("lint", lint, "check form and dependency laws").add_argument(
        "--no-tidy", action="store_true", help="leave out clang-tidy (the only check that needs a build)"
    )
    verb("fmt", fmt, "apply the formatters")
    add = verb("demo", demo, "compile real models, run them, show the result", True).add_argument
    add("--image", metavar="FILE", help="read the text in this image")
    add("--sentences", metavar="FILE", help="compare these sentences, one a line")
    add = verb("bench", bench, "measure against the peers, side by side").add_argument
    add("names", nargs="*", metavar="MODEL")
    add("--json", metavar="FILE")
    add("--html", metavar="FILE", help="a page with plots")
    add("--history", metavar="FILE", default=ROOT / "bench/history.jsonl", help="default: bench/history.jsonl")
    add("--regressions", action="store_true", help="run nothing: show what the history's last run lost")
    add("--fail-over", metavar="PERCENT", help="exit with 1 if something lost more than this against the history")
    add(
        "--kernels",
        action="store_true",
        help="instead: each kernel of the models alone, beside the CPU's measured peak",
    )
    add("--peers", metavar="NAME,..", help="default: all that are installed")
    add("--threads", metavar="N,..", help="default: 1,2")
    add("--precision", choices=("f32", "bf16"), help="what the engines may compute f32 in")
    add("--winograd", choices=("on", "off"), help="as for tenon compile")
    add("--torch-free", action="store_true", help="only the models that need no torch")
    verb("docs", docs, "generate the references of ops and passes into build/docs")
    add = verb("fuzz", fuzz, "build and run the fuzz targets").add_argument
    add("target", nargs="?", metavar="TARGET")
    add("--runs", type=int, default=10000, metavar="N")
    add = verb("math", math, "run the generated math functions on every float, and judge their errors").add_argument
    add("names", nargs="*", metavar="FUNCTION")
    add("--stride", type=int, default=1, metavar="N", help="only every n-th float")
    add = verb("new-op", new_op, "start a new op").add_argument
    add("name", help="mnemonic, for example `cumsum`")
    add("family", help="the op family's ODS file, for example `Reduction`")
    add = verb("new-pass", new_pass, "start a new pass").add_argument
    add("name", help="class name without `Pass`, verb first, for example `FuseEpilogue`")
    add("phase", help="the phase's folder under compiler/, for example `graph`")
    return top


def main() -> int:
    options = parser().parse_args()
    return options.function(options)


if __name__ == "__main__":
    sys.exit(main())
