// Settings files: any text is parsed or refused with a UsageError, and what is parsed can be resolved.
#include <string_view>

#include "anomctl/core/config.h"
#include "anomctl/core/error.h"

namespace {
struct Options {
  std::string text;
  std::int64_t count = 3;
  double ratio = 0.5;
  bool on = true;
  anomctl::Duration period = anomctl::seconds(1);
  std::vector<std::string> names;
  std::optional<double> limit;
  static void fields(auto& self, auto&& field) {
    field("text", self.text, "", anomctl::OneOf{{"a", "b"}});
    field("count", self.count, "", anomctl::Between{1, 9});
    field("ratio", self.ratio, "", anomctl::AtLeast{0});
    field("on", self.on, "");
    field("period", self.period, "");
    field("names", self.names, "");
    field("limit", self.limit, "");
  }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  try {
    const auto file = anomctl::parse_toml({reinterpret_cast<const char*>(data), size}, "fuzz.toml");
    Options options;
    anomctl::resolve(anomctl::describe(options), {"train", &file, {}, {}});
  } catch (const anomctl::UsageError&) {
  }
  return 0;
}
