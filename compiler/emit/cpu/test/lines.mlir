// RUN: tenon-compile-kernel %s --target x86-64-v3 | FileCheck %s

// The assembly names the lines of the module's text.

// CHECK: .file 1 "{{.*}}lines.mlir"
// CHECK: .loc 1 [[#@LINE+6]] {{.*}}
// CHECK-NEXT: vsqrtss
// CHECK-NOT: .debug_

func.func @kernel(%p: !llvm.ptr, %begin: i32, %end: i32, %worker: i32) -> i32 {
  %x = llvm.load %p : !llvm.ptr -> f32
  %y = math.sqrt %x : f32
  %q = llvm.load %p : !llvm.ptr -> !llvm.ptr
  llvm.store %y, %q : f32, !llvm.ptr
  %zero = arith.constant 0 : i32
  return %zero : i32
}
