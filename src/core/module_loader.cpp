#include "anomctl/core/module_loader.h"

#include <dlfcn.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

std::vector<fs::path> module_folders() {
  std::vector<fs::path> folders;
  if (const char* folder = std::getenv("ANOMCTL_MODULE_DIR")) folders.emplace_back(folder);
  const fs::path beside = executable_path().parent_path();
  folders.push_back(beside);
  folders.push_back(beside.parent_path() / "lib" / "anomctl" / "modules");
  folders.push_back(beside.parent_path() / "lib" / "anomctl");
  return folders;
}

}  // namespace

fs::path find_module(const std::string& file_name) {
  for (const fs::path& folder : module_folders()) {
    std::error_code error;
    if (fs::exists(folder / file_name, error)) return folder / file_name;
  }
  return {};
}

fs::path executable_path() {
  std::error_code error;
  fs::path path = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path() : path;
}

void* load_module(const ModuleRequest& request) {
  const fs::path file = find_module(request.file_name);
  if (file.empty()) {
    std::string looked;
    for (const fs::path& folder : module_folders()) looked += (looked.empty() ? "" : ", ") + folder.string();
    throw failed(fmt::format("{} needs {}, looked for in {}: set ANOMCTL_MODULE_DIR or install the full package",
                             request.purpose, request.file_name, looked));
  }
  for (const fs::path& library : request.preload) {
    if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      throw failed(fmt::format("{}: cannot load {}: {}", request.purpose, library.string(), dlerror()));
    }
  }
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw failed(fmt::format("{}: cannot load {}: {}", request.purpose, file.string(), dlerror()));
  void* entry = dlsym(handle, request.entry_symbol.c_str());
  if (entry == nullptr) {
    throw failed(fmt::format("{}: {} is no module of this program", request.purpose, file.string()));
  }
  return entry;
}

}  // namespace anomctl
