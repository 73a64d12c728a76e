// The token file of `serve`: any text either gives callers or a UsageError, and never lets in who has no token.
#include <cstdint>
#include <cstdlib>

#include "anomctl/core/error.h"
#include "anomctl/io/auth/api_tokens.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const anomctl::ApiTokens tokens(text, "file");
    if (tokens.remembered("a.b") || tokens.by_certificate("")) std::abort();
  } catch (const anomctl::UsageError&) {
  }
  anomctl::replace_api_line(text, "a", "a infer certificate");
  return 0;
}
