//===- AttentionProgram.cpp - control code of fused attention -----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/attention/AttentionEmitter.h"
#include "compiler/emit/mortise/attention/AttentionKernels.h"

#include <bit>

namespace tenon::npu {

using mortise::DmaMode, mortise::Field, mortise::Role, mortise::Type;

mortise::Program AttentionEmitter::emit() {
  declareTensors();
  setUp();
  walk();
  return b_.finish();
}

void AttentionEmitter::declareTensors() {
  const AttentionShape &s = p_.shape;
  std::vector<int64_t> rows{s.batch, p_.packed ? s.heads * s.queries : s.heads, p_.packed ? 1 : s.queries,
                            s.depth};
  std::vector<int64_t> keys{s.batch, s.kvHeads, s.keys, s.depth};
  q_ = b_.tensor("q", Role::Input, p_.type, rows);
  k_ = b_.tensor("k", Role::Input, p_.type, keys);
  v_ = b_.tensor("v", Role::Input, p_.type, keys);
  lengths_ = b_.tensor("lengths", Role::Input, Type::I32, {s.batch});
  queryLengths_ = b_.tensor("query_lengths", Role::Input, Type::I32, {s.batch});
  output_ = b_.tensor("output", Role::Output, p_.type, rows);
}

void AttentionEmitter::setUp() {
  setDescriptors();
  for (auto [handshake, buffers] : {std::pair(&qs_, int64_t(2)),
                                    {&ks_, 2},
                                    {&vs_, p_.valueBuffers},
                                    {&ts_, 2},
                                    {&ss_, 2},
                                    {&ps_, 2},
                                    {&us_, 2},
                                    {&os_, 2}}) {
    handshake->full = b_.semaphore(0);
    handshake->free = b_.semaphore(buffers);
  }
  compileKernels();
  for (Reg *r :
       {&head_,       &block_,    &key_,   &queries_, &keys_,       &visible_, &blockParity_, &moved_,
        &left_,       &diagonal_, &rows_,  &flags_,   &target_,     &group_,   &frontParity_, &panelParity_,
        &stepParity_, &seen_,     &tiles_, &back_,    &backTarget_, &last_,    &lastTarget_,  &outParity_})
    *r = b_.reg();
  for (Reg &r : t_)
    r = b_.reg();
  for (Reg r : {block_, queries_, key_, visible_, blockParity_, frontParity_, panelParity_, stepParity_,
                back_, last_, outParity_, moved_})
    b_.set(r, 0);
  b_.set(head_, -1);
  b_.set(left_, -1);
  fillInitialState();
  loadLengths();
  b_.fence();
}

void AttentionEmitter::compileKernels() {
  auto kernel = [&](const VectorFunction &function) { return b_.kernel(compile(function, h_, {})); };
  softmax_ = kernel(softmaxKernel(p_, {}));
  masked_ = kernel(softmaxKernel(p_, {.limited = true}));
  update_ = kernel(updateKernel(p_, false));
  firstUpdate_ = kernel(updateKernel(p_, true));
  transpose_ = kernel(transposeKernel(p_));
  finish_ = kernel(finishKernel(p_));
}

void AttentionEmitter::setDescriptors() {
  auto set = [&](unsigned d, std::initializer_list<std::pair<Field, int64_t>> fields) {
    for (auto [field, value] : fields)
      b_.field(d, field, value);
  };
  auto type = int64_t(p_.type);
  set(kRowsIn, {{Field::N0, p_.rowBytes}, {Field::L0, 1}, {Field::G0, 1}});
  set(kRowsIn, {{Field::L1, p_.rowBytes}, {Field::G1, p_.rowBytes}});
  set(kValuesIn, {{Field::Esize, 2}, {Field::N0, p_.shape.depth}, {Field::L0, 4}, {Field::G0, 2}});
  set(kValuesIn, {{Field::L1, p_.valuePitch}, {Field::G1, 2 * p_.rowBytes}});
  set(kRowsOut, {{Field::N0, p_.rowBytes}, {Field::L0, 1}, {Field::G0, 1}});
  set(kRowsOut, {{Field::L1, p_.rowBytes}, {Field::G1, p_.rowBytes}});
  set(kFill, {{Field::Mode, int64_t(DmaMode::Fill)}, {Field::Esize, 4}, {Field::L0, 4}, {Field::G0, 4}});
  set(kLengthsIn, {{Field::N0, p_.shape.batch}, {Field::Esize, 4}, {Field::L0, 4}, {Field::G0, 4}});
  for (unsigned tile : {kQueryTile, kPowerTile})
    set(tile, {{Field::K, p_.tileRows}, {Field::N, p_.columns}, {Field::Type, type}});
  set(kQueryTile, {{Field::Mode, 1}, {Field::L0, p_.rowBytes}});
  set(kPowerTile, {{Field::Mode, 0}, {Field::L0, p_.columns * 2}});
  set(kKeyRows, {{Field::Type, type}, {Field::L0, p_.rowBytes}});
  set(kValueRows, {{Field::Type, type}, {Field::L0, p_.transposedPitch}, {Field::N0, p_.shape.depth}});
}

/// The state before a query's first panel: maximum -1e30, sum 0.
void AttentionEmitter::fillInitialState() {
  int64_t word = p_.lanes * 4;
  b_.field(kFill, Field::N0, p_.lanes);
  for (auto [at, value] : {std::pair(p_.initial, -1e30F), {p_.initial + word, 0.0F}}) {
    b_.field(kFill, Field::Fill, std::bit_cast<int32_t>(value));
    b_.set(t_[0], at);
    b_.dma(kIn, kFill, t_[0], b_.zero());
  }
  // From here on it clears values.
  b_.field(kFill, Field::Fill, 0);
  b_.field(kFill, Field::Esize, 2);
  b_.field(kFill, Field::N0, p_.shape.depth);
  b_.field(kFill, Field::L1, p_.valuePitch);
}

/// Only where a parameter asks for lengths of sequences.
void AttentionEmitter::loadLengths() {
  auto load = [&](int64_t at, int64_t from) {
    b_.set(t_[0], at);
    b_.set(t_[1], from);
    b_.dma(kIn, kLengthsIn, t_[0], t_[1]);
  };
  Label skip = b_.label(), end = b_.label();
  b_.parameter(t_[2], "keys");
  b_.jumpIf(Condition::Less, b_.zero(), t_[2], skip);
  load(p_.lengths, lengths_);
  b_.place(skip);
  b_.parameter(t_[2], "queries");
  b_.jumpIf(Condition::GreaterEqual, t_[2], b_.zero(), end);
  load(p_.lengths + lengthBytes(), queryLengths_);
  b_.place(end);
}

/// left_ is -1 before the first step, 0 after the last.
void AttentionEmitter::walk() {
  Label step = b_.label(), next = b_.label(), ahead = b_.label(), enters = b_.label(), done = b_.label();
  Reg zero = b_.zero();
  b_.jump(ahead);
  b_.place(step);
  b_.when(Condition::NotEqual, left_, zero, [&] { emitScores(); });
  b_.when(Condition::NotEqual, back_, zero, [&] { emitWeightedSum(); });
  b_.when(Condition::NotEqual, last_, zero, [&] { emitUpdate(); });
  b_.when(Condition::NotEqual, left_, zero, [&] {
    emitSoftmax();
    emitTranspose();
  });
  b_.move(last_, back_);
  b_.move(lastTarget_, backTarget_);
  b_.set(back_, 0);
  toggle(stepParity_);
  b_.when(
      Condition::Equal, left_, zero, [&] { b_.jumpIf(Condition::Equal, last_, zero, done); },
      [&] {
        frontBecomesBack();
        b_.op(Id::Addi, group_, group_, 1);
        b_.whenBits(back_, kLeaves, t_[0], [&] { b_.jump(next); });
      });
  b_.jump(step);

  b_.place(next);
  b_.set(t_[0], allHeads());
  b_.jumpIf(Condition::Less, head_, t_[0], enters);
  b_.set(left_, 0);
  b_.jump(step);
  b_.place(enters);
  aheadBecomesFront();
  b_.place(ahead);
  advanceAhead();
  b_.jumpIf(Condition::Less, left_, zero, next);
  b_.jump(step);
  b_.place(done);
}

/// The next panel that any query sees; head_ is allHeads() behind the last.
void AttentionEmitter::advanceAhead() {
  Label found = b_.label(), search = b_.label(), block = b_.label(), end = b_.label();
  b_.op(Id::Addi, key_, key_, p_.panel);
  b_.jumpIf(Condition::Less, key_, visible_, found);
  b_.set(key_, 0);
  b_.op(Id::Addi, block_, block_, p_.blockRows());
  b_.place(search);
  b_.jumpIf(Condition::Less, block_, queries_, block);
  b_.op(Id::Addi, head_, head_, 1);
  b_.set(t_[0], allHeads());
  b_.jumpIf(Condition::GreaterEqual, head_, t_[0], end);
  b_.set(block_, 0);
  setLengths();
  b_.jump(search);
  b_.place(block);
  toggle(blockParity_);
  b_.move(visible_, keys_);
  if (p_.shape.causal) {
    blockRows(t_[0]);
    b_.sub(t_[1], keys_, queries_);
    b_.add(t_[1], t_[1], block_);
    b_.add(visible_, t_[1], t_[0]);
  }
  b_.place(found);
  emitLoads();
  b_.place(end);
}

void AttentionEmitter::divide(Reg to, Reg number, int64_t divisor) {
  if (std::has_single_bit(uint64_t(divisor)))
    b_.op(Id::Shri, to, number, int64_t(std::countr_zero(uint64_t(divisor))));
  else
    b_.op(Id::Divi, to, number, divisor);
}

void AttentionEmitter::blockRows(Reg to) {
  b_.sub(to, queries_, block_);
  b_.op(Id::Mini, to, to, p_.blockRows());
}

/// queries_ and keys_ of the sequence of head_; no queries where there is nothing to do.
void AttentionEmitter::setLengths() {
  Reg at = t_[1];
  divide(at, head_, p_.shape.heads);
  b_.op(Id::Shli, at, at, 2);
  auto choose = [&](Reg to, const char *name, int64_t words, const ControlBuilder::Body &zero) {
    b_.parameter(to, name);
    b_.when(Condition::GreaterEqual, b_.zero(), to, [&] {
      if (!zero)
        return b_.loadWord(to, at, 0);
      b_.when(Condition::Less, to, b_.zero(), [&] { b_.loadWord(to, at, words); }, zero);
    });
  };
  b_.op(Id::Addi, at, at, p_.lengths);
  choose(keys_, "keys", 0, {});
  b_.op(Id::Mini, keys_, keys_, p_.shape.keys);
  if (p_.packed) {
    b_.set(queries_, p_.shape.queries);
  } else {
    choose(queries_, "queries", lengthBytes(), [&] { b_.move(queries_, keys_); });
    b_.op(Id::Mini, queries_, queries_, p_.shape.queries);
    if (p_.shape.causal)
      b_.op(Id::Min, queries_, queries_, keys_);
  }
  b_.when(Condition::GreaterEqual, b_.zero(), keys_, [&] { b_.set(queries_, 0); });
}

void AttentionEmitter::aheadBecomesFront() {
  const AttentionShape &s = p_.shape;
  // Nothing came before the first panel.
  b_.set(t_[1], p_.turnedBlocks());
  b_.sub(t_[1], t_[1], moved_);
  transposeBlocks();
  b_.set(moved_, 0);
  toggle(panelParity_);
  b_.move(frontParity_, blockParity_);
  b_.sub(left_, visible_, key_);
  blockRows(rows_);
  b_.set(flags_, kEnters);
  b_.when(Condition::Equal, key_, b_.zero(), [&] { b_.op(Id::Addi, flags_, flags_, kFirstPanel); });
  b_.set(t_[0], p_.panel + 1);
  b_.when(Condition::Less, left_, t_[0], [&] { b_.op(Id::Addi, flags_, flags_, kLastPanel); });
  b_.set(group_, 0);
  // Without a mask the first query sees more keys than a panel has.
  b_.set(diagonal_, p_.panel);
  if (s.causal) {
    b_.sub(diagonal_, keys_, queries_);
    b_.add(diagonal_, diagonal_, block_);
    b_.sub(diagonal_, diagonal_, key_);
    // Groups before this one see nothing of the panel.
    b_.sub(t_[0], b_.zero(), diagonal_);
    b_.op(Id::Maxi, t_[0], t_[0], 0);
    divide(group_, t_[0], p_.columns);
    b_.op(Id::Addi, diagonal_, diagonal_, 1);
  }
  b_.op(Id::Muli, target_, head_, s.queries);
  b_.add(target_, target_, block_);
  b_.op(Id::Muli, target_, target_, p_.rowBytes);
  b_.addTo(target_, output_, t_[0]);
}

void AttentionEmitter::frontBecomesBack() {
  markEnds();
  b_.move(back_, flags_);
  b_.element(t_[0], group_, p_.columns, 0);
  b_.sub(t_[1], rows_, t_[0]);
  b_.op(Id::Mini, t_[1], t_[1], p_.columns);
  b_.op(Id::Muli, t_[0], t_[0], p_.rowBytes);
  b_.add(backTarget_, target_, t_[0]);
  for (auto [number, shift] :
       {std::pair(tiles_, kTilesAt), {group_, kGroupAt}, {frontParity_, kBlockParityAt}, {t_[1], kRowsAt}}) {
    b_.op(Id::Shli, t_[0], number, shift);
    b_.add(back_, back_, t_[0]);
  }
  b_.op(Id::Andi, flags_, flags_, kFirstPanel | kLastPanel);
}

/// Flags of the step that is about to become the back one.
void AttentionEmitter::markEnds() {
  auto mark = [&](AttentionFlag flag) { b_.op(Id::Addi, flags_, flags_, flag); };
  b_.when(Condition::NotEqual, panelParity_, b_.zero(), [&] { mark(kOddPanel); });
  // The next panel's first key is seen by the group's last query, or it is not.
  Label finishes = b_.label(), goesOn = b_.label();
  b_.op(Id::Andi, t_[0], flags_, kLastPanel);
  b_.jumpIf(Condition::NotEqual, t_[0], b_.zero(), finishes);
  if (p_.shape.causal) {
    b_.set(t_[0], p_.panel - p_.columns + 1);
    b_.jumpIf(Condition::Less, t_[0], seen_, goesOn);
  } else {
    b_.jump(goesOn);
  }
  b_.place(finishes);
  mark(kFinishes);
  b_.place(goesOn);
  b_.element(t_[0], group_, p_.columns, p_.columns);
  b_.when(Condition::GreaterEqual, t_[0], rows_, [&] { mark(kLeaves); });
}

void AttentionEmitter::stateOf(Reg to, Reg group, Reg parity, Reg spare) {
  b_.element(to, group, p_.stateBytes, p_.state);
  b_.element(spare, parity, p_.groups * p_.stateBytes, 0);
  b_.add(to, to, spare);
}

mortise::Program attentionProgram(const AttentionShape &shape, const mortise::Hardware &hardware) {
  AttentionPlan plan = planAttention(shape, hardware);
  return AttentionEmitter(plan, hardware).emit();
}

} // namespace tenon::npu
