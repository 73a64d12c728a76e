// `anomctl api-token`: lets a caller of `serve` in, or out again. Thread rule: one thread.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"
#include "commands/command.h"

namespace anomctl {

struct ApiTokenOptions {
  std::string name;
  std::vector<std::string> scopes = {"infer", "read"};
  fs::path token_file = "api_tokens";
  bool certificate = false;
  bool remove = false;

  static void fields(auto& self, auto&& field) {
    field("name", self.name, "who will use the token", Required{}, Positional{});
    field(
        "scopes", self.scopes,
        "what it allows: infer, read (metadata, index, metrics, the page), label (on the page), admin (load, unload)");
    field("token_file", self.token_file,
          "file that serve --token-file and up --page-token-file read; made where there is none");
    field("certificate", self.certificate, "no token: who shows a client certificate with this common name");
    field("remove", self.remove, "take the caller out of the file");
  }
};

CommandSpec api_token_command();

}  // namespace anomctl
