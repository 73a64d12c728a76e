// Readings are held back where they could not be stored, by ending the connection that brings them: the broker keeps what
// comes while it is not connected. (A callback of the library that waits would hold up all of its connections.) Private to
// manage. Thread rule: a free function; it blocks.
#pragma once

#include <stop_token>

#include "anomctl/io/mqtt/client.h"
#include "roles/manage/inbox.h"

namespace anomctl::manage {

// Until `ended`.
void hold_back(MqttClient& in, Inbox& inbox, std::stop_token ended);

}  // namespace anomctl::manage
