// Which data set a command judges a bundle by, and whether the two fit. Thread rule: free functions.
#pragma once

#include <string>

#include "anomctl/data/data_set.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/registry/run_bundle.h"

namespace anomctl {

inline constexpr const char* kExperimentEnd = "_training";  // an experiment's name is its data set's and this

// The one that is named, else the one that the run was trained on, else the only or the newest one.
fs::path data_set_folder(const fs::path& datasets_dir, const std::string& dataset, const BundleChoice& choice);

// Throws Error(bad_input) where the columns differ.
void check_columns(const Bundle& bundle, const DataSet& set);

}  // namespace anomctl
