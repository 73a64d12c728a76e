// What a stream carries over: to another model, and to another process.
#include <fmt/format.h>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "roles/manage/stream.h"

namespace anomctl::manage {
namespace {

// Among the states of assets; no topic level can be this.
constexpr const char* kMaintenanceState = "/maintenance";

}  // namespace

std::string Stream::swap(const JudgingModel& next) {
  if (next.bundle->column_names() != bundle_->column_names())
    return fmt::format("{} judges other sensors than {}, which goes on: start anew to change over", next.bundle->name,
                       bundle_->name);
  if (next.bundle->period_s != bundle_->period_s)
    return fmt::format("{} judges rows of {} s, {} those of {} s and goes on: start anew to change over",
                       next.bundle->name, next.bundle->period_s, bundle_->name, bundle_->period_s);
  flush();
  const std::size_t rows = assets_->swap(next.bundle, *next.model);
  batch_->use(*next.model);
  bundle_ = next.bundle;
  model_ = next.model;
  if (rows == 0) return {};
  return fmt::format("{} looks further back than the model before: {} rows of warm-up", bundle_->name, rows);
}

std::vector<std::pair<std::string, std::string>> Stream::states(std::size_t limit, bool all) {
  auto states = assets_->states(limit, all);
  if (maintenance_.changed()) states.emplace_back(kMaintenanceState, maintenance_.write());
  return states;
}
std::int64_t Stream::needed_from() const { return assets_->needed_from(); }
void Stream::restore(const std::string& asset, const std::string& state) {
  if (asset != kMaintenanceState) return assets_->restore(asset, state);
  try {
    maintenance_.read(state);
  } catch (const Error& error) {
    log_warning("the saved maintenance windows are of no use: {}", error.what());
  }
}

}  // namespace anomctl::manage
