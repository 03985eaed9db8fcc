#include "sim/functional/Lanes.h"

#include "sim/functional/Semantics.h"

#include <algorithm>

namespace tenon::sim {

namespace {

template <typename T> T lane(int32_t bits) { return std::bit_cast<T>(bits); }

/// d[l] = f(a[l], b[l], c[l]) with lanes read as T.
template <typename T, typename Function>
void mapLanes(const Operation &op, VectorRegisters &r, unsigned lanes, Function f) {
  const int32_t *a = r.vectors[op.a], *b = r.vectors[op.b], *c = r.vectors[op.c];
  int32_t *d = r.vectors[op.d];
  for (unsigned l = 0; l < lanes; ++l)
    d[l] = std::bit_cast<int32_t>(f(lane<T>(a[l]), lane<T>(b[l]), lane<T>(c[l])));
}

template <typename T, typename Function>
void compareLanes(const Operation &op, VectorRegisters &r, unsigned lanes, Function f) {
  if (op.d == 0) // p0 is always true
    return;
  for (unsigned l = 0; l < lanes; ++l)
    r.predicates[op.d][l] = f(lane<T>(r.vectors[op.a][l]), lane<T>(r.vectors[op.b][l]));
}

template <typename T, typename Function>
void reduceLanes(const Operation &op, VectorRegisters &r, unsigned lanes, Function f) {
  T values[VectorRegisters::kMaxLanes];
  for (unsigned l = 0; l < lanes; ++l)
    values[l] = lane<T>(r.vectors[op.a][l]);
  for (unsigned half = lanes / 2; half; half /= 2)
    for (unsigned l = 0; l < half; ++l)
      values[l] = f(values[l], values[l + half]);
  std::fill_n(r.vectors[op.d], lanes, std::bit_cast<int32_t>(values[0]));
}

void permuteLanes(const Operation &op, VectorRegisters &r, unsigned lanes) {
  int32_t from[VectorRegisters::kMaxLanes];
  std::copy_n(r.vectors[op.a], lanes, from);
  for (unsigned l = 0; l < lanes; ++l) {
    unsigned index = op.id == Id::Vperm ? unsigned(r.vectors[op.b][l]) : l + unsigned(op.i);
    r.vectors[op.d][l] = from[index % lanes];
  }
}

void combinePredicates(const Operation &op, VectorRegisters &r, std::span<int64_t> scalars, unsigned lanes) {
  if (op.d == 0)
    return;
  for (unsigned l = 0; l < lanes; ++l) {
    uint8_t a = r.predicates[op.a & 7][l], b = r.predicates[op.b & 7][l];
    switch (op.id) {
    case Id::Ptail:
      r.predicates[op.d][l] = int64_t(l) < scalars[op.a];
      break;
    case Id::Pand:
      r.predicates[op.d][l] = a & b;
      break;
    case Id::Por:
      r.predicates[op.d][l] = a | b;
      break;
    default:
      r.predicates[op.d][l] = !a;
      break;
    }
  }
}

} // namespace

int64_t scalarResult(Id id, int64_t a, int64_t b, int64_t i) {
  using namespace semantics;
  switch (id) {
#define MORTISE_INSTRUCTION(code, Id_, mnemonic, operands, unit, latency, action, semantics)
#define MORTISE_SCALAR(code, Id_, mnemonic, operands, latency, expression)                                   \
  case Id::Id_:                                                                                              \
    return expression;
#define MORTISE_BRANCH(code, Id_, mnemonic, operands, condition)
#include "isa/mortise/Instructions.def"
  default:
    return 0;
  }
}

bool branchTaken(Id id, int64_t a, int64_t b) {
  switch (id) {
#define MORTISE_INSTRUCTION(code, Id_, mnemonic, operands, unit, latency, action, semantics)
#define MORTISE_BRANCH(code, Id_, mnemonic, operands, condition)                                             \
  case Id::Id_:                                                                                              \
    return condition;
#include "isa/mortise/Instructions.def"
  default:
    return false;
  }
}

void executeVector(const Operation &op, VectorRegisters &r, std::span<int64_t> scalars, unsigned lanes) {
  using namespace semantics;
  switch (op.id) {
#define MORTISE_INSTRUCTION(code, Id_, mnemonic, operands, unit, latency, action, semantics)
#define MORTISE_FLOAT(code, Id_, mnemonic, operands, latency, action, expression)                            \
  case Id::Id_:                                                                                              \
    mapLanes<float>(op, r, lanes,                                                                            \
                    []([[maybe_unused]] float a, [[maybe_unused]] float b, [[maybe_unused]] float c) {       \
                      return float(expression);                                                              \
                    });                                                                                      \
    break;
#define MORTISE_INTEGER(code, Id_, mnemonic, operands, latency, action, expression)                          \
  case Id::Id_:                                                                                              \
    mapLanes<int32_t>(op, r, lanes,                                                                          \
                      []([[maybe_unused]] int32_t a, [[maybe_unused]] int32_t b,                             \
                         [[maybe_unused]] int32_t c) { return int32_t(expression); });                       \
    break;
#define MORTISE_COMPARE_FLOAT(code, Id_, mnemonic, operands, latency, expression)                            \
  case Id::Id_:                                                                                              \
    compareLanes<float>(op, r, lanes, [](float a, float b) { return expression; });                          \
    break;
#define MORTISE_COMPARE_INTEGER(code, Id_, mnemonic, operands, latency, expression)                          \
  case Id::Id_:                                                                                              \
    compareLanes<int32_t>(op, r, lanes, [](int32_t a, int32_t b) { return expression; });                    \
    break;
#include "isa/mortise/Instructions.def"
  case Id::Ptail:
  case Id::Pand:
  case Id::Por:
  case Id::Pnot:
    combinePredicates(op, r, scalars, lanes);
    break;
  case Id::Vsel:
    for (unsigned l = 0; l < lanes; ++l)
      r.vectors[op.d][l] = r.predicates[op.g][l] ? r.vectors[op.a][l] : r.vectors[op.b][l];
    break;
  case Id::VredsumF:
    reduceLanes<float>(op, r, lanes, [](float a, float b) { return a + b; });
    break;
  case Id::VredmaxF:
    reduceLanes<float>(op, r, lanes, [](float a, float b) { return maximum(a, b); });
    break;
  case Id::VredsumI:
    reduceLanes<int32_t>(op, r, lanes, [](int32_t a, int32_t b) { return wrapAdd(a, b); });
    break;
  case Id::VredmaxI:
    reduceLanes<int32_t>(op, r, lanes, [](int32_t a, int32_t b) { return a > b ? a : b; });
    break;
  case Id::Vbc:
    std::fill_n(r.vectors[op.d], lanes, int32_t(uint32_t(scalars[op.a])));
    break;
  case Id::Viota:
    for (unsigned l = 0; l < lanes; ++l)
      r.vectors[op.d][l] = int32_t(l);
    break;
  case Id::Vperm:
  case Id::Vslide:
    permuteLanes(op, r, lanes);
    break;
  case Id::Vlane:
    scalars[op.d] = r.vectors[op.a][unsigned(op.i) % lanes];
    break;
  default:
    break;
  }
}

} // namespace tenon::sim
