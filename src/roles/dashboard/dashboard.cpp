#include "anomctl/roles/dashboard.h"

#include <fmt/format.h>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "roles/dashboard/page_service.h"

namespace anomctl {
namespace {

using namespace dashboard;

HttpServerSettings server_settings(const DashboardSettings& settings, int port) {
  HttpServerSettings http;
  http.host = settings.page_host;
  http.port = port;
  http.tls = settings.page_tls;
  http.bounds.max_body_bytes = 64 * 1024;
  http.bounds.max_connections = kConnections;
  return http;
}

std::unique_ptr<HttpServer> listen(const DashboardSettings& settings, const HttpHandler& handler) {
  if (settings.page_port)
    return std::make_unique<HttpServer>(server_settings(settings, static_cast<int>(*settings.page_port)), handler);
  try {
    return std::make_unique<HttpServer>(server_settings(settings, kPagePort), handler);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    log_warning("{}: the page takes a free port instead (page-port chooses one)", error.what());
  }
  return std::make_unique<HttpServer>(server_settings(settings, 0), handler);
}

}  // namespace

void validate(const DashboardSettings& settings) {
  if (!settings.page) return;
  if (settings.page_tls.cert_file.empty() != settings.page_tls.key_file.empty())
    throw UsageError("page_tls_cert_file and page_tls_key_file belong together: give both or none");
  const bool local = is_loopback(settings.page_host);
  if (!local && settings.page_token_file.empty() && !settings.page_insecure)
    throw UsageError(fmt::format(
        "page_host {} is reachable from other machines and nobody would be asked who he is: ask for API tokens with "
        "--page-token-file (anomctl api-token makes them), listen on 127.0.0.1, or insist with --page-insecure",
        settings.page_host));
}

struct Dashboard::Impl {
  Impl(const DashboardSettings& s, fs::path store)
      : settings(s),
        guard(std::make_unique<PageGuard>(s)),
        feed(board),
        service(*guard, board, feed, std::move(store)) {
    server = listen(settings,
                    [this](HttpRequest request, Reply reply) { service.handle(std::move(request), std::move(reply)); });
    server->start();
  }
  // Nobody asks any more, then nobody uses the guard, then its thread ends, which may still answer.
  ~Impl() {
    server.reset();
    service.finish();
    guard.reset();
  }

  const DashboardSettings settings;
  std::unique_ptr<PageGuard> guard;
  LiveBoard board;
  EventFeed feed;
  PageService service;
  std::unique_ptr<HttpServer> server;
};

Dashboard::Dashboard(const DashboardSettings& settings, fs::path store) {
  validate(settings);
  if (!has_page())
    throw UsageError("this program was built without the page (ANOMCTL_PAGE=OFF): --page false goes without it");
  const bool local = is_loopback(settings.page_host);
  if (!local && !settings.page_tls.enabled() && !settings.page_token_file.empty())
    log_warning(
        "API tokens travel in plain text to {}: use --page-tls-cert-file and --page-tls-key-file, or a proxy "
        "with TLS",
        settings.page_host);
  impl_ = std::make_unique<Impl>(settings, std::move(store));
}

Dashboard::~Dashboard() { impl_->server->drain(milliseconds(0), seconds(2)); }

void Dashboard::attach(ManageParts& parts) {
  LiveBoard& board = impl_->board;
  parts.on_judged = [&board, next = parts.on_judged](const JudgedRow& row) {
    board.take(row);
    if (next) next(row);
  };
  parts.on_episode = [&board, next = parts.on_episode](const Episode& episode) {
    board.take(episode);
    if (next) next(episode);
  };
  parts.on_health = [&board, next = parts.on_health](const ManageHealth& health) {
    board.take(health);
    if (next) next(health);
  };
  parts.acknowledged = &impl_->service.acknowledged();
}

std::string Dashboard::url() const {
  const DashboardSettings& settings = impl_->settings;
  return fmt::format("{}://{}:{}/", settings.page_tls.enabled() ? "https" : "http", host_in_url(settings.page_host),
                     impl_->server->port());
}

}  // namespace anomctl
