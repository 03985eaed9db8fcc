// Pieces of the charts.
#pragma once

#include <initializer_list>
#include <string>

namespace tenon::sim {

/// Text for HTML and SVG.
std::string escaped(const std::string &text);
std::string number(double value, const char *format = "%.4g");
std::string joined(std::initializer_list<std::string> parts);
/// The colour of an activity, by its name.
std::string colourOf(const std::string &activity);

} // namespace tenon::sim
