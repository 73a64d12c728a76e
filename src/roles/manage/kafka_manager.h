// Readings from Kafka, verdicts and states back to it. Each partition is a stream of its own; what it needs to go on is
// in the topic ORG.state, so whichever manager of the group gets the partition next goes on without a gap. Private to
// manage. Thread rule: one thread.
#pragma once

#include <stop_token>

#include "anomctl/roles/manage.h"

namespace anomctl::manage {

// Throws UsageError for settings that do not go together with Kafka.
void validate_kafka(const ManageSettings& settings);
ManageCounts run_kafka(const ManageSettings& settings, const ManageParts& parts, std::stop_token stop);

}  // namespace anomctl::manage
