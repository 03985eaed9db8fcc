#include "compiler/offsets/Rules.h"

#include <array>
#include <bit>
#include <cmath>

namespace tenon::offsets {

/// A plain order that leads anywhere does so soon; a drawn one is given up even sooner.
static constexpr uint64_t kPlainSteps = 3000, kDrawnSteps = 500;

namespace {

/// Weights of the logarithms that make an item's priority.
struct Weights {
  double length, size, contention;
};

/// SplitMix64 (Steele, Lea & Flood, 2014): the same numbers on every platform.
class Generator {
public:
  explicit Generator(uint64_t seed) : state(seed) {}
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// In [0, 1).
  double uniform() { return double(next() >> 11) * 0x1p-53; }

private:
  uint64_t state;
};

} // namespace

static constexpr std::array kPicks = {Rule::Pick::Fewest, Rule::Pick::Earliest, Rule::Pick::Failing,
                                      Rule::Pick::Item};
/// Crowding first: heavier than any ratio of lengths or sizes that matters.
static constexpr std::array<Weights, 4> kPlain = {{{1, 0, 0}, {1, 0, 10}, {0, 1, 10}, {1, 1, 0}}};

/// 1 1 2 1 1 2 4 1 1 2 1 1 2 4 8 ..., numbered from 1.
static uint64_t luby(uint64_t number) {
  for (;;) {
    if (std::has_single_bit(number + 1))
      return (number + 1) / 2;
    number -= std::bit_floor(number) - 1;
  }
}

static std::vector<double> priorities(const Instance &instance, const Weights &weights, double noise,
                                      Generator &generator) {
  std::vector<double> result;
  for (const Instance::Item &item : instance.items) {
    // Three uniform numbers are near enough to a normal one of standard deviation 1.
    double draw = 2 * (generator.uniform() + generator.uniform() + generator.uniform()) - 3;
    result.push_back(weights.length * std::log(double(item.length)) +
                     weights.size * std::log(double(item.size)) +
                     weights.contention * std::log(double(item.contention)) + noise * draw);
  }
  return result;
}

Attempt attempt(const Instance &instance, uint64_t number) {
  Generator generator(number);
  constexpr uint64_t plain = kPicks.size() * kPlain.size();
  if (number < plain) {
    const Weights &weights = kPlain[number % kPlain.size()];
    return {{kPicks[number / kPlain.size()], priorities(instance, weights, 0, generator)}, kPlainSteps};
  }
  Rule rule;
  rule.pick = kPicks[generator.next() % kPicks.size()];
  Weights weights = {generator.uniform(), generator.uniform(), 0};
  if (generator.uniform() < 0.5)
    weights.contention = std::pow(10, 1.5 * generator.uniform()) - 1;
  double noise = 1.5 * generator.uniform();
  rule.priority = priorities(instance, weights, noise, generator);
  return {std::move(rule), kDrawnSteps * luby(number - plain + 1)};
}

} // namespace tenon::offsets
