#include "commands/serve.h"

#include <fmt/format.h>

#include "anomctl/detection/bundle.h"
#include "anomctl/io/net/http.h"
#include "commands/help.h"
#include "commands/open_model.h"

namespace anomctl {

int serve_bundles(const ServeSettings& options, Context& context) {
  ServeParts parts;
  check_device(options.device);  // at once, not with the first bundle
  // One thread a model: the workers score side by side.
  parts.make_model = [&](const Bundle& bundle) { return open_model(bundle, options.device, 1); };
  parts.version = program_version();
  parts.on_listening = [&](const ServerPorts& ports) {
    const char* scheme = options.tls.enabled() ? "https" : "http";
    const std::string host = host_in_url(options.host);
    context.text(fmt::format("serving on {}://{}:{}/v2", scheme, host, ports.http));
    if (ports.metrics > 0) context.text(fmt::format("metrics on {}://{}:{}/metrics", scheme, host, ports.metrics));
    context.result["http_port"] = ports.http;
    context.result["metrics_port"] = ports.metrics;
  };
  const bool all_answered = run_server(options, parts, context.stop().token());
  context.result["all_answered"] = all_answered;
  return context.stop().exit_code(all_answered ? 0 : 1);
}

CommandSpec serve_command() {
  return make_command<ServeSettings>(
      "serve", "Live", "Answer V2 inference requests with trained bundles",
      {"anomctl serve --bundle bundles/cats",
       "anomctl serve --model pump@champion --tracking-uri http://127.0.0.1:5000",
       "anomctl serve --bundle pumps=bundles/a --bundle fans=bundles/b --http-port 9000",
       "anomctl serve --bundle bundles/cats --host 0.0.0.0 --token-file api_tokens --tls-cert-file server.pem "
       "--tls-key-file server.key",
       "anomctl serve --model-repository models --host 0.0.0.0 --tls-cert-file server.pem --tls-key-file server.key "
       "--tls-client-ca-file ca.pem"},
      serve_bundles);
}

}  // namespace anomctl
