//===- OrderQueues.h - devices beside the CPU -----------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "package/model.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace tenon::plan {

/// Puts the dispatches of each device on a queue of its own (1 + the device's index), where they run beside
/// the CPU, and orders the queues: a signal behind each, and a wait before the first command of the CPU that
/// touches memory which one of them writes, or writes memory which one of them touches. Where the plan
/// branches, the CPU waits for all. Commands stand in an order in which they could run one after the other;
/// conflicts of arena buffers are those of that order, so memory that takes turns counts as shared.
void orderQueues(package::Function &function, const package::Package &package);

/// Calls f(buffer &, read, written) for the buffers of a command.
void forEachBuffer(package::CommandBody &body, const std::vector<package::Kernel> &kernels,
                   llvm::function_ref<void(package::BufferId &, bool, bool)> f);

/// Removes weights that no command uses, and their buffers.
void dropUnusedWeights(package::Package &package);

} // namespace tenon::plan
