#include "commands/data_set_choice.h"

#include <fmt/core.h>

#include "anomctl/core/error.h"

namespace anomctl {

fs::path data_set_folder(const fs::path& datasets_dir, const std::string& dataset, const BundleChoice& choice) {
  if (dataset.empty() && choice.run) {
    std::string name = choice.run->experiment;
    if (const auto param = choice.run->params.find("dataset"); param != choice.run->params.end()) name = param->second;
    if (name.ends_with(kExperimentEnd)) name.resize(name.size() - std::string(kExperimentEnd).size());
    if (fs::exists(datasets_dir / name / "eval.csv")) return datasets_dir / name;
  }
  return find_data_set(datasets_dir, dataset);
}

void check_columns(const Bundle& bundle, const DataSet& set) {
  if (bundle.columns.size() != set.columns.size())
    throw input_error(fmt::format("data set {} has {} columns, the bundle {} was trained on {}", set.folder.string(),
                                  set.columns.size(), bundle.name, bundle.columns.size()));
  if (!set.has_meta) return;
  for (std::size_t c = 0; c < set.columns.size(); ++c)
    if (bundle.columns[c].name != set.columns[c].name && bundle.columns[c].name != "c" + std::to_string(c))
      throw input_error(fmt::format("column {} of data set {} is '{}', of the bundle {} '{}'", c + 1,
                                    set.folder.string(), set.columns[c].name, bundle.name, bundle.columns[c].name));
}

}  // namespace anomctl
