// From the caller's shapes to sizes, and from sizes to memory.

#include "package/expr.h"
#include "package/header.h"
#include "runtime/session/plan.h"
#include "runtime/session/session.h"

namespace tenon::runtime {

using package::DType;
using package::ExprOp;
using package::Region;

using Number = long long;

// --- Bindings
// ---------------------------------------------------------------------------------------------------------

Status Plan::bindInput(uint32_t input, const void *data, tenon_dtype dtype, const int64_t *shape,
                       uint32_t rank) {
  const char *function = function_->name()->c_str();
  if (input >= inputs_.size())
    return Status::error(Code::BadArgument, "function %.100s: input %u of %zu", function, input,
                         inputs_.size());
  const fb::TensorArg &arg = *function_->inputs()->Get(input);
  const char *name = arg.name()->c_str();
  if (static_cast<uint8_t>(dtype) != arg.dtype())
    return Status::error(Code::DTypeMismatch, "input %.100s: element type %s, expected %s", name,
                         tenon_dtype_name(dtype), package::name(static_cast<DType>(arg.dtype())));
  if (rank != arg.dims()->size())
    return Status::error(Code::RankMismatch, "input %.100s: rank %u, expected %u", name, rank,
                         arg.dims()->size());
  if (rank != 0 && !shape)
    return Status::error(Code::BadArgument, "input %.100s: no shape", name);
  bool empty = false;
  int64_t *dims = shapes_.data() + inputs_[input].dims;
  for (uint32_t d = 0; d < rank; ++d) {
    if (shape[d] < 0)
      return Status::error(Code::ShapeMismatch, "input %.100s: dimension %u is %lld", name, d,
                           (Number)shape[d]);
    empty |= shape[d] == 0;
  }
  if (!data && !empty)
    return Status::error(Code::BadArgument, "input %.100s: no data", name);
  uint64_t alignment = package::bitWidth(static_cast<DType>(dtype)) / 8;
  if (alignment > 1 && reinterpret_cast<uintptr_t>(data) % alignment != 0)
    return Status::error(Code::Misaligned, "input %.100s: expected an address that is a multiple of %d", name,
                         (int)alignment);
  for (uint32_t d = 0; d < rank; ++d) {
    shapesChanged_ |= dims[d] != shape[d];
    dims[d] = shape[d];
  }
  InputBinding &binding = inputs_[input];
  shapesChanged_ |= !binding.bound;
  pointersChanged_ |= binding.data != data;
  binding.data = data;
  binding.bound = true;
  return {};
}

Status Plan::bindOutput(uint32_t output, void *data, uint64_t capacity) {
  if (output >= outputs_.size())
    return Status::error(Code::BadArgument, "function %.100s: output %u of %zu", function_->name()->c_str(),
                         output, outputs_.size());
  const fb::TensorArg &arg = *function_->outputs()->Get(output);
  uint64_t alignment = package::bitWidth(static_cast<DType>(arg.dtype())) / 8;
  if (alignment > 1 && reinterpret_cast<uintptr_t>(data) % alignment != 0)
    return Status::error(Code::Misaligned, "output %.100s: expected an address that is a multiple of %d",
                         arg.name()->c_str(), (int)alignment);
  OutputBinding &binding = outputs_[output];
  if (binding.data == data && binding.capacity == capacity)
    return {};
  pointersChanged_ = true;
  hasRun_ = false; // the last run's values are elsewhere
  binding.data = data;
  binding.capacity = capacity;
  return {};
}

// --- Symbols and expressions
// ------------------------------------------------------------------------------------------

Status Plan::matchInput(uint32_t input, bool &changed) {
  const fb::TensorArg &arg = *function_->inputs()->Get(input);
  if (!inputs_[input].bound)
    return Status::error(Code::NotBound, "function %.100s: input %.100s is not bound",
                         function_->name()->c_str(), arg.name()->c_str());
  for (uint32_t d = 0; d < arg.dims()->size(); ++d) {
    uint32_t slot = arg.dims()->Get(d);
    if (slot >= symbols_)
      continue;
    int64_t size = shapes_[inputs_[input].dims + d];
    const char *symbol = function_->symbols()->Get(slot)->name()->c_str();
    if (newSymbols_[slot] >= 0 && newSymbols_[slot] != size)
      return Status::error(Code::ShapeMismatch,
                           "input %.100s: dimension %u is %lld, expected %.64s = %lld as elsewhere",
                           arg.name()->c_str(), d, (Number)size, symbol, (Number)newSymbols_[slot]);
    newSymbols_[slot] = size;
    changed |= slots_[slot] != size;
  }
  return {};
}

Status Plan::checkSymbols() const {
  for (uint32_t s = 0; s < symbols_; ++s) {
    const fb::Symbol &symbol = *function_->symbols()->Get(s);
    int64_t value = newSymbols_[s];
    if (value < symbol.min() && symbol.max() == INT64_MAX)
      return Status::error(Code::ShapeMismatch, "size %.64s is %lld, expected at least %lld",
                           symbol.name()->c_str(), (Number)value, (Number)symbol.min());
    if (value < symbol.min() || value > symbol.max())
      return Status::error(Code::ShapeMismatch, "size %.64s is %lld, expected %lld to %lld",
                           symbol.name()->c_str(), (Number)value, (Number)symbol.min(), (Number)symbol.max());
    if (value % symbol.multiple_of() != 0)
      return Status::error(Code::ShapeMismatch, "size %.64s is %lld, expected a multiple of %lld",
                           symbol.name()->c_str(), (Number)value, (Number)symbol.multiple_of());
  }
  return {};
}

/// Binds the symbols; `changed` tells whether one has another value than before.
Status Plan::matchShapes(bool &changed) {
  for (int64_t &value : newSymbols_)
    value = -1;
  for (uint32_t i = 0; i < inputs_.size(); ++i)
    TENON_TRY(matchInput(i, changed));
  return checkSymbols();
}

Status Plan::evaluateStatic() {
  for (uint32_t i = 0; i < function_->static_exprs(); ++i) {
    const fb::Expr &expr = *function_->exprs()->Get(i);
    auto operand = [&](uint32_t slot) { return slot < symbols_ + i ? slots_[slot] : 0; };
    ExprOp op = static_cast<ExprOp>(expr.op());
    if (!package::evaluate(op, operand(expr.a()), operand(expr.b()), operand(expr.c()), expr.imm(),
                           slots_[symbols_ + i]))
      return Status::error(Code::Arithmetic,
                           "function %.100s: size expression %u (%s) overflows or divides by zero",
                           function_->name()->c_str(), i, package::name(op));
  }
  return {};
}

/// Compares the dimensions that are no symbols.
static Status checkDims(const fb::TensorArg &arg, const int64_t *shape, const int64_t *slots) {
  for (uint32_t d = 0; d < arg.dims()->size(); ++d)
    if (int64_t expected = slots[arg.dims()->Get(d)]; shape[d] != expected)
      return Status::error(Code::ShapeMismatch, "input %.100s: dimension %u is %lld, expected %lld",
                           arg.name()->c_str(), d, (Number)shape[d], (Number)expected);
  return {};
}

// --- Sizes
// ------------------------------------------------------------------------------------------------------------

/// offset = aligned maximum over the earlier conflicting buffers of offset + size.
Status Plan::placeArena(uint64_t &arena) {
  arena = 0;
  for (uint32_t i = 0; i < address_.size(); ++i) {
    const fb::Buffer &buffer = *function_->buffers()->Get(i);
    if (buffer.region() != static_cast<uint8_t>(Region::Arena))
      continue;
    uint64_t offset = 0, end = 0;
    if (buffer.conflicts())
      for (uint32_t other : *buffer.conflicts()) {
        // Cannot overflow: each end was checked when its buffer was placed.
        uint64_t otherEnd =
            arenaOffset_[other] + static_cast<uint64_t>(slots_[function_->buffers()->Get(other)->size()]);
        offset = otherEnd > offset ? otherEnd : offset;
      }
    if (!package::alignUp(offset, package::kTensorAlignment, offset) ||
        __builtin_add_overflow(offset, static_cast<uint64_t>(slots_[buffer.size()]), &end) || end > INT64_MAX)
      return Status::error(Code::TooLarge, "function %.100s: the arena is too large",
                           function_->name()->c_str());
    arenaOffset_[i] = offset;
    arena = end > arena ? end : arena;
  }
  return {};
}

/// A buffer must not be larger than the object that it stands for.
Status Plan::checkObject(uint32_t index) const {
  const fb::Buffer &buffer = *function_->buffers()->Get(index);
  int64_t size = slots_[buffer.size()];
  uint64_t limit = INT64_MAX;
  switch (static_cast<Region>(buffer.region())) {
  case Region::Weight:
    limit = session_->package->manifest().weights()->Get(buffer.index())->size();
    break;
  case Region::State:
    limit = session_->package->manifest().states()->Get(buffer.index())->size_bound();
    limit = limit ? limit : INT64_MAX;
    break;
  case Region::Input: {
    const fb::TensorArg &arg = *function_->inputs()->Get(buffer.index());
    int64_t elements = 1, bytes = 0;
    for (uint32_t slot : *arg.dims())
      if (__builtin_mul_overflow(elements, slots_[slot], &elements))
        elements = -1;
    if (!package::tensorBytes(static_cast<DType>(arg.dtype()), elements, bytes))
      return Status::error(Code::TooLarge, "input %.100s is too large", arg.name()->c_str());
    limit = static_cast<uint64_t>(bytes);
    break;
  }
  case Region::View: {
    int64_t offset = slots_[buffer.offset()], base = slots_[function_->buffers()->Get(buffer.base())->size()];
    if (offset < 0 || offset > base)
      return Status::error(Code::BadRange, "function %.100s: buffer %u starts at byte %lld of %lld",
                           function_->name()->c_str(), index, (Number)offset, (Number)base);
    limit = static_cast<uint64_t>(base - offset);
    break;
  }
  case Region::Arena:
  case Region::Output:
    if (size < 0)
      return Status::error(
          Code::ShapeMismatch,
          "function %.100s: the inputs are too small or too large: with their sizes buffer %u "
          "would have %lld bytes",
          function_->name()->c_str(), index, (Number)size);
    break;
  }
  if (size < 0 || static_cast<uint64_t>(size) > limit)
    return Status::error(Code::BadRange, "function %.100s: buffer %u has %lld bytes, expected 0 to %llu",
                         function_->name()->c_str(), index, (Number)size, (unsigned long long)limit);
  return {};
}

Status Plan::checkBuffers() {
  for (uint32_t i = 0; i < address_.size(); ++i)
    if (!lateBuffer_[i])
      TENON_TRY(checkObject(i));
  return {};
}

Status Plan::neededScratch(uint64_t &scratch) const {
  scratch = 0;
  for (const Step &step : steps_) {
    if (step.kind != fb::CommandBody::Dispatch)
      continue;
    uint32_t slot = static_cast<const fb::Dispatch *>(step.body)->scratch();
    if (slot == package::kNone)
      continue;
    if (slots_[slot] < 0)
      return Status::error(Code::BadRange, "%s: %lld bytes of scratch", where(step).text,
                           (Number)slots_[slot]);
    uint64_t bytes = static_cast<uint64_t>(slots_[slot]);
    scratch = bytes > scratch ? bytes : scratch;
  }
  return {};
}

/// Outputs with sizes known only after the run take the bytes of their buffers, which are upper bounds.
Status Plan::sizeOutputs() {
  for (uint32_t o = 0; o < outputs_.size(); ++o) {
    const fb::TensorArg &arg = *function_->outputs()->Get(o);
    int64_t elements = 1, bytes = 0;
    for (uint32_t slot : *arg.dims()) {
      int64_t dim = slot < statics_ ? slots_[slot] : 0;
      if (dim < 0 || __builtin_mul_overflow(elements, dim, &elements))
        return Status::error(Code::BadRange, "output %.100s has an impossible shape", arg.name()->c_str());
    }
    if (!package::tensorBytes(static_cast<DType>(arg.dtype()), elements, bytes))
      return Status::error(Code::TooLarge, "output %.100s is too large", arg.name()->c_str());
    outputs_[o].needed = static_cast<uint64_t>(bytes);
  }
  for (const fb::Buffer *buffer : *function_->buffers())
    if (buffer->region() == static_cast<uint8_t>(Region::Output)) {
      uint64_t &needed = outputs_[buffer->index()].needed;
      uint64_t size = static_cast<uint64_t>(slots_[buffer->size()]);
      needed = size > needed ? size : needed;
    }
  return {};
}

/// Everything that follows from the symbols' values.
Status Plan::computeSizes() {
  TENON_TRY(evaluateStatic());
  TENON_TRY(checkBuffers());
  uint64_t arena = 0, scratch = 0;
  TENON_TRY(placeArena(arena));
  TENON_TRY(neededScratch(scratch));
  TENON_TRY(sizeOutputs());
  TENON_TRY(session_->reserveArena(arena));
  return session_->reserveScratch(scratch);
}

Status Plan::obtainOutputs(bool checkCaller) {
  for (uint32_t o = 0; o < outputs_.size(); ++o) {
    OutputBinding &output = outputs_[o];
    const char *name = function_->outputs()->Get(o)->name()->c_str();
    if (output.data) {
      if (checkCaller && output.capacity < output.needed)
        return Status::error(Code::BufferTooSmall, "output %.100s: %llu bytes, expected at least %llu", name,
                             (unsigned long long)output.capacity, (unsigned long long)output.needed);
      continue;
    }
    if (output.needed <= output.owned.size())
      continue;
    if (!output.owned.reserve(session_->allocator, output.needed))
      return Status::error(Code::OutOfMemory, "no memory for output %.100s of %llu bytes", name,
                           (unsigned long long)output.needed);
    std::memset(output.owned.data(), 0, output.needed);
    pointersChanged_ = true;
  }
  return {};
}

/// States without a bound follow the sizes of the function's buffers.
Status Plan::sizeStates() {
  for (const fb::Buffer *buffer : *function_->buffers()) {
    if (buffer->region() != static_cast<uint8_t>(Region::State) ||
        session_->package->manifest().states()->Get(buffer->index())->size_bound() != 0)
      continue;
    uint64_t size = static_cast<uint64_t>(slots_[buffer->size()]);
    if (session_->states[buffer->index()].size != size)
      TENON_TRY(session_->resizeState(buffer->index(), size));
  }
  return {};
}

// --- Addresses
// --------------------------------------------------------------------------------------------------------

static bool overlap(const void *a, uint64_t aSize, const void *b, uint64_t bSize) {
  uintptr_t first = reinterpret_cast<uintptr_t>(a), second = reinterpret_cast<uintptr_t>(b);
  return first < second ? second - first < aSize : (first - second < bSize && aSize != 0);
}

/// Kernels assume that buffers do not alias.
Status Plan::checkCallerMemory() const {
  for (uint32_t o = 0; o < outputs_.size(); ++o) {
    if (!outputs_[o].data || outputs_[o].needed == 0)
      continue;
    const char *name = function_->outputs()->Get(o)->name()->c_str();
    for (uint32_t other = 0; other < outputs_.size(); ++other)
      if (other != o && outputs_[other].data && outputs_[other].needed != 0 &&
          overlap(outputs_[o].data, outputs_[o].needed, outputs_[other].data, outputs_[other].needed))
        return Status::error(Code::Aliased, "output %.100s overlaps output %.100s", name,
                             function_->outputs()->Get(other)->name()->c_str());
    for (uint32_t i = 0; i < inputs_.size(); ++i) {
      const fb::TensorArg &arg = *function_->inputs()->Get(i);
      int64_t elements = 1, bytes = 0;
      for (uint32_t d = 0; d < arg.dims()->size(); ++d)
        if (__builtin_mul_overflow(elements, shapes_[inputs_[i].dims + d], &elements))
          elements = -1;
      if (!package::tensorBytes(static_cast<DType>(arg.dtype()), elements, bytes))
        return Status::error(Code::TooLarge, "input %.100s is too large", arg.name()->c_str());
      if (bytes != 0 &&
          overlap(outputs_[o].data, outputs_[o].needed, inputs_[i].data, static_cast<uint64_t>(bytes)))
        return Status::error(Code::Aliased, "output %.100s overlaps input %.100s", name, arg.name()->c_str());
    }
  }
  return {};
}

Status Plan::placeBuffers() {
  // Integers, because an empty object may have no address at all.
  auto at = [](const void *base, uint64_t offset) {
    return reinterpret_cast<uint8_t *>(reinterpret_cast<uintptr_t>(base) + offset);
  };
  for (uint32_t i = 0; i < address_.size(); ++i) {
    const fb::Buffer &buffer = *function_->buffers()->Get(i);
    if (lateBuffer_[i])
      continue;
    switch (static_cast<Region>(buffer.region())) {
    case Region::Weight:
      address_[i] = at(session_->package->reader.weight(buffer.index()).data, 0);
      break;
    case Region::State:
      address_[i] = session_->states[buffer.index()].block.data();
      break;
    case Region::Arena:
      address_[i] = at(session_->arena.data(), arenaOffset_[i]);
      break;
    case Region::Input:
      address_[i] = at(inputs_[buffer.index()].data, 0);
      break;
    case Region::Output: {
      OutputBinding &output = outputs_[buffer.index()];
      address_[i] = output.data ? static_cast<uint8_t *>(output.data) : output.owned.data();
      break;
    }
    case Region::View:
      address_[i] = at(address_[buffer.base()], static_cast<uint64_t>(slots_[buffer.offset()]));
      break;
    }
  }
  return checkCallerMemory();
}

Status Plan::bindSteps() {
  for (Step &step : steps_)
    if (!step.late)
      TENON_TRY(bindStep(step));
  return {};
}

/// Only the caller's memory moved: new pointers in the places that follow it.
Status Plan::patchSteps() {
  for (const Patch &patch : patches_) {
    Step &step = steps_[patch.step];
    if (step.kind == fb::CommandBody::Dispatch)
      step.buffers[patch.position] = address_[patch.buffer];
    else
      TENON_TRY(bindStep(step));
  }
  return {};
}

Status Plan::prepare() {
  if (shapesChanged_ || !sizesValid_) {
    bool changed = !sizesValid_;
    TENON_TRY(matchShapes(changed));
    if (changed) {
      sizesValid_ = stepsBound_ = false;
      for (uint32_t s = 0; s < symbols_; ++s)
        slots_[s] = newSymbols_[s];
      TENON_TRY(computeSizes());
    }
    for (uint32_t i = 0; i < inputs_.size(); ++i)
      TENON_TRY(checkDims(*function_->inputs()->Get(i), shapes_.data() + inputs_[i].dims, slots_.data()));
    sizesValid_ = true;
    shapesChanged_ = false;
    spread_.restart();
  }
  if (sizesStates_)
    TENON_TRY(sizeStates());
  if (stepsBound_ && !pointersChanged_ && generation_ == session_->generation)
    return {};
  TENON_TRY(obtainOutputs(true));
  TENON_TRY(placeBuffers());
  if (stepsBound_ && generation_ == session_->generation) {
    TENON_TRY(patchSteps());
  } else {
    stepsBound_ = false;
    TENON_TRY(bindSteps());
  }
  stepsBound_ = true;
  pointersChanged_ = false;
  generation_ = session_->generation;
  return {};
}

Status Plan::reserve(const int64_t *symbols) {
  for (uint32_t s = 0; s < symbols_; ++s) {
    const fb::Symbol &symbol = *function_->symbols()->Get(s);
    if (!symbols && symbol.max() == package::kUnbounded)
      return Status::error(Code::ShapeMismatch, "size %.64s has no maximum; give the sizes to reserve for",
                           symbol.name()->c_str());
    // The largest multiple in range.
    newSymbols_[s] = symbols ? symbols[s] : symbol.max() / symbol.multiple_of() * symbol.multiple_of();
  }
  TENON_TRY(checkSymbols());
  sizesValid_ = stepsBound_ = false;
  hasRun_ = false;
  for (uint32_t s = 0; s < symbols_; ++s)
    slots_[s] = newSymbols_[s];
  TENON_TRY(computeSizes());
  return obtainOutputs(false);
}

} // namespace tenon::runtime
