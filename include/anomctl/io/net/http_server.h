// An HTTP/1.1 server on a few threads, with or without TLS. It reads whole requests within bounds, gives each to one
// handler and writes what the handler answers, from whichever thread and whenever that is. Thread rule: the handler
// runs on the server's threads, several at once, and must not block: long work goes to other threads, which then call
// Reply::send. All public members are safe from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"
#include "anomctl/core/time.h"
#include "anomctl/io/net/http.h"

namespace anomctl {

struct TlsServerSettings {
  fs::path cert_file, key_file;  // PEM; both empty: plain HTTP
  fs::path client_ca_file;       // set: clients must show a certificate of this authority
  bool enabled() const { return !cert_file.empty(); }
};

struct HttpBounds {
  std::int64_t max_body_bytes = 64 * 1024 * 1024;
  std::int64_t max_header_bytes = 16 * 1024;
  std::int64_t max_connections = 1024;
  std::int64_t max_pending_bytes = 512 * 1024 * 1024;
  Duration header_timeout = seconds(10);  // from the first byte to the end of the header
  Duration body_timeout = seconds(60);    // of the whole body
  Duration idle_timeout = seconds(75);    // of a connection without a request
  Duration write_timeout = seconds(60);   // of a whole answer

  static void fields(auto& self, auto&& field) {
    field("max_body_bytes", self.max_body_bytes, "largest request body, also after gunzip; more is answered 413",
          Between{1024, 4e9});
    field("max_header_bytes", self.max_header_bytes, "largest request header; more is answered 431",
          Between{1024, 1e6});
    field("max_connections", self.max_connections, "connections at once; more are answered 503", Between{1, 1e6});
    field("max_pending_bytes", self.max_pending_bytes,
          "bytes of the bodies of all requests under way; what goes beyond is answered 429", Between{65'536, 1e12});
    field("header_timeout", self.header_timeout, "longest time a client may take for its request header");
    field("body_timeout", self.body_timeout, "longest time a client may take for its request body");
    field("idle_timeout", self.idle_timeout, "a connection without a request is closed after this");
    field("write_timeout", self.write_timeout, "longest time a client may take to read an answer");
  }
};

struct HttpServerSettings {
  std::string host = "127.0.0.1";
  int port = 0;  // 0: any free one
  int threads = 1;
  HttpBounds bounds;
  TlsServerSettings tls;
  // Told of each request that was refused before the handler saw it: 400, 408, 413, 429, 431, 501, 503.
  std::function<void(int status)> on_refused;
  // Asked with the header alone: whether the handler answers without the body, which is then not read (a refusal). Must
  // be safe from several threads.
  std::function<bool(const HttpRequest& header)> without_body;
};

// The answer to one request: sent once, from any thread. Let go unsent it answers 500.
class Reply {
 public:
  struct Sink {
    virtual ~Sink() = default;
    virtual void send(HttpResponse response) = 0;
  };
  explicit Reply(std::shared_ptr<Sink> sink) : sink_(std::move(sink)) {}
  Reply(Reply&&) noexcept = default;
  Reply& operator=(Reply&&) = delete;
  Reply(const Reply&) = delete;
  ~Reply() {
    if (sink_) send(error_response(500, "the request was dropped"));
  }
  void send(HttpResponse response) { std::exchange(sink_, nullptr)->send(std::move(response)); }

 private:
  std::shared_ptr<Sink> sink_;
};

// A body that goes on as long as somebody pushes: server-sent events. Thread rule: every member is safe from any
// thread.
class BodyStream {
 public:
  // False when the client is gone or is `max_waiting` chunks behind: then the chunk was dropped.
  bool push(std::string chunk);
  void close();
  bool client_gone() const;

  explicit BodyStream(std::size_t max_waiting = 256) : max_waiting_(max_waiting) {}
  // For the server: what waits, whether more may come; `notify` is called after each push and close.
  std::deque<std::string> take(bool& closed);
  void attach(std::function<void()> notify);
  void set_client_gone();

 private:
  mutable std::mutex mutex_;
  std::deque<std::string> waiting_;
  std::function<void()> notify_;
  const std::size_t max_waiting_;
  bool closed_ = false, client_gone_ = false;
};

// One whole request from bytes, as the server reads it; nothing where it would refuse or wait for more. `status`: its
// refusal.
std::optional<HttpRequest> parse_http_request(std::string_view bytes, const HttpBounds& bounds, int& status);

using HttpHandler = std::function<void(HttpRequest request, Reply reply)>;

class HttpServer {
 public:
  // Binds at once; throws UsageError for an address that is none, Error(failed) when it is taken or a TLS file is
  // unusable.
  HttpServer(HttpServerSettings settings, HttpHandler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void start();
  int port() const;
  std::int64_t connections() const;
  // Reads the TLS files again, for the connections to come. Throws Error where they are unusable: those before stay.
  void reload_tls();
  // No new connections; connections at rest are closed after `grace`, each later answer says "Connection: close",
  // requests under way are answered. Returns when all connections are gone, or after `timeout` with the number of
  // requests left unanswered.
  std::int64_t drain(Duration grace, Duration timeout);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anomctl
