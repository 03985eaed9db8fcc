#include "tools/tenon/Npy.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"

#include <cctype>
#include <cstring>
#include <optional>

namespace tenon::command {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxHeader = 65536; // numpy refuses more than 10000 unless told otherwise

struct NpyHeader {
  std::string type;
  bool fortranOrder = false;
  std::vector<int64_t> shape;
};

/// Parses the header: a Python dict literal with exactly the keys descr, fortran_order and shape.
class HeaderParser {
public:
  HeaderParser(std::string_view text, const std::string &name) : text_(text), name_(name) {}

  NpyHeader parse() {
    NpyHeader header;
    bool type = false, order = false, shape = false;
    expect('{');
    while (!accept('}')) {
      std::string key = string();
      expect(':');
      if (key == "descr" && !type)
        header.type = descr(), type = true;
      else if (key == "fortran_order" && !order)
        header.fortranOrder = boolean(), order = true;
      else if (key == "shape" && !shape)
        header.shape = tuple(), shape = true;
      else
        fail("key '" + key + "' is unknown or repeated");
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skipSpace();
    if (!type || !order || !shape || position_ != text_.size())
      fail("it needs the keys descr, fortran_order and shape, and nothing more");
    return header;
  }

private:
  [[noreturn]] void fail(const std::string &why) const {
    failInput("TN0506", "'" + name_ + "': the header is malformed: " + why);
  }
  void skipSpace() {
    while (position_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[position_])))
      ++position_;
  }
  bool accept(char wanted) {
    skipSpace();
    if (position_ == text_.size() || text_[position_] != wanted)
      return false;
    ++position_;
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted))
      fail(std::string("expected '") + wanted + "' at byte " + std::to_string(position_));
  }
  std::string string() {
    skipSpace();
    char quote = position_ < text_.size() ? text_[position_] : '\0';
    if (quote != '\'' && quote != '"')
      fail("expected a string at byte " + std::to_string(position_));
    size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos)
      fail("a string does not end");
    std::string result(text_.substr(position_ + 1, end - position_ - 1));
    position_ = end + 1;
    return result;
  }
  std::string descr() {
    skipSpace();
    if (position_ < text_.size() && text_[position_] == '[')
      failInput("TN0507", "'" + name_ + "' holds records, expected an array of numbers");
    return string();
  }
  bool boolean() {
    skipSpace();
    for (std::string_view word : {"True", "False"})
      if (text_.substr(position_, word.size()) == word) {
        position_ += word.size();
        return word == "True";
      }
    fail("expected True or False at byte " + std::to_string(position_));
  }
  int64_t integer() {
    skipSpace();
    size_t start = position_;
    int64_t value = 0;
    while (position_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[position_])))
      if (__builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, text_[position_++] - '0', &value))
        fail("an extent is too large");
    if (position_ == start)
      fail("expected a number at byte " + std::to_string(position_));
    return value;
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> result;
    expect('(');
    while (!accept(')')) {
      result.push_back(integer());
      if (result.size() > TENON_MAX_RANK)
        failInput("TN0507", "'" + name_ + "' has more than " + std::to_string(TENON_MAX_RANK) + " axes");
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return result;
  }

  std::string_view text_;
  const std::string &name_;
  size_t position_ = 0;
};

struct NamedType {
  std::string_view name; // without the byte order
  tenon_dtype dtype;
};

constexpr NamedType kTypes[] = {{"f4", TENON_F32}, {"f8", TENON_F64}, {"f2", TENON_F16}, {"i1", TENON_I8},
                                {"i2", TENON_I16}, {"i4", TENON_I32}, {"i8", TENON_I64}, {"u1", TENON_U8},
                                {"u2", TENON_U16}, {"u4", TENON_U32}, {"u8", TENON_U64}, {"b1", TENON_BOOL}};

/// Width in a file of a type that numpy has no name for, or 0.
size_t rawWidth(tenon_dtype dtype) {
  switch (dtype) {
  case TENON_BF16:
    return 2;
  case TENON_F8E4M3FN:
  case TENON_F8E5M2:
  case TENON_F8E4M3FNUZ:
  case TENON_F8E5M2FNUZ:
  case TENON_I4:
  case TENON_U4:
    return 1;
  default:
    return 0;
  }
}

bool isPacked(tenon_dtype dtype) { return dtype == TENON_I4 || dtype == TENON_U4; }

tenon_dtype typeOf(const std::string &descr, const std::string &name, tenon_dtype expected) {
  std::string_view type = descr;
  char order = type.empty() ? '\0' : type[0];
  if (order == '<' || order == '|' || order == '=' || order == '>')
    type.remove_prefix(1);
  if (order == '>' && type.substr(1) != "1")
    failInput("TN0507",
              "'" + name + "' is big-endian (" + descr +
                  "), expected little-endian; convert it with array.astype(array.dtype.newbyteorder('<'))");
  if (size_t width = rawWidth(expected)) {
    std::string digit = std::to_string(width);
    if (type == "V" + digit || type == "u" + digit || (isPacked(expected) && type == "i1"))
      return expected;
  }
  for (const NamedType &known : kTypes)
    if (known.name == type)
      return known.dtype;
  failInput("TN0507",
            "'" + name + "' has the element type '" + descr + "', expected " + tenon_dtype_name(expected));
}

void pack(const uint8_t *source, int64_t elements, HostTensor &tensor) {
  for (int64_t i = 0; i < elements; ++i)
    setElement(tensor.dtype, tensor.data(), i, source[i] & 15);
}

std::string_view headerText(const uint8_t *bytes, size_t size, const std::string &name, size_t &dataOffset) {
  std::string_view file(reinterpret_cast<const char *>(bytes), size);
  if (file.substr(0, kMagic.size()) != kMagic || size < 10)
    failInput("TN0506", "'" + name + "' is not a .npy file: it does not start with \\x93NUMPY");
  unsigned version = bytes[6];
  if (version < 1 || version > 3)
    failInput("TN0507",
              "'" + name + "' has .npy format version " + std::to_string(version) + ", expected 1, 2 or 3");
  size_t lengthBytes = version == 1 ? 2 : 4, start = 8 + lengthBytes, length = 0;
  if (size < start)
    failInput("TN0506", "'" + name + "' ends inside its header");
  for (size_t i = 0; i < lengthBytes; ++i)
    length |= static_cast<size_t>(bytes[8 + i]) << (8 * i);
  if (length > kMaxHeader || length > size - start)
    failInput("TN0506", "'" + name + "' has a header of " + std::to_string(length) +
                            " bytes, more than the file or the limit of " + std::to_string(kMaxHeader));
  dataOffset = start + length;
  return file.substr(start, length);
}

/// What numpy writes for a type, and the bytes of one element there.
std::string descrOf(tenon_dtype dtype) {
  if (dtype == TENON_I4)
    return "|i1";
  if (dtype == TENON_U4)
    return "|u1";
  for (const NamedType &known : kTypes)
    if (known.dtype == dtype)
      return (known.name[1] == '1' ? "|" : "<") + std::string(known.name);
  return dtype == TENON_BF16 ? "<V2" : "|V1";
}

} // namespace

HostTensor parseNpy(const uint8_t *bytes, size_t size, const std::string &name, tenon_dtype expected) {
  size_t offset = 0;
  std::string_view text = headerText(bytes, size, name, offset);
  NpyHeader header = HeaderParser(text, name).parse();
  HostTensor tensor;
  tensor.dtype = typeOf(header.type, name, expected);
  tensor.shape = header.shape;
  if (header.fortranOrder && header.shape.size() > 1)
    failInput("TN0507",
              "'" + name +
                  "' is in Fortran order, expected C order; save numpy.ascontiguousarray(array) instead");
  int64_t elements = 0, bytesNeeded = 0;
  int64_t width = isPacked(tensor.dtype) ? 1 : tenon_dtype_bits(tensor.dtype) / 8;
  if (!elementCount(tensor.dtype, tensor.shape, elements) ||
      __builtin_mul_overflow(elements, width, &bytesNeeded) ||
      static_cast<uint64_t>(bytesNeeded) != size - offset)
    failInput("TN0506", "'" + name + "' has " + std::to_string(size - offset) + " bytes of data, expected " +
                            (elements < 0 ? "fewer" : std::to_string(bytesNeeded)) + " for " +
                            describe(tensor.dtype, tensor.shape.data(), tensor.shape.size()));
  tensor.allocate(elements);
  if (isPacked(tensor.dtype))
    pack(bytes + offset, elements, tensor);
  else if (bytesNeeded > 0)
    std::memcpy(tensor.data(), bytes + offset, static_cast<size_t>(bytesNeeded));
  if (tensor.dtype == TENON_BOOL)
    for (int64_t i = 0; i < elements; ++i)
      setElement(TENON_BOOL, tensor.data(), i, elementAt(TENON_BOOL, tensor.data(), i));
  return tensor;
}

HostTensor readNpy(const std::string &path, tenon_dtype expected) {
  std::vector<uint8_t> bytes = readFile(path);
  return parseNpy(bytes.data(), bytes.size(), path, expected);
}

void writeNpy(const std::string &path, tenon_dtype dtype, const int64_t *shape, size_t rank, const void *data,
              uint64_t bytes) {
  std::string extents;
  int64_t elements = 1;
  for (size_t i = 0; i < rank; ++i) {
    extents += std::to_string(shape[i]) + (rank == 1 || i + 1 < rank ? "," : "") + (i + 1 < rank ? " " : "");
    elements *= shape[i];
  }
  std::string header =
      "{'descr': '" + descrOf(dtype) + "', 'fortran_order': False, 'shape': (" + extents + "), }";
  size_t unpadded = 10 + header.size() + 1;
  header += std::string((64 - unpadded % 64) % 64, ' ') + "\n";
  std::string start(kMagic);
  start += {'\x01', '\x00', static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  std::string unpacked;
  if (isPacked(dtype))
    for (int64_t i = 0; i < elements; ++i)
      unpacked += static_cast<char>(elementAt(dtype, data, i));
  std::string_view content(static_cast<const char *>(data), bytes);
  writeFile(path, {start, header, isPacked(dtype) ? std::string_view(unpacked) : content});
}

} // namespace tenon::command
