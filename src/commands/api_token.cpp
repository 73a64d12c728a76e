#include "commands/api_token.h"

#include <fmt/format.h>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/io/auth/api_tokens.h"

namespace anomctl {
namespace {

int api_token(const ApiTokenOptions& options, Context& context) {
  if (options.remove && options.certificate) throw UsageError("remove and certificate exclude each other");
  const Scopes scopes = Scopes::of(options.scopes);
  if (scopes.empty()) throw UsageError("scopes: give one or more of infer, read, label, admin");
  const std::string before = fs::exists(options.token_file) ? read_file(options.token_file, kMiB) : "";
  const ApiTokens readable(before, options.token_file.string());  // a file that is broken is not written over
  std::string token, line;
  if (options.certificate) {
    line = api_certificate_line(options.name, scopes);
  } else if (!options.remove) {
    token = make_api_token(options.name);
    line = api_token_line(token, scopes);
  }
  const std::string after = replace_api_line(before, options.name, line);
  if (options.remove && after == before)
    throw UsageError(fmt::format("{} does not list '{}'", options.token_file.string(), options.name));
  write_file_atomic(options.token_file, after, 0600);
  const bool replaced = !options.remove && replace_api_line(before, options.name, "") != before;
  if (replaced) log_warning("{} was listed: the token or certificate before is no longer known", options.name);
  if (options.remove && ApiTokens(after, options.token_file.string()).empty())
    log_warning("{} lists nobody now: a server that uses it refuses everybody", options.token_file.string());
  context.result["name"] = options.name;
  context.result["token_file"] = options.token_file.string();
  if (!options.remove) context.result["scopes"] = scopes.text();
  if (token.empty()) {
    context.text(fmt::format("{} {} {}", options.name, options.remove ? "was taken out of" : "is listed in",
                             options.token_file.string()));
  } else {
    // The only time it can be seen: the file holds its hash.
    context.text(token);
    context.result["token"] = token;
  }
  return 0;
}

}  // namespace

CommandSpec api_token_command() {
  return make_command<ApiTokenOptions>(
      "api-token", "Deployment", "Make an API token for a caller of serve",
      {"anomctl api-token grafana --scopes read",
       "anomctl api-token ops --scopes infer,read,admin --token-file api_tokens", "anomctl api-token grafana --remove"},
      api_token);
}

}  // namespace anomctl
