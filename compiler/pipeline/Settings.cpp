//===- Settings.cpp - what a user asks of a compilation --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/Settings.h"

#include "compiler/emit/mortise/machine/Machine.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include <functional>

using namespace llvm;

namespace tenon::pipeline {

static constexpr StringLiteral phaseNames[] = {"import",   "graph",  "place", "kernel",
                                               "schedule", "memory", "emit"};

StringRef nameOf(Phase phase) { return phaseNames[static_cast<size_t>(phase)]; }

namespace {

using Apply = std::function<bool(Settings &, StringRef, std::string &)>;

/// Fails unless the value is one of those listed; the first is the only one that this version carries out.
Apply choice(std::vector<std::string> values, std::vector<std::string> known) {
  return [values = std::move(values), known = std::move(known)](Settings &, StringRef value,
                                                                std::string &error) {
    if (is_contained(values, value.str()))
      return true;
    error = is_contained(known, value.str())
                ? "'" + value.str() + "' is not supported by this version; expected " + join(values, " or ")
                : "expected " + join(values, " or ") + ", found '" + value.str() + "'";
    return false;
  };
}

bool applyPhase(Settings &settings, StringRef value, std::string &error) {
  for (auto [i, name] : enumerate(phaseNames))
    if (value == name) {
      settings.stopAfter = static_cast<Phase>(i);
      return true;
    }
  error = "expected one of " + join(std::begin(phaseNames), std::end(phaseNames), ", ") + ", found '" +
          value.str() + "'";
  return false;
}

/// "mortise:edge-512k,x86-64-v3": a machine of the family Mortise among the CPU's levels.
bool applyTarget(Settings &settings, StringRef value, std::string &error) {
  SmallVector<StringRef> parts, levels;
  value.split(parts, ',');
  settings.mortise.reset();
  for (StringRef part : parts) {
    StringRef machine = part.trim();
    if (!machine.consume_front("mortise:")) {
      levels.push_back(part);
      continue;
    }
    if (settings.mortise) {
      error = "expected one machine, found a second one, '" + machine.str() + "'";
      return false;
    }
    npu::MachineError problem;
    settings.mortise = npu::loadMachine(machine.str(), problem);
    if (!settings.mortise) {
      error = problem.code + ": " + problem.message;
      return false;
    }
  }
  if (value.empty() || (settings.mortise && is_contained(levels, "reference"))) {
    error = value.empty() ? "expected a value" : "'reference' runs no machine; leave out one of the two";
    return false;
  }
  settings.targets = levels.empty() ? "native" : join(levels, ",");
  return true;
}

bool applyJobs(Settings &settings, StringRef value, std::string &error) {
  constexpr unsigned most = 1024;
  if (!value.getAsInteger(10, settings.jobs) && settings.jobs <= most)
    return true;
  error = "expected a number of threads from 0 to 1024, found '" + value.str() + "'";
  return false;
}

Apply text(std::string Settings::*member) {
  return [member](Settings &settings, StringRef value, std::string &error) {
    if (value.empty()) {
      error = "expected a value";
      return false;
    }
    settings.*member = value.str();
    return true;
  };
}

/// A setting with one name for false and one for true.
Apply oneOfTwo(bool Settings::*member, std::string no, std::string yes) {
  return [member, no = std::move(no), yes = std::move(yes)](Settings &settings, StringRef value,
                                                            std::string &error) {
    if (value != no && value != yes) {
      error = "expected " + no + " or " + yes + ", found '" + value.str() + "'";
      return false;
    }
    settings.*member = value == yes;
    return true;
  };
}

Apply flag(bool Settings::*member, bool set = true) {
  return [member, set](Settings &settings, StringRef value, std::string &error) {
    if (!value.empty() && value != "on" && value != "true" && value != "off" && value != "false") {
      error = "expected no value, on or off, found '" + value.str() + "'";
      return false;
    }
    settings.*member = set != (value == "off" || value == "false");
    return true;
  };
}

const StringMap<Apply> &optionTable() {
  static const StringMap<Apply> table = [] {
    StringMap<Apply> t;
    t["shape"] = [](Settings &s, StringRef v, std::string &e) {
      return importer::parseShapeOption(v, s.import, e);
    };
    t["symbol"] = [](Settings &s, StringRef v, std::string &e) {
      return importer::parseSymbolOption(v, s.import, e);
    };
    t["state"] = [](Settings &s, StringRef v, std::string &e) {
      return importer::parseStateOption(v, s.import, e);
    };
    t["target"] = applyTarget;
    t["compile-to"] = applyPhase;
    t["dump-ir"] = text(&Settings::dumpFolder);
    t["explain"] = text(&Settings::explainFile);
    t["cache"] = text(&Settings::cacheFolder);
    t["jobs"] = applyJobs;
    t["emulate-isa"] = flag(&Settings::emulateIsa);
    t["assembly"] = flag(&Settings::assembly);
    t["strip"] = flag(&Settings::debugSection, false);
    t["optimize-for"] = choice({"latency"}, {"memory", "energy"});
    t["precision"] = oneOfTwo(&Settings::bf16, "f32", "bf16");
    t["winograd"] = oneOfTwo(&Settings::winograd, "off", "on");
    t["cascades"] = oneOfTwo(&Settings::cascades, "off", "on");
    t["int8-saturate"] = oneOfTwo(&Settings::int8Saturate, "off", "on");
    t["emit"] = choice({"package"}, {"static"});
    return t;
  }();
  return table;
}

} // namespace

bool applyOption(Settings &settings, StringRef name, StringRef value, OptionError &error) {
  auto it = optionTable().find(name);
  if (it == optionTable().end()) {
    SmallVector<StringRef> known;
    for (StringRef key : optionTable().keys())
      known.push_back(key);
    llvm::sort(known);
    error = {"TN0001", "unknown option '" + name.str() + "'; expected one of " + join(known, ", ")};
    return false;
  }
  std::string text;
  if (it->second(settings, value, text))
    return true;
  auto [code, message] = StringRef(text).split(": ");
  bool own = code.size() == 6 && code.starts_with("TN");
  error = {own ? code.str() : "TN0002", "option '" + name.str() + "': " + (own ? message.str() : text)};
  return false;
}

} // namespace tenon::pipeline
