#include "roles/dashboard/page_guard.h"

namespace anomctl::dashboard {

bool is_loopback_host(std::string_view host) {
  if (host.starts_with('[')) return host.starts_with("[::1]");
  host = host.substr(0, host.find(':'));
  // Only digits behind 127., so that 127.0.0.1.example.org is none.
  return equal_ignoring_case(host, "localhost") ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

PageGuard::PageGuard(const DashboardSettings& settings)
    : asks_(!settings.page_token_file.empty()),
      local_only_(settings.page_host == "::1" || is_loopback_host(settings.page_host)),
      access_(settings.page_token_file, false) {}

std::optional<HttpResponse> PageGuard::refuse_origin(const HttpRequest& request) const {
  const std::string_view host = request.headers.get("host");
  if (local_only_ && !asks_ && !is_loopback_host(host))
    return error_response(403, "the page is for this machine: ask for it by the name localhost or 127.0.0.1");
  if (request.method == "GET" || request.method == "HEAD") return std::nullopt;
  const std::string_view origin = request.headers.get("origin");
  const std::string own = std::string(request.tls ? "https://" : "http://") + std::string(host);
  const std::string_view site = request.headers.get("sec-fetch-site");
  if ((!origin.empty() && !equal_ignoring_case(origin, own)) ||
      (!site.empty() && site != "same-origin" && site != "none"))
    return error_response(403, "a page of another origin may not do this");
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
