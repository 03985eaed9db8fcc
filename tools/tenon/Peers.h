// Other engines beside Tenon: bench/peers.py measures them, in a Python that has them.
#pragma once

#include "tools/tenon/Inputs.h"

#include <string>
#include <vector>

namespace tenon::command {

/// TN0002 unless this version can measure every one of these engines.
void checkEngines(const std::vector<std::string> &peers);

/// Runs the script on one model and lets it print; TN0510 where Python or the script is missing or fails.
void runPeers(const std::string &model, const std::vector<Signature> &signatures, const InputFlags &flags,
              const std::vector<uint32_t> &threads, const std::vector<std::string> &peers,
              const std::string &json, const std::string &html);

} // namespace tenon::command
