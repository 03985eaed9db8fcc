#include "sim/workloads/Layer.h"

#include "sim/workloads/Attention.h"

#include <algorithm>
#include <charconv>

namespace tenon::sim {

int64_t Layer::macs() const {
  switch (kind) {
  case LayerKind::Depthwise:
    return pixels() * channels * kernelHeight * kernelWidth;
  case LayerKind::Attention:
    return 2 * height * height * width * channels;
  default:
    return pixels() * outputs * channels * kernelHeight * kernelWidth;
  }
}

namespace {

std::string_view nextField(std::string_view &line) {
  size_t comma = line.find(',');
  std::string_view field = line.substr(0, comma);
  line = comma == std::string_view::npos ? std::string_view() : line.substr(comma + 1);
  while (!field.empty() && field.front() == ' ')
    field.remove_prefix(1);
  while (!field.empty() && (field.back() == ' ' || field.back() == '\r'))
    field.remove_suffix(1);
  return field;
}

[[noreturn]] void refuse(const std::string &file, size_t line, const std::string &why) {
  throw mortise::Error("TN1220", file + ":" + std::to_string(line) + ": " + why);
}

Layer parseLayer(std::string_view line, const std::string &file, size_t number) {
  Layer layer;
  layer.name = nextField(line);
  std::string_view kind = nextField(line);
  constexpr std::string_view kinds[] = {"gemm", "conv", "depthwise", "attention"};
  auto found = std::find(std::begin(kinds), std::end(kinds), kind);
  if (found == std::end(kinds))
    refuse(file, number,
           "the kind must be gemm, conv, depthwise or attention, found '" + std::string(kind) + "'");
  layer.kind = LayerKind(found - std::begin(kinds));
  for (int64_t *value : {&layer.height, &layer.width, &layer.channels, &layer.outputs, &layer.kernelHeight,
                         &layer.kernelWidth, &layer.stride}) {
    std::string_view field = nextField(line);
    auto [end, status] = std::from_chars(field.data(), field.data() + field.size(), *value);
    if (status != std::errc() || end != field.data() + field.size() || *value < 1 || *value > 1 << 20)
      refuse(file, number,
             "sizes must be whole numbers from 1 to 1048576, found '" + std::string(field) + "'");
  }
  if (!line.empty()) {
    std::string_view type = nextField(line);
    bool isFloat = type == "bf16" || type == "f16";
    bool onArray = layer.kind == LayerKind::Gemm || layer.kind == LayerKind::Convolution;
    if ((type != "i8" && !isFloat) || (isFloat && !onArray) || !line.empty())
      refuse(file, number,
             "after the stride may come i8, bf16 or f16, the latter for conv and gemm; found '" +
                 std::string(type) + "'");
    layer.type = mortise::Type(*mortise::findType(type));
  }
  if (layer.kernelHeight > layer.height || layer.kernelWidth > layer.width)
    refuse(file, number, "the kernel is larger than the padded input");
  return layer;
}

} // namespace

std::vector<Layer> parseLayers(std::string_view csv, const std::string &file) {
  std::vector<Layer> layers;
  size_t number = 0;
  while (!csv.empty()) {
    size_t end = csv.find('\n');
    std::string_view line = csv.substr(0, end);
    csv = end == std::string_view::npos ? std::string_view() : csv.substr(end + 1);
    ++number;
    bool isHeader = number == 1 && line.starts_with("name");
    if (isHeader || line.empty() || line == "\r" || line.front() == '#')
      continue;
    layers.push_back(parseLayer(line, file, number));
  }
  if (layers.empty())
    refuse(file, number, "there is no layer; a line is name,kind,h,w,cin,cout,r,s,stride");
  return layers;
}

namespace {

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t aligned(int64_t bytes) { return ceilDiv(bytes, 64) * 64; }

/// Whether input and output (attention: everything) lie in the second level.
bool fitsOnChip(const Layer &layer, const mortise::Hardware &h) {
  int64_t channels = layer.kind == LayerKind::Depthwise ? layer.channels : layer.outputs;
  int64_t bytes =
      layer.kind == LayerKind::Attention
          ? 8 * layer.height * layer.width * layer.channels
          : (layer.height * layer.width * layer.channels + layer.pixels() * channels) * layer.elementBytes();
  constexpr int64_t kRounding = 4 * 64;
  return bytes + kRounding <= h.l2.bytes;
}

/// Weight tiles: along the contiguous elements of a kernel row, at most the array's rows each.
std::vector<int64_t> weightDepths(const Layer &layer, int64_t rows) {
  std::vector<int64_t> depths;
  int64_t run = layer.kernelWidth * layer.channels;
  for (int64_t r = 0; r < layer.kernelHeight; ++r)
    for (int64_t at = 0; at < run; at += rows)
      depths.push_back(std::min(rows, run - at));
  return depths;
}

/// Takes the sizes of buffers into the cut; whether two of each fit.
bool fits(Cut &cut, const Layer &layer, const mortise::Hardware &h) {
  bool depthwise = layer.kind == LayerKind::Depthwise;
  int64_t columns = depthwise ? h.vector.lanes : h.matrix.columns, size = layer.elementBytes(),
          inputs = (cut.rows - 1) * layer.stride + layer.kernelHeight;
  cut.inputBytes = aligned(inputs * layer.width * layer.channels * size);
  cut.weightBytes = depthwise ? aligned(layer.kernelHeight * layer.kernelWidth * columns)
                              : aligned(cut.depth * h.matrix.rows * columns * size);
  cut.outputBytes = aligned(cut.rows * layer.outputWidth() * columns * size * cut.stored);
  int64_t scales = aligned(columns * 4);
  return cut.inputBuffers * cut.inputBytes + 2 * (cut.weightBytes + cut.outputBytes) + scales <=
         h.scratchpad.bytes;
}

/// Whether descriptors and kernels can say it.
bool isAddressable(const Layer &layer, const mortise::Hardware &h) {
  int64_t size = layer.elementBytes();
  bool small = layer.kind != LayerKind::Depthwise ||
               (layer.kernelHeight * layer.kernelWidth <= 25 && layer.kernelHeight <= 16);
  return small && layer.width * layer.channels * size <= h.dma.maxCount &&
         layer.stride * layer.channels < 8192 &&
         layer.pixels() * std::max(layer.outputs, layer.channels) * size < INT32_MAX;
}

/// Tries tiles from large to small: rows first, then whole bursts of results, then large pieces of weights.
bool search(Cut &cut, const Layer &layer, const mortise::Hardware &h) {
  bool depthwise = layer.kind == LayerKind::Depthwise;
  int64_t bank = h.accumulatorRows() / h.accumulators.banks, size = layer.elementBytes();
  // Two accumulator buffers, whatever the banks are.
  int64_t most = depthwise ? 1 << 20 : h.accumulators.banks >= 2 ? bank : bank / 2;
  // A piece of weights takes at least four times as long to load as setup and latency: the channel is busy,
  // and the array can begin soon.
  auto worthwhile = int64_t(4 * double(h.dma.setup + h.dram.latency) * h.dram.bytesPerCycle);
  int64_t piece = std::max<int64_t>(1, ceilDiv(worthwhile, h.matrix.rows * h.matrix.columns * size));
  auto all = int64_t(cut.depths.size());
  int64_t deepest = depthwise ? 1 : cut.weightsOnce ? all : std::min(piece, all);
  int64_t shallowest = cut.weightsOnce ? all : 1;
  int64_t burst = (cut.onChip ? h.l2 : h.dram).burst;
  int64_t stored =
      depthwise || cut.weightsOnce ? 1 : std::min(cut.panels, ceilDiv(burst, h.matrix.columns * size));
  int64_t first = std::min(layer.outputHeight(), std::max<int64_t>(1, most / layer.outputWidth()));
  for (cut.rows = first; cut.rows >= 1; cut.rows /= 2)
    for (cut.stored = stored; cut.stored >= 1; cut.stored /= 2)
      for (cut.depth = deepest; cut.depth >= shallowest; cut.depth /= 2)
        if (cut.rows * layer.outputWidth() <= most && fits(cut, layer, h)) {
          cut.tiles = ceilDiv(layer.outputHeight(), cut.rows);
          return true;
        }
  return false;
}

/// The same with two buffers of inputs, or else one.
bool searchBuffers(Cut &cut, const Layer &layer, const mortise::Hardware &h) {
  for (cut.inputBuffers = 2; cut.inputBuffers >= 1; --cut.inputBuffers)
    if (search(cut, layer, h))
      return true;
  return false;
}

/// Roughly the cycles of a convolution: the fuller of memories and array, after the first weights.
double roughCycles(const Cut &cut, const Layer &layer, const mortise::Hardware &h) {
  const mortise::MemoryTiming &place = cut.onChip ? h.l2 : h.dram;
  int64_t size = layer.elementBytes(), depth = 0;
  for (int64_t rows : cut.depths)
    depth += rows;
  auto weights = double(depth * h.matrix.columns * size * cut.panels),
       input = double(cut.inputBytes * cut.tiles);
  int64_t run = cut.stored * h.matrix.columns * size,
          bursts = ceilDiv(cut.panels, cut.stored) * ceilDiv(run, place.burst);
  double output = double(layer.pixels() * bursts * place.burst);
  if (cut.weightsOnce)
    input *= cut.tiles > 1 ? double(cut.panels) : 1;
  else
    weights *= double(cut.tiles);
  double first = weights / h.dram.bytesPerCycle, second = (input + output) / place.bytesPerCycle;
  double memory = cut.onChip ? std::max(first, second) : first + second;
  double products = double(cut.panels * int64_t(cut.depths.size())) *
                    double(ceilDiv(layer.pixels(), h.matrix.positions)) / h.rate(layer.type);
  return std::max(memory, products) + double(cut.weightBytes) / h.dram.bytesPerCycle;
}

} // namespace

Cut cutLayer(const Layer &layer, const mortise::Hardware &h) {
  if (layer.kind == LayerKind::Attention) {
    Cut attention = cutAttention(layer, h);
    attention.onChip = fitsOnChip(layer, h);
    return attention;
  }
  auto refuse = [&](const std::string &why) {
    throw mortise::Error("TN1221", "layer '" + layer.name + "' cannot be cut to fit " + h.name + ": " + why);
  };
  if (h.rate(layer.type) == 0)
    refuse(std::string("the array does not multiply ") + mortise::typeName(unsigned(layer.type)));
  Cut cut;
  cut.onChip = fitsOnChip(layer, h);
  bool depthwise = layer.kind == LayerKind::Depthwise;
  cut.panels = depthwise ? ceilDiv(layer.channels, h.vector.lanes) : ceilDiv(layer.outputs, h.matrix.columns);
  if (!depthwise)
    cut.depths = weightDepths(layer, h.matrix.rows);
  bool found = isAddressable(layer, h) && searchBuffers(cut, layer, h);
  if (!depthwise && isAddressable(layer, h)) {
    Cut other = cut;
    other.weightsOnce = true;
    if (searchBuffers(other, layer, h) &&
        (!found || roughCycles(other, layer, h) < 0.9 * roughCycles(cut, layer, h))) {
      cut = other;
      found = true;
    }
  }
  if (!found)
    refuse("one row of outputs needs more scratchpad, accumulators or DMA counts than there are");
  return cut;
}

std::vector<Step> stepsOf(const Cut &cut) {
  std::vector<Step> steps;
  auto all = int64_t(cut.depths.size());
  int64_t outer = cut.weightsOnce ? cut.panels : cut.tiles, inner = cut.weightsOnce ? cut.tiles : cut.panels;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i)
      for (int64_t first = 0; first < all; first += cut.depth) {
        Step step;
        step.tile = cut.weightsOnce ? i : o;
        step.panel = cut.weightsOnce ? o : i;
        step.first = first;
        step.count = std::min(cut.depth, all - first);
        auto index = int64_t(steps.size());
        step.input = !cut.weightsOnce ? o : cut.tiles > 1 ? index : 0;
        step.weights = cut.weightsOnce ? o : index;
        steps.push_back(step);
      }
  int64_t nextInput = -1, nextWeights = -1;
  for (auto i = int64_t(steps.size()); i--;) {
    Step &step = steps[size_t(i)];
    const Step *before = i > 0 ? &steps[size_t(i - 1)] : nullptr;
    const Step *after = i + 1 < int64_t(steps.size()) ? &steps[size_t(i + 1)] : nullptr;
    step.beginsInput = !before || before->input != step.input;
    step.endsInput = !after || after->input != step.input;
    step.beginsWeights = !before || before->weights != step.weights;
    step.endsWeights = !after || after->weights != step.weights;
    step.nextInput = nextInput;
    step.nextWeights = nextWeights;
    nextInput = step.beginsInput ? i : nextInput;
    nextWeights = step.beginsWeights ? i : nextWeights;
  }
  return steps;
}

} // namespace tenon::sim
