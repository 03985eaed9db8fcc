"""Every planted defect makes its test fail, which passes without it."""

import shutil
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path

import planted
import pytest
from catches import CATCHES, LIT


@pytest.fixture(scope="module")
def programs() -> planted.Programs:
    """Of the build folder whose tools are on PATH, or the release build's."""
    tool = shutil.which("tenon-opt")
    build = Path(tool).resolve().parents[2] if tool else planted.ROOT / "build/release"
    found = planted.Programs(build)
    missing = [p for p, _ in CATCHES.values() if p != LIT and not found.find(p)]
    if missing:
        pytest.skip(f"not built: {', '.join(sorted(set(missing)))}")
    return found


@pytest.fixture(scope="module")
def sound(programs):
    """Program -> what fails of the tests named here when no defect is planted."""
    wanted = defaultdict(set)
    for program, test in CATCHES.values():
        wanted[program].add(test)
    return cache(lambda program: programs.failures(program, ":".join(sorted(wanted[program]))))


def test_every_defect_has_a_catch():
    assert list(CATCHES) == list(planted.defects())
    assert len(CATCHES) >= 20


def test_the_page_is_current():
    assert planted.PAGE.read_text() == planted.page(), "run `python tests/defects/planted.py --write`"


@pytest.mark.parametrize("defect", CATCHES)
def test_defect_is_caught(defect, programs, sound):
    program, test = CATCHES[defect]
    assert sound(program) == []
    caught = programs.failures(program, test, defect)
    assert caught, f"{program} {test} passes with the defect"
    print(f"{defect}: {program} {', '.join(caught)}")


def test_unknown_defects_are_refused(programs):
    """A misspelt name must not look like a defect that no test catches."""
    with pytest.raises(RuntimeError, match="expected a name of PlantedDefects.def, found 'Typo'"):
        programs.failures("arena_plan_test", "*", "Typo")


def test_the_product_has_no_switch(programs):
    """Neither the name of the environment variable nor an exported variable to set."""
    for name in ("libtenon-compiler.so", "tenon"):
        found = [p for p in programs.build.rglob(name) if p.is_file()]
        if not found:
            pytest.skip(f"{name} is not built")
        assert planted.SWITCH.encode() not in found[0].read_bytes()
        listed = subprocess.run(["nm", "-D", "--defined-only", found[0]], capture_output=True, text=True, check=True)
        assert "plantedDefect" not in listed.stdout
