#include "tools/tenon/PackageReport.h"
#include "tools/tenon/Limits.h"
#include "tools/tenon/SizeText.h"

#include "package/dtype.h"
#include "package/elf_image.h"
#include "package/model.h"
#include "package/plan_visitor.h"

#include <map>
#include <set>

namespace tenon::command {

namespace {

namespace fb = package::fb;
using package::kNone;
using package::kUnbounded;
using package::Region;

Json orNull(int64_t value) { return value == kUnbounded ? Json(nullptr) : Json(value); }

Json text(const std::string &value) { return value.empty() ? Json(nullptr) : Json(value); }

const char *dtypeName(uint8_t dtype) { return package::name(static_cast<package::DType>(dtype)); }

const char *regionName(uint8_t region) {
  constexpr const char *names[] = {"weight", "state", "arena", "input", "output", "view"};
  return region < std::size(names) ? names[region] : "invalid";
}

/// Sizes that are plain numbers are numbers in the JSON.
Json sizeOf(const std::string &text) {
  bool digits =
      !text.empty() && text.size() < 19 && text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? Json(std::stoll(text)) : Json(text);
}

Json arguments(const flatbuffers::Vector<flatbuffers::Offset<fb::TensorArg>> &tensors,
               const SizeTexts &sizes) {
  Json result = Json::array();
  for (const fb::TensorArg *tensor : tensors) {
    Json shape = Json::array();
    for (uint32_t slot : *tensor->dims())
      shape.push_back(sizeOf(sizes[slot]));
    result.push_back(
        {{"name", tensor->name()->str()}, {"dtype", dtypeName(tensor->dtype())}, {"shape", shape}});
  }
  return result;
}

} // namespace

PackageReport::PackageReport(const package::Reader &reader, const fb::Debug *debug)
    : reader_(reader), manifest_(reader.manifest()), debug_(debug) {}

Json PackageReport::summary() const {
  return {{"producer", package::text(manifest_.producer())},
          {"source", package::text(manifest_.source_name())},
          {"target", package::text(manifest_.target_text())},
          {"functions", functions()},
          {"symbols", symbols()},
          {"memory", memory()},
          {"kernels", kernels()},
          {"devices", devices()},
          {"nodes_on", nodesOn()}};
}

Json PackageReport::functions() const {
  Json result = Json::array();
  for (const fb::Function *function : *manifest_.functions()) {
    SizeTexts sizes(*function);
    Json states = Json::array();
    if (function->state_ties())
      for (const fb::StateTie *tie : *function->state_ties())
        states.push_back({{"state", manifest_.states()->Get(tie->state())->name()->str()},
                          {"input", tie->input()->str()},
                          {"output", tie->output()->str()}});
    uint32_t dispatches = 0;
    for (const fb::Command *command : *function->commands())
      dispatches += command->body_type() == fb::CommandBody::Dispatch;
    result.push_back({{"name", function->name()->str()},
                      {"inputs", arguments(*function->inputs(), sizes)},
                      {"outputs", arguments(*function->outputs(), sizes)},
                      {"states", states},
                      {"commands", function->commands()->size()},
                      {"dispatches", dispatches}});
  }
  return result;
}

Json PackageReport::symbols() const {
  Json result = Json::array();
  for (const fb::Function *function : *manifest_.functions())
    for (const fb::Symbol *symbol : *function->symbols()) {
      Json likely = Json::array();
      if (symbol->likely())
        for (int64_t value : *symbol->likely())
          likely.push_back(value);
      result.push_back({{"function", function->name()->str()},
                        {"name", symbol->name()->str()},
                        {"min", symbol->min()},
                        {"max", orNull(symbol->max())},
                        {"multiple_of", symbol->multiple_of()},
                        {"likely", likely}});
    }
  return result;
}

Json PackageReport::memory() const {
  Json functions = Json::array();
  for (const fb::Function *function : *manifest_.functions())
    functions.push_back({{"function", function->name()->str()},
                         {"arena", orNull(function->arena_bytes())},
                         {"scratch_per_worker", orNull(function->scratch_bytes_per_worker())}});
  Json states = Json::array();
  for (const fb::State *state : *manifest_.states()) {
    Json shape = Json::array();
    for (int64_t extent : *state->dims())
      shape.push_back(extent < 0 ? Json("?") : Json(extent));
    states.push_back({{"name", state->name()->str()},
                      {"dtype", dtypeName(state->dtype())},
                      {"shape", shape},
                      {"bytes", state->size_bound() ? Json(state->size_bound()) : Json(nullptr)}});
  }
  return {{"package", reader_.file().size},
          {"weights", reader_.weightsSection().size},
          {"weight_tensors", manifest_.weights()->size()},
          {"code", reader_.imagesSection().size},
          {"manifest", reader_.manifestSection().size},
          {"debug", reader_.debugSection().size},
          {"functions", functions},
          {"states", states}};
}

Json PackageReport::nodes(uint32_t origin) const {
  Json result = Json::array();
  if (debug_ && origin < debug_->origins()->size())
    for (uint32_t node : *debug_->origins()->Get(origin)->nodes())
      if (node < debug_->nodes()->size())
        result.push_back(debug_->nodes()->Get(node)->name()->str());
  return result;
}

Json PackageReport::ops(uint32_t origin) const {
  Json result = Json::array();
  if (debug_ && origin < debug_->origins()->size())
    for (uint32_t node : *debug_->origins()->Get(origin)->nodes())
      if (node < debug_->nodes()->size())
        result.push_back(debug_->nodes()->Get(node)->op_type()->str());
  return result;
}

std::string PackageReport::schedule(uint32_t kernel) const {
  if (debug_)
    for (const fb::KernelSchedule *schedule : *debug_->schedules())
      if (schedule->kernel() == kernel)
        return schedule->text()->str();
  return "";
}

Json PackageReport::kernels() const {
  std::vector<uint32_t> dispatches(manifest_.kernels()->size());
  std::vector<std::set<std::string>> sources(manifest_.kernels()->size());
  for (const fb::Function *function : *manifest_.functions())
    for (const fb::Command *command : *function->commands())
      if (const fb::Dispatch *dispatch = command->body_as_Dispatch())
        for (const fb::Variant *variant : *dispatch->variants()) {
          ++dispatches[variant->kernel()];
          for (const Json &node : nodes(command->origin()))
            sources[variant->kernel()].insert(node.get<std::string>());
        }
  Json result = Json::array();
  for (uint32_t i = 0; i < manifest_.kernels()->size(); ++i) {
    const fb::Kernel &kernel = *manifest_.kernels()->Get(i);
    Json isas = Json::array();
    for (uint32_t image = 0; image < manifest_.images()->size(); ++image)
      if (kernel.entries()->Get(image) != UINT64_MAX)
        isas.push_back(manifest_.images()->Get(image)->isa()->str());
    result.push_back({{"name", kernel.name()->str()},
                      {"family", package::text(kernel.family())},
                      {"schedule", text(schedule(i))},
                      {"isas", isas},
                      {"device", deviceOf(i)},
                      {"dispatches", dispatches[i]},
                      {"nodes", sources[i]}});
  }
  return result;
}

std::string PackageReport::deviceOf(uint32_t kernel) const {
  uint32_t device = package::deviceOf(*manifest_.kernels()->Get(kernel), manifest_);
  return device == kNone ? "cpu" : manifest_.devices()->Get(device)->name()->str();
}

/// What is computed while compiling runs nowhere.
Json PackageReport::nodesOn() const {
  std::map<std::string, std::set<std::string>> names = {{"cpu", {}}};
  for (const fb::Function *function : *manifest_.functions())
    for (const fb::Command *command : *function->commands()) {
      const fb::Dispatch *dispatch = command->body_as_Dispatch();
      std::set<std::string> &there =
          names[dispatch ? deviceOf(dispatch->variants()->Get(0)->kernel()) : "cpu"];
      for (const Json &node : nodes(command->origin()))
        there.insert(node.get<std::string>());
    }
  return names;
}

Json PackageReport::devices() const {
  Json result = Json::array();
  for (uint32_t i = 0; manifest_.devices() && i < manifest_.devices()->size(); ++i) {
    uint64_t programs = 0, bytes = 0;
    for (uint32_t p = 0; manifest_.programs() && p < manifest_.programs()->size(); ++p)
      if (const fb::Program *program = manifest_.programs()->Get(p); program->device() == i)
        ++programs, bytes += program->size();
    result.push_back({{"name", manifest_.devices()->Get(i)->name()->str()},
                      {"description", manifest_.devices()->Get(i)->description()->str()},
                      {"programs", programs},
                      {"bytes", bytes}});
  }
  return result;
}

/// Only known where sizes are.
std::string PackageReport::limit(const Json &row) const {
  auto value = [&](const char *field) { return row[field].is_number() ? row[field].get<int64_t>() : -1; };
  return limitOf({value("cost_ns"), value("compute_ns"), value("traffic_ns"), value("bytes")}, machine());
}

tenon_machine PackageReport::machine() const {
  if (!debug_ || !debug_->model())
    return {};
  const fb::MachineModel &model = *debug_->model();
  return {model.name()->c_str(), model.gflops(),   model.l2_gbs(),
          model.l3_gbs(),        model.dram_gbs(), model.dispatch_ns()};
}

Json PackageReport::commands() const {
  Json result = Json::array();
  for (const fb::Function *function : *manifest_.functions()) {
    SizeTexts sizes(*function);
    uint32_t index = 0;
    for (const fb::Command *command : *function->commands()) {
      Json row = {{"function", function->name()->str()},
                  {"command", index++},
                  {"kind", fb::EnumNameCommandBody(command->body_type())},
                  {"kernel", ""},
                  {"nodes", nodes(command->origin())},
                  {"ops", ops(command->origin())},
                  {"grid", nullptr},
                  {"flop", nullptr},
                  {"bytes", nullptr},
                  {"cost_ns", nullptr},
                  {"compute_ns", nullptr},
                  {"traffic_ns", nullptr},
                  {"limit", nullptr},
                  {"schedule", nullptr}};
      if (const fb::Dispatch *dispatch = command->body_as_Dispatch()) {
        uint32_t kernel = dispatch->variants()->Get(0)->kernel();
        row["kernel"] = manifest_.kernels()->Get(kernel)->name()->str();
        row["schedule"] = text(schedule(kernel));
        row["grid"] = sizeOf(sizes[dispatch->grid()]);
        for (auto [field, slot] :
             {std::pair{"flop", dispatch->flops()}, std::pair{"bytes", dispatch->bytes()},
              std::pair{"cost_ns", dispatch->cost()}, std::pair{"compute_ns", dispatch->compute()},
              std::pair{"traffic_ns", dispatch->traffic()}})
          if (slot != kNone)
            row[field] = sizeOf(sizes[slot]);
        row["limit"] = text(limit(row));
      }
      result.push_back(std::move(row));
    }
  }
  return result;
}

Json PackageReport::buffers() const {
  Json result = Json::array();
  for (const fb::Function *function : *manifest_.functions()) {
    SizeTexts sizes(*function);
    uint32_t index = 0;
    for (const fb::Buffer *buffer : *function->buffers()) {
      Json object = nullptr;
      switch (static_cast<Region>(buffer->region())) {
      case Region::Weight:
        object = manifest_.weights()->Get(buffer->index())->name()->str();
        break;
      case Region::State:
        object = manifest_.states()->Get(buffer->index())->name()->str();
        break;
      case Region::Input:
        object = function->inputs()->Get(buffer->index())->name()->str();
        break;
      case Region::Output:
        object = function->outputs()->Get(buffer->index())->name()->str();
        break;
      case Region::View:
        object = "buffer " + std::to_string(buffer->base());
        break;
      case Region::Arena:
        break;
      }
      result.push_back({{"function", function->name()->str()},
                        {"buffer", index++},
                        {"region", regionName(buffer->region())},
                        {"object", object},
                        {"bytes", sizeOf(sizes[buffer->size()])},
                        {"conflicts", buffer->conflicts() ? buffer->conflicts()->size() : 0}});
    }
  }
  return result;
}

uint32_t PackageReport::findKernel(const std::string &name) const {
  for (uint32_t i = 0; i < manifest_.kernels()->size(); ++i)
    if (manifest_.kernels()->Get(i)->name()->str() == name)
      return i;
  return kNone;
}

Json PackageReport::listings(uint32_t kernel) const {
  Json result = Json::array();
  if (!debug_)
    return result;
  for (const fb::Listing *listing : *debug_->listings()) {
    if (listing->kernel() != kernel)
      continue;
    Json lines = Json::array();
    if (listing->lines())
      for (const fb::LineOrigin *line : *listing->lines())
        lines.push_back({{"line", line->line()}, {"nodes", nodes(line->origin())}});
    Json code = Json::array();
    if (listing->code())
      for (const fb::CodeOrigin *row : *listing->code())
        code.push_back(
            {{"offset", row->offset()}, {"nodes", nodes(row->origin())}, {"ops", ops(row->origin())}});
    Json isa = nullptr, machine = nullptr;
    if (listing->image() < manifest_.images()->size()) {
      isa = manifest_.images()->Get(listing->image())->isa()->str();
      machine = manifest_.images()->Get(listing->image())->machine();
    }
    result.push_back({{"isa", isa},
                      {"machine", machine},
                      {"text", package::text(listing->text())},
                      {"assembly", package::text(listing->assembly())},
                      {"lines", lines},
                      {"code", code}});
  }
  return result;
}

package::Bytes PackageReport::code(uint32_t kernel, size_t n) const {
  for (const fb::Listing *listing : *debug_->listings()) {
    if (listing->kernel() != kernel || n-- > 0)
      continue;
    if (listing->size() == 0 || listing->image() >= manifest_.images()->size())
      return {};
    uint64_t address = manifest_.kernels()->Get(kernel)->entries()->Get(listing->image()) - listing->entry();
    package::Bytes file = reader_.image(listing->image());
    package::ElfImage image;
    const fb::CodeImage &record = *manifest_.images()->Get(listing->image());
    if (!package::ElfImage::parse(file, static_cast<package::Machine>(record.machine()), image).ok())
      return {};
    for (uint32_t i = 0; i < image.segmentCount(); ++i) {
      const package::ElfSegment &segment = image.segment(i);
      if (segment.executable && address >= segment.address && listing->size() <= segment.fileSize &&
          address - segment.address <= segment.fileSize - listing->size())
        return {file.data + segment.fileOffset + (address - segment.address), listing->size()};
    }
    return {};
  }
  return {};
}

Json PackageReport::sources(uint32_t kernel) const {
  std::set<uint32_t> found;
  for (const fb::Function *function : *manifest_.functions())
    for (const fb::Command *command : *function->commands())
      if (const fb::Dispatch *dispatch = command->body_as_Dispatch())
        for (const fb::Variant *variant : *dispatch->variants())
          if (variant->kernel() == kernel && debug_ && command->origin() < debug_->origins()->size())
            found.insert(debug_->origins()->Get(command->origin())->nodes()->begin(),
                         debug_->origins()->Get(command->origin())->nodes()->end());
  Json result = Json::array();
  for (uint32_t node : found)
    result.push_back({{"node", debug_->nodes()->Get(node)->name()->str()},
                      {"op", debug_->nodes()->Get(node)->op_type()->str()}});
  return result;
}

} // namespace tenon::command
