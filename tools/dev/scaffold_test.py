"""Tests of the files that a new op or pass begins with."""

from pathlib import Path

import pytest

import scaffold

ODS = '#ifndef GUARD\n#define GUARD\ndef Tenon_ReduceOp : Tenon_CoreOp<"reduce"> {\n}\n#endif\n'


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    dialect, graph = tmp_path / scaffold.DIALECT, tmp_path / "compiler/graph"
    dialect.mkdir(parents=True)
    graph.mkdir()
    (dialect / "ReductionOps.td").write_text(ODS)
    (graph / "Passes.td").write_text("#ifndef GUARD\n#define GUARD\n\n#endif\n")
    (graph / "CMakeLists.txt").write_text(
        "tenon_compiler_library(tenon_graph\n  SOURCES\n    FoldConstants.cpp\n  DEPS x)\n"
    )
    return tmp_path


def test_new_op_adds_entry_and_test(clone):
    assert scaffold.new_op("cumulative_sum", "Reduction", clone) == 0
    ods = (clone / scaffold.DIALECT / "ReductionOps.td").read_text()
    assert 'def Tenon_CumulativeSumOp : Tenon_CoreOp<"cumulative_sum"' in ods
    assert ods.endswith("}\n#endif\n")
    assert "tenon.cumulative_sum" in (clone / scaffold.DIALECT / "test/cumulative_sum.mlir").read_text()
    assert scaffold.new_op("cumulative_sum", "Reduction", clone) == 2


def test_new_pass_touches_every_room(clone):
    assert scaffold.new_pass("FuseEpilogue", "graph", clone) == 0
    graph = clone / "compiler/graph"
    assert 'def FuseEpilogue : Pass<"tenon-fuse-epilogue"' in (graph / "Passes.td").read_text()
    assert "SOURCES\n    FuseEpilogue.cpp FoldConstants.cpp" in (graph / "CMakeLists.txt").read_text()
    assert "GEN_PASS_DEF_FUSEEPILOGUE" in (graph / "FuseEpilogue.cpp").read_text()
    assert "--tenon-fuse-epilogue" in (graph / "test/fuse_epilogue.mlir").read_text()
    assert scaffold.new_pass("FuseEpilogue", "graph", clone) == 2


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda root: scaffold.new_op("CumSum", "Reduction", root), "lower_case"),
        (lambda root: scaffold.new_op("cumsum", "Sums", root), "known: Reduction"),
        (lambda root: scaffold.new_pass("fuse", "graph", root), "CamelCase"),
        (lambda root: scaffold.new_pass("FusePass", "graph", root), "without `Pass`"),
        (lambda root: scaffold.new_pass("Fuse", "cooking", root), "phases with passes: graph"),
    ],
)
def test_refuses_bad_names(clone, capsys, make, said):
    assert make(clone) == 2
    assert said in capsys.readouterr().out
