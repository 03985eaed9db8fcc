"""The documents of Mortise say what the tools do."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def test_references_are_generated(tenon):
    assert (DOCS / "mortise-isa.md").read_text() == tenon("asm", "--reference").stdout
    assert (DOCS / "mortise-hardware.md").read_text() == tenon("sim", "--fields").stdout


def test_the_guide_to_instructions_has_the_figures(simulate):
    text = (DOCS / "adding-an-instruction.md").read_text()
    reports = [
        simulate(ROOT / f"isa/mortise/examples/{name}.s", flags=["--timing-only"]).report
        for name in ("lookup", "lookup-dp4")
    ]
    cycles = " | ".join(str(report["cycles"]) for report in reports)
    busy = " | ".join(str(report["engines"]["vector"]["busy"]) for report in reports)
    assert f"| cycles | {cycles} |" in text
    assert f"| busy cycles of the vector core | {busy} |" in text
    row = re.search(r"^MORTISE_INTEGER\(.*dotOfBytes.*$", text, re.MULTILINE)
    assert row and row[0] in (ROOT / "isa/mortise/Instructions.def").read_text()
    function = re.search(r"```cpp\n(.*?)```", text, re.DOTALL)
    assert function and function[1] in (ROOT / "sim/functional/Semantics.h").read_text()


def test_the_guide_to_presets_has_a_machine(tenon, tmp_path):
    example = re.search(r"```yaml\n(.*?)```", (DOCS / "adding-a-preset.md").read_text(), re.DOTALL)
    machine = tmp_path / "machine.yaml"
    machine.write_text(example[1])
    layers = tmp_path / "layers.csv"
    layers.write_text("a,conv,16,16,16,32,3,3,1\n")
    done = tenon("estimate", layers, "--hw", machine, "--check")
    assert done.returncode == 0, done.stderr


def test_every_example_has_its_picture():
    text = (DOCS / "mortise.md").read_text()
    for source in (ROOT / "isa/mortise/examples").glob("*.s"):
        assert f"(traces/{source.stem}.svg)" in text and f"`{source.name}`" in text


def test_links_lead_somewhere():
    for page in DOCS.glob("*mortise*.md"):
        for target in re.findall(r"\]\(([^)#]+\.(?:md|svg))\)", page.read_text()):
            assert (DOCS / target).exists(), f"{page.name}: {target}"
