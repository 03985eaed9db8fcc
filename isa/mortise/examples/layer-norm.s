; y = (x - mean) / sqrt(variance + 1e-5) * gamma + beta over rows of 256 floats; the number of rows is a parameter.
.param rows
.tensor x, in, f32, 64x256, 0
.tensor gamma, in, f32, 256, 65536
.tensor beta, in, f32, 256, 66560
.tensor y, out, f32, 64x256, 69632
.equ X, 0
.equ Y, 0x10000
.equ GAMMA, 0x20000
.equ BETA, 0x20400

; s0 everything is there; s1 the result is
  dseti d0.n0, 1024
  dseti d0.l0, 1
  dseti d0.g0, 1
  dseti d1.n0, 1024    ; rows of x and y
  dseti d1.l0, 1
  dseti d1.l1, 1024
  dseti d1.g0, 1
  dseti d1.g1, 1024
  ldp r9, %rows
  dset d1.n1, r9
  li r1, GAMMA
  li r2, @gamma
  dma in0, d0, r1, r2
  li r1, BETA
  li r2, @beta
  dma in0, d0, r1, r2
  li r1, X
  li r2, @x
  dma in0, d1, r1, r2
  rel in0, s0, 1
  acq vector, s0, 1
  vset r1, r1
  li r3, Y
  vset r2, r3
  vset r9, r9
  vrun kernel
  rel vector, s1, 1
  acq out0, s1, 1
  li r4, @y
  dma out0, d1, r3, r4
  halt

kernel:
  li r3, GAMMA
  li r4, BETA
  vld.w v10, [r3+0], 0, p0
  vld.w v11, [r3+256], 0, p0
  vld.w v12, [r3+512], 0, p0
  vld.w v13, [r3+768], 0, p0
  vld.w v14, [r4+0], 0, p0
  vld.w v15, [r4+256], 0, p0
  vld.w v16, [r4+512], 0, p0
  vld.w v17, [r4+768], 0, p0
  li r5, 0.00390625f   ; 1/256
  vbc v20, r5
  li r5, 0.00001f
  vbc v21, r5
  loop r9, end
    vld.w v0, [r1+0], 256, p0
    vld.w v1, [r1+0], 256, p0
    vld.w v2, [r1+0], 256, p0
    { vld.w v3, [r1+0], 256, p0 | vadd.f v4, v0, v1 }
    vadd.f v5, v2, v3
    vadd.f v4, v4, v5
    vredsum.f v4, v4
    vmul.f v4, v4, v20
    vsub.f v0, v0, v4
    vsub.f v1, v1, v4
    vsub.f v2, v2, v4
    vsub.f v3, v3, v4
    vmul.f v5, v0, v0
    vfma.f v5, v1, v1, v5
    vfma.f v5, v2, v2, v5
    vfma.f v5, v3, v3, v5
    vredsum.f v5, v5
    vfma.f v5, v5, v20, v21
    vrsqrt.f v5, v5
    vmul.f v0, v0, v5
    vmul.f v1, v1, v5
    vmul.f v2, v2, v5
    vmul.f v3, v3, v5
    vfma.f v0, v0, v10, v14
    vfma.f v1, v1, v11, v15
    vfma.f v2, v2, v12, v16
    { vst.w [r2+0], v0, 256, p0 | vfma.f v3, v3, v13, v17 }
    vst.w [r2+0], v1, 256, p0
    vst.w [r2+0], v2, 256, p0
    vst.w [r2+0], v3, 256, p0
  end:
  ret
