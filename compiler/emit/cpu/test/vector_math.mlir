// RUN: tenon-compile-kernel %s --target x86-64-v3 | FileCheck %s --check-prefix=V3
// RUN: tenon-compile-kernel %s --target x86-64-v4 | FileCheck %s --check-prefix=V4
// RUN: tenon-compile-kernel %s --target x86-64-v4 --emulate-isa | FileCheck %s --check-prefix=V3

// The exponential of 32 lanes: fused steps at the full width of the level, no calls, nothing spilled.

// V3-LABEL: kernel:
// V3-NOT: {{call|zmm|vdivps|rsp}}
// V3: vfmadd{{.*}}ymm
// V3: vpslld $23
// V3-NOT: {{call|zmm|vdivps}}
// V3: retq

// V4-LABEL: kernel:
// V4-NOT: {{call|vdivps|rsp}}
// V4: vpslld $23, %zmm
// V4: vfmadd{{.*}}zmm
// V4-NOT: {{call|vdivps|rsp}}
// V4: retq

func.func @kernel(%io: !llvm.ptr, %begin: i32, %end: i32, %worker: i32) -> i32 {
  %buffers = llvm.load %io : !llvm.ptr -> !llvm.ptr
  %in = llvm.load %buffers : !llvm.ptr -> !llvm.ptr
  %slot = llvm.getelementptr %buffers[1] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
  %out = llvm.load %slot : !llvm.ptr -> !llvm.ptr
  %from = arith.index_cast %begin : i32 to index
  %to = arith.index_cast %end : i32 to index
  %one = arith.constant 1 : index
  scf.for %i = %from to %to step %one {
    %item = arith.index_cast %i : index to i64
    %c32 = arith.constant 32 : i64
    %offset = arith.muli %item, %c32 : i64
    %p = llvm.getelementptr %in[%offset] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %x = llvm.load %p {alignment = 4 : i64} : !llvm.ptr -> vector<32xf32>
    %y = math.exp %x : vector<32xf32>
    %q = llvm.getelementptr %out[%offset] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    llvm.store %y, %q {alignment = 4 : i64} : vector<32xf32>, !llvm.ptr
  }
  %zero = arith.constant 0 : i32
  return %zero : i32
}
