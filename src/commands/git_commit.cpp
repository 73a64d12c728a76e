#include "commands/git_commit.h"

#include "embedded/git_commit.h"

namespace anomctl {

const char* git_commit() { return ANOMCTL_GIT_COMMIT; }

}  // namespace anomctl
