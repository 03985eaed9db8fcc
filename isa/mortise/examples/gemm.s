; c = requantize(a x b + bias): int8 matrices of 256 x 256. Panels of b (256 x 32) and of the result are double-buffered:
; channels, weight loader, array and drain work on different panels at the same time.
.tensor a, in, i8, 256x256, 0
.tensor b, in, i8, 256x256, 65536
.tensor bias, in, i32, 256, 131072
.tensor scale, in, f32, 256, 132096
.tensor c, out, i8, 256x256, 133120

; scratchpad
.equ A, 0
.equ B, 0x10000        ; two panels of 8 KB
.equ C, 0x14000        ; two panels of 8 KB
.equ BIAS, 0x18000
.equ SCALE, 0x18400

; s0 a is there; s1, s2 panels of b full, free; s3, s4 accumulators full, free; s5, s6 panels of c full, free; s7 bias and
; scale are there
  sem.init s2, 2
  sem.init s4, 2
  sem.init s6, 2

  dseti d0.n0, 256     ; a
  dseti d0.n1, 256
  dseti d0.l0, 1
  dseti d0.l1, 256
  dseti d0.g0, 1
  dseti d0.g1, 256
  dseti d1.n0, 32      ; a panel of b or c
  dseti d1.n1, 256
  dseti d1.l0, 1
  dseti d1.l1, 32
  dseti d1.g0, 1
  dseti d1.g1, 256
  dseti d2.n0, 1024    ; bias, scale
  dseti d2.l0, 1
  dseti d2.g0, 1
  dseti d3.k, 32       ; weight tile
  dseti d3.n, 32
  dseti d3.l0, 32
  dseti d3.type, i8
  dseti d4.n0, 256     ; rows of a
  dseti d4.l0, 256
  dseti d4.type, i8
  dseti d5.n0, 256     ; drain
  dseti d5.l0, 32
  dseti d5.n, 32
  dseti d5.type, i8

  li r1, BIAS
  li r2, @bias
  dma in0, d2, r1, r2
  li r1, SCALE
  li r2, @scale
  dma in0, d2, r1, r2
  rel in0, s7, 1
  li r1, A
  li r2, @a
  dma in0, d0, r1, r2
  rel in0, s0, 1
  acq matrix, s0, 1
  acq drain, s7, 1

  li r2, @b            ; panel of b in memory
  li r3, B             ; in the scratchpad
  li r4, 0             ; accumulator row
  li r5, @c
  li r6, C
  li r7, BIAS
  li r8, SCALE
  li r20, 0x2000
  li r21, 256
  loopi 8, done
    acq in1, s2, 1
    dma in1, d1, r3, r2
    rel in1, s1, 1
    acq weights, s1, 1
    acq matrix, s4, 1
    mov r10, r3        ; weight tile
    li r11, A          ; column block of a
    mm.load d3, r10
    mm.mul d4, r11, r4, swap
    loopi 7, tiles
      addi r10, r10, 1024
      addi r11, r11, 32
      mm.load d3, r10
      mm.mul d4, r11, r4, swap|acc
    tiles:
    rel weights, s2, 1
    rel matrix, s3, 1
    dset d5.bias, r7
    dset d5.scale, r8
    acq drain, s3, 1
    acq drain, s6, 1
    drain d5, r4, r6
    rel drain, s4, 1
    rel drain, s5, 1
    acq out0, s5, 1
    dma out0, d1, r6, r5
    rel out0, s6, 1
    addi r2, r2, 32
    addi r5, r5, 32
    addi r7, r7, 128
    addi r8, r8, 128
    xor r3, r3, r20
    xor r6, r6, r20
    xor r4, r4, r21
  done:
  halt
