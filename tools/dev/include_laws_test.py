"""Tests of the dependency-law check."""

from pathlib import Path, PurePosixPath

import pytest

import include_laws

ALLOWED = [
    ("runtime/session/session.cpp", "package/reader.h"),
    ("runtime/session/session.cpp", "tenon/tenon.h"),
    ("runtime/devices/mortise/device.cpp", "sim/machine.h"),
    ("runtime/session/session_test.cpp", "compiler/pipeline/Pipeline.h"),
    ("sim/vector.cpp", "isa/mortise/table.h"),
    ("compiler/graph/Fold.cpp", "reference/interpreter.h"),
    ("compiler/graph/Fold.cpp", "compiler/dialect/tenon/TenonOps.h"),
    ("compiler/emit/cpu/Emit.cpp", "compiler/emit/Emit.h"),
    ("compiler/emit/cpu/Emit.cpp", "package/writer.h"),
    ("compiler/pipeline/Pipeline.cpp", "compiler/memory/Passes.h"),
    ("compiler/kernel/Form.cpp", "mlir/IR/Builders.h"),
    ("tools/tenon/main.cpp", "compiler/pipeline/Pipeline.h"),
    ("tools/tenon/plan.cpp", "compiler/offsets/AssignOffsets.h"),
    ("compiler/memory/Plan.cpp", "compiler/offsets/AssignOffsets.h"),
]
BROKEN = [
    ("runtime/session/session.cpp", "compiler/pipeline/Pipeline.h"),
    ("runtime/base/status.h", "llvm/ADT/StringRef.h"),
    ("runtime/session/session.cpp", "sim/machine.h"),
    ("package/reader.cpp", "mlir/IR/Builders.h"),
    ("package/reader.cpp", "runtime/base/status.h"),
    ("isa/mortise/table.h", "sim/machine.h"),
    ("sim/machine.cpp", "compiler/dialect/mortise/MortiseOps.h"),
    ("compiler/schedule/cpu/Tile.cpp", "sim/machine.h"),
    ("compiler/graph/Fold.cpp", "compiler/memory/Plan.h"),
    ("compiler/memory/Plan.cpp", "compiler/graph/Fold.h"),
    ("compiler/schedule/cpu/Tile.cpp", "reference/interpreter.h"),
    ("compiler/dialect/tenon/Ops.cpp", "compiler/graph/Fold.h"),
    ("compiler/offsets/Instance.cpp", "llvm/ADT/ArrayRef.h"),
]


@pytest.mark.parametrize(("source", "included"), ALLOWED)
def test_allowed(source, included):
    assert include_laws.violation(PurePosixPath(source), PurePosixPath(included)) is None


@pytest.mark.parametrize(("source", "included"), BROKEN)
def test_broken(source, included):
    assert include_laws.violation(PurePosixPath(source), PurePosixPath(included))


def test_message_names_file_line_and_law(tmp_path: Path):
    file = Path("runtime/session/session.cpp")
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text('#include "runtime/base/status.h"\n\n#  include <mlir/IR/Value.h>\n')
    assert include_laws.check(tmp_path, [file]) == [
        "runtime/session/session.cpp:3: runtime/ must not include mlir/ (includes mlir/IR/Value.h)"
    ]
