#include "sim/report/Svg.h"

#include "sim/Statistics.h"

#include <cstdio>

namespace tenon::sim {

namespace {

constexpr const char *kColours[] = {"#d9d9d9", "#3b7dd8", "#e07b39", "#c44e52", "#8172b2",
                                    "#937860", "#64b5cd", "#ccb974", "#55a868", "#da8bc3",
                                    "#8c8c8c", "#f2b6a0", "#dd8452"};

} // namespace

std::string escaped(const std::string &text) {
  std::string result;
  for (char c : text)
    result += c == '<'   ? "&lt;"
              : c == '>' ? "&gt;"
              : c == '&' ? "&amp;"
              : c == '"' ? "&quot;"
                         : std::string(1, c);
  return result;
}

std::string number(double value, const char *format) {
  char text[40];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string joined(std::initializer_list<std::string> parts) {
  std::string text;
  for (const std::string &part : parts)
    text += part;
  return text;
}

std::string colourOf(const std::string &activity) {
  for (size_t i = 0; i < size_t(Activity::Count); ++i)
    if (activity == activityName(Activity(i)))
      return kColours[i];
  return "#000";
}

} // namespace tenon::sim
