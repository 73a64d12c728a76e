#include "anomctl/io/openinference/tensor.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace anomctl::v2 {

static_assert(std::endian::native == std::endian::little, "the binary tensor extension is little-endian");

namespace {

struct TypeRow {
  std::string_view name;
  std::size_t size;
};
// In the order of DataType.
constexpr std::array<TypeRow, 13> kTypes{{{"BOOL", 1},
                                          {"UINT8", 1},
                                          {"UINT16", 2},
                                          {"UINT32", 4},
                                          {"UINT64", 8},
                                          {"INT8", 1},
                                          {"INT16", 2},
                                          {"INT32", 4},
                                          {"INT64", 8},
                                          {"FP16", 2},
                                          {"FP32", 4},
                                          {"FP64", 8},
                                          {"BYTES", 0}}};

template <class T>
T load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <class T>
void store(T value, std::string& bytes) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  bytes.append(raw, sizeof value);
}

double from_half(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  double value = 0;
  if (exponent == 31)
    value = fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  else if (exponent == 0)
    value = std::ldexp(fraction, -24);
  else
    value = std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) != 0 ? -value : value;
}

std::uint16_t to_half(double value) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const double magnitude = std::abs(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>(sign | 0x7e00);
  if (magnitude == 0) return sign;
  if (magnitude >= 65520) return static_cast<std::uint16_t>(sign | 0x7c00);
  int exponent = 0;
  std::frexp(magnitude, &exponent);  // magnitude in [0.5, 1) * 2^exponent
  const int unit = std::max(exponent - 11, -24);
  // Rounds half to even; a carry into the next power of two comes out right in the sum below.
  const double steps = std::nearbyint(std::ldexp(magnitude, -unit));
  const auto bits = static_cast<unsigned>(steps) + static_cast<unsigned>(unit + 24) * 1024U;
  return static_cast<std::uint16_t>(sign | bits);
}

template <class T>
std::optional<double> whole(double value) {
  constexpr double kLow = static_cast<double>(std::numeric_limits<T>::min());
  // One more than the largest value, which is a power of two and so exact.
  constexpr T kHalf = std::numeric_limits<T>::max() / 2 + 1;
  constexpr double kHigh = static_cast<double>(kHalf) * 2;
  if (std::trunc(value) != value || value < kLow || value >= kHigh) return std::nullopt;
  return value;
}

template <class T>
std::vector<double> decode(std::string_view bytes) {
  std::vector<double> values(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<double>(load<T>(bytes.data() + i * sizeof(T)));
  return values;
}

}  // namespace

std::optional<DataType> parse_data_type(std::string_view name) {
  for (std::size_t i = 0; i < kTypes.size(); ++i)
    if (kTypes[i].name == name) return static_cast<DataType>(i);
  return std::nullopt;
}

std::string_view name_of(DataType type) { return kTypes[static_cast<std::size_t>(type)].name; }
std::size_t element_size(DataType type) { return kTypes[static_cast<std::size_t>(type)].size; }

std::optional<double> as_held_by(DataType type, double value) {
  switch (type) {
    case DataType::boolean:
      return value == 0 || value == 1 ? std::optional(value) : std::nullopt;
    case DataType::uint8:
      return whole<std::uint8_t>(value);
    case DataType::uint16:
      return whole<std::uint16_t>(value);
    case DataType::uint32:
      return whole<std::uint32_t>(value);
    case DataType::uint64:
      return whole<std::uint64_t>(value);
    case DataType::int8:
      return whole<std::int8_t>(value);
    case DataType::int16:
      return whole<std::int16_t>(value);
    case DataType::int32:
      return whole<std::int32_t>(value);
    case DataType::int64:
      return whole<std::int64_t>(value);
    case DataType::fp16:
      return from_half(to_half(value));
    case DataType::fp32:
      // Beyond the largest float the conversion is not defined by C++: it is infinity by IEEE 754.
      if (std::abs(value) > static_cast<double>(std::numeric_limits<float>::max()))
        return std::isnan(value) ? value : std::copysign(std::numeric_limits<double>::infinity(), value);
      return static_cast<double>(static_cast<float>(value));
    case DataType::fp64:
    case DataType::bytes:
      return value;
  }
  return std::nullopt;
}

std::vector<double> decode_numbers(DataType type, std::string_view bytes) {
  switch (type) {
    case DataType::boolean:
    case DataType::uint8:
      return decode<std::uint8_t>(bytes);
    case DataType::uint16:
      return decode<std::uint16_t>(bytes);
    case DataType::uint32:
      return decode<std::uint32_t>(bytes);
    case DataType::uint64:
      return decode<std::uint64_t>(bytes);
    case DataType::int8:
      return decode<std::int8_t>(bytes);
    case DataType::int16:
      return decode<std::int16_t>(bytes);
    case DataType::int32:
      return decode<std::int32_t>(bytes);
    case DataType::int64:
      return decode<std::int64_t>(bytes);
    case DataType::fp16: {
      std::vector<double> values(bytes.size() / 2);
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = from_half(load<std::uint16_t>(bytes.data() + 2 * i));
      return values;
    }
    case DataType::fp32:
      return decode<float>(bytes);
    case DataType::fp64:
      return decode<double>(bytes);
    case DataType::bytes:
      break;
  }
  return {};
}

void append_number(DataType type, double value, std::string& bytes) {
  switch (type) {
    case DataType::boolean:
    case DataType::uint8:
      return store(static_cast<std::uint8_t>(value), bytes);
    case DataType::uint16:
      return store(static_cast<std::uint16_t>(value), bytes);
    case DataType::uint32:
      return store(static_cast<std::uint32_t>(value), bytes);
    case DataType::uint64:
      return store(static_cast<std::uint64_t>(value), bytes);
    case DataType::int8:
      return store(static_cast<std::int8_t>(value), bytes);
    case DataType::int16:
      return store(static_cast<std::int16_t>(value), bytes);
    case DataType::int32:
      return store(static_cast<std::int32_t>(value), bytes);
    case DataType::int64:
      return store(static_cast<std::int64_t>(value), bytes);
    case DataType::fp16:
      return store(to_half(value), bytes);
    case DataType::fp32:
      return store(static_cast<float>(value), bytes);
    case DataType::fp64:
      return store(value, bytes);
    case DataType::bytes:
      return;
  }
}

std::optional<std::vector<std::string>> decode_texts(std::string_view bytes) {
  std::vector<std::string> texts;
  while (!bytes.empty()) {
    if (bytes.size() < 4) return std::nullopt;
    const auto length = load<std::uint32_t>(bytes.data());
    bytes.remove_prefix(4);
    if (length > bytes.size()) return std::nullopt;
    texts.emplace_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  return texts;
}

std::optional<std::uint64_t> element_count(const std::vector<std::int64_t>& shape, std::uint64_t limit) {
  std::uint64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (size == 0) return 0;
    if (static_cast<std::uint64_t>(size) > limit / count) return std::nullopt;
    count *= static_cast<std::uint64_t>(size);
  }
  return count;
}

}  // namespace anomctl::v2
