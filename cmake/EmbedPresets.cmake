# Writes a C++ source with the text of each preset: cmake -DOUT=file -DFILES="a;b" -P EmbedPresets.cmake
set(entries "")
set(names "")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(APPEND entries "    {\"${name}\", R\"yaml(${text})yaml\"},\n")
endforeach()
file(WRITE ${OUT}.new "#include \"isa/mortise/Hardware.h\"

namespace tenon::mortise {

static constexpr struct {
  const char *name, *text;
} kPresets[] = {
${entries}};

const char *presetText(std::string_view name) {
  for (const auto &preset : kPresets)
    if (name == preset.name)
      return preset.text;
  return nullptr;
}

std::vector<std::string> presetNames() {
  std::vector<std::string> names;
  for (const auto &preset : kPresets)
    names.emplace_back(preset.name);
  return names;
}

} // namespace tenon::mortise
")
file(COPY_FILE ${OUT}.new ${OUT} ONLY_IF_DIFFERENT)
