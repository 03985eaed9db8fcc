//===- AttentionSteps.cpp - what the engines do in a step of attention ---------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/attention/AttentionEmitter.h"

namespace tenon::npu {

using mortise::Field;

void AttentionEmitter::emitLoads() {
  b_.when(Condition::Equal, key_, b_.zero(), [&] { loadQueries(); });
  // The panel's rows, and where they lie in k and v.
  const AttentionShape &s = p_.shape;
  Reg rows = t_[0], from = t_[1], parity = t_[2], spare = t_[3];
  b_.sub(rows, visible_, key_);
  b_.op(Id::Mini, rows, rows, p_.panel);
  if (s.heads == s.kvHeads) {
    b_.move(from, head_);
  } else {
    // Heads per sequence are a multiple of those that share keys.
    divide(from, head_, s.heads / s.kvHeads);
  }
  b_.op(Id::Muli, from, from, s.keys);
  b_.add(from, from, key_);
  b_.op(Id::Muli, from, from, p_.rowBytes);
  other(parity, panelParity_);
  b_.move(spare, from);
  loadKeys();
  b_.move(from, spare);
  loadValues();
}

void AttentionEmitter::loadQueries() {
  Reg rows = t_[0], from = t_[1], to = t_[2];
  b_.acquire(kIn, qs_.free);
  blockRows(rows);
  b_.field(kRowsIn, Field::N1, rows);
  b_.op(Id::Muli, from, head_, p_.shape.queries);
  b_.add(from, from, block_);
  b_.op(Id::Muli, from, from, p_.rowBytes);
  b_.addTo(from, q_, to);
  b_.element(to, blockParity_, p_.queryBytes, p_.queries);
  b_.dma(kIn, kRowsIn, to, from);
  b_.release(kIn, qs_.full);
}

/// t0: rows, t1: bytes from the first key on, t2: parity.
void AttentionEmitter::loadKeys() {
  Reg rows = t_[0], from = t_[1], parity = t_[2], to = t_[4];
  b_.acquire(kIn, ks_.free);
  b_.field(kRowsIn, Field::N1, rows);
  b_.addTo(from, k_, to);
  b_.element(to, parity, p_.keyBytes, p_.keys);
  b_.dma(kIn, kRowsIn, to, from);
  b_.release(kIn, ks_.full);
}

/// The same. Even keys, then odd ones. A tile of weights takes whole `tileRows` keys: values behind the last
/// one are zero.
void AttentionEmitter::loadValues() {
  Reg rows = t_[0], from = t_[1], parity = t_[2], to = t_[4], padding = t_[5], number = t_[2];
  unsigned channel = h_.dma.inChannels > 1 ? kIn + 1 : kIn;
  b_.acquire(channel, vs_.free);
  b_.addTo(from, v_, to);
  if (p_.valueBuffers > 1)
    b_.element(to, parity, p_.valueBytes, p_.values);
  else
    b_.set(to, p_.values);
  b_.sub(padding, b_.zero(), rows);
  b_.op(Id::Andi, padding, padding, p_.tileRows - 1);
  for (int odd = 0; odd < 2; ++odd) {
    // Of n, (n + 1) / 2 are even and n / 2 odd; of what is behind them, it is the other way around.
    auto half = [&](Reg all, bool larger, const ControlBuilder::Body &body) {
      b_.op(Id::Addi, number, all, larger ? 1 : 0);
      b_.op(Id::Shri, number, number, 1);
      b_.when(Condition::NotEqual, number, b_.zero(), body);
    };
    half(rows, !odd, [&] {
      b_.field(kValuesIn, Field::N1, number);
      b_.dma(channel, kValuesIn, to, from);
    });
    half(padding, odd, [&] {
      b_.field(kFill, Field::N1, number);
      b_.op(Id::Addi, number, rows, odd ? 0 : 1);
      b_.op(Id::Shri, number, number, 1);
      b_.op(Id::Muli, number, number, p_.valuePitch);
      b_.add(number, number, to);
      b_.dma(channel, kFill, number, b_.zero());
    });
    b_.op(Id::Addi, to, to, 2);
    b_.op(Id::Addi, from, from, p_.rowBytes);
  }
  b_.release(channel, vs_.full);
}

void AttentionEmitter::emitScores() {
  Reg queries = t_[0], keys = t_[1], sums = t_[2], count = t_[3], spare = t_[4];
  b_.element(seen_, group_, p_.columns, 0);
  b_.add(seen_, seen_, diagonal_);
  b_.op(Id::Addi, count, seen_, p_.columns - 1);
  b_.op(Id::Min, count, count, left_);
  b_.op(Id::Mini, count, count, p_.panel);
  b_.op(Id::Addi, tiles_, count, p_.tileRows - 1);
  divide(tiles_, tiles_, p_.tileRows);
  b_.whenBits(flags_, kEnters, spare, [&] {
    b_.whenBits(flags_, kFirstPanel, spare, [&] { b_.acquire(kWeights, qs_.full); });
    b_.acquire(kMatrix, ks_.full);
  });
  b_.acquire(kMatrix, ss_.free);
  b_.field(kKeyRows, Field::N0, count);
  b_.element(queries, frontParity_, p_.queryBytes, p_.queries);
  b_.element(spare, group_, p_.columns * p_.rowBytes, 0);
  b_.add(queries, queries, spare);
  b_.element(keys, panelParity_, p_.keyBytes, p_.keys);
  b_.element(sums, stepParity_, p_.accumulatorStride, 0);
  for (int64_t tile = 0; tile < p_.shape.depth / p_.tileRows; ++tile) {
    if (tile) {
      b_.op(Id::Addi, queries, queries, p_.tileRows * 2);
      b_.op(Id::Addi, keys, keys, p_.tileRows * 2);
    }
    b_.loadTile(kQueryTile, queries);
    b_.multiply(kKeyRows, keys, sums, tile != 0);
  }
  b_.release(kMatrix, ss_.full);
  // Even the update of the last step waits: its sums lie in the bank that these scores go to.
  b_.acquire(kVector, ss_.full);
  b_.element(spare, group_, p_.columns, 0);
  b_.op(Id::Addi, spare, spare, p_.columns);
  b_.when(Condition::GreaterEqual, spare, rows_, [&] {
    b_.release(kMatrix, ks_.free);
    b_.whenBits(flags_, kLastPanel, spare, [&] { b_.release(kWeights, qs_.free); });
  });
}

void AttentionEmitter::emitWeightedSum() {
  Reg powers = t_[0], values = t_[1], sums = t_[2], count = t_[3], spare = t_[4];
  b_.whenBits(back_, kEnters, spare, [&] { b_.acquire(kMatrix, ts_.full); });
  b_.acquire(kWeights, ps_.full);
  b_.acquire(kMatrix, us_.free);
  other(spare, stepParity_);
  b_.element(powers, spare, p_.powerBytes, p_.powers);
  b_.element(sums, spare, p_.accumulatorStride, p_.panel);
  b_.set(values, p_.transposed);
  b_.whenBits(back_, kOddPanel, spare, [&] { b_.op(Id::Addi, values, values, p_.transposedBytes); });
  b_.loadTile(kPowerTile, powers);
  b_.multiply(kValueRows, values, sums, false);
  unpack(count, back_, kTilesAt);
  b_.op(Id::Addi, count, count, -1);
  b_.repeat(count, [&] {
    b_.op(Id::Addi, powers, powers, p_.tileRows * p_.columns * 2);
    b_.op(Id::Addi, values, values, p_.tileRows * 2);
    b_.loadTile(kPowerTile, powers);
    b_.multiply(kValueRows, values, sums, true);
  });
  b_.release(kWeights, ps_.free);
  b_.release(kMatrix, us_.full);
  b_.whenBits(back_, kLeaves, spare, [&] { b_.release(kMatrix, ts_.free); });
}

void AttentionEmitter::emitSoftmax() {
  Reg value = t_[0], state = t_[1], spare = t_[2];
  b_.acquire(kVector, ps_.free);
  auto element = [&](unsigned number, Reg index, int64_t size, int64_t base) {
    b_.element(value, index, size, base);
    b_.argument(number, value);
  };
  int64_t row = p_.columns * 4;
  element(0, stepParity_, p_.accumulatorStride * row, mortise::kAccumulatorBase);
  element(1, stepParity_, p_.powerBytes, p_.powers);
  stateOf(state, group_, frontParity_, spare);
  b_.argument(3, state);
  b_.whenBits(flags_, kFirstPanel, spare, [&] { b_.set(state, p_.initial); });
  b_.argument(2, state);
  element(4, stepParity_, p_.factorBytes, p_.factors);
  element(5, tiles_, p_.tileRows / p_.keysOfVector / p_.unroll, 0);
  // Whether the first query sees all keys of all tiles, and there are as many.
  b_.op(Id::Min, spare, left_, seen_);
  b_.element(value, tiles_, p_.tileRows, 0);
  b_.when(
      Condition::Less, spare, value,
      [&] {
        b_.argument(6, left_);
        b_.argument(7, seen_);
        b_.start(masked_);
      },
      [&] { b_.start(softmax_); });
  b_.release(kVector, ss_.free);
  b_.release(kVector, ps_.full);
}

/// A part of the values ahead, so that the vector core is never late for the array's next bank: they are
/// shared out over the last steps of the panel in front, the last of which takes what is left.
void AttentionEmitter::emitTranspose() {
  Reg steps = t_[0], blocks = t_[1];
  Label end = b_.label();
  b_.set(blocks, allHeads());
  b_.jumpIf(Condition::GreaterEqual, head_, blocks, end);
  b_.element(steps, group_, p_.columns, 0);
  b_.sub(steps, rows_, steps);
  b_.op(Id::Addi, steps, steps, p_.columns - 1);
  divide(steps, steps, p_.columns);
  b_.set(blocks, p_.transposingSteps());
  b_.jumpIf(Condition::Less, blocks, steps, end);
  b_.set(blocks, p_.turnedBlocks());
  b_.sub(blocks, blocks, moved_);
  b_.add(blocks, blocks, steps);
  b_.op(Id::Addi, blocks, blocks, -1);
  b_.op(Id::Div, blocks, blocks, steps);
  transposeBlocks();
  b_.place(end);
}

/// t1: how many.
void AttentionEmitter::transposeBlocks() {
  Reg blocks = t_[1], from = t_[2], to = t_[3], spare = t_[4];
  Label end = b_.label();
  b_.jumpIf(Condition::GreaterEqual, b_.zero(), blocks, end);
  b_.when(Condition::Equal, moved_, b_.zero(), [&] {
    b_.acquire(kVector, vs_.full);
    b_.acquire(kVector, ts_.free);
  });
  other(spare, panelParity_);
  b_.element(to, spare, p_.transposedBytes, p_.transposed);
  if (p_.valueBuffers > 1)
    b_.element(from, spare, p_.valueBytes, p_.values);
  else
    b_.set(from, p_.values);
  b_.element(spare, moved_, p_.turned * 4, 0);
  b_.add(from, from, spare);
  b_.element(spare, moved_, p_.turned * p_.transposedPitch, 0);
  b_.add(to, to, spare);
  b_.run(transpose_, {from, to, blocks});
  b_.add(moved_, moved_, blocks);
  b_.set(spare, p_.turnedBlocks());
  b_.when(Condition::Equal, moved_, spare, [&] {
    b_.release(kVector, vs_.free);
    b_.release(kVector, ts_.full);
  });
  b_.place(end);
}

void AttentionEmitter::emitUpdate() {
  Reg sums = t_[0], factor = t_[1], result = t_[2], spare = t_[3];
  b_.acquire(kVector, us_.full);
  int64_t row = p_.columns * 4;
  b_.element(sums, stepParity_, p_.accumulatorStride * row, mortise::kAccumulatorBase + p_.panel * row);
  b_.element(factor, stepParity_, p_.factorBytes, p_.factors);
  unpack(result, last_, kGroupAt);
  b_.element(result, result, p_.resultBytes, p_.result);
  b_.whenBits(
      last_, kFirstPanel, spare, [&] { b_.run(firstUpdate_, {sums, result}); },
      [&] { b_.run(update_, {sums, result, factor}); });
  b_.release(kVector, us_.free);
  b_.whenBits(last_, kFinishes, spare, [&] { emitFinish(); });
}

void AttentionEmitter::emitFinish() {
  Reg out = t_[0], state = t_[1], result = t_[2], group = t_[3], parity = t_[4], spare = t_[5];
  b_.element(out, outParity_, p_.outBytes, p_.out);
  toggle(outParity_);
  unpack(group, last_, kGroupAt);
  unpack(parity, last_, kBlockParityAt);
  stateOf(state, group, parity, spare);
  b_.element(result, group, p_.resultBytes, p_.result);
  b_.acquire(kVector, os_.free);
  b_.run(finish_, {state, result, out});
  b_.release(kVector, os_.full);
  b_.acquire(kOut, os_.full);
  unpack(spare, last_, kRowsAt);
  b_.field(kRowsOut, Field::N1, spare);
  b_.dma(kOut, kRowsOut, out, lastTarget_);
  b_.release(kOut, os_.free);
}

} // namespace tenon::npu
