// A recording judged as if it were a broker's readings. Private to manage. Thread rule: one thread.
#pragma once

#include <stop_token>

#include "anomctl/roles/manage.h"

namespace anomctl::manage {

// What would have been published goes to parts.on_message.
ManageCounts replay(const ManageSettings& settings, const ManageParts& parts, std::stop_token stop);

}  // namespace anomctl::manage
