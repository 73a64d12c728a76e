// An HTTP/1.1 client over one connection that is kept alive, plain or TLS. Thread rule: one thread an object; `send` and
// `transfer` block; `cancel` is safe from any thread.
#pragma once

#include <memory>
#include <string>

#include "anomctl/core/files.h"
#include "anomctl/core/time.h"
#include "anomctl/io/net/http.h"

namespace anomctl {

struct HttpUrl {
  bool tls = false;
  std::string host;
  int port = 80;
  std::string path;  // without a last '/': "/api", or empty
};
// Throws UsageError for anything but http(s)://host[:port][/path].
HttpUrl parse_http_url(const std::string& url);
// For errors and logs: "https://hooks.example.org/..", without user, path and query.
std::string without_secrets(const std::string& url);

struct HttpClientSettings {
  fs::path ca_file;              // empty: the system's authorities
  fs::path cert_file, key_file;  // what we show, where the server asks
  Duration connect_timeout = seconds(5);
  Duration timeout = seconds(30);  // of one request and its whole answer
  std::uint64_t max_body_bytes = 256 * kMiB;
};

// Bodies that go from and to the disk a piece at a time.
struct HttpFiles {
  fs::path upload;    // empty: the request's own body is sent
  fs::path download;  // an answer 2xx writes its body here instead of the response; empty: none does
  std::uint64_t max_download_bytes = 4096 * kMiB;
};

class HttpClient {
 public:
  explicit HttpClient(const std::string& base_url, HttpClientSettings settings = {});
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;

  // `request.target` is appended to the base URL's path; method, headers and body as given. A connection that the
  // server has closed meanwhile is made anew once. Throws Error(unreachable) when nobody answers in time; any status is
  // an answer.
  HttpResponse send(const HttpRequest& request);
  // The same with files. The timeout is here the longest pause, not the whole. Throws Error(failed) for a file that
  // cannot be opened.
  HttpResponse transfer(const HttpRequest& request, const HttpFiles& files);
  // The call under way, and every later one, throws Error(unreachable) soon; a look-up of a name may end first.
  void cancel();
  HttpResponse get(const std::string& target);
  HttpResponse post(const std::string& target, std::string body, const std::string& content_type = "application/json");

  // Sent with every request: an Authorization, say.
  Headers headers;

 private:
  struct Impl;
  HttpResponse run(const HttpRequest& request, const HttpFiles* files);
  std::unique_ptr<Impl> impl_;
};

}  // namespace anomctl
