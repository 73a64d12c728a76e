#include "roles/manage/kept_state.h"

#include "anomctl/core/error.h"
#include "anomctl/roles/manage.h"

namespace anomctl {

StateBefore read_state_before(const std::string& bytes) {
  StateReader in(bytes);
  StateBefore before;
  before.last = in.number<Nanoseconds>();
  before.snapshot = in.text();
  if (!in.empty()) throw input_error("the state holds more than it should");
  return before;
}

}  // namespace anomctl
