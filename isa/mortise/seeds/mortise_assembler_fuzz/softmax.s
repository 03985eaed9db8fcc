; y = softmax(x) over rows of 256 floats, 64 rows. Rows arrive in four blocks of 16, double-buffered.
.tensor x, in, f32, 64x256, 0
.tensor y, out, f32, 64x256, 65536
.equ X, 0              ; two blocks of 16 KB
.equ Y, 0x8000         ; two blocks of 16 KB

; s0, s1 blocks of x full, free; s2, s3 blocks of y full, free
  sem.init s1, 2
  sem.init s3, 2
  dseti d0.n0, 16384
  dseti d0.l0, 1
  dseti d0.g0, 1
  li r1, X
  li r2, @x
  li r3, Y
  li r4, @y
  li r20, 0x4000
  loopi 4, done
    acq in0, s1, 1
    dma in0, d0, r1, r2
    rel in0, s0, 1
    acq vector, s0, 1
    acq vector, s3, 1
    vset r1, r1
    vset r2, r3
    vrun rows
    rel vector, s1, 1
    rel vector, s2, 1
    acq out0, s2, 1
    dma out0, d0, r3, r4
    rel out0, s3, 1
    xor r1, r1, r20
    xor r3, r3, r20
    addi r2, r2, 16384
    addi r4, r4, 16384
  done:
  halt

; r1: x, r2: y. exp(x - max) = exp2((x - max) log2(e))
rows:
  li r3, 1.44269504f
  vbc v20, r3
  loopi 16, end
    vld.w v0, [r1+0], 256, p0
    vld.w v1, [r1+0], 256, p0
    vld.w v2, [r1+0], 256, p0
    { vld.w v3, [r1+0], 256, p0 | vmax.f v4, v0, v1 }
    vmax.f v5, v2, v3
    vmax.f v4, v4, v5
    vredmax.f v4, v4
    vsub.f v0, v0, v4
    vsub.f v1, v1, v4
    vsub.f v2, v2, v4
    vsub.f v3, v3, v4
    vmul.f v0, v0, v20
    vmul.f v1, v1, v20
    vmul.f v2, v2, v20
    vmul.f v3, v3, v20
    vexp2.f v0, v0
    vexp2.f v1, v1
    vexp2.f v2, v2
    vexp2.f v3, v3
    vadd.f v4, v0, v1
    vadd.f v5, v2, v3
    vadd.f v4, v4, v5
    vredsum.f v4, v4
    vrcp.f v4, v4
    vmul.f v0, v0, v4
    vmul.f v1, v1, v4
    vmul.f v2, v2, v4
    { vst.w [r2+0], v0, 256, p0 | vmul.f v3, v3, v4 }
    vst.w [r2+0], v1, 256, p0
    vst.w [r2+0], v2, 256, p0
    vst.w [r2+0], v3, 256, p0
  end:
  ret
