//===- WindowKernel.h - depthwise convolutions and pooling on the vector core --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/segment/ChannelOperands.h"
#include "compiler/emit/mortise/tile/Window.h"

namespace tenon::npu {

/// A kernel of the family window for the machine; addresses are not known yet.
struct WindowCode {
  Window window;
  mlir::Value image;        ///< what the window moves over, in the region
  ChannelOperands operands; ///< as window.tables has them
  CompiledKernel kernel;
};

/// Where it does not fit the machine, `why` says what is in the way.
std::optional<WindowCode> makeWindow(KernelOp kernel, const mortise::Hardware &hardware, std::string &why);

} // namespace tenon::npu
