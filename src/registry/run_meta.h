// The small files of MLflow's file store: meta.yaml of runs and experiments, URIs of artifacts.
// Thread rule: free functions.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "anomctl/core/files.h"

namespace anomctl {

// The flat "key: value" YAML that MLflow writes: plain, 'single' and "double" quoted scalars, folded long lines. Nested
// values are left out.
std::map<std::string, std::string> parse_flat_yaml(std::string_view text);
// 'single quoted', safe for any text without control characters.
std::string yaml_quoted(std::string_view text);

// /data/my runs -> file:///data/my%20runs and back. A relative or plain path is taken as it is; other schemes give an
// empty path: the artifacts are not on this machine.
std::string file_uri(const fs::path& absolute);
fs::path path_of_uri(std::string_view uri);
// The folder that --tracking-uri names. Throws UsageError for another scheme.
fs::path tracking_folder(const std::string& uri);

// RUNNING 1, SCHEDULED 2, FINISHED 3, FAILED 4, KILLED 5.
std::string status_name(std::string_view code);
int status_code(std::string_view name);

// Two words and a number: "calm-turbine-412".
std::string random_run_name();

}  // namespace anomctl
