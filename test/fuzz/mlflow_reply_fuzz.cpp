// What a tracking server answers, from anywhere: read or refused with an Error; a name of an artifact that is taken lies
// within its folder, and our secret is in no refusal.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "anomctl/core/error.h"
#include "io/tracking/mlflow_json.h"

namespace {

template <class F>
void refused_or(F work) {
  try {
    work();
  } catch (const anomctl::Error&) {  // said to a person
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anomctl;
  const std::string body(reinterpret_cast<const char*>(data), size);
  refused_or([&] { tracking::run_of(Json::parse(body, "answer")); });
  refused_or([&] { tracking::run_of(Json::parse(body, "answer").at("run")); });
  refused_or([&] { tracking::metric_of(Json::parse(body, "answer")); });
  refused_or([&] {
    for (const tracking::File& file : tracking::files_of(body)) {
      const fs::path folder = "/folder", inner = (folder / file.path).lexically_normal();
      if (is_inner_path(file.path) && inner.string().rfind("/folder/", 0) != 0) std::abort();
    }
  });
  const std::string secret = "hunter4secret";
  const tracking::MlflowRefusal refusal = tracking::refusal_of(body, {secret});
  if (refusal.message.find(secret) != std::string::npos || refusal.message.size() > 1000) std::abort();
  return 0;
}
