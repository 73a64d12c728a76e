#include "roles/dashboard/page_files.h"

#include <array>

#include "anomctl/roles/dashboard.h"
#ifdef ANOMCTL_HAS_PAGE
#include "embedded/page_html.h"
#include "embedded/page_script.h"
#include "embedded/page_style.h"
#endif

namespace anomctl {
namespace {

struct PageFile {
  std::string_view path, type, bytes;
};

#ifdef ANOMCTL_HAS_PAGE
const std::array<PageFile, 3>& files() {
  static const std::array<PageFile, 3> all = {{
      {"/", "text/html; charset=utf-8", embedded::page_html},
      {"/page.js", "text/javascript; charset=utf-8", embedded::page_script},
      {"/page.css", "text/css; charset=utf-8", embedded::page_style},
  }};
  return all;
}
#else
const std::array<PageFile, 0>& files() {
  static const std::array<PageFile, 0> none;
  return none;
}
#endif

}  // namespace

bool has_page() { return !files().empty(); }

namespace dashboard {

HttpResponse page_file(const HttpRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") {
    HttpResponse refusal = error_response(405, "Method Not Allowed");
    refusal.headers.add("allow", "GET, HEAD");
    return refusal;
  }
  for (const PageFile& file : files()) {
    if (request.path != file.path) continue;
    HttpResponse response;
    response.body = file.bytes;
    response.headers.add("content-type", std::string(file.type));
    // Nothing from anywhere else, no script in the page's text, in no frame.
    response.headers.add("content-security-policy",
                         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src "
                         "'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    response.headers.add("x-content-type-options", "nosniff");
    response.headers.add("x-frame-options", "DENY");
    response.headers.add("referrer-policy", "no-referrer");
    response.headers.add("cross-origin-opener-policy", "same-origin");
    response.headers.add("cross-origin-resource-policy", "same-origin");
    response.headers.add("cache-control", "no-cache");
    return response;
  }
  return error_response(404, "Not Found");
}

}  // namespace dashboard
}  // namespace anomctl
