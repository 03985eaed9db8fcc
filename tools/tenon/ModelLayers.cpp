#include "tools/tenon/ModelLayers.h"

#include "tools/tenon/CompilerLibrary.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/LoadedModel.h"

#include <nlohmann/json.hpp>

namespace tenon::command {

namespace {

using Json = nlohmann::ordered_json;

/// The size, or a failure that names what it depends on.
int64_t sizeOf(const Json &value, const Json &product) {
  if (value.is_number_integer())
    return value.get<int64_t>();
  failInput("TN0515", "node '" + product["node"].get<std::string>() + "' has a size of " +
                          value.get<std::string>() + "; fix it by --shape NAME=1x3x224x224");
}

CountedLayer product(const Json &entry, mortise::Type type) {
  auto size = [&](const char *field) { return sizeOf(entry[field], entry); };
  CountedLayer result{sim::Layer::gemm(entry["node"], size("m"), size("n"), size("k")), size("count")};
  result.layer.type = type;
  return result;
}

/// One spatial axis is a picture of width 1; more than two have no layer.
CountedLayer convolution(const Json &entry, mortise::Type type) {
  const Json &result = entry["result"], &window = entry["window"], &stride = entry["stride"];
  if (result.size() > 2)
    failInput("TN0515", "node '" + entry["node"].get<std::string>() + "' is a convolution of " +
                            std::to_string(result.size()) + " spatial axes; at most 2 can be estimated");
  bool flat = result.size() == 1;
  int64_t groups = sizeOf(entry["groups"], entry), channels = sizeOf(entry["channels"], entry),
          outputs = sizeOf(entry["outputs"], entry);
  sim::Layer layer;
  layer.name = entry["node"];
  layer.stride = sizeOf(stride[0], entry);
  layer.kernelHeight = sizeOf(window[0], entry);
  layer.kernelWidth = flat ? 1 : sizeOf(window[1], entry);
  layer.height = (sizeOf(result[0], entry) - 1) * layer.stride + layer.kernelHeight;
  layer.width = ((flat ? 1 : sizeOf(result[1], entry)) - 1) * layer.stride + layer.kernelWidth;
  bool depthwise = groups > 1 && groups == channels && groups == outputs;
  layer.kind = depthwise ? sim::LayerKind::Depthwise : sim::LayerKind::Convolution;
  layer.channels = depthwise ? channels : channels / groups;
  layer.outputs = depthwise ? outputs : outputs / groups;
  if (!depthwise)
    layer.type = type;
  return {layer, sizeOf(entry["count"], entry) * (depthwise ? 1 : groups)};
}

} // namespace

std::vector<CountedLayer> layersOfModel(const std::string &model, const std::vector<std::string> &shapes,
                                        mortise::Type type) {
  std::vector<CompilerOption> options{{"target", "reference"}};
  for (const std::string &shape : shapes)
    options.emplace_back("shape", shape);
  CompilerResult answer = CompilerLibrary::get().check(parseModel(model), options);
  answer.check();
  Json report = Json::parse(answer.text());
  std::vector<CountedLayer> layers;
  for (const Json &entry : report.value("products", Json::array()))
    layers.push_back(entry["kind"] == "product" ? product(entry, type) : convolution(entry, type));
  if (layers.empty())
    failInput("TN0515", "'" + model + "' has no product or convolution to estimate");
  return layers;
}

} // namespace tenon::command
