// Numbers to bytes and back, little-endian, for snapshots: exact for every bit. Thread rule: one thread an object.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "anomctl/core/error.h"

namespace anomctl {

static_assert(std::endian::native == std::endian::little);

class StateWriter {
 public:
  template <class T>
    requires std::is_arithmetic_v<T>
  void number(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    bytes_.append(bytes, sizeof(T));
  }
  void text(std::string_view value) {
    number(static_cast<std::uint64_t>(value.size()));
    bytes_.append(value);
  }
  template <class T>
  void list(const std::vector<T>& values) {
    number(static_cast<std::uint64_t>(values.size()));
    for (const T value : values) number(value);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Throws Error(bad_input) where the bytes end too early or a length is not what it should be.
class StateReader {
 public:
  explicit StateReader(std::string_view bytes) : rest_(bytes) {}
  template <class T>
    requires std::is_arithmetic_v<T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  bool flag() { return number<std::uint8_t>() != 0; }
  std::string text() { return std::string(take(number<std::uint64_t>())); }
  template <class T>
  std::vector<T> list(std::size_t expected) {
    if (number<std::uint64_t>() != expected) throw input_error("the snapshot's sizes are not those of this bundle");
    const std::string_view bytes = take(expected * sizeof(T));
    std::vector<T> values(expected);
    if (expected > 0) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view take(std::uint64_t n) {
    if (n > rest_.size()) throw input_error("the snapshot ends too early");
    const std::string_view part = rest_.substr(0, static_cast<std::size_t>(n));
    rest_.remove_prefix(static_cast<std::size_t>(n));
    return part;
  }
  std::string_view rest_;
};

}  // namespace anomctl
