.param n
.tensor x, in, bf16, 3x5, 64
.tensor w, const, i4, 3, 4096
.bytes 0709
.equ tile, 0x20
.name "Conv_0 \"q\""
.node 0
li r1, @x
li r3, 1.5f
ldp r4, %n
loop r4, end
{ addi r2, r2, 4 | vld.w v0, [r1+0], 4, p0 | vst.w [r3+0], v1, 4, p1 | vadd.f v2, v0, v1 }
end: halt
