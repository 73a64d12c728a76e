// The pages of a list that a server gives one after another, within bounds: one that names pages for ever is told from a
// long list. Thread rule: one thread an object.
#pragma once

#include <set>
#include <string>

namespace anomctl {

class MlflowPages {
 public:
  explicit MlflowPages(std::string url) : url_(std::move(url)) {}
  // The token of the page that is to be asked for; empty: the first.
  const std::string& next() const { return next_; }
  // After a page: whether there is another. `items`: so many have come by now. Throws Error(failed) for a page that was
  // named before, for pages without anything in them, and for more items than anybody has.
  bool more(std::string token, std::size_t items);

 private:
  const std::string url_;
  std::string next_;
  std::set<std::string> seen_;
  std::size_t items_ = 0, empty_pages_ = 0;
};

}  // namespace anomctl
