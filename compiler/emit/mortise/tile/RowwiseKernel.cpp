//===- RowwiseKernel.cpp - kernels of the vector core for rows --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/Rowwise.h"
#include "compiler/emit/mortise/tile/TileKernel.h"
#include "compiler/emit/mortise/tile/Transfers.h"

#include <algorithm>

namespace tenon::npu {

namespace {

using Values = std::vector<Value>;

Id combinationOf(RowTotal total) {
  constexpr Id ids[] = {Id::VaddF, Id::VmaxF, Id::VminF, Id::VaddI, Id::VmaxI, Id::VminI};
  return ids[size_t(total)];
}

/// The bits of what changes no total.
int32_t neutralOf(RowTotal total) {
  constexpr int32_t infinity = 0x7f800000,
                    bits[] = {0, INT32_MIN | infinity, infinity, 0, INT32_MIN, INT32_MAX};
  return bits[size_t(total)];
}

/// The total of all lanes, in all lanes. A minimum is the maximum of what is opposite.
Value across(VectorBuilder &b, RowTotal total, Value x) {
  switch (total) {
  case RowTotal::SumF:
    return b.op(Id::VredsumF, x);
  case RowTotal::MaxF:
    return b.op(Id::VredmaxF, x);
  case RowTotal::MinF:
    return b.op(Id::VnegF, b.op(Id::VredmaxF, b.op(Id::VnegF, x)));
  case RowTotal::SumI:
    return b.op(Id::VredsumI, x);
  case RowTotal::MaxI:
    return b.op(Id::VredmaxI, x);
  case RowTotal::MinI: {
    Value ones = b.splatInt(-1);
    return b.op(Id::Vxor, b.op(Id::VredmaxI, b.op(Id::Vxor, x, ones)), ones);
  }
  }
  return x;
}

/// What a pass reads, and how many operations it takes.
struct PassUse {
  std::vector<bool> operands, kept;
  size_t operations = 0;
};

class RowBuilder {
public:
  RowBuilder(const Rowwise &work, const RowBody &body, int64_t lanes)
      : w(work), body(body), lanes(lanes), whole(work.length / lanes), rest(work.length % lanes) {
    for (size_t pass = 0; pass <= w.totals.size(); ++pass)
      uses.push_back(useOf(pass));
  }

  int64_t vectors() const { return whole + (rest ? 1 : 0); }
  size_t operations() const {
    size_t sum = 0;
    for (const PassUse &use : uses)
      sum += use.operations;
    return sum;
  }

  VectorFunction straight() { return build(false); }
  VectorFunction loops() { return build(true); }

private:
  VectorFunction build(bool hasLoops) {
    VectorFunction function("rows");
    VectorBuilder b(function);
    kept.clear();
    Values initial;
    operandObjects.clear();
    for (size_t i = 0; i < w.operands.size(); ++i) {
      std::string name = "operand" + std::to_string(i);
      initial.push_back(b.parameter(name));
      operandObjects.push_back(b.object(name, true));
    }
    initial.push_back(b.parameter("result"));
    resultObject = b.object("result", true);
    if (hasLoops && !body.keptBy.empty()) {
      Value base = b.parameter("kept");
      for (size_t i = 0; i < body.keptBy.size(); ++i)
        kept.push_back({i ? b.add(base, int32_t(int64_t(i) * alignedBytes(w.length * 4))) : base,
                        b.object("kept" + std::to_string(i))});
    }
    Value count = b.parameter("rows");
    Values constant(w.operands.size());
    for (size_t i = 0; i < w.operands.size(); ++i)
      if (!w.operands[i].isRow && w.operands[i].stays())
        constant[i] = b.load(w.operands[i].load, {initial[i], operandObjects[i]});
    tail = rest ? b.op(Id::Ptail, b.scalar(rest)) : kAlways;
    first = w.isRow ? kAlways : b.op(Id::Ptail, b.scalar(1));
    b.loop(count, initial, [&](std::span<const Value> at) {
      bases.assign(at.begin(), at.end());
      numbers = constant;
      totals.clear();
      for (size_t i = 0; i < w.operands.size(); ++i)
        if (!w.operands[i].isRow && !w.operands[i].stays())
          numbers[i] = b.load(w.operands[i].load, {bases[i], operandObjects[i]});
      hasLoops ? loopRow(b) : straightRow(b);
      Values next(at.begin(), at.end());
      for (size_t i = 0; i < w.operands.size(); ++i)
        if (!w.operands[i].stays())
          next[i] = b.add(at[i], int32_t(w.operands[i].rowBytes(w.length)));
      next.back() = b.add(at.back(), int32_t((w.isRow ? w.length : 1) * w.resultBytes));
      return next;
    });
    return function;
  }

  /// Runs the code on nothing, to see what it wants.
  PassUse useOf(size_t pass) {
    PassUse use{std::vector<bool>(w.operands.size()), std::vector<bool>(body.keptBy.size()), 0};
    VectorFunction function("use");
    VectorBuilder b(function);
    RowSource source;
    source.operand = [&](size_t i) {
      use.operands[i] = true;
      return b.splatInt(0);
    };
    source.total = [&](size_t) { return b.splatInt(0); };
    source.kept = [&](size_t i) {
      if (body.keptBy[i] >= pass)
        return Value();
      use.kept[i] = true;
      return b.splatInt(0);
    };
    body.begin(b, source)->pass(pass);
    use.operations = function.body.items.size();
    return use;
  }

  //--- A row as straight code ---

  void straightRow(VectorBuilder &b) {
    std::vector<std::unique_ptr<RowCode>> codes;
    for (int64_t v = 0; v < vectors(); ++v)
      codes.push_back(body.begin(b, sourceAt(b, bases, {}, v, predicateOf(v))));
    for (size_t pass = 0; pass < w.totals.size(); ++pass) {
      Values parts;
      for (int64_t v = 0; v < vectors(); ++v)
        parts.push_back(bounded(b, pass, codes[size_t(v)]->pass(pass), predicateOf(v)));
      totals.push_back(across(b, w.totals[pass], combined(b, pass, std::move(parts))));
    }
    if (!w.isRow)
      return storeNumber(b);
    for (int64_t v = 0; v < vectors(); ++v)
      b.store(w.store, {bases.back(), resultObject, int32_t(v * lanes * w.resultBytes)},
              codes[size_t(v)]->pass(w.totals.size()), predicateOf(v));
  }

  Value predicateOf(int64_t vector) const { return vector < whole ? kAlways : tail; }

  /// Lanes beyond the row change nothing.
  Value bounded(VectorBuilder &b, size_t pass, Value x, Value predicate) {
    return predicate == kAlways ? x : b.select(predicate, x, b.splatInt(neutralOf(w.totals[pass])));
  }

  Value combined(VectorBuilder &b, size_t pass, Values parts) {
    for (; parts.size() > 1; parts.pop_back())
      parts[(parts.size() - 1) / 2] =
          b.op(combinationOf(w.totals[pass]), parts[(parts.size() - 1) / 2], parts.back());
    return parts[0];
  }

  void storeNumber(VectorBuilder &b) {
    Value value = body.begin(b, sourceAt(b, bases, {}, 0, kAlways))->pass(w.totals.size());
    b.store(w.store, {bases.back(), resultObject}, value, first);
  }

  //--- A loop for each pass ---

  /// Vectors at a time: sums of few operations would wait for each other.
  int64_t unrollOf(size_t pass) const {
    size_t operations = uses[pass].operations;
    int64_t most = operations <= 6 ? 4 : operations <= 16 ? 2 : 1;
    while (most > 1 && whole < 2 * most)
      most /= 2;
    return most;
  }

  void loopRow(VectorBuilder &b) {
    for (size_t pass = 0; pass < w.totals.size(); ++pass) {
      Values parts = loopPass(b, pass, unrollOf(pass));
      totals.push_back(across(b, w.totals[pass], combined(b, pass, std::move(parts))));
    }
    if (!w.isRow)
      return storeNumber(b);
    loopPass(b, w.totals.size(), unrollOf(w.totals.size()));
  }

  /// Carries the addresses of all operands, of the result and of kept rows, then partial totals. Returned are
  /// those.
  Values loopPass(VectorBuilder &b, size_t pass, int64_t unroll) {
    bool combines = pass < w.totals.size();
    Values state = bases;
    for (const Kept &row : kept)
      state.push_back(row.base);
    size_t addresses = state.size();
    if (combines)
      state.resize(addresses + size_t(unroll), b.splatInt(neutralOf(w.totals[pass])));
    auto steps = [&](Values at, int64_t count, bool isTail) {
      for (int64_t i = 0; i < count; ++i) {
        Value value = vectorOf(b, pass, at, i, isTail && i + 1 == count ? tail : kAlways);
        if (combines)
          at[addresses + size_t(i)] = b.op(combinationOf(w.totals[pass]), at[addresses + size_t(i)], value);
      }
      return at;
    };
    auto advance = [&](Values at, int64_t vectors) {
      for (size_t i = 0; i < addresses && vectors; ++i)
        if (int64_t bytes = elementBytes(i))
          at[i] = b.add(at[i], int32_t(vectors * lanes * bytes));
      return at;
    };
    if (whole >= unroll)
      state = b.loop(whole / unroll, state, [&](std::span<const Value> inside) {
        return advance(steps(Values(inside.begin(), inside.end()), unroll, false), unroll);
      });
    int64_t left = whole % unroll;
    state = advance(steps(std::move(state), left, false), left);
    if (rest)
      state = steps(std::move(state), 1, true);
    return combines ? Values(state.begin() + int64_t(addresses), state.end()) : Values();
  }

  /// From an element to the next, of what an address of a pass points to; 0: it points to one number.
  int64_t elementBytes(size_t address) const {
    if (address < w.operands.size())
      return w.operands[address].isRow ? w.operands[address].bytes : 0;
    return address > w.operands.size() ? 4 : w.isRow ? w.resultBytes : 0;
  }

  /// The vector that is `offset` vectors behind the addresses: what a total combines, or nothing where it is
  /// stored.
  Value vectorOf(VectorBuilder &b, size_t pass, const Values &at, int64_t offset, Value predicate) {
    Values keptAt(at.begin() + int64_t(bases.size()), at.begin() + int64_t(bases.size() + kept.size()));
    std::unique_ptr<RowCode> code = body.begin(b, sourceAt(b, at, keptAt, offset, predicate, pass));
    Value value = code->pass(pass);
    for (size_t i = 0; i < kept.size(); ++i)
      if (body.keptBy[i] == pass)
        b.store(Id::VstW, {keptAt[i], kept[i].object, int32_t(offset * lanes * 4)}, code->kept(i), predicate);
    if (pass < w.totals.size())
      return bounded(b, pass, value, predicate);
    b.store(w.store, {at[w.operands.size()], resultObject, int32_t(offset * lanes * w.resultBytes)}, value,
            predicate);
    return {};
  }

  /// What code reads `offset` vectors behind addresses. `keptAt` is empty where nothing is kept.
  RowSource sourceAt(VectorBuilder &b, Values at, Values keptAt, int64_t offset, Value predicate,
                     size_t pass = 0) {
    RowSource source;
    source.operand = [this, &b, at, offset, predicate](size_t i) {
      const RowOperand &operand = w.operands[i];
      if (!operand.isRow)
        return numbers[i];
      return b.load(operand.load, {at[i], operandObjects[i], int32_t(offset * lanes * operand.bytes)},
                    predicate);
    };
    source.total = [this](size_t i) { return totals[i]; };
    source.kept = [this, &b, keptAt, offset, predicate, pass](size_t i) {
      if (i >= keptAt.size() || body.keptBy[i] >= pass)
        return Value();
      return b.load(Id::VldW, {keptAt[i], kept[i].object, int32_t(offset * lanes * 4)}, predicate);
    };
    return source;
  }

  struct Kept {
    Value base;
    ObjectId object;
  };
  const Rowwise &w;
  const RowBody &body;
  int64_t lanes, whole, rest;
  std::vector<PassUse> uses;
  std::vector<ObjectId> operandObjects;
  ObjectId resultObject = kNoObject;
  std::vector<Kept> kept;
  Value tail, first;
  Values bases, numbers, totals; ///< of the row at hand
};

/// Cycles that a tile's rows take.
uint64_t cyclesOf(const CompiledKernel &kernel, const Rowwise &w, const mortise::Hardware &h) {
  std::vector<int64_t> arguments(kernel.parameters.size(), 0);
  arguments.back() = std::min<int64_t>(w.rows, 32);
  return estimateCycles(kernel, h, arguments);
}

} // namespace

std::optional<CompiledKernel> rowwiseKernel(Rowwise &w, const RowBody &body, const mortise::Hardware &h,
                                            std::string &why) {
  RowBuilder builder(w, body, h.vector.lanes);
  // Straight code of many instructions has more values than registers.
  constexpr int64_t kMostVectors = 8, kFewVectors = 3, kMostOperations = 320;
  int64_t vectors = builder.vectors();
  std::optional<CompiledKernel> straight, loops;
  try {
    if (vectors <= kMostVectors && vectors * int64_t(builder.operations()) <= kMostOperations)
      straight = compileForTiles(builder.straight(), h, why);
    bool isGood = straight && !straight->statistics.spilled && !straight->statistics.loops.empty() &&
                  straight->statistics.loops.front().interval;
    if (!isGood || vectors > kFewVectors)
      loops = compileForTiles(builder.loops(), h, why);
  } catch (const mortise::Error &error) {
    why = error.message();
  }
  if (!straight && !loops)
    return std::nullopt;
  bool takesLoops = !straight || (loops && cyclesOf(*loops, w, h) < cyclesOf(*straight, w, h));
  std::optional<CompiledKernel> &best = takesLoops ? loops : straight;
  w.kept = takesLoops ? int64_t(body.keptBy.size()) : 0;
  w.scratchpadBytes = bytesBeside(*best, h);
  if (w.tileRows() == 0) {
    why = "a row needs more scratchpad than there is";
    return std::nullopt;
  }
  return best;
}

} // namespace tenon::npu
