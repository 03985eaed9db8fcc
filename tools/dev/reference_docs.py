"""`./dev docs`: the references of ops and passes, generated from ODS into build/docs."""

import re
from pathlib import Path

from project import LLVM_BIN, ROOT, output, say, tracked

LLVM_INCLUDE = LLVM_BIN.parent / "include"
GENERATORS = {
    "-gen-op-doc": re.compile(r"^def \w+Op\s*:", re.MULTILINE),
    "-gen-pass-doc": re.compile(r"^def \w+\s*:\s*\w*Pass<", re.MULTILINE),
}


def generate() -> int:
    """One Markdown file for each ODS file that defines ops or passes, and an index."""
    folder = ROOT / "build" / "docs"
    folder.mkdir(parents=True, exist_ok=True)
    written = [page for source in tracked("*.td") if (page := document(source, folder))]
    links = [f"- [{page.stem}]({page.name})" for page in written]
    (folder / "index.md").write_text("\n".join(["# Reference of ops and passes", "", *links]) + "\n")
    say(f"docs: {len(written)} pages in {folder.relative_to(ROOT)}")
    return 0 if written else 1


def document(source: Path, folder: Path) -> Path | None:
    text = (ROOT / source).read_text()
    generator = next((g for g, pattern in GENERATORS.items() if pattern.search(text)), None)
    if not generator:
        return None
    includes = [f"-I{LLVM_INCLUDE}", f"-I{ROOT}", f"-I{(ROOT / source).parent}"]
    body = output(LLVM_BIN / "mlir-tblgen", generator, *includes, ROOT / source)
    page = folder / f"{'-'.join(source.parts[1:-1])}-{source.stem}.md"
    page.write_text(f"# {source.as_posix()}\n\n{body}")
    return page
