// Images of the roles: a folder of files that `docker build` takes, rendered from templates/images. The same inputs
// give the same bytes: files have fixed times and modes. Thread rule: one thread at a time.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "anomctl/core/files.h"

namespace anomctl {

// `text` with every @KEY@ replaced. Throws Error(failed) for a key without a value.
std::string render_template(std::string_view text, const std::map<std::string, std::string>& values);

// Every shared library that this process has loaded, the loader included, symbolic links resolved by name.
std::vector<fs::path> loaded_libraries();

// root/ with the program, `libraries`, `modules` that it loads on first use, CA certificates, time zones, users and a
// writable /data and /tmp.
void stage_runtime(const fs::path& context, const fs::path& program, const std::vector<fs::path>& libraries,
                   const std::vector<fs::path>& modules = {});
// Copies a folder of data into the context with fixed times and modes; `names`: only these files, as far as they are
// there.
void stage_folder(const fs::path& from, const fs::path& to, const std::vector<std::string>& names = {});

// Gives `top` and all folders below their fixed times and modes: last, for writing into one changes its time.
void fix_folders(const fs::path& top);

// Runs a program, its output to stderr, and returns its exit code. Throws Error(failed) when it cannot be started.
int run_program(const std::vector<std::string>& arguments);

}  // namespace anomctl
