// RUN: tenon-opt --tenon-form-kernels --verify-diagnostics %s

// What neither kernels nor plans have is reported, every one of it.
func.func @without_form(%x: tensor<2x3xf32>, %y: tensor<4xf32>) -> (tensor<2x6xi64>, tensor<1x4xi64>) {
  // expected-error @below {{TN0401: 'tenon.non_zero' has no form on the CPU; use --target reference, or change the export}}
  %p, %n = tenon.non_zero %x : tensor<2x3xf32> -> tensor<2x6xi64>
  // expected-error @below {{TN0401: 'tenon.non_zero' has no form on the CPU}}
  %q, %m = tenon.non_zero %y : tensor<4xf32> -> tensor<1x4xi64>
  return %p, %q : tensor<2x6xi64>, tensor<1x4xi64>
}
