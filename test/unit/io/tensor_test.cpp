#include "anomctl/io/openinference/tensor.h"

#include <cmath>
#include <limits>

#include "support/catch.h"

using namespace anomctl::v2;

namespace {
std::string bytes_of(DataType type, double value) {
  std::string bytes;
  append_number(type, value, bytes);
  return bytes;
}
}  // namespace

TEST_CASE("every datatype has its name and gives its numbers back") {
  for (const char* name : {"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16",
                           "FP32", "FP64", "BYTES"}) {
    const auto type = parse_data_type(name);
    REQUIRE(type);
    CHECK(name_of(*type) == name);
    if (*type == DataType::bytes) continue;
    for (const double value : {0.0, 1.0}) {
      const std::string bytes = bytes_of(*type, value);
      CHECK(bytes.size() == element_size(*type));
      CHECK(decode_numbers(*type, bytes) == std::vector<double>{value});
    }
  }
  CHECK_FALSE(parse_data_type("FLOAT"));
  CHECK_FALSE(parse_data_type("fp32"));
}

TEST_CASE("a number is rounded to its datatype or refused") {
  CHECK(as_held_by(DataType::fp32, 0.1) == static_cast<double>(0.1F));
  CHECK(as_held_by(DataType::fp64, 0.1) == 0.1);
  CHECK(std::isinf(*as_held_by(DataType::fp32, 1e300)));
  CHECK(as_held_by(DataType::int8, -128) == -128);
  CHECK_FALSE(as_held_by(DataType::int8, 128));
  CHECK_FALSE(as_held_by(DataType::uint8, -1));
  CHECK_FALSE(as_held_by(DataType::int32, 0.5));
  CHECK_FALSE(as_held_by(DataType::boolean, 2));
  CHECK(as_held_by(DataType::uint32, 4294967295.0) == 4294967295.0);
  CHECK_FALSE(as_held_by(DataType::uint32, 4294967296.0));
  CHECK(as_held_by(DataType::int64, -9223372036854775808.0) == -9223372036854775808.0);
  CHECK_FALSE(as_held_by(DataType::int64, 9223372036854775808.0));
  CHECK_FALSE(as_held_by(DataType::uint64, 18446744073709551616.0));
}

TEST_CASE("half precision by its bits") {
  const auto bits = [](double v) {
    const std::string b = bytes_of(DataType::fp16, v);
    return static_cast<unsigned>(static_cast<unsigned char>(b[0])) |
           static_cast<unsigned>(static_cast<unsigned char>(b[1])) << 8;
  };
  CHECK(bits(1) == 0x3c00);
  CHECK(bits(-2) == 0xc000);
  CHECK(bits(65504) == 0x7bff);
  CHECK(bits(65519.9) == 0x7bff);
  CHECK(bits(65520) == 0x7c00);
  CHECK(bits(std::ldexp(1, -24)) == 0x0001);
  CHECK(bits(std::ldexp(1, -25)) == 0x0000);  // half to even
  CHECK(bits(std::ldexp(1023, -24)) == 0x03ff);
  CHECK(bits(std::ldexp(1, -14)) == 0x0400);
  CHECK(bits(0.1) == 0x2e66);
  CHECK((bits(std::numeric_limits<double>::quiet_NaN()) & 0x7fffU) == 0x7e00);
  for (unsigned b = 0; b < 0x7c00; ++b) {
    const std::string raw{static_cast<char>(b & 255), static_cast<char>(b >> 8)};
    if (bits(decode_numbers(DataType::fp16, raw)[0]) != b) FAIL("half " << b << " does not come back");
  }
}

TEST_CASE("BYTES elements carry their length") {
  const std::string two("\x03\0\0\0abc\0\0\0\0", 11);
  CHECK(decode_texts(two) == std::vector<std::string>{"abc", ""});
  CHECK_FALSE(decode_texts(std::string_view(two).substr(0, 6)));
  CHECK_FALSE(decode_texts(std::string_view(two).substr(0, 9)));
  CHECK(decode_texts("") == std::vector<std::string>{});
}

TEST_CASE("the product of a shape has a limit and does not overflow") {
  CHECK(element_count({2, 3}, 6) == 6U);
  CHECK_FALSE(element_count({2, 3}, 5));
  CHECK_FALSE(element_count({1LL << 40, 1LL << 40}, 1'000'000));
  CHECK_FALSE(element_count({-1, 2}, 10));
  CHECK(element_count({0, 1LL << 60}, 10) == 0U);
  CHECK(element_count({}, 10) == 1U);
}
