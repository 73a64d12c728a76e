#include "model/number_kinds.h"

#include <bit>
#include <cstdint>
#include <cstring>

namespace anomctl {
namespace {

float from_half(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1FU;
  std::uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | mantissa << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float value = static_cast<float>(mantissa) * 0x1p-24F;
  return sign != 0 ? -value : value;
}

template <class T>
T load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

constexpr NumberKind kKinds[] = {
    {"F32", 4, [](const char* p) { return load<float>(p); }},
    {"F64", 8, [](const char* p) { return static_cast<float>(load<double>(p)); }},
    {"F16", 2, [](const char* p) { return from_half(load<std::uint16_t>(p)); }},
    {"BF16", 2,
     [](const char* p) { return std::bit_cast<float>(static_cast<std::uint32_t>(load<std::uint16_t>(p)) << 16); }},
    {"I64", 8, [](const char* p) { return static_cast<float>(load<std::int64_t>(p)); }},
};

}  // namespace

const NumberKind* find_number_kind(std::string_view name) {
  static_assert(std::endian::native == std::endian::little);
  for (const NumberKind& kind : kKinds)
    if (name == kind.name) return &kind;
  return nullptr;
}

}  // namespace anomctl
