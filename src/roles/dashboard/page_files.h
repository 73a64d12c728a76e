// The files of the page, which are in the program. Private to dashboard. Thread rule: pure functions.
#pragma once

#include "anomctl/io/net/http.h"

namespace anomctl::dashboard {

HttpResponse page_file(const HttpRequest& request);

}  // namespace anomctl::dashboard
