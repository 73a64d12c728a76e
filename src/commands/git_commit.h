// The commit that the program was built from. Thread rule: a pure function.
#pragma once

namespace anomctl {

const char* git_commit();  // 40 hex characters, or "unknown" when it was built outside a checkout

}  // namespace anomctl
