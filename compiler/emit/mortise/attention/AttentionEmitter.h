//===- AttentionEmitter.h - control code of fused attention -------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A step is a group of queries against a panel of keys. The code walks heads, blocks of queries, panels and
// groups once, with cursors one behind the other, since sizes are known at launch only:
//   ahead    the panel that is loaded
//   front    the step whose scores and weights are computed
//   back     the step before, whose weighted sum the array computes
//   last     the step before that, whose weighted sum is added to the result
// so that while the array works in one bank of accumulators (weighted sum of a step, scores of the one after
// the next), the vector core works in the other, transposes values (the array takes rows of v^T), and the
// next panel is loaded. Every command waits only for commands that were queued before it; the one exception
// is the load of values where they have one buffer, which fits the channel's queue until the transposition is
// queued.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/attention/AttentionPlan.h"
#include "compiler/emit/mortise/attention/ControlBuilder.h"

namespace tenon::npu {

constexpr unsigned kIn = unsigned(mortise::Engine::In0), kOut = unsigned(mortise::Engine::Out0),
                   kWeights = unsigned(mortise::Engine::Weights), kMatrix = unsigned(mortise::Engine::Matrix),
                   kVector = unsigned(mortise::Engine::Vector);

/// Descriptors, one for each use.
enum AttentionDescriptor : unsigned {
  kRowsIn,
  kValuesIn,
  kFill,
  kLengthsIn,
  kQueryTile,
  kKeyRows,
  kPowerTile,
  kValueRows,
  kRowsOut
};

/// Bits of a step.
enum AttentionFlag : uint8_t {
  kFirstPanel = 1, ///< of its block
  kLastPanel = 2,
  kEnters = 4,   ///< the first group of its panel
  kFinishes = 8, ///< the group's last panel
  kLeaves = 16,  ///< the last group of its panel
  kOddPanel = 32
};

/// Where the numbers of a step lie in its word, 8 bits each, above its flags.
enum AttentionStep : uint8_t { kTilesAt = 8, kGroupAt = 16, kBlockParityAt = 24, kRowsAt = 32 };

class AttentionEmitter {
public:
  AttentionEmitter(const AttentionPlan &plan, const mortise::Hardware &hardware) : p_(plan), h_(hardware) {}
  mortise::Program emit();

private:
  /// Semaphores of a buffer: filled by one engine, read by another.
  struct Handshake {
    unsigned full = 0, free = 0;
  };

  // AttentionProgram.cpp: what comes when.
  void declareTensors();
  void setUp();
  void compileKernels();
  void setDescriptors();
  void fillInitialState();
  void loadLengths();
  void walk();
  void advanceAhead();
  void aheadBecomesFront();
  void frontBecomesBack();
  void markEnds();
  void setLengths();

  // AttentionSteps.cpp: the engines' work.
  void emitLoads();
  void loadQueries();
  void loadKeys();
  void loadValues();
  void emitScores();
  void emitSoftmax();
  void emitTranspose();
  void transposeBlocks();
  void emitWeightedSum();
  void emitUpdate();
  void emitFinish();

  int64_t allHeads() const { return p_.shape.batch * p_.shape.heads; }
  int64_t lengthBytes() const { return (p_.shape.batch * 4 + 63) / 64 * 64; }
  void toggle(Reg parity) {
    b_.op(Id::Addi, parity, parity, 1);
    b_.op(Id::Andi, parity, parity, 1);
  }
  /// 1 - parity
  void other(Reg to, Reg parity) {
    b_.op(Id::Addi, to, parity, 1);
    b_.op(Id::Andi, to, to, 1);
  }
  /// to = number / divisor, for non-negative numbers.
  void divide(Reg to, Reg number, int64_t divisor);
  /// Rows of the block that is ahead.
  void blockRows(Reg to);
  /// Address of the maxima and sums of a group.
  void stateOf(Reg to, Reg group, Reg parity, Reg spare);
  /// A number of a step's word.
  void unpack(Reg to, Reg step, int64_t shift) {
    b_.op(Id::Shri, to, step, shift);
    b_.op(Id::Andi, to, to, 255);
  }

  const AttentionPlan &p_;
  const mortise::Hardware &h_;
  ControlBuilder b_;
  int64_t q_ = 0, k_ = 0, v_ = 0, lengths_ = 0, queryLengths_ = 0, output_ = 0;
  Handshake qs_, ks_, vs_; ///< queries, keys, values
  Handshake ts_;           ///< transposed values
  Handshake ss_, ps_, us_; ///< scores, weights, weighted sums
  Handshake os_;           ///< output
  KernelId softmax_, masked_, update_, firstUpdate_, transpose_, finish_;
  // Ahead: head of the batch, first query and first key, numbers of the sequence, keys that the block sees.
  Reg head_, block_, key_, queries_, keys_, visible_, blockParity_;
  Reg moved_; ///< blocks of columns of its values that are transposed
  // Front. left: keys from the panel's first on that the block sees; diagonal: those that its first query
  // sees.
  Reg left_, diagonal_, rows_, flags_, target_, group_, frontParity_, panelParity_, stepParity_;
  Reg seen_;  ///< of the panel, by the group's first query
  Reg tiles_; ///< of keys in the step
  // Steps in one word (`AttentionStep`), 0: none; and where their results go.
  Reg back_, backTarget_, last_, lastTarget_, outParity_;
  Reg t_[6];
};

} // namespace tenon::npu
