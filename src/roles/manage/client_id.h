// The id by which `manage` keeps its session at the broker. Thread rule: free functions.
#pragma once

#include <string>

#include "anomctl/core/error.h"
#include "anomctl/roles/manage.h"

namespace anomctl::manage {

// The same for the same assets, so that a restart finds its session.
std::string default_client_id(const ManageSettings& settings);
// Two managers that throw each other off would judge windows torn between them.
Error taken_over(const std::string& id);

}  // namespace anomctl::manage
