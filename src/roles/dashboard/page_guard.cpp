#include "roles/dashboard/page_guard.h"

#include <algorithm>

namespace anomctl::dashboard {

bool is_loopback_host(std::string_view host) {
  if (host.starts_with('[')) return is_loopback(host.substr(1, std::min(host.find(']'), host.size()) - 1));
  return is_loopback(host.substr(0, host.find(':')));
}

PageGuard::PageGuard(const DashboardSettings& settings)
    : asks_(!settings.page_token_file.empty()),
      local_only_(is_loopback(settings.page_host)),
      access_(settings.page_token_file, false) {}

std::optional<HttpResponse> PageGuard::refuse_origin(const HttpRequest& request) const {
  const std::string_view host = request.headers.get("host");
  if (local_only_ && !asks_ && !is_loopback_host(host))
    return error_response(403, "the page is for this machine: ask for it by the name localhost or 127.0.0.1");
  if (request.method == "GET" || request.method == "HEAD") return std::nullopt;
  if (from_foreign_page(request)) return error_response(403, "a page of another origin may not do this");
  // A form of another page cannot send this type without asking first, which is never allowed.
  if (!request.headers.get("content-type").starts_with("application/json"))
    return error_response(415, "content-type must be application/json");
  return std::nullopt;
}

void PageGuard::decide(const HttpRequest& request, Decided decided) {
  if (auto refusal = refuse_origin(request)) return decided({{}, std::move(refusal)});
  const bool looks = request.method == "GET" || request.method == "HEAD";
  access_.decide(request, looks ? Scope::read : Scope::label, std::move(decided));
}

}  // namespace anomctl::dashboard
