"""docs/composites.md: complete, and what it says is so."""

import os
from pathlib import Path

import composite_table as table
import pytest

MODELS = Path(os.environ.get("TENON_MODELS", table.ROOT / "models"))


@pytest.fixture(scope="module")
def rows() -> dict[str, table.Row]:
    return {row.composite: row for row in table.written()}


def test_every_composite_has_a_row(rows):
    assert len(rows) > 30
    assert list(rows) == table.composites()


def test_no_column_lacks(rows):
    for row in rows.values():
        assert row.form and row.values and row.backend, f"{row.composite} lacks a test"
        assert row.models != "none" or row.case, f"{row.composite}: no model and no case of ONNX's suite hits it"


def test_tests_exist(rows):
    sources = "".join(f.read_text() for f in (table.ROOT / "reference").glob("*Test.cpp"))
    for row in rows.values():
        text = (table.FORMS / row.form).read_text()
        assert f"--implicit-check-not='tenon.{row.composite} '" in text
        assert f"= tenon.{row.composite} " in text
        assert "// CHECK: tenon." in text
        assert f"TEST_F({row.values.replace('.', ', ')})" in sources


def test_cases_pass(rows):
    passing = set(table.PASSING.read_text().split())
    assert {f"{row.case}_cpu" for row in rows.values() if row.case} <= passing


def test_models_hit_what_the_table_says(rows):
    """For the models at hand."""
    found = table.model_hits(MODELS)
    if not found:
        pytest.skip(f"no models in {MODELS}: run `./dev models {MODELS}`")
    for model, counts in found.items():
        told = {c: r.models for c, r in rows.items() if f"{model} (" in r.models}
        assert set(told) == set(counts), f"{model}: run `python tests/composites/composite_table.py`"
        assert all(f"{model} ({n})" in told[c] for c, n in counts.items()), f"{model}: {counts}, found {told}"
