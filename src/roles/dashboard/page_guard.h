// Who may ask the page's server for what. Without tokens everybody on this machine may, but no page of another origin:
// its name must be one of this machine (a foreign name that resolves to 127.0.0.1 is refused), and what changes
// something must come from our own page or from no page at all. Private to dashboard. Thread rule: safe from any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "anomctl/roles/dashboard.h"
#include "roles/serve/access.h"

namespace anomctl::dashboard {

// Of a Host field: "localhost", "127.0.0.1:8090", "[::1]:8090".
bool is_loopback_host(std::string_view host);

class PageGuard {
 public:
  explicit PageGuard(const DashboardSettings& settings);

  using Decided = std::function<void(serve::AccessDecision)>;
  // To a function of the page (not to its files, which hold nothing).
  void decide(const HttpRequest& request, Decided decided);
  bool asks() const { return asks_; }
  void reload() { access_.reload(true); }

 private:
  std::optional<HttpResponse> refuse_origin(const HttpRequest& request) const;
  const bool asks_, local_only_;
  serve::Access access_;
};

}  // namespace anomctl::dashboard
