// RUN: not tenon-compile-kernel %s --target x86-64-v3 2>&1 | FileCheck %s
// RUN: not tenon-compile-kernel %s --target pentium 2>&1 | FileCheck %s --check-prefix=TARGET

// CHECK: TN0403: a kernel needs functions that no code image has: outside; its operations must be lowered to instructions
// TARGET: TN0301: unknown CPU target 'pentium'; expected native, a path that ends in .yaml, or one of {{.*}}x86-64-v3

func.func private @outside(f32) -> f32
func.func @kernel(%x: f32) -> f32 {
  %y = func.call @outside(%x) : (f32) -> f32
  return %y : f32
}
