// bundle.json from anywhere: it is read or refused with one of our errors, and what is read can be written and read
// again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "anomctl/core/error.h"
#include "anomctl/detection/bundle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anomctl;
  try {
    const Json json = Json::parse({reinterpret_cast<const char*>(data), size}, "input");
    const Bundle bundle = bundle_from_json(json, "input");
    const Json written = bundle_to_json(bundle);
    if (bundle_to_json(bundle_from_json(written, "written")) != written) std::abort();
  } catch (const Error&) {
    // Refused: the expected end of most inputs.
  }
  return 0;
}
