#include "compiler/offsets/AssignOffsets.h"
#include "compiler/offsets/FirstFit.h"
#include "compiler/offsets/PlacementSearch.h"
#include "compiler/offsets/Rules.h"

#include <algorithm>

namespace tenon::offsets {

/// Offsets and sums of sizes stay below it, so that sums of two cannot overflow.
static constexpr int64_t kMost = int64_t(1) << 60;
/// Steps at the goal in the first round, and the part of them that each height above it gets. Rounds double.
/// Nothing but the goal counts where it is a capacity.
static constexpr uint64_t kGoalSteps = 100'000, kHigherPart = 2, kHigherPartWithCapacity = 8;

static std::string fault(const Buffer &buffer, int64_t &total) {
  if (buffer.size < 0)
    return "the size " + std::to_string(buffer.size) + " is negative";
  if (buffer.end <= buffer.begin)
    return "it ends at " + std::to_string(buffer.end) + ", not after its begin at " +
           std::to_string(buffer.begin);
  if (buffer.alignment < 1 || buffer.alignment > kMost)
    return "the alignment " + std::to_string(buffer.alignment) + " is not in 1 .. 2^60";
  // What the alignment may waste counts as well.
  if (buffer.size > kMost - buffer.alignment || total > kMost - buffer.size - buffer.alignment)
    return "the sizes up to here add to more than 2^60 bytes";
  total += buffer.size + buffer.alignment;
  if (!buffer.offset)
    return "";
  if (*buffer.offset < 0 || *buffer.offset > kMost - buffer.size)
    return "the fixed offset " + std::to_string(*buffer.offset) + " is not in 0 .. 2^60";
  if (*buffer.offset % buffer.alignment != 0)
    return "the fixed offset " + std::to_string(*buffer.offset) + " is no multiple of the alignment " +
           std::to_string(buffer.alignment);
  return "";
}

std::optional<Fault> findFault(std::span<const Buffer> buffers) {
  int64_t total = 0;
  std::vector<size_t> fixed;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const Buffer &buffer = buffers[i];
    std::string message = fault(buffer, total);
    if (!message.empty())
      return Fault{i, std::move(message)};
    if (!buffer.offset)
      continue;
    for (size_t other : fixed) {
      const Buffer &earlier = buffers[other];
      if (buffer.begin < earlier.end && earlier.begin < buffer.end &&
          *buffer.offset < *earlier.offset + earlier.size && *earlier.offset < *buffer.offset + buffer.size)
        return Fault{i, "its fixed place overlaps that of buffer " + std::to_string(other)};
    }
    fixed.push_back(i);
  }
  return std::nullopt;
}

namespace {

/// The best placement so far, and what is known about the lowest one.
class Planner {
public:
  Planner(std::span<const Buffer> buffers, const Options &options)
      : options(options), instance(buffers), bound(instance.lowerBound) {
    std::chrono::duration<double> time(std::clamp(options.seconds, 0.0, 1e8));
    deadline = std::chrono::steady_clock::now() +
               std::chrono::duration_cast<std::chrono::steady_clock::duration>(time);
  }
  Assignment plan(std::span<const Buffer> buffers);

private:
  void startGreedily();
  void improve();
  bool settled() const { return best.peak <= goal(); }
  int64_t goal() const { return options.capacity ? std::max(bound, *options.capacity) : bound; }
  bool late() const { return std::chrono::steady_clock::now() >= deadline; }
  bool tryHeight(int64_t height, uint64_t &number, uint64_t budget);

  const Options &options;
  Instance instance;
  int64_t bound;
  Deadline deadline;
  Placement best;
  int64_t firstFitPeak = 0;
  uint64_t steps = 0;
};

void Planner::startGreedily() {
  best = firstFit(instance, bySize(instance));
  firstFitPeak = best.peak;
  for (const std::vector<uint32_t> &order : otherOrders(instance)) {
    if (settled() || late())
      return;
    Placement placement = firstFit(instance, order);
    if (placement.peak < best.peak)
      best = std::move(placement);
  }
}

/// Runs attempts from `number` on until a placement of this height is found or `budget` steps are done.
/// Returns whether the height is settled: the best peak is not above it, or the bound is.
bool Planner::tryHeight(int64_t height, uint64_t &number, uint64_t budget) {
  PlacementSearch search(instance, height);
  bool done = false;
  for (; !done && search.steps() < budget && !late(); ++number) {
    if (options.progress)
      options.progress(best.peak, height);
    Attempt next = attempt(instance, number);
    auto outcome = search.run(next.rule, next.limit, deadline);
    done = outcome != PlacementSearch::Outcome::GaveUp;
    if (outcome == PlacementSearch::Outcome::Impossible)
      bound = std::max(bound, height + 1);
    if (outcome != PlacementSearch::Outcome::Found)
      continue;
    best.offsets = search.offsets();
    best.peak = 0;
    for (size_t i = 0; i < instance.items.size(); ++i)
      best.peak = std::max(best.peak, best.offsets[i] + instance.items[i].size);
  }
  steps += search.steps();
  return done;
}

void Planner::improve() {
  const uint64_t part = options.capacity ? kHigherPartWithCapacity : kHigherPart;
  uint64_t atGoal = 0;
  for (uint64_t budget = kGoalSteps; !settled() && !late(); budget *= 2) {
    tryHeight(goal(), atGoal, budget);
    // Bisection: heights that were given up are not known to be impossible, and come again in the next round.
    int64_t low = goal();
    while (!settled() && !late() && low < best.peak - 1) {
      int64_t middle = low + (best.peak - low) / 2;
      uint64_t number = 0;
      if (!tryHeight(middle, number, budget / part))
        low = middle;
      low = std::max(low, bound - 1);
      // Finer steps are for the goal itself.
      if (best.peak - low <= best.peak / 1000)
        break;
    }
    // A capacity below the bound cannot be reached: one round shows how near a placement comes.
    if (options.capacity && *options.capacity < bound)
      return;
  }
}

Assignment Planner::plan(std::span<const Buffer> buffers) {
  startGreedily();
  if (instance.listsNeighbours && !settled())
    improve();
  Assignment result;
  result.offsets.assign(buffers.size(), 0);
  for (size_t i = 0; i < buffers.size(); ++i)
    result.offsets[i] = buffers[i].offset.value_or(0); // those of size zero
  for (size_t i = 0; i < instance.items.size(); ++i)
    result.offsets[instance.items[i].buffer] = best.offsets[i];
  result.peak = best.peak;
  result.lowerBound = bound;
  result.atBound = instance.atBound;
  result.firstFitPeak = firstFitPeak;
  result.steps = steps;
  return result;
}

} // namespace

Assignment assignOffsets(std::span<const Buffer> buffers, const Options &options) {
  return Planner(buffers, options).plan(buffers);
}

} // namespace tenon::offsets
