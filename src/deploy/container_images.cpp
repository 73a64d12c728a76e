#include "anomctl/deploy/container_images.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <link.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

constexpr mode_t kFileMode = 0644, kProgramMode = 0755;

// The same time for all files, so that two builds give the same layers.
void fix(const fs::path& path, mode_t mode) {
  const timespec times[2] = {{0, 0}, {0, 0}};
  if (::chmod(path.c_str(), mode) != 0 || ::utimensat(AT_FDCWD, path.c_str(), times, 0) != 0) {
    throw failed(fmt::format("cannot prepare {}: {}", path.string(), std::strerror(errno)));
  }
}

void copy_fixed(const fs::path& from, const fs::path& to, mode_t mode) {
  fs::create_directories(to.parent_path());
  std::error_code error;
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  if (error) throw failed(fmt::format("cannot copy {}: {}", from.string(), error.message()));
  fix(to, mode);
}

void write_fixed(const fs::path& path, std::string_view content) {
  fs::create_directories(path.parent_path());
  write_file_atomic(path, content);
  fix(path, kFileMode);
}

// The tz database, for names of zones; without its copies under other rules for leap seconds.
void stage_zones(const fs::path& root) {
  const fs::path from = "/usr/share/zoneinfo";
  std::error_code absent;
  for (auto it = fs::recursive_directory_iterator(from, absent); it != fs::recursive_directory_iterator(); ++it) {
    if (it->is_directory()) {
      if (const fs::path name = it->path().filename(); name == "posix" || name == "right")
        it.disable_recursion_pending();
    } else if (it->is_regular_file() && it->path().filename() != "localtime") {
      copy_fixed(it->path(), root / it->path().relative_path(), kFileMode);
    }
  }
}

}  // namespace

void fix_folders(const fs::path& top) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::recursive_directory_iterator(top)) {
    if (entry.is_directory() && !entry.is_symlink()) folders.push_back(entry.path());
  }
  std::sort(folders.rbegin(), folders.rend());
  for (const fs::path& folder : folders) {
    const bool anyone_writes =
        folder.filename() == "tmp" || folder.filename() == "data" || folder.filename() == "state";
    fix(folder, anyone_writes ? 01777 : kProgramMode);
  }
  fix(top, kProgramMode);
}

std::string render_template(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = text.find('@');
    const std::size_t close = open == text.npos ? text.npos : text.find('@', open + 1);
    const std::string_view key = close == text.npos ? "" : text.substr(open + 1, close - open - 1);
    const bool is_key =
        !key.empty() && std::all_of(key.begin(), key.end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; });
    if (!is_key) {
      const std::size_t keep = open == text.npos ? text.size() : open + 1;
      out += text.substr(0, keep);
      text.remove_prefix(keep);
      continue;
    }
    const auto value = values.find(std::string(key));
    if (value == values.end()) throw failed(fmt::format("the template needs a value for @{}@", key));
    out += text.substr(0, open);
    out += value->second;
    text.remove_prefix(close + 1);
  }
  return out;
}

std::vector<fs::path> loaded_libraries() {
  std::vector<fs::path> out;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* into) {
        const std::string name = info->dlpi_name == nullptr ? "" : info->dlpi_name;
        if (name.starts_with('/')) static_cast<std::vector<fs::path>*>(into)->emplace_back(name);
        return 0;
      },
      &out);
  std::sort(out.begin(), out.end());
  return out;
}

void stage_runtime(const fs::path& context, const fs::path& program, const std::vector<fs::path>& libraries,
                   const std::vector<fs::path>& modules) {
  const fs::path root = context / "root";
  copy_fixed(program, root / "usr/bin/anomctl", kProgramMode);
  for (const fs::path& library : libraries) {
    // The name under which it was loaded, in the folder that the loader searches in any image; the loader itself at its
    // fixed path.
    const bool is_loader = library.filename().string().starts_with("ld-linux");
    const fs::path folder = is_loader ? library.parent_path() : fs::path("/usr/lib/x86_64-linux-gnu");
    copy_fixed(fs::canonical(library), root / folder.relative_path() / library.filename(), kProgramMode);
  }
  for (const fs::path& module : modules)
    copy_fixed(module, root / "usr/lib/anomctl/modules" / module.filename(), kFileMode);
  for (const char* ca : {"/etc/ssl/certs/ca-certificates.crt"}) {
    if (fs::exists(ca)) copy_fixed(ca, root / fs::path(ca).relative_path(), kFileMode);
  }
  stage_zones(root);
  write_fixed(root / "etc/passwd",
              "root:x:0:0:root:/:/sbin/nologin\nanomctl:x:10001:10001:anomctl:/data:/sbin/nologin\n");
  write_fixed(root / "etc/group", "root:x:0:\nanomctl:x:10001:\n");
  write_fixed(root / "etc/nsswitch.conf", "hosts: files dns\n");
  for (const char* folder : {"data", "tmp", "state"}) fs::create_directories(root / folder);
  fix_folders(context);
}

void stage_folder(const fs::path& from, const fs::path& to, const std::vector<std::string>& names) {
  if (!fs::is_directory(from)) throw input_error(fmt::format("{} is no folder", from.string()));
  for (const auto& entry : fs::recursive_directory_iterator(from)) {
    const std::string name = fs::relative(entry.path(), from).string();
    if (!names.empty() && std::find(names.begin(), names.end(), name) == names.end()) continue;
    if (entry.is_regular_file()) copy_fixed(entry.path(), to / fs::relative(entry.path(), from), kFileMode);
  }
  fix_folders(to);
}

int run_program(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  // The child gets the default signals: this program blocks some in all its threads.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t child = 0;
  const int error = posix_spawnp(&child, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) throw failed(fmt::format("cannot start {}: {}", arguments.front(), std::strerror(error)));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace anomctl
