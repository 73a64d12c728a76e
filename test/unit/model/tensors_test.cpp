#include "anomctl/model/tensors.h"

#include <cstring>

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

namespace {
std::string file_of(const std::string& header, const std::string& data) {
  const std::uint64_t n = header.size();
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + data;
}
}  // namespace

TEST_CASE("tensors are written and read back bit for bit, as large as 1e23") {
  const TensorMap tensors = {
      {"a", {{2, 2}, {1.0F, -0.0F, 1e23F, 1e-40F}}}, {"b.c", {{}, {3.5F}}}, {"empty", {{0, 4}, {}}}};
  const TensorMap back = parse_safetensors(to_safetensors(tensors, {{"kind", "test"}}), "t");
  REQUIRE(back.size() == 3);
  CHECK(back.at("a").shape == std::vector<std::int64_t>{2, 2});
  CHECK(std::memcmp(back.at("a").values.data(), tensors.at("a").values.data(), 16) == 0);
  CHECK(back.at("b.c").values == std::vector<float>{3.5F});
}

TEST_CASE("other number types become float") {
  const std::string half("\x00\x3C\x00\xC0", 4);  // 1, -2
  CHECK(parse_safetensors(file_of(R"({"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})", half), "t")
            .at("h")
            .values == std::vector<float>{1, -2});
  const std::string brain("\x80\x3F", 2);
  CHECK(parse_safetensors(file_of(R"({"h":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}})", brain), "t")
            .at("h")
            .values == std::vector<float>{1});
}

TEST_CASE("files that lie about their sizes are refused before anything is allocated") {
  for (const char* header : {R"({"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4]}})",
                             R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})",
                             R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})",
                             R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,400]}})",
                             R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})",
                             R"({"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})", R"({"a":{"shape":[1]}})",
                             R"([1])", R"({"a":3})"}) {
    INFO(header);
    CHECK_THROWS_AS(parse_safetensors(file_of(header, "1234"), "t"), Error);
  }
  CHECK_THROWS_AS(parse_safetensors("", "t"), Error);
  CHECK_THROWS_AS(parse_safetensors(std::string(8, '\xff'), "t"), Error);
  std::string shared = "{";
  for (int i = 0; i < 50; ++i)
    shared += (i > 0 ? ",\"" : "\"") + std::to_string(i) + R"(":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  CHECK_THROWS_AS(parse_safetensors(file_of(shared + "}", "12345678"), "t"), Error);
}
