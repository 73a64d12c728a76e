#include "anomctl/model/torch_checkpoint.h"

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

namespace {
const fs::path kGolden = fs::path(ANOMCTL_TEST_DIR) / "golden";
const fs::path kStateDict = kGolden / "torch/embed_gatv2.state_dict.pt";
}  // namespace

TEST_CASE("a state_dict and a whole module of torch hold the golden weights") {
  const TensorMap golden = load_safetensors(kGolden / "model/embed_gatv2.weights.safetensors");
  for (const char* file : {"embed_gatv2.state_dict.pt", "embed_gatv2.module.pth"}) {
    INFO(file);
    const TensorMap read = load_weights(kGolden / "torch" / file);
    REQUIRE(read.size() == golden.size());
    for (const auto& [name, tensor] : golden) {
      CHECK(read.at(name).shape == tensor.shape);
      CHECK(read.at(name).values == tensor.values);
    }
  }
}

TEST_CASE("weights are told apart by their content") {
  CHECK(looks_like_torch_file("PK\x03\x04"));
  CHECK(looks_like_torch_file(std::string_view("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9", 9)));
  // The length of a safetensors header may be 640.
  CHECK_FALSE(looks_like_torch_file(std::string_view("\x80\x02\0\0\0\0\0\0{\"a\"", 12)));
  CHECK(load_weights(kGolden / "model/embed_gatv2.weights.safetensors").size() > 10);
}

TEST_CASE("a torch file that is cut off anywhere, or has a byte changed in what is read, is refused") {
  const std::string whole = read_file(kStateDict);
  for (std::size_t size = 0; size < whole.size(); size += 97)
    CHECK_THROWS_AS(parse_torch_checkpoint(whole.substr(0, size), "cut"), Error);
  int refused = 0, tried = 0;
  for (std::size_t at = 64; at < whole.size(); at += 61, ++tried) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x15);
    try {
      parse_torch_checkpoint(changed, "changed");
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > tried / 4);  // the rest fell into padding, dates and names that nothing depends on
}
