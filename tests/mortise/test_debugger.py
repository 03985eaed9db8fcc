"""The debugger of `tenon sim --debug`, driven by scripts."""

from pathlib import Path

import pytest

PROGRAM = """
.tensor x, in, i8, 256, 0
.tensor y, out, i8, 256, 256
.name "Relu_7"
  sem.init s9, 3
  dseti d0.n0, 256
  dseti d0.l0, 1
  dseti d0.g0, 1
  li r1, 512
  li r2, @x
  li r3, @y
  dma in0, d0, r1, r2
  rel in0, s0, 1
  acq vector, s0, 1
  vset r1, r1
.node 0
  vrun kernel
  rel vector, s1, 1
  acq out0, s1, 1
  dma out0, d0, r1, r3
  halt
kernel:
  vld.w v1, [r1+0], 0, p0
  vmov v2, v1
  vst.w [r1+0], v2, 0, p0
  ret
"""


@pytest.fixture
def debug(tenon, tmp_path):
    source, binary = tmp_path / "p.s", tmp_path / "p.bin"
    source.write_text(PROGRAM)
    assert tenon("asm", source, "-o", binary).returncode == 0

    def run(*script, flags=()):
        return tenon("sim", binary, "--debug", *flags, input="\n".join(script) + "\n")

    return run


def test_stops_before_the_first_instruction_and_steps(debug):
    out = debug("step", "step 3", "continue").stdout
    assert "cycle 0, ctl, 0: sem.init s9, 3" in out
    assert "ctl, 1: dseti d0.n0, 256" in out
    assert "ctl, 4: li r1, 512" in out
    assert "edge-512k:" in out  # ran to the end


def test_breakpoint_shows_engine_node_and_registers(debug):
    out = debug("break 17", "continue", "regs", "regs vector", "v 1", "continue").stdout
    assert "vector, 17: vmov v2, v1 (node 'Relu_7')" in out
    control, vector = out.split("> ")[3], out.split("> ")[4]
    assert "r1 = 512" in control and "r3 = 256" in control
    assert "r1 = 512" in vector and "r3 = 0" in vector
    assert "0 (0)" in out


def test_watchpoint_on_a_range_of_the_scratchpad(debug):
    out = debug("watch 0x210 16", "continue", "continue", "mem 0x200 4", "continue", "continue").stdout
    assert "in0 writes a watched byte, 7: dma in0, d0, r1, r2" in out
    assert "vector reads a watched byte, 16: vld.w v1, [r1+0], 0, p0" in out
    assert "512: 00 00 00 00" in out
    assert "vector writes a watched byte, 18: vst.w [r1+0], v2, 0, p0" in out


def test_semaphores_queues_and_code(debug):
    out = debug("break 7", "continue", "sems", "list", "break", "break 11", "continue", "queues", "continue").stdout
    assert "s9 = 3" in out
    assert "* 7: dma in0, d0, r1, r2" in out and "  8: rel in0, s0, 1" in out
    assert "vector: 2 queued, at instruction 9 'acq vector, s0, 1' (the semaphore is at 0)" in out


def test_unknown_commands_list_the_known_ones(debug):
    out = debug("bogus", "watch 3", "continue").stdout
    assert "commands: break N" in out and "watch needs an address and a number of bytes" in out


def test_quit_ends_the_run(debug):
    done = debug("quit")
    assert done.returncode == 1 and "TN1212" in done.stderr


def test_a_script_that_ends_lets_the_run_finish(debug):
    done = debug("break 3")
    assert done.returncode == 0 and "edge-512k:" in done.stdout


def test_the_debugger_does_not_change_time(debug, tenon, tmp_path):
    Path(tmp_path / "p.s").write_text(PROGRAM)
    plain = tenon("sim", tmp_path / "p.bin").stdout.splitlines()[0]
    assert plain in debug("break 17", "continue", "step 2", "continue").stdout
