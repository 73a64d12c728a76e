#include "commands/train_work/logged_model.h"

#include <fmt/core.h>

#include <system_error>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/core/time.h"
#include "anomctl/registry/run_bundle.h"
#include "embedded/pyfunc_loader.h"

namespace anomctl {

void log_bundle(const Bundle& bundle, Run& run) {
  const TemporaryFolder temporary;
  const fs::path& folder = temporary.path();
  save_bundle(bundle, folder / "data");
  run.log_artifact(folder / "data", kRunBundleFolder);
  std::error_code error;
  fs::create_directories(folder / "code", error);
  if (error) throw failed(fmt::format("cannot make the folder {}: {}", (folder / "code").string(), error.message()));
  write_file_atomic(folder / "code/anomctl_model.py", embedded::pyfunc_loader);
  std::string time = format_stamp(system_clock().now() / kMillisecond * kMillisecond);
  time.pop_back();  // MLflow's stamps have no zone
  time[10] = ' ';   // nor a T
  Json function = Json::object();
  function["loader_module"] = "anomctl_model";
  function["code"] = "code";
  function["data"] = "data";
  Json model = Json::object();
  model["artifact_path"] = kLoggedModelFolder;
  model["flavors"] = Json::object();
  model["flavors"]["python_function"] = std::move(function);
  model["model_uuid"] = random_hex(16);
  model["run_id"] = run.info().id;
  model["utc_time_created"] = time;
  write_file_atomic(folder / kLoggedModelFile, model.dump(2) + "\n");  // JSON is YAML
  run.log_artifact(folder, kLoggedModelFolder);
  run.set_tag("mlflow.log-model.history", Json(Json::Array{model}).dump());
}

}  // namespace anomctl
