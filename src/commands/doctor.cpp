#include "commands/doctor.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>

#include "anomctl/core/error.h"
#include "anomctl/core/module_loader.h"
#include "anomctl/io/net/reach.h"
#include "anomctl/model/training.h"
#include "commands/doctor_compose.h"
#include "commands/help.h"
#include "commands/machine.h"
#include "commands/service_url.h"

namespace anomctl {
namespace {

constexpr std::uint64_t kLowMemory = 1024 * kMiB;
constexpr std::uint64_t kLowDisk = 2048 * kMiB;

std::string gib(std::uint64_t bytes) {
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / 1024 / 1024 / 1024);
}

Finding cpu() {
  const CpuFacts facts = cpu_facts();
  Json value = Json::object();
  value["model"] = facts.model;
  value["cores"] = facts.cores;
  value["features"] = Json(facts.features);
  return {"cpu", "ok", fmt::format("{}, {} cores, {}", facts.model, facts.cores, fmt::join(facts.features, " ")), "",
          std::move(value)};
}

Finding memory() {
  const MemoryFacts facts = memory_facts();
  Json value = Json::object();
  value["total_bytes"] = facts.total_bytes;
  value["available_bytes"] = facts.available_bytes;
  const bool low = facts.available_bytes < kLowMemory;
  return {"memory", low ? "low" : "ok",
          fmt::format("{} of {} available", gib(facts.available_bytes), gib(facts.total_bytes)),
          low ? "training wants 1 GiB and more" : "", std::move(value)};
}

Finding disk() {
  const DiskFacts facts = disk_facts(".");
  Json value = Json::object();
  value["path"] = facts.path.string();
  value["total_bytes"] = facts.total_bytes;
  value["free_bytes"] = facts.free_bytes;
  const bool low = facts.free_bytes < kLowDisk;
  return {"disk", low ? "low" : "ok", fmt::format("{} free of {} here", gib(facts.free_bytes), gib(facts.total_bytes)),
          low ? "data sets and runs may not fit" : "", std::move(value)};
}

Finding gpu() {
  const GpuFacts facts = gpu_facts();
  Json value = Json::object();
  Json list = Json::array();
  std::string text;
  for (const Gpu& g : facts.gpus) {
    Json entry = Json::object();
    entry["name"] = g.name;
    entry["memory_bytes"] = g.memory_bytes;
    list.push_back(std::move(entry));
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", g.name, gib(g.memory_bytes));
  }
  value["gpus"] = std::move(list);
  value["driver"] = facts.driver;
  value["cuda"] = facts.cuda;
  if (facts.gpus.empty()) {
    return {"gpu", "absent", facts.why_absent, "training and scoring run on the CPU", std::move(value)};
  }
  return {"gpu", "ok", fmt::format("{}, driver {}, CUDA {}", text, facts.driver, facts.cuda), "", std::move(value)};
}

fs::path find_libtorch() {
  for (const fs::path& folder : libtorch_folders()) {
    std::error_code error;
    if (fs::exists(folder / "libtorch_cpu.so", error)) return folder / "libtorch_cpu.so";
  }
  return {};
}

Finding libtorch() {
  const fs::path module = find_module("libanomctl-torch.so");
  const fs::path library = find_libtorch();
  Json value = Json::object();
  value["module"] = module.empty() ? Json() : Json(module.string());
  value["library"] = library.empty() ? Json() : Json(library.string());
  if (library.empty()) {
    return {"libtorch", "absent", "not found", "training needs it: pip install torch==2.11.0, or set ANOMCTL_LIBTORCH",
            std::move(value)};
  }
  if (module.empty()) {
    return {"libtorch", "absent", fmt::format("{}, but not libanomctl-torch.so", library.string()),
            "install the full package, or set ANOMCTL_MODULE_DIR", std::move(value)};
  }
  return {"libtorch", "ok", library.string(), "", std::move(value)};
}

Finding arrow() {
  const fs::path module = find_module("libanomctl-tables.so");
  Json value = Json::object();
  value["module"] = module.empty() ? Json() : Json(module.string());
  if (module.empty()) {
    return {"arrow", "absent", "libanomctl-tables.so not found", "only Parquet files need it", std::move(value)};
  }
  return {"arrow", "ok", module.string(), "", std::move(value)};
}

Finding service(const std::string& name, const std::string& url, Duration timeout) {
  const ServiceAddress address = service_address(url);
  const std::string reason = why_unreachable(address.host, address.port, timeout);
  Json value = Json::object();
  value["host"] = address.host;
  value["port"] = address.port;
  const std::string where = fmt::format("{}:{}", address.host, address.port);
  if (reason.empty()) return {name, "ok", where + " answers", "", std::move(value)};
  value["reason"] = reason;
  return {name, "unreachable", fmt::format("{}: {}", where, reason), "start it, or check host and port",
          std::move(value)};
}

int doctor(const DoctorOptions& options, Context& context) {
  const auto findings = examine(options);
  context.result["version"] = program_version();
  context.result["system"] = operating_system();
  context.text(fmt::format("anomctl {} on {}", program_version(), operating_system()));
  Json list = Json::object();
  bool unreachable = false, missing = false;
  for (const Finding& finding : findings) {
    context.text(fmt::format("{:<10} {:<12} {}{}", finding.name, finding.state, finding.text,
                             finding.next.empty() ? "" : " - " + finding.next));
    Json entry = finding.value;
    entry["state"] = finding.state;
    list[finding.name] = std::move(entry);
    unreachable = unreachable || finding.state == "unreachable";
    missing = missing || finding.state == "missing";
  }
  context.result["findings"] = std::move(list);
  if (unreachable) return static_cast<int>(ExitCode::unreachable);
  return static_cast<int>(missing ? ExitCode::failed : ExitCode::done);
}

}  // namespace

std::vector<Finding> examine(const DoctorOptions& options) {
  if (options.compose) return examine_compose(options.compose_dir, options.engine);
  std::vector<Finding> findings = {cpu(), memory(), disk(), gpu(), libtorch(), arrow()};
  if (!options.mqtt_url.empty()) findings.push_back(service("broker", options.mqtt_url, options.timeout));
  if (!options.server_url.empty()) findings.push_back(service("server", options.server_url, options.timeout));
  return findings;
}

CommandSpec doctor_command() {
  return make_command<DoctorOptions>(
      "doctor", "Tools", "What this machine offers, and what is missing",
      {"anomctl doctor", "anomctl doctor --mqtt-url mqtt://127.0.0.1:1883 --json", "anomctl doctor --compose"}, doctor);
}

}  // namespace anomctl
