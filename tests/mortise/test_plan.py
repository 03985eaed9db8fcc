"""`tenon plan`: its files, its errors, and MiniMalloc's public instances where they are at hand."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTANCES = ROOT.parent / "shared/npu/minimalloc"
CAPACITY = 1048576
HEAD = "id,lower,upper,size\n"
LIST = HEAD + "a,0,3,4\nb,3,9,4\nc,0,9,4\nd,9,21,4\ne,0,21,4\n"


def read(text: str) -> dict[str, tuple[int, ...]]:
    """Id -> lower, upper, size, offset."""
    names = ("lower", "upper", "size", "offset")
    return {row["id"]: tuple(int(row[name]) for name in names) for row in csv.DictReader(text.splitlines())}


def peak_of(placed: dict[str, tuple[int, ...]]) -> int:
    """The end of the highest buffer; fails where two overlap."""
    rows = list(placed.items())
    for i, (name, (lower, upper, size, offset)) in enumerate(rows):
        assert offset >= 0
        for other, (low, up, other_size, other_offset) in rows[:i]:
            apart = upper <= low or up <= lower or offset + size <= other_offset or other_offset + other_size <= offset
            assert apart, f"{name} and {other} overlap"
    return max(size + offset for *_, size, offset in placed.values())


@pytest.fixture
def plan(tenon, tmp_path):
    """Runs `tenon plan` on a text."""

    def run(text: str | bytes, *flags) -> subprocess.CompletedProcess:
        source = tmp_path / "buffers.csv"
        source.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tenon("plan", source, *flags)

    return run


def test_list_with_offsets(plan, tmp_path):
    out, report = tmp_path / "placed.csv", tmp_path / "report.json"
    done = plan(LIST, "--capacity", 12, "-o", out, "--json", report)
    assert done.returncode == 0 and done.stderr == ""
    assert "peak 12 bytes, lower bound 12: optimal" in done.stdout
    placed = read(out.read_text())
    assert {name: row[:3] for name, row in placed.items()} == {
        "a": (0, 3, 4), "b": (3, 9, 4), "c": (0, 9, 4), "d": (9, 21, 4), "e": (0, 21, 4)
    }  # fmt: skip
    assert peak_of(placed) == 12
    result = json.loads(report.read_text())
    assert (result["buffers"], result["peak"], result["lower_bound"], result["optimal"]) == (5, 12, 12, True)
    assert {row["id"]: row["offset"] for row in result["placements"]} == {n: r[3] for n, r in placed.items()}
    assert len(result["at_bound"]) == 3 and result["first_fit_by_size"] >= 12


def test_list_on_standard_output(plan):
    done = plan(LIST, "-o", "-")
    assert done.returncode == 0
    assert done.stdout.startswith("id,lower,upper,size,offset\na,0,3,4,")
    assert "optimal" in done.stderr


def test_columns_in_any_order_alignment_and_fixed_offsets(plan):
    text = "\ufeffsize, id ,alignment,offset,upper,lower\r\n3,x,1,8,5,0\r\n\r\n5,y,16,,6,1\r\n4,z,4,,3,-2\r\n"
    done = plan(text, "-o", "-")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "id,lower,upper,size,alignment,offset"
    placed = read(done.stdout)
    assert placed["x"] == (0, 5, 3, 8)
    assert placed["y"][3] % 16 == 0 and placed["z"][3] % 4 == 0
    assert peak_of(placed) == 16


def test_an_empty_list_and_empty_buffers(plan):
    assert "0 buffers, peak 0" in plan(HEAD).stdout
    assert "peak 0" in plan(HEAD + "a,0,1,0\nb,0,1,0\n", "--capacity", 0).stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("id,lower,size\na,0,1\n", "line 1: the column 'upper' is missing"),
        ("id,lower,upper,size,size\n", "line 1: the column 'size' is there twice"),
        ("id,lower,upper,size,gaps\n", "line 1: the column 'gaps' is unknown"),
        ("a,0,1,4\n", "line 1: the column 'a' is unknown"),
        (HEAD + "a,0,1,4\nb,0,1\n", "line 3: 3 cells were found, 4 are expected"),
        (HEAD + "a,0,1,4,9\n", "line 2: 5 cells"),
        (HEAD + "a,zero,1,4\n", "line 2: 'lower' is 'zero'; an integer is expected"),
        (HEAD + "a,0,1,4.5\n", "line 2: 'size' is '4.5'"),
        (HEAD + "a,0,1,\n", "line 2: 'size' is ''"),
        (HEAD + "a,0,1,99999999999999999999\n", "beyond 64 bits"),
        (HEAD + "a,0,1,-4\n", "line 2: buffer 'a': the size -4 is negative"),
        (HEAD + "a,5,5,4\n", "ends at 5, not after its begin at 5"),
        (HEAD + "a,0,1,9223372036854775807\n", "2^60"),
        (HEAD + "".join(f"b{i},0,1,{1 << 58}\n" for i in range(5)), "line 5: buffer 'b3': the sizes up to here"),
        (HEAD + "a,0,1,4\n\na,1,2,4\n", "line 4: the id 'a' is that of line 2 as well"),
        (HEAD + ",0,1,4\n", "the id is empty"),
        (HEAD + '"a",0,1,4\n', "quotation mark"),
        ("id,lower,upper,size,alignment\na,0,1,4,0\n", "the alignment 0"),
        ("id,lower,upper,size,offset\na,0,2,4,0\nb,1,3,4,2\n", "line 3: buffer 'b': its fixed place overlaps"),
        (b"\x00\xff\xfe,\x01\n\n", "line 1: the column '???'"),
    ],
)
def test_malformed_lists(plan, tmp_path, text, message):
    out = tmp_path / "placed.csv"
    done = plan(text, "-o", out)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: TN1301: ") and done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not out.exists()


def test_too_many_buffers(plan):
    done = plan(HEAD + "".join(f"{i},{i},{i + 1},1\n" for i in range(16385)))
    assert done.returncode == 1 and "TN1301" in done.stderr and "more than 16384" in done.stderr


def test_capacity_below_the_bound_names_the_buffers(plan, tmp_path):
    out, report = tmp_path / "placed.csv", tmp_path / "report.json"
    done = plan(LIST, "--capacity", 11, "-o", out, "--json", report)
    assert done.returncode == 1 and "TN1302" in done.stderr
    assert "best placement found ends at 12" in done.stderr
    assert "3 buffers: a, c, e" in done.stderr
    assert not out.exists() and not report.exists()


def test_capacity_that_search_proves_too_small(plan):
    """Six bytes are alive, but the offsets' alignment wastes one."""
    text = "id,lower,upper,size,alignment\na,0,2,3,4\nb,1,3,3,4\n"
    done = plan(text, "--capacity", 6)
    assert done.returncode == 1 and "TN1302" in done.stderr
    assert "ends at 7, and none can below 7" in done.stderr
    assert "peak 7 bytes, lower bound 7: optimal" in plan(text).stdout


@pytest.mark.parametrize(
    "flags", [["--seconds", "-1"], ["--seconds", "nan"], ["--capacity", "-1"], ["--capacity", "big"], []]
)
def test_wrong_usage(tenon, plan, flags):
    done = plan(LIST, *flags) if flags else tenon("plan")
    assert done.returncode == 2 and "TN000" in done.stderr


def test_unreadable_and_unwritable_files(tenon, plan, tmp_path):
    assert "TN0503" in tenon("plan", tmp_path / "none.csv").stderr
    done = plan(LIST, "-o", tmp_path / "none" / "placed.csv")
    assert done.returncode == 1 and "TN0504" in done.stderr


def test_planning_maps_no_llvm(tenon, plan):
    ldd = shutil.which("ldd")
    if not ldd:
        pytest.skip("there is no ldd")
    linked = subprocess.run([ldd, plan(LIST).args[0]], capture_output=True, text=True).stdout
    assert "LLVM" not in linked and "MLIR" not in linked


@pytest.mark.parametrize("name", "ABCDEFGHIJK")
def test_public_instances(tenon, tmp_path, name):
    """The capacity that they are published with is reached on all; time is only bounded."""
    source = INSTANCES / f"{name}.{CAPACITY}.csv"
    if not source.exists():
        pytest.skip(f"{source.name} of MiniMalloc is not in {INSTANCES}")
    out, report = tmp_path / "placed.csv", tmp_path / "report.json"
    done = tenon("plan", source, "--capacity", CAPACITY, "--seconds", 50, "-o", out, "--json", report)
    assert done.returncode == 0, done.stderr
    placed, result = read(out.read_text()), json.loads(report.read_text())
    given = [tuple(line.split(",")[:4]) for line in source.read_text().split()]
    assert [tuple(line.split(",")[:4]) for line in out.read_text().split()] == given
    assert peak_of(placed) == result["peak"] <= CAPACITY
    assert result["peak"] <= 1.1 * result["lower_bound"]
    assert result["peak"] < result["first_fit_by_size"]
