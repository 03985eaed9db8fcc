#include "tools/tenon/KernelListing.h"
#include "tools/tenon/CompilerLibrary.h"
#include "tools/tenon/Failure.h"

#include <cstdio>
#include <sstream>

namespace tenon::command {

namespace {

/// Nodes named in a comment between instructions; the head of the listing names all.
constexpr size_t kMostNodes = 6;

Json instructionsOf(const Json &listing, package::Bytes code) {
  Json result = Json::array();
  std::istringstream lines(
      CompilerLibrary::get().disassemble(code.data, code.size, listing["machine"].get<uint8_t>()));
  const Json &rows = listing["code"];
  size_t row = 0;
  for (std::string line; std::getline(lines, line);) {
    size_t tab = line.find('\t');
    uint64_t offset = std::stoull(line.substr(0, tab), nullptr, 16);
    while (row + 1 < rows.size() && rows[row + 1]["offset"] <= offset)
      ++row;
    bool known = row < rows.size() && rows[row]["offset"] <= offset;
    result.push_back({{"offset", offset},
                      {"text", line.substr(tab + 1)},
                      {"nodes", known ? rows[row]["nodes"] : Json::array()},
                      {"ops", known ? rows[row]["ops"] : Json::array()}});
  }
  return result;
}

std::string origin(const Json &instruction, size_t all) {
  const Json &nodes = instruction["nodes"], &ops = instruction["ops"];
  if (nodes.empty() || nodes.size() == all)
    return all == 1 && !nodes.empty() ? nodes[0].get<std::string>() + " (" + ops[0].get<std::string>() + ")"
                                      : "the whole kernel";
  std::string text;
  for (size_t i = 0; i < nodes.size() && i < kMostNodes; ++i)
    text += (i ? ", " : "") + nodes[i].get<std::string>() + " (" + ops[i].get<std::string>() + ")";
  return nodes.size() > kMostNodes ? text + " and " + std::to_string(nodes.size() - kMostNodes) + " more"
                                   : text;
}

std::string instructionText(const Json &listing, size_t all) {
  std::string text, last;
  for (const Json &instruction : listing["instructions"]) {
    std::string from = origin(instruction, all);
    if (from != last)
      text += "; from " + from + "\n";
    last = from;
    char offset[32];
    std::snprintf(offset, sizeof(offset), "%8llx:  ", instruction["offset"].get<unsigned long long>());
    text += offset + instruction["text"].get<std::string>() + "\n";
  }
  return text;
}

} // namespace

Json kernelListing(const PackageReport &report, uint32_t kernel) {
  Json record = report.kernels()[kernel];
  Json listings = report.listings(kernel);
  if (listings.empty())
    failInput("TN0511", "the package does not say where kernel '" + record["name"].get<std::string>() +
                            "' comes from: its debug section was left out; compile the model again");
  for (size_t n = 0; n < listings.size(); ++n) {
    package::Bytes code = report.code(kernel, n);
    listings[n]["instructions"] = code.size ? instructionsOf(listings[n], code) : Json::array();
  }
  record["sources"] = report.sources(kernel);
  record["listings"] = std::move(listings);
  return record;
}

std::string kernelText(const Json &listing) {
  std::string text = "; kernel " + listing["name"].get<std::string>() + ", family " +
                     listing["family"].get<std::string>() + ", from the nodes\n";
  for (const Json &source : listing["sources"])
    text += ";   " + source["node"].get<std::string>() + " (" + source["op"].get<std::string>() + ")\n";
  for (const Json &one : listing["listings"]) {
    text += "\n; " + (one["isa"].is_string() ? one["isa"].get<std::string>() : "no image") + "\n";
    text += instructionText(one, listing["sources"].size());
    for (const char *form : {"text", "assembly"})
      if (!one[form].get<std::string>().empty())
        text += std::string("\n; ") + (*form == 't' ? "vector code" : "assembly as compiled") + "\n" +
                one[form].get<std::string>() + "\n";
  }
  return text;
}

} // namespace tenon::command
