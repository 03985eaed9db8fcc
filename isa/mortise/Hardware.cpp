// One table of fields gives the parser, the limits, the writer and the reference.

#include "isa/mortise/Hardware.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <yaml-cpp/yaml.h>

namespace tenon::mortise {

namespace {

constexpr int64_t kKilo = 1024, kMega = kKilo * kKilo, kGiga = kKilo * kMega;

struct IntegerField {
  const char *path;
  int64_t &(*of)(Hardware &);
  int64_t low, high;
  bool powerOfTwo;
  const char *meaning;
};
struct NumberField {
  const char *path;
  double &(*of)(Hardware &);
  double low, high;
  const char *meaning;
};

#define MORTISE_OF(member) [](Hardware &h) -> auto & { return h.member; }
const IntegerField kIntegers[] = {
    {"cores", MORTISE_OF(cores), 1, kMaxCores, false,
     "cores; each runs the program, memory and semaphores are shared"},
    {"scratchpad.bytes", MORTISE_OF(scratchpad.bytes), kKilo, 256 * kMega, false, "bytes a core"},
    {"scratchpad.banks", MORTISE_OF(scratchpad.banks), 1, 64, false, "single-ported banks"},
    {"scratchpad.width", MORTISE_OF(scratchpad.width), 4, 512, true, "bytes a bank and cycle"},
    {"scratchpad.interleave", MORTISE_OF(scratchpad.interleave), 4, 256 * kMega, false,
     "consecutive bytes in one bank"},
    {"accumulators.bytes", MORTISE_OF(accumulators.bytes), 64, 256 * kMega, false,
     "bytes of 32-bit accumulators a core"},
    {"accumulators.banks", MORTISE_OF(accumulators.banks), 1, 16, false, "banks of consecutive rows"},
    {"matrix.rows", MORTISE_OF(matrix.rows), 1, 256, false, "depth of the weight tile"},
    {"matrix.columns", MORTISE_OF(matrix.columns), 1, 256, false, "width of the weight tile"},
    {"matrix.positions", MORTISE_OF(matrix.positions), 1, 64, false, "rows of the left operand a cycle"},
    {"matrix.weight_tiles", MORTISE_OF(matrix.weightTiles), 1, 16, false, "shadow weight tiles"},
    {"matrix.issue_gap", MORTISE_OF(matrix.issueGap), 1, 64, false, "least cycles between products"},
    {"vector.lanes", MORTISE_OF(vector.lanes), 4, 128, true, "lanes of 32 bits"},
    {"vector.special_cycles", MORTISE_OF(vector.specialCycles), 1, 64, false,
     "cycles between special functions"},
    {"dma.in_channels", MORTISE_OF(dma.inChannels), 1, kMaxInChannels, false, "channels into the scratchpad"},
    {"dma.out_channels", MORTISE_OF(dma.outChannels), 1, kMaxOutChannels, false, "channels out of it"},
    {"dma.dimensions", MORTISE_OF(dma.dimensions), 1, 4, false, "counts and strides of a descriptor"},
    {"dma.max_count", MORTISE_OF(dma.maxCount), 1, INT32_MAX, false, "largest count of a dimension"},
    {"dma.max_stride", MORTISE_OF(dma.maxStride), 1, kGiga * kKilo, false, "largest stride, bytes"},
    {"dma.in_flight", MORTISE_OF(dma.inFlight), 1, 256, false, "descriptors at work in all channels"},
    {"dma.setup", MORTISE_OF(dma.setup), 0, 10000, false, "cycles a descriptor"},
    {"semaphores", MORTISE_OF(semaphores), 1, kSemaphores, false, "counting semaphores"},
    {"queue_depth", MORTISE_OF(queueDepth), 1, 1024, false, "commands that wait in each queue"},
    {"dram.bytes", MORTISE_OF(dram.bytes), kMega, kGiga * 16, false, "capacity"},
    {"dram.latency", MORTISE_OF(dram.latency), 0, 100000, false, "cycles"},
    {"dram.burst", MORTISE_OF(dram.burst), 4, 4096, true, "bytes of a burst"},
    {"l2.bytes", MORTISE_OF(l2.bytes), 0, kGiga, false, "capacity; 0: there is none"},
    {"l2.latency", MORTISE_OF(l2.latency), 0, 100000, false, "cycles"},
    {"l2.burst", MORTISE_OF(l2.burst), 4, 4096, true, "bytes of a burst"},
};
const NumberField kNumbers[] = {
    {"megahertz", MORTISE_OF(megahertz), 1, 10000, "clock"},
    {"dram.bytes_per_cycle", MORTISE_OF(dram.bytesPerCycle), 0.01, 65536, "bandwidth"},
    {"l2.bytes_per_cycle", MORTISE_OF(l2.bytesPerCycle), 0, 65536, "bandwidth"},
    {"energy.static_per_cycle", MORTISE_OF(energy.staticPerCycle), 0, 1e9, "pJ a cycle, idle or not"},
};
#undef MORTISE_OF

template <typename Names> bool isIn(const Names &names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

constexpr std::string_view kOptional[] = {
    "matrix.positions", "matrix.issue_gap", "vector.special_cycles", "l2.bytes",
    "l2.latency",       "l2.burst",         "l2.bytes_per_cycle",    "cores",
    "semaphores",       "queue_depth"};
constexpr std::string_view kSpecial[] = {
    "name",         "resembles",      "notes",         "matrix.dataflow", "matrix.timing",
    "matrix.rates", "vector.latency", "energy.source", "energy.actions",  "points"};

std::string numberText(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.12g", value);
  return text;
}

class Parser {
public:
  Parser(const YAML::Node &root, std::string file) : root_(root), file_(std::move(file)) {}
  Hardware run();

private:
  [[noreturn]] void fail(const std::string &path, const std::string &message) const {
    throw Error("TN1103", file_ + ": field '" + path + "' " + message);
  }
  YAML::Node find(const std::string &path) const {
    size_t dot = path.find('.');
    if (dot == std::string::npos)
      return root_[path];
    YAML::Node parent = root_[path.substr(0, dot)];
    return parent && parent.IsMap() ? parent[path.substr(dot + 1)] : YAML::Node(YAML::NodeType::Undefined);
  }
  void checkNames() const;
  double number(const std::string &path, const YAML::Node &node, double low, double high) const;
  std::string text(const std::string &path, bool required) const;
  template <typename T>
  void map(const std::string &path, double low, double high, std::map<std::string, T> &result);
  void readPoints(Hardware &hardware) const;

  YAML::Node root_;
  std::string file_;
};

bool isKnown(const std::string &path) {
  auto same = [&](const auto &field) { return path == field.path; };
  return isIn(kSpecial, path) || std::any_of(std::begin(kIntegers), std::end(kIntegers), same) ||
         std::any_of(std::begin(kNumbers), std::end(kNumbers), same);
}

void Parser::checkNames() const {
  constexpr const char *groups[] = {"scratchpad", "accumulators", "matrix", "vector",
                                    "dma",        "dram",         "l2",     "energy"};
  for (const auto &entry : root_) {
    if (!entry.first.IsScalar())
      throw Error("TN1103", file_ + ": names of fields must be plain text");
    std::string name = entry.first.Scalar();
    bool isGroup = std::find(std::begin(groups), std::end(groups), name) != std::end(groups);
    if (!isGroup && !isKnown(name))
      fail(name, "is unknown; `tenon sim --fields` lists the fields");
    if (isGroup && !entry.second.IsMap())
      fail(name, "must have fields of its own");
    if (isGroup)
      for (const auto &inner : entry.second)
        if (!inner.first.IsScalar() || !isKnown(name + "." + inner.first.Scalar()))
          fail(name + "." + (inner.first.IsScalar() ? inner.first.Scalar() : ""),
               "is unknown; `tenon sim --fields` lists the fields");
  }
}

double Parser::number(const std::string &path, const YAML::Node &node, double low, double high) const {
  double value = 0;
  if (!node.IsScalar() || !YAML::convert<double>::decode(node, value) || !std::isfinite(value))
    fail(path, "must be a number from " + numberText(low) + " to " + numberText(high) + ", found '" +
                   (node.IsScalar() ? node.Scalar().substr(0, 60) : "a list or map") + "'");
  if (value < low || value > high)
    fail(path,
         "must be from " + numberText(low) + " to " + numberText(high) + ", found " + numberText(value));
  return value;
}

std::string Parser::text(const std::string &path, bool required) const {
  YAML::Node node = find(path);
  if (!node.IsDefined()) {
    if (required)
      fail(path, "is missing");
    return "";
  }
  if (!node.IsScalar())
    fail(path, "must be a text");
  return node.Scalar();
}

template <typename T>
void Parser::map(const std::string &path, double low, double high, std::map<std::string, T> &result) {
  YAML::Node node = find(path);
  if (!node.IsDefined())
    return;
  if (!node.IsMap())
    fail(path, "must be a map of names to numbers");
  for (const auto &entry : node) {
    if (!entry.first.IsScalar())
      fail(path, "must be a map of names to numbers");
    result[entry.first.Scalar()] = T(number(path + "." + entry.first.Scalar(), entry.second, low, high));
  }
}

void Parser::readPoints(Hardware &hardware) const {
  YAML::Node node = root_["points"];
  if (!node.IsDefined())
    return;
  if (!node.IsSequence() || node.size() > 64)
    fail("points", "must be a list of at most 64 maps with megahertz and volts");
  for (const YAML::Node &point : node) {
    if (!point.IsMap() || !point["megahertz"] || !point["volts"] || point.size() != 2)
      fail("points", "must be a list of maps with megahertz and volts");
    hardware.points.push_back({number("points.megahertz", point["megahertz"], 1, 10000),
                               number("points.volts", point["volts"], 0.1, 5)});
  }
}

void require(bool holds, const std::string &file, const std::string &message) {
  if (!holds)
    throw Error("TN1104", file + ": " + message);
}

bool isAction(const std::string &name) {
  for (const Row &row : rows())
    if (name == row.action)
      return true;
  auto actions = energyActions();
  return std::any_of(actions.begin(), actions.end(),
                     [&](const auto &action) { return name == action.first; });
}

/// What fields must satisfy together.
void checkTogether(const Hardware &h, const std::string &file) {
  const auto &pad = h.scratchpad;
  require(pad.bytes % (pad.banks * pad.width) == 0, file,
          "scratchpad.bytes must be a multiple of scratchpad.banks x scratchpad.width, found " +
              std::to_string(pad.bytes));
  require(pad.interleave % pad.width == 0 && pad.interleave <= pad.bytes / pad.banks, file,
          "scratchpad.interleave must be a multiple of scratchpad.width and at most a bank (" +
              std::to_string(pad.bytes / pad.banks) + "), found " + std::to_string(pad.interleave));
  require((pad.bytes / pad.banks) % pad.interleave == 0, file,
          "a bank (" + std::to_string(pad.bytes / pad.banks) +
              " bytes) must be a multiple of scratchpad.interleave");
  int64_t row = h.matrix.columns * 4;
  require(h.accumulators.bytes % (row * h.accumulators.banks) == 0, file,
          "accumulators.bytes must be a multiple of matrix.columns x 4 x accumulators.banks (" +
              std::to_string(row * h.accumulators.banks) + "), found " +
              std::to_string(h.accumulators.bytes));
  require(h.l2.bytes == 0 || h.l2.bytesPerCycle > 0, file,
          "l2.bytes_per_cycle must be positive where there is an l2");
  require(!h.points.size() || h.points.front().megahertz == h.megahertz, file,
          "the first of points must have the clock of the description, " + numberText(h.megahertz) + " MHz");
  for (const auto &[type, rate] : h.matrix.rates) {
    constexpr const char *types[] = {"i8", "i4", "i16", "bf16", "f16"};
    require(std::find(std::begin(types), std::end(types), type) != std::end(types), file,
            "matrix.rates." + type + " is no type of the matrix unit; known: i8, i4, i16, bf16, f16");
    double pace = rate >= 1 ? rate : 1 / rate;
    require(pace == std::floor(pace), file,
            "matrix.rates." + type + " must be a whole number or the inverse of one, found " +
                numberText(rate));
  }
  for (const auto &[mnemonic, latency] : h.vector.latency) {
    const Row *row = findRow(mnemonic);
    require(row && row->unit >= Unit::Scalar, file,
            "vector.latency." + mnemonic + " is no instruction of the vector core");
  }
  for (const auto &[action, picojoules] : h.energy.actions)
    require(isAction(action), file,
            "energy.actions." + action + " is unknown; `tenon sim --fields` lists the actions");
}

Hardware Parser::run() {
  if (!root_.IsMap())
    throw Error("TN1102", file_ + ": a hardware description is a map of fields");
  checkNames();
  Hardware hardware;
  for (const IntegerField &field : kIntegers) {
    YAML::Node node = find(field.path);
    if (!node.IsDefined()) {
      if (!isIn(kOptional, field.path))
        fail(field.path, "is missing; it must be from " + std::to_string(field.low) + " to " +
                             std::to_string(field.high));
      continue;
    }
    double value = number(field.path, node, double(field.low), double(field.high));
    if (value != std::floor(value))
      fail(field.path, "must be a whole number, found " + numberText(value));
    auto integer = int64_t(value);
    if (field.powerOfTwo && (integer & (integer - 1)))
      fail(field.path, "must be a power of two, found " + std::to_string(integer));
    field.of(hardware) = integer;
  }
  for (const NumberField &field : kNumbers) {
    YAML::Node node = find(field.path);
    if (node.IsDefined())
      field.of(hardware) = number(field.path, node, field.low, field.high);
    else if (!isIn(kOptional, field.path))
      fail(field.path,
           "is missing; it must be from " + numberText(field.low) + " to " + numberText(field.high));
  }
  hardware.name = text("name", true);
  hardware.resembles = text("resembles", false);
  hardware.notes = text("notes", false);
  hardware.energy.source = text("energy.source", true);
  std::string dataflow = text("matrix.dataflow", true), timing = text("matrix.timing", false);
  if (dataflow != "ws" && dataflow != "os")
    fail("matrix.dataflow", "must be ws or os, found '" + dataflow + "'");
  if (!timing.empty() && timing != "overlapped" && timing != "serial")
    fail("matrix.timing", "must be overlapped or serial, found '" + timing + "'");
  hardware.matrix.dataflow = dataflow == "ws" ? Dataflow::WeightStationary : Dataflow::OutputStationary;
  hardware.matrix.timing = timing == "serial" ? ArrayTiming::Serial : ArrayTiming::Overlapped;
  map("matrix.rates", 1.0 / 64, 64, hardware.matrix.rates);
  if (hardware.matrix.rates.empty())
    fail("matrix.rates", "must name at least one type");
  map("vector.latency", 1, 255, hardware.vector.latency);
  map("energy.actions", 0, 1e9, hardware.energy.actions);
  readPoints(hardware);
  checkTogether(hardware, file_);
  return hardware;
}

} // namespace

double Hardware::rate(Type type) const {
  auto found = matrix.rates.find(type == Type::U8 ? "i8" : typeName(unsigned(type)));
  return found == matrix.rates.end() ? 0 : found->second;
}

std::span<const std::pair<const char *, const char *>> energyActions() {
  static constexpr std::pair<const char *, const char *> actions[] = {
      {"mac.i8", "a product and sum of int8"},
      {"mac.i4", "a product and sum of int8 x int4"},
      {"mac.i16", "a product and sum of int16 x int8"},
      {"mac.bf16", "a product and sum of bf16"},
      {"mac.f16", "a product and sum of fp16"},
      {"accumulator.read", "a 32-bit word"},
      {"accumulator.write", "a 32-bit word"},
      {"scratchpad.read", "a word of a bank"},
      {"scratchpad.write", "a word of a bank"},
      {"weights.byte", "a byte of a weight tile into the array"},
      {"drain.element", "scale, clamp and convert an element"},
      {"dram.read", "a byte"},
      {"dram.write", "a byte"},
      {"l2.read", "a byte"},
      {"l2.write", "a byte"},
  };
  return actions;
}

Hardware parseHardware(const std::string &yaml, const std::string &file) {
  // The parser recurses for each level of brackets.
  constexpr ptrdiff_t kBrackets = 256;
  if (std::count_if(yaml.begin(), yaml.end(), [](char c) { return c == '[' || c == '{'; }) > kBrackets ||
      yaml.size() > size_t(kMega))
    throw Error("TN1102", file + ": too large, or too many brackets, for a hardware description");
  try {
    return Parser(YAML::Load(yaml), file).run();
  } catch (const YAML::Exception &error) {
    throw Error("TN1102",
                file + ":" + std::to_string(error.mark.line + 1) + ": malformed YAML: " + error.msg);
  }
}

Hardware loadHardware(const std::string &presetOrPath) {
  if (const char *text = presetText(presetOrPath))
    return parseHardware(text, presetOrPath);
  std::ifstream file(presetOrPath, std::ios::binary);
  if (!file) {
    std::string names;
    for (const std::string &name : presetNames())
      names += (names.empty() ? "" : ", ") + name;
    throw Error("TN1101",
                "'" + presetOrPath + "' is no preset and cannot be read as a file; presets: " + names);
  }
  std::ostringstream text;
  text << file.rdbuf();
  return parseHardware(text.str(), presetOrPath);
}

std::string toYaml(const Hardware &source) {
  Hardware h = source;
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "name" << YAML::Value << h.name << YAML::Key << "resembles"
      << YAML::Value << h.resembles << YAML::Key << "notes" << YAML::Value << h.notes;
  std::map<std::string, std::map<std::string, std::string>> groups;
  for (const IntegerField &field : kIntegers)
    groups[std::string(field.path, std::string(field.path).find('.') == std::string::npos
                                       ? 0
                                       : std::string(field.path).find('.'))]
          [std::string(field.path).substr(std::string(field.path).find('.') + 1)] =
              std::to_string(field.of(h));
  for (const NumberField &field : kNumbers) {
    std::string path = field.path;
    size_t dot = path.find('.');
    groups[dot == std::string::npos ? "" : path.substr(0, dot)][path.substr(dot + 1)] =
        numberText(field.of(h));
  }
  groups["matrix"]["dataflow"] = h.matrix.dataflow == Dataflow::WeightStationary ? "ws" : "os";
  groups["matrix"]["timing"] = h.matrix.timing == ArrayTiming::Overlapped ? "overlapped" : "serial";
  auto numbers = [&](const char *key, const auto &values) {
    out << YAML::Key << key << YAML::Value << YAML::BeginMap;
    for (const auto &[name, value] : values)
      out << YAML::Key << name << YAML::Value << numberText(double(value));
    out << YAML::EndMap;
  };
  for (const auto &[group, fields] : groups) {
    if (!group.empty())
      out << YAML::Key << group << YAML::Value << YAML::BeginMap;
    for (const auto &[name, value] : fields)
      out << YAML::Key << name << YAML::Value << value;
    if (group == "matrix")
      numbers("rates", h.matrix.rates);
    if (group == "vector")
      numbers("latency", h.vector.latency);
    if (group == "energy") {
      out << YAML::Key << "source" << YAML::Value << h.energy.source;
      numbers("actions", h.energy.actions);
    }
    if (!group.empty())
      out << YAML::EndMap;
  }
  if (!h.points.empty()) {
    out << YAML::Key << "points" << YAML::Value << YAML::BeginSeq;
    for (const FrequencyPoint &point : h.points)
      out << YAML::Flow << YAML::BeginMap << YAML::Key << "megahertz" << YAML::Value
          << numberText(point.megahertz) << YAML::Key << "volts" << YAML::Value << numberText(point.volts)
          << YAML::EndMap;
    out << YAML::EndSeq;
  }
  out << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

std::string hardwareReference() {
  std::string text = "# Fields of a hardware description\n\nGenerated by `tenon sim --fields`.\n\n"
                     "| field | from | to | meaning |\n|---|---|---|---|\n";
  for (const IntegerField &field : kIntegers)
    text += std::string("| `") + field.path + "` | " + std::to_string(field.low) + " | " +
            std::to_string(field.high) + " | " + field.meaning +
            (field.powerOfTwo ? "; a power of two" : "") + (isIn(kOptional, field.path) ? "; optional" : "") +
            " |\n";
  for (const NumberField &field : kNumbers)
    text += std::string("| `") + field.path + "` | " + numberText(field.low) + " | " +
            numberText(field.high) + " | " + field.meaning +
            (isIn(kOptional, field.path) ? "; optional" : "") + " |\n";
  text +=
      "| `matrix.dataflow` | | | ws or os |\n| `matrix.timing` | | | overlapped (default) or serial |\n"
      "| `matrix.rates` | 1/64 | 64 | multiply-accumulates a cell and cycle for i8, i4, i16, bf16, f16 |\n"
      "| `vector.latency` | 1 | 255 | instructions whose latency differs from the table's |\n"
      "| `points` | | | frequency points: megahertz and volts; the energy table is for the first |\n"
      "| `name`, `resembles`, `notes`, `energy.source` | | | texts |\n"
      "| `energy.actions` | 0 | 1e+09 | pJ for one of each action below; absent: 0 |\n\n## Energy actions\n\n"
      "| action | one of it |\n|---|---|\n";
  for (const auto &[name, meaning] : energyActions())
    text += std::string("| `") + name + "` | " + meaning + " |\n";
  std::set<std::string> ofRows;
  for (const Row &row : rows())
    ofRows.insert(row.action);
  for (const std::string &action : ofRows)
    text += "| `" + action + "` | one instruction |\n";
  return text;
}

} // namespace tenon::mortise
