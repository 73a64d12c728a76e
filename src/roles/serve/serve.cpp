#include "anomctl/roles/serve.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"
#include "anomctl/registry/run_bundle.h"
#include "roles/serve/followed_models.h"
#include "roles/serve/named_source.h"
#include "roles/serve/serve_metrics.h"
#include "roles/serve/v2_service.h"

namespace anomctl {

namespace {

std::atomic<int> hangups{0};

void on_hangup(int) { hangups.fetch_add(1, std::memory_order_relaxed); }

std::vector<serve::ModelSource> sources_of(const ServeSettings& settings) {
  std::vector<serve::ModelSource> sources;
  for (const std::string& text : settings.bundle) {
    const auto [name, folder] = serve::split_name(text);
    sources.push_back({name, "1", folder, ""});
  }
  if (!settings.run.empty())
    sources.push_back({"", "1", choose_bundle({}, settings.run, settings.tracking).folder, ""});
  if (settings.model_repository.empty()) return sources;
  std::vector<fs::path> left_out;
  for (serve::ModelSource& source : serve::scan_repository(settings.model_repository, &left_out))
    sources.push_back(std::move(source));
  for (const fs::path& folder : left_out)
    log_warning("{} holds no bundle ({} or VERSION/{})", folder.string(), kBundleFile, kBundleFile);
  return sources;
}

// Changes when a certificate or its key is replaced.
std::string tls_content(const TlsServerSettings& tls) {
  if (!tls.enabled()) return {};
  try {
    return read_file(tls.cert_file, kMiB) + read_file(tls.key_file, kMiB) +
           (tls.client_ca_file.empty() ? std::string() : read_file(tls.client_ca_file, kMiB));
  } catch (const Error&) {
    return {};  // reload_tls tells why
  }
}

void reload_tls(const std::vector<HttpServer*>& servers) {
  try {
    for (HttpServer* server : servers) server->reload_tls();
    log_info("TLS certificate and key read anew");
  } catch (const Error& e) {
    log_error("{}; the certificate before stays in use", e.what());
  }
}

std::string scheme_of(const ServeSettings& settings) { return settings.tls.enabled() ? "https" : "http"; }

void answer_metrics(const Metrics& metrics, const HttpRequest& request, Reply reply) {
  if (request.path != "/metrics") return reply.send(error_response(404, "Not Found"));
  if (request.method != "GET") {
    HttpResponse response = error_response(405, "Method Not Allowed");
    response.headers.add("allow", "GET");
    return reply.send(std::move(response));
  }
  HttpResponse response;
  response.headers.add("content-type", kMetricsContentType);
  response.body = metrics.text();
  reply.send(std::move(response));
}

HttpServerSettings server_settings(const ServeSettings& settings, Metrics& metrics) {
  HttpServerSettings http;
  http.host = settings.host;
  http.port = static_cast<int>(settings.http_port);
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  http.threads = settings.http_threads > 0 ? static_cast<int>(settings.http_threads) : std::min(2, cores);
  http.bounds = settings.bounds;
  http.tls = settings.tls;
  http.on_refused = [&metrics](int status) {
    metrics.add("anomctl_refused_total", {{"status_code", std::to_string(status)}});
  };
  return http;
}

}  // namespace

void validate(const ServeSettings& settings) {
  if (settings.bundle.empty() && settings.model_repository.empty() && settings.run.empty() && settings.model.empty())
    throw UsageError("serve needs --bundle DIR (or NAME=DIR), --run, --model NAME@champion, or --model-repository DIR");
  if (settings.tls.cert_file.empty() != settings.tls.key_file.empty())
    throw UsageError("tls_cert_file and tls_key_file belong together: give both or none");
  if (!settings.tls.client_ca_file.empty() && !settings.tls.enabled())
    throw UsageError("tls_client_ca_file needs tls_cert_file and tls_key_file");
  const std::pair<const char*, Duration> waits[] = {{"header_timeout", settings.bounds.header_timeout},
                                                    {"body_timeout", settings.bounds.body_timeout},
                                                    {"idle_timeout", settings.bounds.idle_timeout},
                                                    {"write_timeout", settings.bounds.write_timeout}};
  for (const auto& [name, wait] : waits)
    if (wait.ns <= 0) throw UsageError(fmt::format("{} must be longer than 0", name));
  if (settings.watch.ns > 0 && settings.watch.ns < kMillisecond)
    throw UsageError("watch must be 0 (never) or at least 1ms");
  const bool asks = !settings.token_file.empty() || !settings.tls.client_ca_file.empty();
  if (!is_loopback(settings.host) && !asks && !settings.insecure)
    throw UsageError(
        "host " + settings.host +
        " is reachable from other machines and nobody would be asked who he is: ask for API tokens with --token-file "
        "(anomctl api-token makes them), require client certificates with --tls-client-ca-file, listen on 127.0.0.1, "
        "or insist with --insecure");
}

bool run_server(const ServeSettings& settings, const ServeParts& parts, std::stop_token stop) {
  validate(settings);
  struct sigaction hangup {};
  hangup.sa_handler = on_hangup;
  hangup.sa_flags = SA_RESTART;
  sigaction(SIGHUP, &hangup, nullptr);

  Metrics metrics;
  serve::BatchSettings batching{settings.max_batch_size, settings.max_batch_delay, settings.max_queue,
                                settings.workers};
  serve::Repository::Hooks hooks;
  hooks.on_load = [&metrics](const std::string& name, const std::string& version, bool ok) {
    metrics.add("anomctl_model_loads_total",
                {{"model", name}, {"version", version}, {"result", ok ? "loaded" : "failed"}});
  };
  hooks.on_change = [&metrics](const serve::ServedModel* before, const serve::ServedModel* now) {
    serve::show_model(metrics, before, now);
  };
  serve::Repository::Look look;
  if (!settings.model_repository.empty())
    look = [root = settings.model_repository] { return serve::scan_repository(root); };
  serve::FollowedModels followed(settings);
  std::vector<serve::ModelSource> sources = sources_of(settings);
  for (serve::ModelSource& source : followed.sources()) sources.push_back(std::move(source));
  serve::Repository repository(std::move(sources), parts.make_model, batching, hooks, look);
  serve::V2Settings v2;
  v2.version = parts.version;
  v2.max_body_bytes = static_cast<std::size_t>(settings.bounds.max_body_bytes);
  v2.max_windows = static_cast<std::size_t>(settings.max_request_windows);
  v2.limits.max_depth = static_cast<std::size_t>(settings.max_json_depth);
  v2.limits.allow_not_finite = settings.allow_not_finite;
  v2.exchange.access_log = settings.access_log;
  serve::V2Service service(v2, repository, metrics);

  serve::Access access(settings.token_file, !settings.tls.client_ca_file.empty());
  service.authorize = [&access](const HttpRequest& request, Scope scope, serve::Access::Decided decided) {
    access.decide(request, scope, std::move(decided));
  };
  if (!is_loopback(settings.host) && !settings.token_file.empty() && !settings.tls.enabled())
    log_warning("API tokens travel in plain text to {}: use --tls-cert-file and --tls-key-file, or a proxy with TLS",
                settings.host);

  service.would_refuse = [&access](const HttpRequest& header, Scope scope) { return access.refuses(header, scope); };
  HttpServerSettings http_settings = server_settings(settings, metrics);
  http_settings.without_body = [&service](const HttpRequest& header) { return service.refuses(header); };
  std::string tls_seen = tls_content(settings.tls);  // before it is read, so that no change goes unseen
  HttpServer server(http_settings, [&service](HttpRequest request, Reply reply) {
    service.handle(std::move(request), std::move(reply));
  });
  std::unique_ptr<HttpServer> metrics_server;
  if (settings.metrics_port >= 0) {
    HttpServerSettings http;
    http.host = settings.host;
    http.port = static_cast<int>(settings.metrics_port);
    http.bounds = settings.bounds;
    http.bounds.max_connections = 64;
    http.bounds.max_body_bytes = 64 * 1024;
    http.tls = settings.tls;
    metrics_server = std::make_unique<HttpServer>(http, [&](HttpRequest request, Reply reply) {
      auto kept = std::make_shared<std::pair<HttpRequest, Reply>>(std::move(request), std::move(reply));
      access.decide(kept->first, Scope::read, [&, kept](serve::AccessDecision decision) {
        if (decision.refusal) return kept->second.send(std::move(*decision.refusal));
        metrics.set("anomctl_ready", {}, service.not_ready().empty() ? 1 : 0);
        answer_metrics(metrics, kept->first, std::move(kept->second));
      });
    });
    metrics_server->start();
  }
  repository.start(settings.watch);
  followed.start(repository, settings.follow);
  server.start();
  const ServerPorts ports{server.port(), metrics_server ? metrics_server->port() : 0};
  log_info("serving on {}://{}:{}/v2{}", scheme_of(settings), host_in_url(settings.host), ports.http,
           ports.metrics > 0 ? fmt::format(", metrics on port {}", ports.metrics) : "");
  if (parts.on_listening) parts.on_listening(ports);

  std::vector<HttpServer*> servers{&server};
  if (metrics_server) servers.push_back(metrics_server.get());
  Nanoseconds looked = system_clock().steady();
  for (int seen = hangups; !wait_for_stop(stop, 200);) {
    if (settings.watch.ns > 0 && system_clock().steady() - looked >= settings.watch.ns) {
      looked = system_clock().steady();
      access.reload(true);
      if (std::string now = tls_content(settings.tls); now != tls_seen && !now.empty()) {
        tls_seen = std::move(now);
        reload_tls(servers);
      }
    }
    if (const int now = hangups; now != seen) {
      seen = now;
      log_info("SIGHUP: loading all bundles, the API tokens and the TLS certificate anew");
      repository.reload_all();
      access.reload(false);
      if (settings.tls.enabled()) reload_tls(servers);
    }
  }
  followed.stop();
  log_info("stopping: requests under way are answered first");
  service.set_not_ready("draining: the server is stopping");
  const std::int64_t lost = server.drain(settings.drain_grace, settings.drain_timeout);
  if (lost > 0) log_warning("{} requests were left unanswered after {}", lost, format_duration(settings.drain_timeout));
  repository.drain();
  return lost == 0;
}

}  // namespace anomctl
