#include "anomctl/io/tracking/mlflow_pages.h"

#include <fmt/format.h>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

constexpr std::size_t kMostItems = 1'000'000, kMostEmptyPages = 100;

}  // namespace

bool MlflowPages::more(std::string token, std::size_t items) {
  if (token.empty()) return false;
  empty_pages_ = items > items_ ? 0 : empty_pages_ + 1;
  items_ = items;
  if (empty_pages_ > kMostEmptyPages || items > kMostItems || !seen_.insert(token).second)
    throw failed(fmt::format("the tracking server {} names pages without end: is it an MLflow server?", url_));
  next_ = std::move(token);
  return true;
}

}  // namespace anomctl
