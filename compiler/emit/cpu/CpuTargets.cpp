//===- CpuTargets.cpp - targets by name ---------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/CpuTargets.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/TargetParser/Host.h"
#include <bit>
#include <optional>
#include <yaml-cpp/yaml.h>

namespace tenon::cpu {

struct EmbeddedTarget {
  const char *file;
  const char *text;
};
/// Generated from targets/*.yaml.
extern const llvm::ArrayRef<EmbeddedTarget> kEmbeddedTargets;

namespace {

struct Description {
  CpuTarget target;
  std::vector<std::string> hosts;
};

/// A defect of a description; yaml-cpp throws, and so does what reads its nodes.
struct BadDescription {
  YAML::Mark mark;
  std::string message;
};

[[noreturn]] void reject(const YAML::Node &node, const std::string &message) {
  throw BadDescription{node.Mark(), message};
}

YAML::Node required(const YAML::Node &map, const char *key) {
  YAML::Node node = map[key];
  if (!node)
    reject(map, std::string("expected the key '") + key + "'");
  return node;
}

void checkKeys(const YAML::Node &map, llvm::ArrayRef<llvm::StringRef> known) {
  if (!map.IsMap())
    reject(map, "expected a map with the keys " + llvm::join(known, ", "));
  for (const auto &entry : map) {
    auto key = entry.first.as<std::string>();
    if (!llvm::is_contained(known, key))
      reject(entry.first, "unknown key '" + key + "'; expected one of " + llvm::join(known, ", "));
  }
}

template <typename T> T positive(const YAML::Node &map, const char *key) {
  YAML::Node node = required(map, key);
  T value = node.as<T>();
  if (!(value > 0))
    reject(node, std::string("'") + key + "' must be positive");
  return value;
}

std::optional<uint64_t> featureBit(llvm::StringRef name) {
  for (uint8_t index = 0; index < 64; ++index)
    if (const char *known = package::featureName(index); known && name == known)
      return uint64_t{1} << index;
  return std::nullopt;
}

void readLevel(const YAML::Node &root, CpuTarget &target) {
  YAML::Node level = required(root, "level");
  target.llvmCpu = level.as<std::string>();
  if (target.llvmCpu == "x86-64-v3")
    target.required = package::kX86V3Features;
  else if (target.llvmCpu == "x86-64-v4")
    target.required = package::kX86V4Features;
  else
    reject(level, "unknown level '" + target.llvmCpu + "'; expected x86-64-v3 or x86-64-v4");
  std::vector<std::string> flags;
  for (const YAML::Node &node : root["features"]) {
    auto name = node.as<std::string>();
    std::optional<uint64_t> bit = featureBit(name);
    if (!bit || !(*bit & package::kAllX86Features))
      reject(node, "unknown feature '" + name + "'; features are named as LLVM names those of x86-64");
    target.required |= *bit;
    flags.push_back("+" + name);
  }
  target.features = llvm::join(flags, ",");
  using package::bit;
  using package::CpuFeature;
  target.vnni = target.required & (bit(CpuFeature::AVX512VNNI) | bit(CpuFeature::AVXVNNI));
  target.bf16 = target.required & bit(CpuFeature::AVX512BF16);
  target.vbmi = target.required & bit(CpuFeature::AVX512VBMI);
}

void readVector(const YAML::Node &root, CpuTarget &target) {
  YAML::Node vector = required(root, "vector");
  checkKeys(vector, {"bits", "registers", "moves_beside_products"});
  target.vectorBits = positive<unsigned>(vector, "bits");
  target.vectorRegisters = positive<unsigned>(vector, "registers");
  if (YAML::Node moves = vector["moves_beside_products"])
    target.movesBesideProducts = moves.as<bool>();
  bool wide = target.llvmCpu == "x86-64-v4";
  if (target.vectorBits != 256 && !(wide && target.vectorBits == 512))
    reject(vector, "vectors of " + std::to_string(target.vectorBits) + " bits; the level " + target.llvmCpu +
                       (wide ? " has 256 and 512" : " has 256"));
  if (target.vectorRegisters > (wide ? 32u : 16u))
    reject(vector, std::to_string(target.vectorRegisters) + " vector registers; the level " + target.llvmCpu +
                       (wide ? " has 32" : " has 16"));
}

Description readDescription(const std::string &text) {
  YAML::Node root = YAML::Load(text);
  checkKeys(root, {"name", "level", "features", "hosts", "vector", "cache", "peak"});
  Description result;
  CpuTarget &target = result.target;
  target.name = required(root, "name").as<std::string>();
  target.triple = "x86_64-unknown-linux-gnu";
  readLevel(root, target);
  readVector(root, target);
  YAML::Node cache = required(root, "cache"), peak = required(root, "peak");
  checkKeys(cache, {"l1", "l2", "l3"});
  checkKeys(peak, {"gflops", "dram_gbs", "l2_gbs", "l3_gbs"});
  target.l1Bytes = positive<int64_t>(cache, "l1");
  target.l2Bytes = positive<int64_t>(cache, "l2");
  target.peakGflops = positive<double>(peak, "gflops");
  target.dramGBs = positive<double>(peak, "dram_gbs");
  if (cache["l3"])
    target.l3Bytes = positive<int64_t>(cache, "l3");
  // Of the machines measured, caches have about these multiples of the memory's bandwidth.
  target.l3GBs = peak["l3_gbs"] ? positive<double>(peak, "l3_gbs") : 2.5 * target.dramGBs;
  target.l2GBs = peak["l2_gbs"] ? positive<double>(peak, "l2_gbs") : 4.5 * target.dramGBs;
  for (const YAML::Node &host : root["hosts"])
    result.hosts.push_back(host.as<std::string>());
  return result;
}

llvm::FailureOr<Description> parse(const std::string &file, const std::string &text, std::string &error) {
  auto fail = [&](const YAML::Mark &mark, const std::string &message) {
    error = "TN0302: " + file + (mark.is_null() ? "" : ":" + std::to_string(mark.line + 1)) +
            ": bad target description: " + message;
    return llvm::failure();
  };
  try {
    return readDescription(text);
  } catch (const BadDescription &bad) {
    return fail(bad.mark, bad.message);
  } catch (const YAML::Exception &bad) {
    return fail(bad.mark, bad.msg);
  }
}

llvm::FailureOr<Description> readFile(const std::string &path, std::string &error) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer) {
    error = "TN0302: cannot read the target description '" + path + "': " + buffer.getError().message();
    return llvm::failure();
  }
  return parse(path, (*buffer)->getBuffer().str(), error);
}

llvm::FailureOr<std::vector<Description>> builtIn(std::string &error) {
  std::vector<Description> result;
  for (const EmbeddedTarget &embedded : kEmbeddedTargets) {
    llvm::FailureOr<Description> description = parse(embedded.file, embedded.text, error);
    if (failed(description))
      return llvm::failure();
    result.push_back(std::move(*description));
  }
  return result;
}

/// The description made for this CPU, else the one that uses most of what it has.
llvm::FailureOr<CpuTarget> native(llvm::ArrayRef<Description> known, std::string &error) {
  const Description *best = nullptr;
  std::string host = llvm::sys::getHostCPUName().str();
  for (const Description &candidate : known) {
    if (!hostRuns(candidate.target.required))
      continue;
    if (llvm::is_contained(candidate.hosts, host))
      return candidate.target;
    if (!best || std::popcount(candidate.target.required) > std::popcount(best->target.required))
      best = &candidate;
  }
  if (best)
    return best->target;
  error = "TN0301: no target fits this CPU ('" + host +
          "'): AVX2 and FMA (x86-64-v3) are the least that is supported; "
          "name the target of another machine";
  return llvm::failure();
}

llvm::FailureOr<CpuTarget> resolveOne(llvm::StringRef name, llvm::ArrayRef<Description> known,
                                      std::string &error) {
  if (name == "native")
    return native(known, error);
  if (name.ends_with(".yaml")) {
    llvm::FailureOr<Description> description = readFile(name.str(), error);
    if (failed(description))
      return llvm::failure();
    return description->target;
  }
  for (const Description &candidate : known)
    if (name == candidate.target.name)
      return candidate.target;
  error = "TN0301: unknown CPU target '" + name.str() +
          "'; expected native, a path that ends in .yaml, or one of " + llvm::join(knownCpuTargets(), ", ");
  return llvm::failure();
}

} // namespace

uint64_t hostFeatures() {
  static const uint64_t bits = [] {
    uint64_t result = 0;
    for (const auto &feature : llvm::sys::getHostCPUFeatures())
      if (feature.second)
        result |= featureBit(feature.first()).value_or(0);
    return result;
  }();
  return bits;
}

bool hostRuns(uint64_t features) { return (features & ~hostFeatures()) == 0; }

std::vector<std::string> knownCpuTargets() {
  std::vector<std::string> names;
  std::string error;
  if (llvm::FailureOr<std::vector<Description>> known = builtIn(error); succeeded(known))
    for (const Description &description : *known)
      names.push_back(description.target.name);
  llvm::sort(names);
  return names;
}

llvm::FailureOr<std::vector<CpuTarget>> resolveCpuTargets(llvm::StringRef names, bool emulate,
                                                          std::string &error) {
  error.clear();
  llvm::FailureOr<std::vector<Description>> known = builtIn(error);
  if (failed(known))
    return llvm::failure();
  std::vector<CpuTarget> result;
  llvm::SmallVector<llvm::StringRef> parts;
  names.split(parts, ',');
  for (llvm::StringRef part : parts) {
    llvm::FailureOr<CpuTarget> target = resolveOne(part.trim(), *known, error);
    if (failed(target))
      return llvm::failure();
    if (llvm::any_of(result, [&](const CpuTarget &other) { return other.name == target->name; }))
      continue;
    if (emulate) {
      target->emulate = true;
      target->llvmCpu = "x86-64-v3";
      target->features.clear();
      target->required = package::kX86V3Features;
    }
    result.push_back(std::move(*target));
  }
  return result;
}

} // namespace tenon::cpu
