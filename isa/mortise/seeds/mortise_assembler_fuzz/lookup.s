; Scores of looked-up rows: s[to[i]] = sum over j of table[from[i]][j] * q[j], int8, 64 of 1000 rows of 256. The rows come by
; a gathering DMA, the scores leave by a scattering one.
.tensor table, in, i8, 1000x256, 0
.tensor from, in, i32, 64, 256000
.tensor to, in, i32, 64, 256256
.tensor q, in, i8, 256, 256512
.tensor s, out, i32, 100, 256768
.equ ROWS, 0
.equ FROM, 0x4000
.equ TO, 0x4100
.equ Q, 0x4200
.equ S, 0x4300

  dseti d0.n0, 256     ; lists and q: 256 bytes each
  dseti d0.l0, 1
  dseti d0.g0, 1
  dseti d1.n0, 256     ; rows of the table
  dseti d1.n1, 64
  dseti d1.l0, 1
  dseti d1.l1, 256
  dseti d1.g0, 1
  dseti d1.g1, 256
  dseti d1.mode, 2
  dseti d1.index, FROM
  dseti d2.n0, 1       ; scores, 4 bytes each
  dseti d2.n1, 64
  dseti d2.esize, 4
  dseti d2.l1, 4
  dseti d2.g1, 4
  dseti d2.mode, 2
  dseti d2.index, TO
  li r1, FROM
  li r2, @from
  dma in0, d0, r1, r2
  li r1, TO
  li r2, @to
  dma in0, d0, r1, r2
  li r1, Q
  li r2, @q
  dma in0, d0, r1, r2
  li r1, ROWS
  li r2, @table
  dma in0, d1, r1, r2
  rel in0, s0, 1
  acq vector, s0, 1
  vrun kernel
  rel vector, s1, 1
  acq out0, s1, 1
  li r1, S
  li r2, @s
  dma out0, d2, r1, r2
  halt

kernel:
  li r1, ROWS
  li r2, Q
  li r3, S
  li r4, 1
  ptail p1, r4
  vld.b v10, [r2+0], 64, p0
  vld.b v11, [r2+0], 64, p0
  vld.b v12, [r2+0], 64, p0
  vld.b v13, [r2+0], 64, p0
  loopi 64, end
    vld.b v0, [r1+0], 64, p0
    vld.b v1, [r1+0], 64, p0
    vld.b v2, [r1+0], 64, p0
    vld.b v3, [r1+0], 64, p0
    vmul.i v4, v0, v10
    vmul.i v5, v1, v11
    vmad.i v4, v2, v12, v4
    vmad.i v5, v3, v13, v5
    vadd.i v4, v4, v5
    vredsum.i v4, v4
    vst.w [r3+0], v4, 4, p1
  end:
  ret
