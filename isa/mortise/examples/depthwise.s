; Depthwise convolution 3 x 3, stride 1, padding 1, of an int8 image of 16 x 16 x 64 (channels last): lanes are channels.
; The padding is made by filling the tile before the image is copied into its middle.
.tensor x, in, i8, 16x16x64, 0
.tensor w, in, i8, 3x3x64, 16384
.tensor scale, in, f32, 64, 20480
.tensor y, out, i8, 16x16x64, 24576
.equ X, 0              ; 18 x 18 x 64
.equ MIDDLE, 1216      ; row 1, column 1: 18 * 64 + 64
.equ W, 0x6000
.equ SCALE, 0x7000
.equ Y, 0x8000

  dseti d0.n0, 64      ; the whole tile, zero
  dseti d0.n1, 324
  dseti d0.l0, 1
  dseti d0.l1, 64
  dseti d0.mode, 1
  dseti d0.fill, 0
  dseti d1.n0, 1024    ; rows of the image
  dseti d1.n1, 16
  dseti d1.l0, 1
  dseti d1.l1, 1152
  dseti d1.g0, 1
  dseti d1.g1, 1024
  dseti d2.n0, 576     ; weights
  dseti d2.l0, 1
  dseti d2.g0, 1
  dseti d3.n0, 256     ; scale
  dseti d3.l0, 1
  dseti d3.g0, 1
  dseti d4.n0, 16384   ; result
  dseti d4.l0, 1
  dseti d4.g0, 1
  li r1, X
  li r2, 0
  dma in0, d0, r1, r2
  li r3, MIDDLE
  li r4, @x
  dma in0, d1, r3, r4
  rel in0, s0, 1
  li r3, W
  li r4, @w
  dma in1, d2, r3, r4
  li r3, SCALE
  li r4, @scale
  dma in1, d3, r3, r4
  rel in1, s1, 1
  acq vector, s0, 1
  acq vector, s1, 1
  vrun kernel
  rel vector, s2, 1
  acq out0, s2, 1
  li r3, Y
  li r4, @y
  dma out0, d4, r3, r4
  halt

kernel:
  li r1, X
  li r2, W
  li r3, SCALE
  li r4, Y
  vld.b v10, [r2+0], 64, p0
  vld.b v11, [r2+0], 64, p0
  vld.b v12, [r2+0], 64, p0
  vld.b v13, [r2+0], 64, p0
  vld.b v14, [r2+0], 64, p0
  vld.b v15, [r2+0], 64, p0
  vld.b v16, [r2+0], 64, p0
  vld.b v17, [r2+0], 64, p0
  vld.b v18, [r2+0], 64, p0
  vld.w v19, [r3+0], 0, p0
  loopi 16, rows
    loopi 16, columns
      vld.b v0, [r1+0], 0, p0
      vld.b v1, [r1+64], 0, p0
      vld.b v2, [r1+128], 0, p0
      vld.b v3, [r1+1152], 0, p0
      { vld.b v4, [r1+1216], 0, p0 | vmul.i v20, v0, v10 }
      { vld.b v5, [r1+1280], 0, p0 | vmul.i v21, v1, v11 }
      { vld.b v6, [r1+2304], 0, p0 | vmul.i v22, v2, v12 }
      { vld.b v7, [r1+2368], 0, p0 | vmad.i v20, v3, v13, v20 }
      { vld.b v8, [r1+2432], 64, p0 | vmad.i v21, v4, v14, v21 }
      vmad.i v22, v5, v15, v22
      vmad.i v20, v6, v16, v20
      vmad.i v21, v7, v17, v21
      vmad.i v22, v8, v18, v22
      vadd.i v20, v20, v21
      vadd.i v20, v20, v22
      vcvt.if v20, v20
      vmul.f v20, v20, v19
      vcvt.fi v20, v20
      vst.b [r4+0], v20, 64, p0
    columns:
    addi r1, r1, 128
  rows:
  ret
